//! The implementations of `score`, and what the pipeline needs of them.

use crate::{
    driver::{Facts, Fault},
    gpu::{Call, Gpu},
    simt::Simt,
    source::Address,
};
use retrial_spec::{Error, Precision, Problem, Result, Variant};

/// A problem on a device, ready for one implementation of `score`.
pub(crate) trait Resident: Send {
    /// Trials of a tile, of which a window is best a multiple.
    fn tile(&self) -> usize;

    /// What scores a window.
    fn call(&self, window: &Window) -> Call;
}

/// Trials of every sample, and where their errors go.
pub(crate) struct Window {
    /// The first trial.
    pub first: u64,
    /// Trials per sample, at least 1.
    pub trials: usize,
    /// Given normals `[N, trials, latent]` on the device, or 0.
    pub noise: Address,
    /// Room for `[N, trials]` errors on the device.
    pub errors: Address,
}

/// What a device can run, the fastest of a precision first.
pub(crate) fn variants(facts: &Facts) -> Vec<Variant> {
    let _ = facts.capability;
    vec![Variant::new("simt", Precision::F32)]
}

/// Makes a problem resident for one of [`variants`], unless the implementation has no room for the model.
pub(crate) fn load(gpu: &Gpu, problem: &Problem, variant: &Variant) -> Result<Box<dyn Resident>> {
    let loaded: Result<Box<dyn Resident>, Fault> = match (&*variant.kernel, variant.precision) {
        ("simt", Precision::F32) => Simt::fits(problem, gpu.facts())
            .map_err(|limit| Error::input("kernel", "simt", limit))
            .map(|plan| Simt::load(gpu, problem, plan).map(|simt| Box::new(simt) as Box<dyn Resident>))?,
        _ => return Err(Error::input("kernel", variant, "the CUDA backend has none of this name and precision")),
    };
    loaded.map_err(|fault| gpu.error(fault))
}
