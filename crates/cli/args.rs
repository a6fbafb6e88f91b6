//! Flags that several commands share, and what they turn into.

use crate::ui;
use clap::Args;
use retrial_cpu::Cpu;
use retrial_cuda::Cuda;
use retrial_spec::{Backend, Device, Error, Result};
use retrial_vae::{Images, data::FASHION_MNIST};
use retrial_wgsl::Wgsl;
use std::sync::OnceLock;

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

/// A backend, and why it was chosen.
pub struct Chosen {
    pub backend: Box<dyn Backend>,
    pub why: String,
    /// Whether `auto` came to it because a faster one did not open.
    fallback: bool,
    threads: Option<usize>,
    /// What judges other devices, and stands in for them.
    cpu: OnceLock<Cpu>,
}

impl Chosen {
    fn wanted(backend: impl Backend + 'static, why: &str) -> Self {
        let (backend, cpu) = (Box::new(backend), OnceLock::new());
        Self { backend, why: why.into(), fallback: false, threads: None, cpu }
    }

    fn fallback(backend: impl Backend + 'static, why: String) -> Self {
        Self { fallback: true, why, ..Self::wanted(backend, "") }
    }

    /// The CPU, whatever was chosen.
    pub fn cpu(&self) -> Result<&Cpu> {
        if self.cpu.get().is_none() {
            self.cpu.set(Cpu::new(self.threads)?).ok();
        }
        self.cpu.get().ok_or_else(|| Error::input("cpu", "none", "report it as a bug"))
    }
}

impl DeviceArgs {
    /// What follows `--device` to get this device again.
    pub fn flags(&self, device: &Device) -> String {
        let adapter = self.adapter.as_ref().map(|a| format!(" --adapter {a}"));
        let backend = if self.device.starts_with("cuda:") { &self.device } else { &device.backend };
        format!("{backend}{}", adapter.unwrap_or_default())
    }

    /// Opens the device, and says why where it is not the GPU that was hoped for.
    pub fn open(&self) -> Result<Chosen> {
        let chosen = self.choose()?;
        if chosen.fallback {
            ui::note(format_args!("device auto took {}, since {}", chosen.backend.device(), chosen.why));
        }
        Ok(chosen)
    }

    /// Opens the device.
    pub fn choose(&self) -> Result<Chosen> {
        Ok(Chosen { threads: self.threads, ..self.pick()? })
    }

    fn pick(&self) -> Result<Chosen> {
        let adapter = self.adapter.as_deref();
        let cpu = || Ok(Chosen::wanted(Cpu::new(self.threads)?, "asked for by name"));
        let wgsl = |why| Ok(Chosen::wanted(Wgsl::new(adapter)?, why));
        let cuda = |index| Ok(Chosen::wanted(Cuda::new(index)?, "asked for by name"));
        let (name, number) = self.device.split_once(':').map_or((&*self.device, None), |(name, n)| (name, Some(n)));
        match (name, number) {
            ("cpu" | "cuda", _) if adapter.is_some() => Err(Error::input(
                "adapter",
                adapter.unwrap_or_default(),
                format!("the {name} device has none; drop it or use wgsl"),
            )),
            ("cpu", None) => cpu(),
            ("wgsl", None) => wgsl("asked for by name"),
            ("cuda", None) => cuda(Some(0)),
            ("cuda", Some("all")) => cuda(None),
            ("cuda", Some(number)) => match number.parse() {
                Ok(index) => cuda(Some(index)),
                Err(_) => Err(Error::input("device", &self.device, "must be cuda, cuda:all or cuda:N with N from 0")),
            },
            ("auto", None) if adapter.is_some() => wgsl("its adapter was asked for"),
            ("auto", None) => self.automatic(),
            _ => Err(Error::input("device", &self.device, "must be auto, cuda, wgsl or cpu; see retrial info")),
        }
    }

    /// The first of CUDA, a real GPU adapter and the CPU that opens, and why those before it did not.
    fn automatic(&self) -> Result<Chosen> {
        let no_cuda = match Cuda::new(Some(0)) {
            Ok(gpu) => return Ok(Chosen::wanted(gpu, "the first CUDA GPU")),
            Err(Error::Device { fault, .. }) => fault,
            Err(other) => return Err(other),
        };
        match Wgsl::new(None) {
            Ok(gpu) => Ok(Chosen::fallback(gpu, no_cuda)),
            Err(Error::Device { fault, .. }) => {
                Ok(Chosen::fallback(Cpu::new(self.threads)?, format!("{no_cuda}; {fault}")))
            }
            Err(other) => Err(other),
        }
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
