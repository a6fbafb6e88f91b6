//! What a backend implements.

use crate::{Device, Noise, Posterior, Precision, Problem, Result, Tally, Variant, Weights};
use std::{ops::Range, time::Duration};

/// The kernels of a device, as its author writes them. Callers use [`Backend`](crate::Backend), which every type with
/// kernels is: it states the contract of each method, and checks every argument before a method here sees it. So none
/// of these methods checks lengths, ranges or numbers, and none can forget to.
pub trait Kernels: Send + Sync {
    /// See [`Backend::device`](crate::Backend::device).
    fn device(&self) -> &Device;

    /// See [`Backend::encode`](crate::Backend::encode).
    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior>;

    /// See [`Backend::sample_latent`](crate::Backend::sample_latent).
    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>>;

    /// See [`Backend::decode`](crate::Backend::decode).
    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>>;

    /// See [`Backend::l2_error`](crate::Backend::l2_error).
    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>>;

    /// See [`Backend::pass_at_k`](crate::Backend::pass_at_k).
    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()>;

    /// See [`Backend::correlation`](crate::Backend::correlation).
    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>>;

    /// See [`Backend::device_time`](crate::Backend::device_time).
    fn device_time(&self) -> Option<Duration> {
        None
    }

    /// See [`Backend::peak`](crate::Backend::peak).
    fn peak(&self, precision: Precision) -> Result<Option<f64>> {
        let _ = precision;
        Ok(None)
    }

    /// See [`Backend::bandwidth`](crate::Backend::bandwidth).
    fn bandwidth(&self) -> Result<Option<f64>> {
        Ok(None)
    }

    /// `score`: makes a problem resident and ready to run by one of [`Device::variants`]. Refuses with
    /// [`Error::Input`](crate::Error::Input) a model that it has no room for, and says which variant to take.
    fn load<'a>(&'a self, problem: &'a Problem, variant: &Variant) -> Result<Box<dyn Fused + 'a>>;
}

/// The kernel `score` with its problem, as a backend's author writes it. Callers use [`Scorer`](crate::Scorer), which
/// checks every argument first.
pub trait Fused: Send {
    /// See [`Scorer::errors`](crate::Scorer::errors).
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>>;

    /// See [`Scorer::tally`](crate::Scorer::tally). The range may be of any length and end at `u64::MAX`.
    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()>;

    /// See [`Scorer::window`](crate::Scorer::window).
    fn window(&self) -> u64;
}
