//! Which adapter: by index, PCI id or part of a name, and what to say when there is none.

use retrial_spec::{Error, Result};
use std::{fmt, path::Path};
use wgpu::{DeviceType, Features};

/// What an adapter is and what of it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its number in [`adapters`]: real GPUs first, discrete ones before integrated ones, software last.
    pub index: usize,
    /// Its maker's name for it.
    pub name: String,
    /// "vulkan", "metal" or "dx12".
    pub backend: String,
    /// "discrete", "integrated", "virtual", "software" or "other".
    pub kind: String,
    /// The bus address where the driver tells it, else `vendor:device` in hexadecimal.
    pub pci: String,
    /// The driver's name and version.
    pub driver: String,
    /// Whether it computes on the CPU. Used only when asked for by name, number or PCI id.
    pub software: bool,
    /// Largest buffer, bytes.
    pub max_buffer: u64,
    /// Largest part of a buffer that a shader sees, bytes.
    pub max_binding: u64,
    /// Workgroup memory, bytes.
    pub workgroup_memory: u32,
    /// Invocations of one workgroup.
    pub invocations: u32,
    /// Whether shaders may use half precision.
    pub f16: bool,
    /// Whether it has subgroup operations (the tally uses them where there are; nothing needs them).
    pub subgroups: bool,
    /// Whether device times can be taken; wall time is used otherwise.
    pub timestamps: bool,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.index, self.name, self.backend, self.kind)
    }
}

impl Adapter {
    fn describe(adapter: &wgpu::Adapter) -> Self {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let bus = info.device_pci_bus_id;
        Self {
            index: 0,
            name: info.name,
            backend: info.backend.to_str().into(),
            kind: match info.device_type {
                DeviceType::DiscreteGpu => "discrete",
                DeviceType::IntegratedGpu => "integrated",
                DeviceType::VirtualGpu => "virtual",
                DeviceType::Cpu => "software",
                DeviceType::Other => "other",
            }
            .into(),
            pci: if bus.is_empty() { format!("{:04x}:{:04x}", info.vendor, info.device) } else { bus },
            driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
            software: info.device_type == DeviceType::Cpu,
            max_buffer: limits.max_buffer_size,
            max_binding: limits.max_storage_buffer_binding_size,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            f16: features.contains(Features::SHADER_F16),
            subgroups: features.contains(Features::SUBGROUP),
            timestamps: features.contains(Features::TIMESTAMP_QUERY),
        }
    }

    fn rank(&self) -> usize {
        ["discrete", "integrated", "virtual", "other"].iter().position(|k| *k == self.kind).unwrap_or(4)
    }
}

/// Every adapter of this machine with its description, best first.
pub(crate) fn enumerate() -> Vec<(wgpu::Adapter, Adapter)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let mut found: Vec<_> = found.into_iter().map(|a| (Adapter::describe(&a), a)).collect();
    found.sort_by_key(|(adapter, _)| adapter.rank());
    let numbered = found.into_iter().enumerate();
    numbered.map(|(index, (adapter, handle))| (handle, Adapter { index, ..adapter })).collect()
}

/// Every adapter of this machine, best first. Empty, never a failure, where there is no driver.
pub fn adapters() -> Vec<Adapter> {
    enumerate().into_iter().map(|(_, adapter)| adapter).collect()
}

/// The chosen one of some adapters: by number, PCI id or part of the name, which is not blank; without a selector the
/// first that is no software. `nvidia` says whether an NVIDIA kernel driver runs, for the advice.
pub(crate) fn choose(adapters: &[Adapter], selector: Option<&str>, nvidia: bool) -> Result<usize> {
    let found = match selector {
        None => adapters.iter().position(|a| !a.software),
        Some(selector) => match selector.parse() {
            Ok(index) => adapters.iter().position(|a| a.index == index),
            Err(_) if selector.trim().is_empty() => None, // part of every name, the software adapter's too
            Err(_) => {
                let wanted = selector.trim().to_lowercase();
                let by_pci = adapters.iter().position(|a| a.pci.to_lowercase() == wanted);
                by_pci.or_else(|| adapters.iter().position(|a| a.name.to_lowercase().contains(&wanted)))
            }
        },
    };
    found.ok_or_else(|| {
        let list: Vec<_> = adapters.iter().map(ToString::to_string).collect();
        let list = if list.is_empty() { "none".into() } else { list.join(", ") };
        let software = adapters.iter().find(|a| a.software);
        if let (Some(selector), false) = (selector, adapters.is_empty()) {
            let limit = format!("must be the number, PCI id or part of the name of one of {list}");
            return Error::input("adapter", format!("{selector:?}"), limit);
        }
        Error::Device {
            device: selector.map_or_else(|| "wgsl".into(), |s| format!("wgsl adapter {s:?}")),
            fault: format!("no GPU adapter; found {list}"),
            fix: if nvidia && adapters.iter().all(|a| a.software) {
                "an NVIDIA driver runs but offers no Vulkan: in a container set NVIDIA_DRIVER_CAPABILITIES=graphics,compute,\
                 utility, elsewhere install the driver's Vulkan libraries"
                    .into()
            } else if let Some(software) = software {
                format!("install a GPU's Vulkan driver, or ask for the software adapter {:?} by name", software.name)
            } else {
                "install a Vulkan driver (for tests without a GPU: mesa-vulkan-drivers and libvulkan1)".into()
            },
        }
    })
}

/// Whether an NVIDIA kernel driver runs.
pub(crate) fn nvidia() -> bool {
    Path::new("/proc/driver/nvidia/version").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, name: &str, kind: &str, pci: &str) -> Adapter {
        Adapter {
            index,
            name: name.into(),
            backend: "vulkan".into(),
            kind: kind.into(),
            pci: pci.into(),
            driver: "test 1.0".into(),
            software: kind == "software",
            max_buffer: 1 << 31,
            max_binding: 128 << 20,
            workgroup_memory: 16384,
            invocations: 256,
            f16: false,
            subgroups: false,
            timestamps: false,
        }
    }

    fn machine() -> Vec<Adapter> {
        vec![
            adapter(0, "NVIDIA H100", "discrete", "0000:17:00.0"),
            adapter(1, "Intel Arc", "integrated", "8086:56a0"),
            adapter(2, "llvmpipe (LLVM 15)", "software", "10005:0000"),
        ]
    }

    #[test]
    fn by_number_pci_id_or_part_of_the_name() {
        let machine = machine();
        let wanted = [
            (None, 0),
            (Some("1"), 1),
            (Some("arc"), 1),
            (Some("8086:56A0"), 1),
            (Some("LLVMpipe"), 2),
            (Some("2"), 2),
        ];
        for (selector, index) in wanted {
            assert_eq!(choose(&machine, selector, false).unwrap(), index, "{selector:?}");
        }
    }

    #[test]
    fn software_is_never_chosen_unasked() {
        let software = &machine()[2..];
        let message = choose(software, None, false).unwrap_err().to_string();
        assert!(message.contains("found 2: llvmpipe") && message.contains("by name"), "{message}");
    }

    #[test]
    fn what_is_missing_is_said_with_the_fix() {
        let message =
            |adapters: &[Adapter], selector, nvidia| choose(adapters, selector, nvidia).unwrap_err().to_string();
        assert!(message(&[], None, false).contains("found none; install a Vulkan driver"));
        assert!(message(&[], None, true).contains("NVIDIA_DRIVER_CAPABILITIES=graphics"));
        assert!(choose(&machine(), Some("radeon"), false).unwrap_err().is_input());
        for blank in ["", " ", "\t"] {
            assert!(choose(&machine(), Some(blank), false).unwrap_err().is_input(), "{blank:?}");
            assert!(choose(&machine()[2..], Some(blank), false).unwrap_err().is_input(), "{blank:?}");
        }
        let unknown = message(&machine(), Some("radeon"), false);
        assert!(unknown.contains("\"radeon\"") && unknown.contains("0: NVIDIA H100"), "{unknown}");
    }
}
