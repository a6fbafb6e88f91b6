use crate::{linear, relu, rows};
use retrial_spec::Weights;

/// Posterior means and log variances, `[N, latent]` each, of images `[N, pixels]`.
pub fn encode(weights: &Weights, images: &[f64]) -> (Vec<f64>, Vec<f64>) {
    rows(images.len(), weights.encoder_fc1.inputs);
    let (mut mu, mut logvar) = (vec![], vec![]);
    for image in images.chunks(weights.encoder_fc1.inputs) {
        let hidden = relu(linear(&weights.encoder_fc1, image));
        mu.extend(linear(&weights.encoder_fc_mu, &hidden));
        logvar.extend(linear(&weights.encoder_fc_logvar, &hidden));
    }
    (mu, logvar)
}
