//! What can compute, and how it is asked for.

use crate::fault::{Fault, Result, warn};
use pyo3::prelude::*;
use retrial_devices::{DeviceRequest, KernelRequest, Opened};
use retrial_spec::{Device as Described, Precision, Problem, Scorer};
use std::{num::NonZero, thread};

/// Something that computes: give its device and adapter to Model.sample.
///
/// Attributes
/// ----------
/// device : str
///     "cuda:0", "wgsl", "cpu".
/// adapter : str or None
///     Which adapter of wgsl.
/// name : str
///     Its maker's name, and what it is.
/// gpu : bool
///     Whether it is a GPU, rather than the CPU under this or another name.
#[pyclass(frozen, get_all, module = "retrial")]
pub(crate) struct Device {
    device: String,
    adapter: Option<String>,
    name: String,
    gpu: bool,
}

#[pymethods]
impl Device {
    fn __repr__(&self) -> String {
        let adapter = self.adapter.as_ref().map(|adapter| format!(", adapter={adapter:?}")).unwrap_or_default();
        format!("Device({:?}{adapter}, name={:?})", self.device, self.name)
    }
}

/// The devices of this machine: GPUs of CUDA, adapters of wgsl, and the CPU.
///
/// Returns
/// -------
/// list of Device
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> Vec<Device> {
    let list = py.detach(retrial_devices::list).into_iter();
    list.map(|found| {
        let DeviceRequest { device, adapter, .. } = found.request;
        Device { device, adapter, name: found.name, gpu: found.gpu }
    })
    .collect()
}

/// Where and with what to compute, as the keywords say.
pub(crate) struct Computing {
    device: DeviceRequest,
    kernel: KernelRequest,
    /// What the user should know.
    notes: Vec<String>,
}

impl Computing {
    pub(crate) fn new(
        device: &str,
        adapter: Option<String>,
        threads: Option<usize>,
        precision: Option<&str>,
        kernel: Option<String>,
    ) -> Result<Self> {
        let precision = precision.map(str::parse::<Precision>).transpose().map_err(Fault::from)?;
        // A number, so that the CPU has threads of its own, which end with it: see watch.
        let threads = threads.or_else(|| thread::available_parallelism().ok().map(NonZero::get));
        let device = DeviceRequest { device: device.into(), adapter, threads };
        Ok(Self { device, kernel: KernelRequest { precision, kernel }, notes: vec![] })
    }

    pub(crate) fn open(&self) -> retrial_spec::Result<Opened> {
        self.device.open()
    }

    /// The kernel that proves right, and what it runs on.
    pub(crate) fn load<'a>(
        &mut self,
        opened: &'a Opened,
        problem: &'a Problem,
    ) -> retrial_spec::Result<(Scorer<'a>, &'a Described)> {
        self.kernel.load(opened, problem, &mut |note| self.notes.push(note))
    }

    /// Warns of what did not prove right.
    pub(crate) fn warn(&self, py: Python<'_>) -> PyResult<()> {
        self.notes.iter().try_for_each(|note| warn(py, note))
    }
}
