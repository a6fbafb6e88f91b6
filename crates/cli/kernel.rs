//! Which implementation of `score` computes a result: the first that proves right on the device, model and data.

use crate::{args::Chosen, selection::names, ui};
use clap::Args;
use retrial_check::prove::{self, Proven, Truth};
use retrial_engine::Manifest;
use retrial_spec::{Backend, Device, Error, Precision, Problem, Result, Scorer, Variant};

/// What to compute with.
#[derive(Args, Clone)]
pub struct KernelArgs {
    /// Precision: f32, f16x3 (f32 grade), f16 or bf16, as the device computes (default: f32, or what --kernel computes in)
    #[arg(long, value_parser = precision)]
    pub precision: Option<Precision>,
    /// Implementation of score, as retrial info lists them (default: the fastest that proves right on this model)
    #[arg(long, value_name = "NAME")]
    pub kernel: Option<String>,
}

/// A precision that some device computes in.
pub fn precision(name: &str) -> Result<Precision, String> {
    match name.parse() {
        Ok(Precision::F64) | Err(_) => {
            Err("must be f32, f16x3, f16 or bf16; the f64 reference is slow, and retrial score alone offers it".into())
        }
        Ok(precision) => Ok(precision),
    }
}

impl KernelArgs {
    /// Loads the first implementation that proves right, and says on stderr which did not, and where another precision
    /// or device computes instead. `RETRIAL_REQUIRE` with the name of one that fails, or of its device, makes that an
    /// error.
    pub fn load<'a>(&self, chosen: &'a Chosen, problem: &'a Problem) -> Result<(Scorer<'a>, &'a Device)> {
        let backend = chosen.backend.as_ref();
        let order = self.order(backend.device())?;
        let is_cpu = backend.device().backend == "cpu";
        let truth = if is_cpu { Truth::Reference } else { Truth::Backend(chosen.cpu()?) };
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
            ui::note(format_args!("{fault}"));
            Ok(())
        };
        let found = prove::load(backend, problem, &order, truth, &mut set_aside);
        let (scorer, device) = match found {
            Ok(Proven { scorer, .. }) => (scorer, backend.device()),
            // Asked for by name, nothing else will do.
            Err(fault) if fault.is_input() || is_cpu || self.kernel.is_some() => return Err(fault),
            Err(_) => (chosen.cpu()?.load(problem, Precision::F32)?, chosen.cpu()?.device()),
        };
        if failed || scorer.variant().precision != order[0].precision {
            ui::note(format_args!("kernel {} of {device} computes", scorer.variant()));
        }
        Ok((scorer, device))
    }

    /// The same, held to what an earlier run took, where that is among what would do.
    pub fn as_before(&self, earlier: &Manifest, device: &Device) -> Result<Self> {
        let before = &earlier.variant;
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
                    let limit = format!("{device} has {}", names(device).join(", "));
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
