use retrial_spec::{Linear, Shape, Weights, rng::Stream};

/// A random model of a shape, with activations of the size that trained ones have.
pub fn weights(shape: Shape, seed: u64) -> Weights {
    let mut stream = Stream::new(seed, 0);
    let mut layer = |outputs: usize, inputs: usize, gain: f64| {
        let mut uniform =
            |n: usize, bound: f64| (0..n).map(|_| ((stream.uniform() * 2.0 - 1.0) * bound) as f32).collect();
        let bound = gain / (inputs as f64).sqrt();
        Linear { outputs, inputs, weight: uniform(outputs * inputs, bound), bias: uniform(outputs, 0.5) }
    };
    let Shape { pixels, hidden, latent } = shape;
    Weights {
        encoder_fc1: layer(hidden, pixels, 3.0),
        encoder_fc_mu: layer(latent, hidden, 1.0),
        encoder_fc_logvar: layer(latent, hidden, 1.0),
        decoder_fc1: layer(hidden, latent, 2.0),
        decoder_fc2: layer(pixels, hidden, 4.0),
    }
}

/// Random images in [0, 1], `[samples, pixels]`.
pub fn images(shape: Shape, samples: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, 1);
    (0..samples * shape.pixels).map(|_| stream.uniform() as f32).collect()
}

/// Up to three increasing thresholds: near the smallest, in the middle and beyond the largest of some errors. None of none.
pub fn thresholds(errors: &[f32]) -> Vec<f32> {
    if errors.is_empty() {
        return vec![];
    }
    let mut sorted = errors.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |q: f64| sorted[((sorted.len() - 1) as f64 * q) as usize];
    let mut thresholds = vec![at(0.01), at(0.3), at(1.0) * 1.5];
    thresholds.dedup();
    thresholds
}
