use ndarray::{Array1, Array2, ArrayView2, Axis};
use retrial_spec::{Backend, Linear, Noise, Problem, Result, Variant};
use retrial_theory::tail::{Expansion, Target, Work};

/// A problem's errors: of many trials in the backend's kernels, of single points with their derivatives in f64 here.
pub struct Decoder<'a> {
    backend: &'a dyn Backend,
    variant: Variant,
    problem: &'a Problem,
    first: Dense,
    second: Dense,
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("variant", &self.variant).finish_non_exhaustive()
    }
}

/// A layer in f64.
struct Dense {
    /// `[outputs, inputs]`.
    weight: Array2<f64>,
    bias: Array1<f64>,
}

impl Dense {
    fn new(layer: &Linear) -> Self {
        let weight = |at: (usize, usize)| f64::from(layer.weight[at.0 * layer.inputs + at.1]);
        Self {
            weight: Array2::from_shape_fn((layer.outputs, layer.inputs), weight),
            bias: layer.bias.iter().map(|&v| v.into()).collect(),
        }
    }
}

/// One pass through the decoder.
struct Pass {
    /// Hidden units that are alive.
    alive: Vec<usize>,
    /// `y`, `[pixels]`.
    pixels: Array1<f64>,
    /// `y - x`, `[pixels]`.
    residuals: Array1<f64>,
}

impl<'a> Decoder<'a> {
    /// Of a problem, whose trials the given variant of the backend computes.
    pub fn new(backend: &'a dyn Backend, variant: Variant, problem: &'a Problem) -> Self {
        let weights = problem.weights();
        let [first, second] = [&weights.decoder_fc1, &weights.decoder_fc2].map(Dense::new);
        Self { backend, variant, problem, first, second }
    }

    fn pass(&self, sample: usize, e: &[f64]) -> Pass {
        let place = self.problem.mu(sample).iter().zip(self.problem.scale(sample)).zip(e);
        let z: Array1<f64> = place.map(|((&mu, &scale), e)| f64::from(mu) + f64::from(scale) * e).collect();
        let hidden = (self.first.weight.dot(&z) + &self.first.bias).mapv(|h| h.max(0.0));
        let pixels = (self.second.weight.dot(&hidden) + &self.second.bias).mapv(|a| 1.0 / (1.0 + (-a).exp()));
        let image: Array1<f64> = self.problem.image(sample).iter().map(|&x| x.into()).collect();
        let alive = (0..hidden.len()).filter(|&h| hidden[h] > 0.0).collect();
        Pass { alive, residuals: &pixels - &image, pixels }
    }
}

impl Target for Decoder<'_> {
    fn dimensions(&self) -> usize {
        self.problem.shape().latent
    }

    fn ready(&self, samples: &[usize], work: &mut Work<'_>) -> Result<()> {
        let problem = self.problem.subset(samples);
        let mut scorer = self.backend.load_variant(&problem, &self.variant)?;
        work(&mut |noise| scorer.errors(Noise::Given(noise)))
    }

    fn square(&self, sample: usize, e: &[f64]) -> f64 {
        self.pass(sample, e).residuals.mapv(|r| r * r).sum()
    }

    /// `J = diag(y (1 - y)) W4 [alive] W3 [alive] diag(T sigma)`.
    fn expand(&self, sample: usize, e: &[f64]) -> Expansion {
        let Pass { alive, pixels, residuals } = self.pass(sample, e);
        let scale: Vec<f64> = self.problem.scale(sample).iter().map(|&s| s.into()).collect();
        let scale = ArrayView2::from_shape((1, scale.len()), &scale).expect("one row");
        let first = self.first.weight.select(Axis(0), &alive) * scale;
        let mut jacobian = self.second.weight.select(Axis(1), &alive).dot(&first);
        for (mut row, &y) in jacobian.rows_mut().into_iter().zip(&pixels) {
            row *= y * (1.0 - y);
        }
        Expansion {
            square: residuals.mapv(|r| r * r).sum(),
            slope: jacobian.t().dot(&residuals).to_vec(),
            gram: jacobian.t().dot(&jacobian).into_iter().collect(),
        }
    }
}
