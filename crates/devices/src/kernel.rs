//! Which implementation of `score` computes a result: the first that proves right on the device, model and data.

use crate::Opened;
use retrial_check::prove::{self, Proven, Truth};
use retrial_spec::{Backend, Device, Error, Precision, Problem, Result, Scorer, Variant};

/// What to compute with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelRequest {
    /// The precision; by default f32, or what `kernel` computes in.
    pub precision: Option<Precision>,
    /// The implementation of `score`; by default the fastest that proves right.
    pub kernel: Option<String>,
}

impl KernelRequest {
    /// Loads the first implementation that proves right on this model and data, and the device that it computes on, which
    /// may be the CPU in place of the one that was opened. `note` is told which did not prove right, and where another
    /// precision or device computes instead.
    ///
    /// # Errors
    /// A precision or implementation that the device does not have; one asked for by name that fails; and any that fails
    /// where the environment's `RETRIAL_REQUIRE` names it or its device, so that nothing stands in for it.
    pub fn load<'a>(
        &self,
        opened: &'a Opened,
        problem: &'a Problem,
        note: &mut dyn FnMut(String),
    ) -> Result<(Scorer<'a>, &'a Device)> {
        let backend = opened.backend.as_ref();
        let order = self.order(backend.device())?;
        let is_cpu = backend.device().backend == "cpu";
        let truth = if is_cpu { Truth::Reference } else { Truth::Backend(opened.cpu()?) };
        let mut failed = false;
        let mut set_aside = |variant: &Variant, fault: &Error| {
            failed = true;
            if required(&[&variant.kernel, &backend.device().backend]) {
                return Err(Error::Device {
                    device: backend.device().to_string(),
                    fault: format!("{fault}"),
                    fix: "RETRIAL_REQUIRE names it, so nothing stands in for it".into(),
                });
            }
            note(format!("{fault}"));
            Ok(())
        };
        let found = prove::load(backend, problem, &order, truth, &mut set_aside);
        let (scorer, device) = match found {
            Ok(Proven { scorer, .. }) => (scorer, backend.device()),
            // Asked for by name, nothing else will do.
            Err(fault) if fault.is_input() || is_cpu || self.kernel.is_some() => return Err(fault),
            Err(_) => (opened.cpu()?.load(problem, Precision::F32)?, opened.cpu()?.device()),
        };
        if failed || scorer.variant().precision != order[0].precision {
            note(format!("kernel {} of {device} computes", scorer.variant()));
        }
        Ok((scorer, device))
    }

    /// The same, held to what an earlier run took, where that is among what would do.
    ///
    /// # Errors
    /// A precision or implementation that the device does not have.
    pub fn as_before(&self, before: &Variant, device: &Device) -> Result<Self> {
        let asked = match (self.precision, &self.kernel) {
            (None, None) => Self { precision: Some(before.precision), kernel: None },
            _ => self.clone(),
        };
        Ok(match asked.order(device)?.contains(before) {
            true => Self { precision: Some(before.precision), kernel: Some(before.kernel.clone()) },
            false => asked,
        })
    }

    /// What may compute, in order: a precision's own kernels, then those of the next best.
    fn order(&self, device: &Device) -> Result<Vec<Variant>> {
        let named = |variant: &&Variant| self.kernel.as_ref().is_none_or(|name| *name == variant.kernel);
        let wanted = match (self.precision, &self.kernel) {
            (Some(precision), _) => precision,
            (None, None) => Precision::F32,
            (None, Some(name)) => match device.variants.iter().find(named) {
                Some(variant) => variant.precision,
                None => {
                    let limit = format!("{device} has {}", device.kernels().join(", "));
                    return Err(Error::input("kernel", name, limit));
                }
            },
        };
        let precisions: &[Precision] = match wanted {
            Precision::F16 => &[Precision::F16, Precision::Bf16, Precision::F32],
            Precision::F16x3 => &[Precision::F16x3, Precision::F32],
            Precision::Bf16 => &[Precision::Bf16],
            _ => &[Precision::F32],
        };
        let of = |precision| device.variants.iter().filter(named).filter(move |v| v.precision == precision);
        let order: Vec<Variant> = precisions.iter().flat_map(|&precision| of(precision)).cloned().collect();
        match order.first() {
            Some(first) if first.precision == wanted => Ok(order),
            _ => {
                let has = |precision: &Precision| of(*precision).next().is_some();
                let list: Vec<String> =
                    device.precisions().iter().filter(|p| has(p)).map(Precision::to_string).collect();
                let what = self.kernel.as_ref().map(|name| format!("kernel {name} of ")).unwrap_or_default();
                let limit = format!("{what}{device} computes in {}", list.join(", "));
                Err(Error::input("precision", wanted, limit))
            }
        }
    }
}

/// Whether `RETRIAL_REQUIRE` names one of these.
fn required(names: &[&str]) -> bool {
    let list = std::env::var("RETRIAL_REQUIRE").unwrap_or_default();
    list.split(',').any(|name| names.contains(&name.trim()))
}
