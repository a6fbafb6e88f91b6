//! Flags that several commands share, and what they turn into.

use clap::Args;
use retrial_cpu::Cpu;
use retrial_spec::{Backend, Error, Precision, Result};
use retrial_vae::Images;

/// Where to compute, and how exactly.
#[derive(Args, Clone)]
pub struct DeviceArgs {
    /// Device: auto (the fastest there is) or cpu
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Threads of the CPU backend; results do not depend on it (default: all cores)
    #[arg(long)]
    pub threads: Option<usize>,
}

/// A backend, and why it was chosen.
pub struct Chosen {
    pub backend: Box<dyn Backend>,
    pub why: &'static str,
}

impl DeviceArgs {
    /// Opens the device.
    pub fn open(&self) -> Result<Chosen> {
        let why = match self.device.as_str() {
            "cpu" => "asked for by name",
            "auto" => "the only backend of this build",
            other => return Err(Error::input("device", other, "must be auto or cpu; see retrial info")),
        };
        Ok(Chosen { backend: Box::new(Cpu::new(self.threads)?), why })
    }
}

/// `f32`, the precision of the reference-grade kernels.
pub fn precision(name: &str) -> Result<Precision, String> {
    match name {
        "f64" => Ok(Precision::F64),
        "f32" => Ok(Precision::F32),
        "f16" => Ok(Precision::F16),
        "bf16" => Ok(Precision::Bf16),
        _ => Err("must be f64, f32, f16 or bf16".into()),
    }
}

/// Samples to memorise.
#[derive(Args, Clone)]
pub struct DataArgs {
    /// fashion-mnist (embedded), an IDX file (plain or .gz), or a .npy of [N, pixels] in [0, 1]
    #[arg(long, default_value = "fashion-mnist")]
    pub data: String,
    /// Use the first N samples (default: all)
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
}

impl DataArgs {
    /// Reads the samples.
    pub fn load(&self) -> Result<Images> {
        Images::load(&self.data, self.samples)
    }
}
