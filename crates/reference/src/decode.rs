use crate::{linear, relu, rows};
use retrial_spec::Weights;

/// Pixels in (0, 1), `[B, pixels]`, of latents `[B, latent]`: `sigmoid(W4 relu(W3 z + b3) + b4)`.
pub fn decode(weights: &Weights, latents: &[f64]) -> Vec<f64> {
    let mut pixels = vec![];
    for hidden in hidden(weights, latents).chunks(weights.decoder_fc1.outputs) {
        for a in linear(&weights.decoder_fc2, hidden) {
            pixels.push(1.0 / (1.0 + (-a).exp()));
        }
    }
    pixels
}

/// Hidden units, `[B, hidden]`, of latents `[B, latent]`: `relu(W3 z + b3)`.
pub fn hidden(weights: &Weights, latents: &[f64]) -> Vec<f64> {
    rows(latents.len(), weights.decoder_fc1.inputs);
    latents.chunks(weights.decoder_fc1.inputs).flat_map(|z| relu(linear(&weights.decoder_fc1, z))).collect()
}
