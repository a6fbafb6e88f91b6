//! `--kernel` where kernels are checked or timed.

use retrial_check::Kernel;
use retrial_spec::{Device, Error, Precision, Result, Variant};

/// All kernels, one of the seven, or one implementation of `score`.
pub enum Selection {
    All,
    Kernel(Kernel),
    Variant(String),
}

impl Selection {
    /// From the flag, which may name what this device has.
    pub fn of(name: Option<&str>, device: &Device) -> Result<Self> {
        let Some(name) = name else { return Ok(Self::All) };
        if let Some(kernel) = Kernel::ALL.into_iter().find(|kernel| kernel.name() == name) {
            return Ok(Self::Kernel(kernel));
        }
        if device.variants.iter().any(|variant| variant.kernel == name) {
            return Ok(Self::Variant(name.into()));
        }
        let kernels = Kernel::ALL.map(Kernel::name).join(", ");
        let limit = format!("must be one of {kernels}, or of score's {}", device.kernels().join(", "));
        Err(Error::input("kernel", name, limit))
    }

    /// Whether it holds a kernel.
    pub fn has(&self, kernel: Kernel) -> bool {
        match self {
            Self::All => true,
            Self::Kernel(only) => *only == kernel,
            Self::Variant(_) => kernel == Kernel::Score,
        }
    }

    /// The implementations of `score` that it holds: where none is named, the fastest of each precision.
    pub fn variants(&self, device: &Device) -> Vec<Variant> {
        let all = device.variants.iter();
        match self {
            Self::Kernel(Kernel::Score) => all.cloned().collect(),
            Self::Variant(name) => all.filter(|variant| variant.kernel == *name).cloned().collect(),
            Self::All => device.precisions().into_iter().filter_map(|p| first(device, p)).collect(),
            Self::Kernel(_) => vec![],
        }
    }

    /// The same in one precision, of which there must be one.
    pub fn variants_in(&self, device: &Device, precision: Option<Precision>) -> Result<Vec<Variant>> {
        let mut variants = self.variants(device);
        let Some(precision) = precision else { return Ok(variants) };
        variants.retain(|variant| variant.precision == precision);
        if !variants.is_empty() {
            return Ok(variants);
        }
        let list: Vec<String> = device.precisions().iter().map(Precision::to_string).collect();
        let limit = match self {
            Self::Kernel(kernel) if *kernel != Kernel::Score => format!("{kernel} has but one precision"),
            Self::Variant(name) => format!("{name} does not compute in it; {device} does in {}", list.join(", ")),
            _ => format!("{device} computes in {}", list.join(", ")),
        };
        Err(Error::input("precision", precision, limit))
    }
}

/// The implementation of `score` that a device takes for a precision, unless told otherwise.
fn first(device: &Device, precision: Precision) -> Option<Variant> {
    device.variants.iter().find(|variant| variant.precision == precision).cloned()
}
