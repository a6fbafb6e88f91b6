//! What callers see of a backend: its kernels behind checks.

use crate::{
    Device, Error, Fused, Kernels, Noise, Posterior, Precision, Problem, Result, Shape, Tally, Variant, Weights,
    model::numbered,
    noise::{span, window},
    values::{room, rows, within},
};
use std::{
    ops::{Range, RangeInclusive},
    time::Duration,
};

mod sealed {
    /// Only [`Kernels`](crate::Kernels) make a [`Backend`](super::Backend): nobody gets past its checks.
    pub trait Sealed {}
    impl<K: crate::Kernels + ?Sized> Sealed for K {}
}

/// A device that runs every kernel: whatever implements [`Kernels`], behind checks that are made here, once for all.
///
/// Slices are host memory, row-major, and have the lengths stated. Every method refuses with [`Error::Input`], having
/// changed nothing, what does not fit:
///
/// * a length that leaves a remainder or belongs to other sizes; layers that do not fit each other;
/// * an empty call: `N`, `W`, `B`, `K` and widths are at least 1;
/// * more than [`Noise::MAX_TRIALS`] trials per sample at a time, or a result that does not fit in memory;
/// * trials beyond `u64::MAX`, of a tally too;
/// * a number that is NaN, infinite, or beyond the limit of its kind ([`Weights::LIMIT`], [`Problem::PIXEL_LIMIT`],
///   [`Problem::LATENT_LIMIT`], [`Noise::LIMIT`]); an error that is negative, or for `correlation` above
///   [`ERROR_LIMIT`].
pub trait Backend: sealed::Sealed + Send + Sync {
    /// What this backend runs on.
    fn device(&self) -> &Device;

    /// `encode`: images `[N, pixels]` to posterior means and log variances, `[N, latent]` each.
    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior>;

    /// `sample_latent`: `z = mu + T exp(logvar / 2) eps`, `[N, W, latent]`.
    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>>;

    /// `decode`: latents `[B, latent]` to pixels in (0, 1), `[B, pixels]`.
    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>>;

    /// `l2_error`: `||x - y||_2` (Eq. 16) of images `[N, pixels]` and outputs `[N, W, pixels]`, giving `[N, W]`.
    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>>;

    /// `pass_at_k`: counts successes, from which pass@k is estimated: adds a window of errors `[N, W]`, trials
    /// `first..first + W`, to a tally of `N` rows.
    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()>;

    /// `correlation`: a Gram matrix, and not the matrix of correlations: standardises each trial of errors `[N, K]` over the
    /// samples and returns `G = U U^T / N` of the samples, `[N, N]`, whose nonzero eigenvalues are those of the
    /// trial-correlation matrix (Eq. 17).
    /// A trial whose errors do not vary over the samples contributes nothing.
    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>>;

    /// Time spent in kernels so far by the device's own clock; `None` where it has none, and wall time is all there is.
    fn device_time(&self) -> Option<Duration>;

    /// FLOP/s of multiply-adds in registers, measured now: what a kernel of this precision is held against. `None`
    /// where the backend does not measure it.
    fn peak(&self, precision: Precision) -> Result<Option<f64>>;

    /// Bytes a second that a copy in the device's memory reads and writes, measured now: what a kernel bound by memory is
    /// held against. `None` where the backend does not measure it.
    fn bandwidth(&self) -> Result<Option<f64>>;

    /// `score`: makes a problem resident and ready to run, by one of [`Device::variants`]. Refuses another, and a model
    /// that the implementation has no room for, with [`Error::Input`] that says which to take.
    fn load_variant<'a>(&'a self, problem: &'a Problem, variant: &Variant) -> Result<Scorer<'a>>;

    /// As [`load_variant`](Self::load_variant), by the first variant of a precision, one of [`Device::precisions`], that
    /// suits the model.
    fn load<'a>(&'a self, problem: &'a Problem, precision: Precision) -> Result<Scorer<'a>>;
}

/// Largest error that `correlation` takes: its square stays far from the end of f32.
pub const ERROR_LIMIT: f32 = 1e9;

impl<K: Kernels + ?Sized> Backend for K {
    fn device(&self) -> &Device {
        Kernels::device(self)
    }

    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        let pixels = weights.shape()?.pixels;
        rows("images", images.len(), pixels, format!("N >= 1 images x {pixels} pixels"))?;
        within("pixel", images, PIXELS)?;
        Kernels::encode(self, weights, images)
    }

    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (samples, latent) = (problem.samples(), problem.shape().latent);
        let trials = noise.check(samples, latent)?;
        room::<f32>("latents", &[samples, trials, latent])?;
        Kernels::sample_latent(self, problem, noise)
    }

    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>> {
        let Shape { pixels, latent, .. } = weights.shape()?;
        let count = rows("latents", latents.len(), latent, format!("B >= 1 latents x {latent} dimensions"))?;
        within("latent", latents, -Problem::LATENT_LIMIT..=Problem::LATENT_LIMIT)?;
        room::<f32>("pixels", &[count, pixels])?;
        Kernels::decode(self, weights, latents)
    }

    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        if !(1..=Shape::MAX.pixels).contains(&pixels) {
            return Err(Error::input("pixels", pixels, format!("must be 1 to {}", Shape::MAX.pixels)));
        }
        let samples = rows("images", images.len(), pixels, format!("N >= 1 images x {pixels} pixels"))?;
        let shape = format!("{samples} images x W >= 1 trials x {pixels} pixels");
        window(rows("outputs", outputs.len(), images.len(), shape)? as u64)?;
        numbered("images", samples)?;
        within("pixel", images, PIXELS)?;
        within("output pixel", outputs, PIXELS)?;
        Kernels::l2_error(self, images, outputs, pixels)
    }

    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
        let samples = tally.rows().len();
        let trials = rows("errors", errors.len(), samples, format!("{samples} rows of the tally x W >= 1 trials"))?;
        let trials = window(trials as u64)? as u64;
        if first.checked_add(trials).is_none() {
            return Err(Error::input("first trial", first, format!("{trials} more end beyond 2^64 - 1")));
        }
        tally.lacks(first..first + trials)?;
        within("error", errors, 0.0..=f32::MAX)?;
        Kernels::pass_at_k(self, errors, first, tally)
    }

    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        let trials = rows("errors", errors.len(), samples, format!("{samples} samples x K >= 1 trials"))?;
        window(trials as u64)?;
        numbered("errors", samples)?;
        within("error", errors, 0.0..=ERROR_LIMIT)?;
        room::<f64>("Gram matrix", &[samples, samples])?;
        Kernels::correlation(self, errors, samples)
    }

    fn device_time(&self) -> Option<Duration> {
        Kernels::device_time(self)
    }

    fn peak(&self, precision: Precision) -> Result<Option<f64>> {
        Kernels::peak(self, precision)
    }

    fn bandwidth(&self) -> Result<Option<f64>> {
        Kernels::bandwidth(self)
    }

    fn load_variant<'a>(&'a self, problem: &'a Problem, variant: &Variant) -> Result<Scorer<'a>> {
        let Device { backend, variants, .. } = Kernels::device(self);
        if !variants.contains(variant) {
            let list: Vec<String> = variants.iter().map(Variant::to_string).collect();
            return Err(Error::input("kernel", variant, format!("{backend} has {}", list.join(", "))));
        }
        Ok(Scorer::new(problem, variant.clone(), Kernels::load(self, problem, variant)?))
    }

    fn load<'a>(&'a self, problem: &'a Problem, precision: Precision) -> Result<Scorer<'a>> {
        let device = Kernels::device(self);
        let mut refused = None;
        for variant in device.variants.iter().filter(|variant| variant.precision == precision) {
            match self.load_variant(problem, variant) {
                Err(fault) if fault.is_input() => refused = refused.or(Some(fault)),
                done => return done,
            }
        }
        Err(refused.unwrap_or_else(|| {
            let list: Vec<String> = device.precisions().iter().map(Precision::to_string).collect();
            Error::input("precision", precision, format!("{device} computes in {}", list.join(", ")))
        }))
    }
}

const PIXELS: RangeInclusive<f32> = -Problem::PIXEL_LIMIT..=Problem::PIXEL_LIMIT;

/// A problem resident on a device: `sample_latent`, `decode`, `l2_error` and `pass_at_k` fused. Refuses what
/// [`Backend`] refuses.
pub struct Scorer<'a> {
    problem: &'a Problem,
    variant: Variant,
    fused: Box<dyn Fused + 'a>,
}

impl std::fmt::Debug for Scorer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scorer").field("variant", &self.variant).finish_non_exhaustive()
    }
}

impl<'a> Scorer<'a> {
    /// Around the kernel of a backend, or of a test.
    pub fn new(problem: &'a Problem, variant: Variant, fused: Box<dyn Fused + 'a>) -> Self {
        Self { problem, variant, fused }
    }

    /// What it is scored by.
    pub fn variant(&self) -> &Variant {
        &self.variant
    }

    /// What is scored.
    pub fn problem(&self) -> &'a Problem {
        self.problem
    }

    /// Errors of a window, `[N, W]`.
    pub fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>> {
        let samples = self.problem.samples();
        let trials = noise.check(samples, self.problem.shape().latent)?;
        room::<f32>("errors", &[samples, trials])?;
        self.fused.errors(noise)
    }

    /// Adds the trials of a range, of any length, for all samples to a tally of `N` rows. On a device's error the tally
    /// must be thrown away. For a counts-only tally a backend may leave out work that changes no count and no first
    /// success.
    pub fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        let (samples, rows) = (self.problem.samples(), tally.rows().len());
        if rows != samples {
            return Err(Error::input("tally", format!("{rows} rows"), format!("must have one for each of {samples}")));
        }
        let length = span(&trials)?;
        if length.checked_mul(samples as u64).is_none() {
            let got = format!("{samples} samples x {length}");
            return Err(Error::input("trials", got, "must be below 2^64 in all; take them in windows"));
        }
        tally.lacks(trials.clone())?;
        self.fused.tally(trials, tally)
    }

    /// Trials per sample that keep this device busy for a fraction of a second.
    pub fn window(&self) -> u64 {
        self.fused.window()
    }
}
