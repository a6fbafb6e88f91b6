//! What a backend is.

use crate::{Error, Posterior, Problem, Result, Tally, Weights};
use std::{fmt, ops::Range, time::Duration};

/// The arithmetic a result was computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Double precision: the reference twins, slow.
    F64,
    /// Single precision throughout: reference grade.
    F32,
    /// Half-precision products, single-precision sums.
    F16,
    /// bfloat16 products, single-precision sums.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

/// What a backend runs on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Device {
    /// The backend's name: "cpu", "wgsl", "cuda", "reference".
    pub backend: String,
    /// The device as its maker calls it.
    pub name: String,
    /// What of it is used: an instruction set, a driver version.
    pub detail: String,
    /// Precisions it computes in, the default first.
    pub precisions: Vec<Precision>,
    /// Whether it has f64, in which `correlation` adds up; f32 otherwise.
    pub double: bool,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.backend, self.name, self.detail)
    }
}

/// Where the noise of a call comes from.
#[derive(Clone, Debug)]
pub enum Noise<'a> {
    /// The normals of these trials by the [`rng`](crate::rng) contract.
    Trials(Range<u64>),
    /// Given normals, `[N, W, latent]`.
    Given(&'a [f32]),
}

impl Noise<'_> {
    /// Largest magnitude of a given normal.
    pub const LIMIT: f32 = 1e6;

    /// Checks that given noise is `[samples, W, latent]` with `W >= 1`, finite and within [`Noise::LIMIT`].
    pub fn check(&self, samples: usize, latent: usize) -> Result<()> {
        let Self::Given(noise) = self else { return Ok(()) };
        if noise.is_empty() || !noise.len().is_multiple_of(samples * latent) {
            let limit = format!("must be {samples} samples x W >= 1 trials x {latent} dimensions");
            return Err(Error::input("noise", format!("{} values", noise.len()), limit));
        }
        if let Some(at) = noise.iter().position(|v| !(-Self::LIMIT..=Self::LIMIT).contains(v)) {
            return Err(Error::input(format!("noise value {at}"), noise[at], "must be finite and within +-1e6"));
        }
        Ok(())
    }

    /// Trials per sample of a problem of `samples` samples and `latent` dimensions.
    pub fn trials(&self, samples: usize, latent: usize) -> usize {
        match self {
            Self::Trials(range) => (range.end - range.start) as usize,
            Self::Given(noise) => noise.len() / (samples * latent),
        }
    }
}

/// A device that runs every kernel. Slices are host memory, row-major, and must have the lengths stated; a wrong
/// length is a bug of the caller and panics.
pub trait Backend: Send + Sync {
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

    /// `pass_at_k`: adds a window of errors `[N, W]`, trials `first..first + W`, to a tally of `N` rows.
    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()>;

    /// `correlation`: standardises each trial over the samples and returns the Gram matrix of the samples,
    /// `G = U U^T / N`, `[N, N]`; its nonzero eigenvalues are those of the trial-correlation matrix (Eq. 17).
    /// A trial whose errors do not vary over the samples contributes nothing.
    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>>;

    /// Time spent in kernels so far by the device's own clock; `None` where it has none, and wall time is all there is.
    fn device_time(&self) -> Option<Duration> {
        None
    }

    /// FLOP/s of multiply-adds in registers, measured now: what a kernel of this precision is held against. `None`
    /// where the backend does not measure it.
    fn peak(&self, precision: Precision) -> Result<Option<f64>> {
        let _ = precision;
        Ok(None)
    }

    /// `score`: makes a problem resident and ready to run in the given precision.
    fn load<'a>(&'a self, problem: &'a Problem, precision: Precision) -> Result<Box<dyn Scorer + 'a>>;
}

/// A problem resident on a device: `sample_latent`, `decode`, `l2_error` and `pass_at_k` fused.
pub trait Scorer: Send {
    /// Errors of a window, `[N, W]`.
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>>;

    /// Adds the trials of a window, for all samples, to a tally. On an error the tally must be thrown away. For a
    /// counts-only tally a backend may leave out work that changes no count and no first success.
    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()>;

    /// Trials per sample that keep this device busy for a fraction of a second.
    fn window(&self) -> u64;
}
