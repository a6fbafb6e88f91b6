//! Dense layers over one flat buffer of parameters.

use ndarray::{Array2, ArrayRef2, ArrayView2, ArrayViewMut2, NdFloat, linalg::general_mat_mul};
use retrial_spec::{Linear, Shape, Weights, rng::Stream};

/// A dense layer `y = x W^T + b`. Its parameters are a slice: `W` row-major `[outputs, inputs]`, then `b`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dense {
    pub outputs: usize,
    pub inputs: usize,
}

impl Dense {
    fn len(self) -> usize {
        self.outputs * (self.inputs + 1)
    }

    fn view<T>(self, params: &[T]) -> (ArrayView2<'_, T>, &[T]) {
        let (weight, bias) = params.split_at(self.outputs * self.inputs);
        (ArrayView2::from_shape((self.outputs, self.inputs), weight).expect("split at this length"), bias)
    }

    fn view_mut<T>(self, params: &mut [T]) -> (ArrayViewMut2<'_, T>, &mut [T]) {
        let (weight, bias) = params.split_at_mut(self.outputs * self.inputs);
        (ArrayViewMut2::from_shape((self.outputs, self.inputs), weight).expect("split at this length"), bias)
    }

    /// From inputs `[rows, inputs]` to outputs `[rows, outputs]`.
    pub(crate) fn forward<T: NdFloat>(self, params: &[T], x: &ArrayRef2<T>, y: &mut ArrayRef2<T>) {
        let (weight, bias) = self.view(params);
        y.assign(&ArrayView2::from_shape((1, self.outputs), bias).expect("one bias per output"));
        general_mat_mul(T::one(), x, &weight.t(), T::one(), y);
    }

    /// `dx = dy W`.
    pub(crate) fn backward<T: NdFloat>(self, params: &[T], dy: &ArrayRef2<T>, dx: &mut ArrayRef2<T>) {
        general_mat_mul(T::one(), dy, &self.view(params).0, T::zero(), dx);
    }

    /// `dW = dy^T x` and `db = sum dy` over all rows of all shards; `taps` gives the `(x, dy)` of each shard.
    pub(crate) fn gradient<'a, T: NdFloat>(
        self,
        taps: impl Iterator<Item = (&'a Array2<T>, &'a Array2<T>)>,
        gradient: &mut [T],
    ) {
        let (mut weight, bias) = self.view_mut(gradient);
        bias.fill(T::zero());
        for (shard, (x, dy)) in taps.enumerate() {
            let keep = if shard == 0 { T::zero() } else { T::one() };
            general_mat_mul(T::one(), &dy.t(), x, keep, &mut weight);
            for row in dy.rows() {
                bias.iter_mut().zip(row).for_each(|(sum, &d)| *sum += d);
            }
        }
    }
}

/// The four dense layers; their parameters lie one after the other in one flat buffer. The two heads of the encoder
/// are a single layer whose outputs are `mu`, then `logvar`.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    pub shape: Shape,
    pub dense: [Dense; 4],
}

impl Layers {
    pub(crate) fn new(shape: Shape) -> Self {
        let Shape { pixels, hidden, latent } = shape;
        let dense = [(hidden, pixels), (2 * latent, hidden), (hidden, latent), (pixels, hidden)];
        Self { shape, dense: dense.map(|(outputs, inputs)| Dense { outputs, inputs }) }
    }

    /// Number of parameters.
    pub(crate) fn len(&self) -> usize {
        self.dense.iter().map(|d| d.len()).sum()
    }

    /// The slice of each layer.
    pub(crate) fn split<'a, T>(&self, mut flat: &'a [T]) -> [&'a [T]; 4] {
        self.dense.map(|d| flat.split_off(..d.len()).expect("the buffer holds all layers"))
    }

    /// The slice of each layer, for writing.
    pub(crate) fn split_mut<'a, T>(&self, mut flat: &'a mut [T]) -> [&'a mut [T]; 4] {
        self.dense.map(|d| flat.split_off_mut(..d.len()).expect("the buffer holds all layers"))
    }

    /// Fresh parameters as PyTorch's `nn.Linear` draws them: uniform on `+-1 / sqrt(inputs)`, biases too.
    pub(crate) fn initial(&self, stream: &mut Stream) -> Vec<f32> {
        let draw = |d: &Dense| {
            let bound = 1.0 / (d.inputs as f64).sqrt();
            (0..d.len()).map(|_| (bound * (2.0 * stream.uniform() - 1.0)) as f32).collect::<Vec<_>>()
        };
        self.dense.iter().flat_map(draw).collect()
    }

    /// The parameters in PyTorch's five layers.
    pub(crate) fn weights(&self, params: &[f32]) -> Weights {
        let linear = |(outputs, inputs), weight: &[f32], bias: &[f32]| Linear {
            outputs,
            inputs,
            weight: weight.to_vec(),
            bias: bias.to_vec(),
        };
        let Shape { pixels, hidden, latent } = self.shape;
        let [encoder, heads, decoder, last] = self.split(params);
        let whole = |shape: (usize, usize), params: &[f32]| {
            let (weight, bias) = params.split_at(shape.0 * shape.1);
            linear(shape, weight, bias)
        };
        let (weight, bias) = heads.split_at(2 * latent * hidden);
        let ((mu, logvar), (mu_bias, logvar_bias)) = (weight.split_at(latent * hidden), bias.split_at(latent));
        Weights {
            encoder_fc1: whole((hidden, pixels), encoder),
            encoder_fc_mu: linear((latent, hidden), mu, mu_bias),
            encoder_fc_logvar: linear((latent, hidden), logvar, logvar_bias),
            decoder_fc1: whole((hidden, latent), decoder),
            decoder_fc2: whole((pixels, hidden), last),
        }
    }

    /// The inverse of [`weights`](Self::weights).
    pub(crate) fn flatten(weights: &Weights) -> Vec<f32> {
        let [encoder, mu, logvar, decoder, last] = weights.layers().map(|(_, layer)| layer);
        let parts = [
            [&encoder.weight, &encoder.bias],
            [&mu.weight, &logvar.weight],
            [&mu.bias, &logvar.bias],
            [&decoder.weight, &decoder.bias],
            [&last.weight, &last.bias],
        ];
        parts.into_iter().flatten().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { pixels: 7, hidden: 5, latent: 3 };

    #[test]
    fn parameters_and_weights_are_the_same_numbers() {
        let layers = Layers::new(SHAPE);
        let params: Vec<f32> = (0..layers.len()).map(|i| i as f32).collect();
        let weights = layers.weights(&params);
        assert_eq!(weights.shape().unwrap(), SHAPE);
        assert_eq!(Layers::flatten(&weights), params);
    }

    /// Within the bounds of `nn.Linear`, and spread over them.
    #[test]
    fn initial_weights_are_those_of_pytorch() {
        let layers = Layers::new(Shape { pixels: 100, hidden: 64, latent: 9 });
        let params = layers.initial(&mut Stream::new(5, 0));
        for (dense, params) in layers.dense.iter().zip(layers.split(&params)) {
            let bound = 1.0 / (dense.inputs as f32).sqrt();
            let largest = params.iter().fold(0f32, |max, v| max.max(v.abs()));
            assert!(largest <= bound && largest > 0.95 * bound, "{dense:?}: {largest} {bound}");
            let variance = params.iter().map(|v| v * v).sum::<f32>() / params.len() as f32;
            assert!((variance * 3.0 / (bound * bound) - 1.0).abs() < 0.15, "{dense:?}: {variance}");
        }
    }
}
