//! What there is of CUDA.

use crate::ui;
use retrial_cuda::{Compiler, DeviceInfo};
use retrial_spec::{Error, Result};
use serde_json::json;

/// The driver, its devices and the compiler of kernels.
pub struct Cuda {
    driver: Result<u32>,
    devices: Vec<DeviceInfo>,
    compiler: Result<&'static Compiler>,
}

impl Cuda {
    pub fn find() -> Self {
        let devices = retrial_cuda::devices().unwrap_or_default();
        Self { driver: retrial_cuda::driver_version(), devices, compiler: retrial_cuda::compiler() }
    }

    pub fn json(&self) -> serde_json::Value {
        let dotted = |version: &u32| format!("{}.{}", version / 1000, version % 1000 / 10);
        json!({
            "driver": self.driver.as_ref().ok().map(dotted),
            "nvrtc": self.compiler.as_ref().ok().map(|c| format!("{}.{}", c.version().0, c.version().1)),
            "cache": self.compiler.as_ref().ok().and_then(|c| c.cache()),
            "devices": self.devices.iter().map(|d| json!({
                "index": d.index,
                "name": d.name,
                "capability": format!("{}.{}", d.capability.0, d.capability.1),
                "memory": d.memory,
                "multiprocessors": d.multiprocessors,
            })).collect::<Vec<_>>(),
        })
    }

    pub fn table(&self) -> String {
        let fault = |error: &Error| match error {
            Error::Device { fault, .. } => fault.clone(),
            other => other.to_string(),
        };
        let driver = self.driver.as_ref().map_or_else(fault, |v| format!("for {}.{}", v / 1000, v % 1000 / 10));
        let compiler = self.compiler.as_ref().map_or_else(fault, |c| {
            let cache = c.cache().map_or("no cache".into(), |cache| format!("cache {}", cache.display()));
            format!("{}.{}, {cache} (RETRIAL_CACHE chooses another, empty none)", c.version().0, c.version().1)
        });
        let mut text = ui::facts(&[("CUDA driver", driver), ("NVRTC", compiler)]);
        if !self.devices.is_empty() {
            let mut rows = vec![["device", "name", "capability", "SMs", "memory"].map(String::from).to_vec()];
            rows.extend(self.devices.iter().map(|d| {
                let capability = format!("{}.{}", d.capability.0, d.capability.1);
                let memory = format!("{} MiB", ui::thousands(d.memory >> 20));
                vec![format!("cuda:{}", d.index), d.name.clone(), capability, d.multiprocessors.to_string(), memory]
            }));
            text += &ui::table(&rows);
        }
        text
    }
}
