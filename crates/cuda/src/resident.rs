//! The implementations of `score`, and what the pipeline needs of them.

use crate::{
    driver::Facts,
    gpu::{Call, Gpu},
    image::Operand,
    screen::Pass,
    simt::Simt,
    source::Address,
    tensor::{Mma, Operands},
    wgmma::Wgmma,
};
use retrial_spec::{Error, Noise, Precision, Problem, Result, Variant};

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
    fn call(&self, window: &Window<'_>) -> Call;
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

/// What a device can run, the fastest of a precision first.
pub(crate) fn variants(facts: &Facts) -> Vec<Variant> {
    let wgmma = (facts.capability == (9, 0)).then(Wgmma::variants).into_iter().flatten();
    let mma = [Precision::F16, Precision::F16x3, Precision::Bf16].map(|precision| Variant::new("mma", precision));
    [Variant::new("simt", Precision::F32)].into_iter().chain(wgmma).chain(mma).collect()
}

/// Makes a problem resident for one of [`variants`], unless the implementation has no room for the model.
pub(crate) fn load(gpu: &Gpu, problem: &Problem, variant: &Variant) -> Result<Box<dyn Resident>> {
    let refuse = |limit: String| Error::input("kernel", variant, limit);
    let facts = gpu.facts();
    let loaded = match (&*variant.kernel, operand(variant.precision)) {
        ("simt", None) => {
            let plan = Simt::fits(problem, facts).map_err(refuse)?;
            Simt::load(gpu, problem, plan).map(boxed)
        }
        ("mma", Some(operand)) => {
            let plan = Mma::fits(problem, operand, facts).map_err(refuse)?;
            Mma::load(gpu, problem, plan).map(boxed)
        }
        (name, Some(operand)) if Wgmma::NAMES.contains(&name) => {
            let plan = Wgmma::fits(problem, name, operand, facts).map_err(refuse)?;
            Wgmma::load(gpu, problem, plan).map(boxed)
        }
        _ => return Err(refuse("the CUDA backend has none of this name and precision".into())),
    };
    loaded.map_err(|fault| gpu.error(fault))
}

fn boxed<'r>(resident: impl Resident + 'r) -> Box<dyn Resident + 'r> {
    Box::new(resident)
}

/// What tensor cores multiply in a precision, if they do.
fn operand(precision: Precision) -> Option<Operand> {
    match precision {
        Precision::F16 => Some(Operand::F16),
        Precision::F16x3 => Some(Operand::F16x3),
        Precision::Bf16 => Some(Operand::Bf16),
        Precision::F32 | Precision::F64 => None,
    }
}
