//! What the pipeline needs of an implementation of `score`.

use crate::{gpu::Launch, operands::Operands, pass::Pass, source::Address};
use retrial_spec::Noise;

/// A problem on a device, ready for one implementation of `score`.
pub(crate) trait Resident: Send {
    /// Trials of a tile, of which a window is best a multiple.
    fn tile(&self) -> usize;

    /// Largest magnitude of a given normal that it takes.
    fn most_noise(&self) -> f32 {
        Noise::LIMIT
    }

    /// What it reads, of an implementation that knows more passes than [`Pass::All`].
    fn operands(&self) -> Option<&Operands> {
        None
    }

    /// What scores a window.
    fn call(&self, window: &Window<'_>) -> Launch;
}

/// Trials of every sample, and where their errors go.
pub(crate) struct Window<'s> {
    /// The first trial.
    pub first: u64,
    /// Trials per sample, at least 1.
    pub trials: usize,
    /// Given normals `[N, trials, latent]` on the device, or 0.
    pub noise: Address,
    /// Room for `[N, trials]` errors on the device.
    pub errors: Address,
    pub pass: Pass<'s>,
}
