//! The implementations of `score`: which a device can run, and how a problem is loaded for one.

use crate::{
    driver::DeviceProperties, gpu::Gpu, image::Operand, resident::Resident, simt::Simt, tensor::Mma, wgmma::Wgmma,
};
use retrial_spec::{Error, Precision, Problem, Result, Variant};

/// What a device can run, the fastest of a precision first.
pub(crate) fn variants(properties: &DeviceProperties) -> Vec<Variant> {
    let wgmma = (properties.capability == (9, 0)).then(Wgmma::variants).into_iter().flatten();
    let mma = [Precision::F16, Precision::F16x3, Precision::Bf16].map(|precision| Variant::new("mma", precision));
    [Variant::new("simt", Precision::F32)].into_iter().chain(wgmma).chain(mma).collect()
}

/// Makes a problem resident for one of [`variants`], unless the implementation has no room for the model.
pub(crate) fn load(gpu: &Gpu, problem: &Problem, variant: &Variant) -> Result<Box<dyn Resident>> {
    let refuse = |limit: String| Error::input("kernel", variant, limit);
    let properties = gpu.properties();
    let loaded = match (&*variant.kernel, operand(variant.precision)) {
        ("simt", None) => {
            let plan = Simt::fits(problem, properties).map_err(refuse)?;
            Simt::load(gpu, problem, plan).map(boxed)
        }
        ("mma", Some(operand)) => {
            let plan = Mma::fits(problem, operand, properties).map_err(refuse)?;
            Mma::load(gpu, problem, plan).map(boxed)
        }
        (name, Some(operand)) if Wgmma::NAMES.contains(&name) => {
            let plan = Wgmma::fits(problem, name, operand, properties).map_err(refuse)?;
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
