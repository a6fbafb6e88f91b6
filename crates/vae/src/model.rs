//! The VAE itself: forward pass, loss and gradients, written by hand.
//!
//! Generic over the element, so that the gradients that train in f32 can be checked in f64. A batch is cut into
//! shards of [`Shard::ROWS`] images, whatever the number of threads, and sums over shards keep their order: hence
//! threads change how long a batch takes and nothing else.

use crate::layers::Layers;
use ndarray::{Array2, Axis, NdFloat, Zip};
use retrial_spec::Shape;

/// Reconstruction and latent cost of images, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Loss {
    /// Binary cross-entropy between an image and its decoded pixels, summed over the pixels.
    pub bce: f64,
    /// Kullback-Leibler divergence of the posterior from the standard normal, summed over the latent dimensions.
    pub kl: f64,
}

impl Loss {
    /// What training minimises: `bce + kl`, the negative evidence lower bound.
    pub fn total(self) -> f64 {
        self.bce + self.kl
    }
}

impl std::ops::Add for Loss {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bce: self.bce + other.bce, kl: self.kl + other.kl }
    }
}

impl std::ops::Div<f64> for Loss {
    type Output = Self;

    fn div(self, by: f64) -> Self {
        Self { bce: self.bce / by, kl: self.kl / by }
    }
}

/// Some images of a batch and everything computed for them; each array has one row per image.
pub(crate) struct Shard<T> {
    pub images: Array2<T>,
    pub noise: Array2<T>,
    /// Summed over the images.
    pub loss: Loss,
    encoded: Array2<T>,
    heads: Array2<T>,
    z: Array2<T>,
    decoded: Array2<T>,
    d_encoded: Array2<T>,
    d_heads: Array2<T>,
    d_z: Array2<T>,
    d_decoded: Array2<T>,
    /// Logits, which `forward` turns into the gradient of the loss by the logits.
    d_logits: Array2<T>,
}

impl<T: NdFloat> Shard<T> {
    /// Images of a full shard: enough for a matrix product to run near its peak, few enough to feed two threads
    /// from the customary batch of 128.
    pub(crate) const ROWS: usize = 64;

    /// Shards for a batch of `rows` images.
    pub(crate) fn batch(shape: Shape, rows: usize) -> Vec<Self> {
        (0..rows).step_by(Self::ROWS).map(|first| Self::new(shape, Self::ROWS.min(rows - first))).collect()
    }

    fn new(Shape { pixels, hidden, latent }: Shape, rows: usize) -> Self {
        let buffer = |width| Array2::zeros((rows, width));
        Self {
            images: buffer(pixels),
            noise: buffer(latent),
            loss: Loss::default(),
            encoded: buffer(hidden),
            heads: buffer(2 * latent),
            z: buffer(latent),
            decoded: buffer(hidden),
            d_encoded: buffer(hidden),
            d_heads: buffer(2 * latent),
            d_z: buffer(latent),
            d_decoded: buffer(hidden),
            d_logits: buffer(pixels),
        }
    }

    /// From `images` and `noise` to `loss`.
    pub(crate) fn forward(&mut self, layers: &Layers, params: &[T]) {
        let ([encoder, heads, decoder, last], p) = (layers.dense, layers.split(params));
        encoder.forward(p[0], &self.images, &mut self.encoded);
        relu(&mut self.encoded);
        heads.forward(p[1], &self.encoded, &mut self.heads);
        let (mu, logvar) = self.heads.view().split_at(Axis(1), layers.shape.latent);
        let mut kl = 0.0;
        Zip::from(&mut self.z).and(mu).and(logvar).and(&self.noise).for_each(|z, &mu, &logvar, &noise| {
            let sigma = (logvar * real(0.5)).exp();
            *z = mu + sigma * noise;
            kl += wide(sigma * sigma + mu * mu - T::one() - logvar) / 2.0;
        });
        decoder.forward(p[2], &self.z, &mut self.decoded);
        relu(&mut self.decoded);
        last.forward(p[3], &self.decoded, &mut self.d_logits);
        self.loss = Loss { bce: cross_entropy(&mut self.d_logits, &self.images), kl };
    }

    /// From the logits' gradient back to that of every layer's outputs. Follows `forward`.
    pub(crate) fn backward(&mut self, layers: &Layers, params: &[T]) {
        let ([_, heads, decoder, last], p) = (layers.dense, layers.split(params));
        last.backward(p[3], &self.d_logits, &mut self.d_decoded);
        relu_gradient(&mut self.d_decoded, &self.decoded);
        decoder.backward(p[2], &self.d_decoded, &mut self.d_z);
        let (mu, logvar) = self.heads.view().split_at(Axis(1), layers.shape.latent);
        let (d_mu, d_logvar) = self.d_heads.view_mut().split_at(Axis(1), layers.shape.latent);
        Zip::from(d_mu).and(mu).and(&self.d_z).for_each(|d, &mu, &d_z| *d = d_z + mu);
        Zip::from(d_logvar).and(logvar).and(&self.d_z).and(&self.noise).for_each(|d, &logvar, &d_z, &noise| {
            let sigma = (logvar * real(0.5)).exp();
            *d = (d_z * sigma * noise + sigma * sigma - T::one()) * real(0.5);
        });
        heads.backward(p[1], &self.d_heads, &mut self.d_encoded);
        relu_gradient(&mut self.d_encoded, &self.encoded);
    }

    /// Inputs of each layer, and the gradient of the loss by its outputs.
    pub(crate) fn taps(&self) -> [(&Array2<T>, &Array2<T>); 4] {
        [
            (&self.images, &self.d_encoded),
            (&self.encoded, &self.d_heads),
            (&self.z, &self.d_decoded),
            (&self.decoded, &self.d_logits),
        ]
    }
}

/// Sums the binary cross-entropy `softplus(a) - a x` of logits `a` and pixels `x`, and turns each logit into the
/// gradient `sigmoid(a) - x`.
fn cross_entropy<T: NdFloat>(logits: &mut Array2<T>, pixels: &Array2<T>) -> f64 {
    let logits = logits.as_slice_mut().expect("row-major");
    let pixels = pixels.as_slice().expect("row-major");
    let mut sum = 0.0;
    for (logits, pixels) in logits.chunks_mut(64).zip(pixels.chunks(64)) {
        // softplus(a) = max(a, 0) + ln(1 + exp(-|a|)). The logarithms are taken together: a product of 64 factors
        // between 1 and 2 cannot overflow, and one logarithm is cheaper than 64.
        let (mut linear, mut product) = (T::zero(), T::one());
        for (a, &x) in logits.iter_mut().zip(pixels) {
            let e = (-a.abs()).exp();
            let s = (T::one() + e).recip();
            linear += a.max(T::zero()) - *a * x;
            product *= T::one() + e;
            *a = if *a >= T::zero() { s } else { e * s } - x;
        }
        sum += wide(linear) + wide(product).ln();
    }
    sum
}

fn relu<T: NdFloat>(x: &mut Array2<T>) {
    x.mapv_inplace(|v| if v < T::zero() { T::zero() } else { v }); // keeps NaN, which must not pass for training
}

/// Passes a gradient where the rectified output `y` is positive.
fn relu_gradient<T: NdFloat>(dy: &mut Array2<T>, y: &Array2<T>) {
    dy.zip_mut_with(y, |d, &y| *d = if y > T::zero() { *d } else { T::zero() });
}

fn real<T: NdFloat>(v: f64) -> T {
    T::from(v).expect("every f64 rounds to a float")
}

fn wide<T: NdFloat>(v: T) -> f64 {
    v.to_f64().expect("every float fits an f64")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Dense;
    use retrial_spec::rng::Stream;

    const SHAPE: Shape = Shape { pixels: 7, hidden: 5, latent: 3 };
    const ROWS: usize = 67; // a full shard and an odd one

    fn batch() -> Vec<Shard<f64>> {
        let mut stream = Stream::new(1, 0);
        let mut shards = Shard::batch(SHAPE, ROWS);
        for shard in &mut shards {
            shard.images.mapv_inplace(|_| stream.uniform());
            shard.noise.mapv_inplace(|_| 4.0 * stream.uniform() - 2.0);
        }
        shards
    }

    fn loss(layers: &Layers, params: &[f64]) -> f64 {
        let mut shards = batch();
        shards.iter_mut().for_each(|shard| shard.forward(layers, params));
        shards.iter().map(|shard| shard.loss.total()).sum()
    }

    /// Every gradient against central differences in f64: weights and biases of each layer.
    #[test]
    fn gradients_match_finite_differences() {
        let layers = Layers::new(SHAPE);
        let mut stream = Stream::new(2, 0);
        let mut params: Vec<f64> = (0..layers.len()).map(|_| 1.6 * stream.uniform() - 0.8).collect();
        let mut shards = batch();
        assert_eq!(shards.iter().map(|s| s.images.nrows()).collect::<Vec<_>>(), [64, 3]);
        let mut gradient = vec![f64::NAN; layers.len()];
        for shard in &mut shards {
            shard.forward(&layers, &params);
            shard.backward(&layers, &params);
        }
        for (layer, out) in layers.split_mut(&mut gradient).into_iter().enumerate() {
            layers.dense[layer].gradient(shards.iter().map(|s| s.taps()[layer]), out);
        }

        let mut difference = vec![0.0; layers.len()];
        for (at, difference) in difference.iter_mut().enumerate() {
            let (value, step) = (params[at], 1e-5);
            params[at] = value + step;
            let above = loss(&layers, &params);
            params[at] = value - step;
            *difference = (above - loss(&layers, &params)) / (2.0 * step);
            params[at] = value;
        }
        for (layer, (got, want)) in layers.split(&gradient).iter().zip(layers.split(&difference)).enumerate() {
            let Dense { outputs, inputs } = layers.dense[layer];
            let (weight, bias) = (0..outputs * inputs, outputs * inputs..got.len());
            for (part, range) in [("weight", weight), ("bias", bias)] {
                let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
                let error = norm(&mut range.clone().map(|i| got[i] - want[i]));
                let scale = norm(&mut range.map(|i| want[i]));
                assert!(scale > 0.1 && error <= 1e-6 * scale, "layer {layer} {part}: {error:e} of {scale}");
            }
        }
    }

    /// Against `-x ln y - (1 - x) ln(1 - y)` where that is accurate, and against its limits far out.
    #[test]
    fn cross_entropy_is_exact_and_stable() {
        let mut stream = Stream::new(3, 0);
        let logits = Array2::from_shape_simple_fn((3, 50), || 16.0 * stream.uniform() - 8.0);
        let pixels = Array2::from_shape_simple_fn((3, 50), || stream.uniform());
        let y = logits.mapv(|a: f64| 1.0 / (1.0 + (-a).exp()));
        let want: f64 = y.iter().zip(&pixels).map(|(y, x)| -x * y.ln() - (1.0 - x) * (1.0 - y).ln()).sum();
        let mut gradient = logits;
        assert!((cross_entropy(&mut gradient, &pixels) - want).abs() < 1e-10 * want);
        assert!((gradient - (y - pixels)).iter().all(|d| d.abs() < 1e-14));

        let mut far = Array2::from_shape_vec((1, 4), vec![1e4f32, -1e4, 1e4, -1e4]).unwrap();
        let pixels = Array2::from_shape_vec((1, 4), vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        assert_eq!(cross_entropy(&mut far, &pixels), 2e4);
        assert_eq!(far.as_slice().unwrap(), [0.0, 0.0, 1.0, -1.0]);
        let mut even = Array2::<f32>::zeros((1, 640)); // as many factors of 2 as would overflow if taken together
        let want = 640.0 * std::f64::consts::LN_2;
        assert!((cross_entropy(&mut even, &Array2::zeros((1, 640))) - want).abs() < 1e-6 * want);
    }

    #[test]
    fn nan_is_never_rectified_away() {
        let mut x = Array2::from_shape_vec((1, 3), vec![f32::NAN, -1.0, 2.0]).unwrap();
        relu(&mut x);
        assert!(x[[0, 0]].is_nan() && x[[0, 1]] == 0.0 && x[[0, 2]] == 2.0);
    }
}
