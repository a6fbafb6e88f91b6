//! Flags that several commands share, and what they turn into.

use clap::Args;
use retrial_cpu::Cpu;
use retrial_spec::{Backend, Device, Error, Precision, Result};
use retrial_vae::Images;
use retrial_wgsl::Wgsl;

/// Where to compute.
#[derive(Args, Clone)]
pub struct DeviceArgs {
    /// Device: auto (a GPU if there is one, else the CPU), wgsl (any GPU through wgpu) or cpu
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Adapter of the wgsl device: number, PCI id or part of its name, as retrial info lists them
    #[arg(long)]
    pub adapter: Option<String>,
    /// Threads of the CPU device; results do not depend on it (default: all cores)
    #[arg(long)]
    pub threads: Option<usize>,
}

/// A backend, and why it was chosen.
pub struct Chosen {
    pub backend: Box<dyn Backend>,
    pub why: String,
}

impl DeviceArgs {
    /// What follows `--device` to get this device again.
    pub fn flags(&self, device: &Device) -> String {
        let adapter = self.adapter.as_ref().map(|a| format!(" --adapter {a}"));
        format!("{}{}", device.backend, adapter.unwrap_or_default())
    }

    /// Opens the device.
    pub fn open(&self) -> Result<Chosen> {
        let adapter = self.adapter.as_deref();
        let cpu = |why: String| Ok(Chosen { backend: Box::new(Cpu::new(self.threads)?), why });
        let wgsl = |why: &str| Ok(Chosen { backend: Box::new(Wgsl::new(adapter)?), why: why.into() });
        match self.device.as_str() {
            "cpu" if adapter.is_some() => Err(Error::input(
                "adapter",
                adapter.unwrap_or_default(),
                "the cpu device has none; drop it or use wgsl",
            )),
            "cpu" => cpu("asked for by name".into()),
            "wgsl" => wgsl("asked for by name"),
            "auto" if adapter.is_some() => wgsl("its adapter was asked for"),
            "auto" => match Wgsl::new(None) {
                Ok(gpu) => Ok(Chosen { backend: Box::new(gpu), why: "the first real GPU adapter".into() }),
                Err(Error::Device { fault, .. }) => cpu(fault),
                Err(other) => Err(other),
            },
            other => Err(Error::input("device", other, "must be auto, wgsl or cpu; see retrial info")),
        }
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
