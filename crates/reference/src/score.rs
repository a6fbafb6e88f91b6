use crate::{decode, l2_error, rows, sample_latent};
use retrial_spec::Weights;

/// Errors `[N, W]` of trials with noise `[N, W, latent]`: the composition of `sample_latent`, `decode` and `l2_error`.
pub fn score(
    weights: &Weights,
    images: &[f64],
    (mu, logvar): (&[f64], &[f64]),
    temperature: f64,
    noise: &[f64],
) -> Vec<f64> {
    let (pixels, latent) = (weights.decoder_fc2.outputs, weights.decoder_fc1.inputs);
    let per_sample = rows(noise.len(), rows(images.len(), pixels));
    let mut errors = vec![];
    // Sample by sample, only to bound memory.
    for (i, image) in images.chunks(pixels).enumerate() {
        let own = i * latent..(i + 1) * latent;
        let noise = &noise[i * per_sample..][..per_sample];
        let z = sample_latent(&mu[own.clone()], &logvar[own], temperature, noise, latent);
        errors.extend(l2_error(image, &decode(weights, &z), pixels));
    }
    errors
}
