//! Flags that several commands share, and what they turn into.

use crate::ui;
use clap::Args;
use retrial_devices::{DeviceRequest, KernelRequest, Opened};
use retrial_spec::{Precision, Result};
use retrial_vae::{Images, data::FASHION_MNIST};

/// Where to compute.
#[derive(Args, Clone)]
pub struct DeviceArgs {
    /// Device: auto (a GPU if there is one, else the CPU), cuda (or cuda:1, cuda:all), wgsl (any GPU through wgpu) or cpu
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Adapter of the wgsl device: number, PCI id or part of its name, as retrial info lists them
    #[arg(long)]
    pub adapter: Option<String>,
    /// Threads of the CPU device; results do not depend on it (default: all cores)
    #[arg(long)]
    pub threads: Option<usize>,
}

impl DeviceArgs {
    /// Opens the device, and says why where it is not the GPU that was hoped for.
    pub fn open(&self) -> Result<Opened> {
        if let Some(threads) = self.threads.filter(|threads| (1..=4096).contains(threads)) {
            // What else is computed on the CPU takes no more either. A pool that is there already stays.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        }
        let opened = self.request().open()?;
        if opened.fallback {
            ui::note(format_args!("device auto took {}, since {}", opened.backend.device(), opened.why));
        }
        Ok(opened)
    }

    /// What the flags ask for.
    pub fn request(&self) -> DeviceRequest {
        let Self { device, adapter, threads } = self.clone();
        DeviceRequest { device, adapter, threads }
    }
}

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

impl KernelArgs {
    /// What the flags ask for.
    pub fn request(&self) -> KernelRequest {
        KernelRequest { precision: self.precision, kernel: self.kernel.clone() }
    }
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

/// Samples to memorise.
#[derive(Args, Clone)]
pub struct DataArgs {
    /// fashion-mnist (embedded, the default), IDX, .npy or .npz (file.npz:name) of [N, pixels] or [N, rows, columns], a CSV of pixels
    /// (any of these may be .gz), or a folder of PNGs; floats in [0, 1], or whole numbers, divided by 255
    #[arg(long, value_name = "SOURCE")]
    pub data: Option<String>,
    /// Use the first N samples (default: all)
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
}

impl DataArgs {
    /// Where they come from.
    pub fn source(&self) -> &str {
        self.data.as_deref().unwrap_or(FASHION_MNIST)
    }

    /// Reads the samples.
    pub fn load(&self) -> Result<Images> {
        load(self.source(), self.samples)
    }
}

/// Reads the first samples of a source, and tells what there is to know of them.
pub fn load(source: &str, samples: Option<usize>) -> Result<Images> {
    let images = Images::load(source, samples)?;
    images.notes().iter().for_each(ui::note);
    Ok(images)
}
