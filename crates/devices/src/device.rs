//! Which device computes.

use retrial_cpu::Cpu;
#[cfg(feature = "cuda")]
use retrial_cuda::Cuda;
use retrial_spec::{Backend, Device, Error, Result};
#[cfg(feature = "wgsl")]
use retrial_wgsl::Wgsl;
use std::{fmt, sync::OnceLock};

/// Where to compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// `auto` (a GPU if there is one, else the CPU), `cuda`, `cuda:N`, `cuda:all`, `wgsl` or `cpu`.
    pub device: String,
    /// Adapter of `wgsl`: its number, its PCI id or part of its name.
    pub adapter: Option<String>,
    /// Threads of the CPU; all cores by default. Results do not depend on it.
    pub threads: Option<usize>,
}

impl Default for DeviceRequest {
    fn default() -> Self {
        Self { device: "auto".into(), adapter: None, threads: None }
    }
}

/// An open device, and why it is this one.
pub struct Opened {
    /// What computes.
    pub backend: Box<dyn Backend>,
    /// Why it was chosen.
    pub why: String,
    /// Whether `auto` came to it because a faster one did not open.
    pub fallback: bool,
    threads: Option<usize>,
    /// What judges other devices, and stands in for them.
    cpu: OnceLock<Cpu>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("device", self.backend.device()).field("why", &self.why).finish_non_exhaustive()
    }
}

impl Opened {
    fn new(backend: impl Backend + 'static, why: impl Into<String>) -> Self {
        let (backend, cpu) = (Box::new(backend), OnceLock::new());
        Self { backend, why: why.into(), fallback: false, threads: None, cpu }
    }

    /// The CPU, whatever was opened.
    ///
    /// # Errors
    /// As of [`Cpu::new`].
    pub fn cpu(&self) -> Result<&Cpu> {
        if self.cpu.get().is_none() {
            self.cpu.set(Cpu::new(self.threads)?).ok();
        }
        self.cpu.get().ok_or_else(|| Error::input("cpu", "none", "report it as a bug"))
    }
}

impl DeviceRequest {
    /// What follows `--device` to get this device again.
    pub fn flags(&self, device: &Device) -> String {
        let adapter = self.adapter.as_ref().map(|a| format!(" --adapter {a}"));
        let backend = if self.device.starts_with("cuda:") { &self.device } else { &device.backend };
        format!("{backend}{}", adapter.unwrap_or_default())
    }

    /// Opens the device.
    ///
    /// # Errors
    /// A name that is none, an adapter for a device that has none, and a device that is asked for by name and does not open.
    pub fn open(&self) -> Result<Opened> {
        Ok(Opened { threads: self.threads, ..self.pick()? })
    }

    fn pick(&self) -> Result<Opened> {
        let (name, number) = self.device.split_once(':').map_or((&*self.device, None), |(name, n)| (name, Some(n)));
        match (name, number) {
            ("cpu" | "cuda", _) if self.adapter.is_some() => Err(Error::input(
                "adapter",
                self.adapter.as_deref().unwrap_or_default(),
                format!("the {name} device has none; drop it or use wgsl"),
            )),
            ("cpu", None) => Ok(Opened::new(Cpu::new(self.threads)?, "asked for by name")),
            ("wgsl", None) => wgsl(self.adapter.as_deref(), "asked for by name"),
            ("cuda", None) => cuda(Some(0), "asked for by name"),
            ("cuda", Some("all")) => cuda(None, "asked for by name"),
            ("cuda", Some(number)) => match number.parse() {
                Ok(index) => cuda(Some(index), "asked for by name"),
                Err(_) => Err(Error::input("device", &self.device, "must be cuda, cuda:all or cuda:N with N from 0")),
            },
            ("auto", None) if self.adapter.is_some() => wgsl(self.adapter.as_deref(), "its adapter was asked for"),
            ("auto", None) => self.automatic(),
            _ => Err(Error::input("device", &self.device, "must be auto, cuda, wgsl or cpu; see retrial info")),
        }
    }

    /// The first of CUDA, a real GPU adapter and the CPU that opens, and why those before it did not.
    fn automatic(&self) -> Result<Opened> {
        let no_cuda = match cuda(Some(0), "the first CUDA GPU") {
            Err(Error::Device { fault, .. }) => fault,
            other => return other,
        };
        match wgsl(None, &no_cuda) {
            Ok(opened) => Ok(Opened { fallback: true, ..opened }),
            Err(Error::Device { fault, .. }) => {
                let opened = Opened::new(Cpu::new(self.threads)?, format!("{no_cuda}; {fault}"));
                Ok(Opened { fallback: true, ..opened })
            }
            Err(other) => Err(other),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: Option<usize>, why: &str) -> Result<Opened> {
    Ok(Opened::new(Cuda::new(index)?, why))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: Option<usize>, _: &str) -> Result<Opened> {
    Err(missing("cuda"))
}

#[cfg(feature = "wgsl")]
fn wgsl(adapter: Option<&str>, why: &str) -> Result<Opened> {
    Ok(Opened::new(Wgsl::new(adapter)?, why))
}

#[cfg(not(feature = "wgsl"))]
fn wgsl(_: Option<&str>, _: &str) -> Result<Opened> {
    Err(missing("wgsl"))
}

/// What a backend is that this build leaves out.
#[cfg(not(all(feature = "cuda", feature = "wgsl")))]
fn missing(backend: &str) -> Error {
    Error::Device {
        device: backend.into(),
        fault: format!("{backend} is not in this build"),
        fix: format!("build with the cargo feature {backend}, or use another device"),
    }
}

/// How many CUDA devices there are; none where the driver does not answer or the build has no `cuda`.
pub fn cuda_devices() -> usize {
    #[cfg(feature = "cuda")]
    return retrial_cuda::devices().map_or(0, |all| all.len());
    #[cfg(not(feature = "cuda"))]
    return 0;
}

/// A device that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The request that opens it.
    pub request: DeviceRequest,
    /// Its maker's name, and what it is.
    pub name: String,
    /// Whether it is a GPU, rather than the CPU under this or another name.
    pub gpu: bool,
}

/// Every device of this machine that this build can ask for: CUDA devices, then adapters, then the CPU.
pub fn list() -> Vec<Listed> {
    let mut all: Vec<Listed> = vec![];
    let request = |device: String, adapter| DeviceRequest { device, adapter, threads: None };
    #[cfg(feature = "cuda")]
    all.extend(retrial_cuda::devices().unwrap_or_default().into_iter().map(|gpu| Listed {
        request: request(format!("cuda:{}", gpu.index), None),
        name: gpu.name,
        gpu: true,
    }));
    #[cfg(feature = "wgsl")]
    all.extend(retrial_wgsl::adapters().into_iter().map(|adapter| Listed {
        request: request("wgsl".into(), Some(adapter.index.to_string())),
        name: format!("{} ({}, {})", adapter.name, adapter.backend, adapter.kind),
        gpu: !adapter.software,
    }));
    let cpu = Cpu::new(None).map_or_else(|fault| fault.to_string(), |cpu| cpu.device().to_string());
    all.push(Listed { request: request("cpu".into(), None), name: cpu, gpu: false });
    all
}
