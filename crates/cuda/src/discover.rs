//! What this machine has: a driver, its devices, folders of toolkits. Everything is looked for before it is called, for
//! the bindings panic where a library or one of its functions is missing.

use cudarc::driver::{
    DriverError,
    result::{self, device},
    sys::{self, CUdevice_attribute_enum as Attribute, cudaError_enum as Code},
};
use retrial_spec::{Error, Result};
use std::{env, fs, path::PathBuf, sync::OnceLock};

/// A device as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its number for `--device cuda:N`.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Compute capability, as (9, 0).
    pub capability: (u32, u32),
    /// Memory, bytes.
    pub memory: u64,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
}

/// The oldest driver that has every call of the bindings.
const OLDEST: u32 = 12_080;

/// Every function of the driver that is called here and in `nvidia`.
pub const DRIVER_CALLS: &[&str] = &[
    "cuCtxSetCurrent",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventElapsedTime_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuFuncGetAttribute",
    "cuFuncSetAttribute",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAlloc_v2",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemHostAlloc",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
];

fn missing(fault: impl Into<String>, fix: impl Into<String>) -> Error {
    Error::Device { device: "cuda".into(), fault: fault.into(), fix: fix.into() }
}

/// `13000` as 13.0.
pub(crate) fn dotted(version: u32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// The CUDA version of the driver, as 13000, initialised. The error says what is missing and how to get it.
pub fn driver_version() -> Result<u32> {
    static VERSION: OnceLock<Result<u32, (String, String)>> = OnceLock::new();
    VERSION.get_or_init(initialise).clone().map_err(|(fault, fix)| missing(fault, fix))
}

fn initialise() -> Result<u32, (String, String)> {
    let fail = |fault: String, fix: &str| Err((fault, fix.to_owned()));
    // SAFETY: only opens libraries by name; the driver's has no side effects before `init`.
    if !unsafe { sys::is_culib_present() } {
        return fail(
            "no NVIDIA driver: looked for libcuda.so.1 (nvcuda.dll on Windows) where the system looks for libraries"
                .into(),
            "install the driver, or start the container with GPUs (docker run --gpus all); or use another --device",
        );
    }
    // SAFETY: the library is there; what is looked up is not called.
    let has = |name: &str| unsafe { sys::culib().get::<unsafe extern "C" fn()>(name.as_bytes()) }.is_ok();
    if !has("cuDriverGetVersion") {
        return fail("libcuda is no NVIDIA driver: it does not tell its version".into(), "reinstall the driver");
    }
    let mut version = 0;
    // SAFETY: the library is there, has the function, and `version` is where it writes.
    let asked = unsafe { sys::cuDriverGetVersion(&mut version) }.result();
    let version = version as u32;
    let stub = || {
        fail(
            "libcuda is the toolkit's stub, which is made for linking only".into(),
            "take the stubs folder out of LD_LIBRARY_PATH and install the driver",
        )
    };
    if let Err(error) = asked {
        if error.0 == Code::CUDA_ERROR_STUB_LIBRARY {
            return stub();
        }
        return fail(format!("the driver does not tell its version: {}", name(error)), "reinstall the driver");
    }
    if version < OLDEST {
        return fail(
            format!("the driver is for CUDA {}, the oldest that works is for {}", dotted(version), dotted(OLDEST)),
            "update the NVIDIA driver to 570 or later",
        );
    }
    if let Some(name) = DRIVER_CALLS.iter().find(|name| !has(name)) {
        let fault = format!("libcuda, for CUDA {}, lacks {name}", dotted(version));
        return fail(fault, "reinstall the NVIDIA driver, 570 or later");
    }
    match result::init() {
        Ok(()) => Ok(version),
        Err(DriverError(Code::CUDA_ERROR_NO_DEVICE)) => {
            fail("the driver finds no device".into(), "check nvidia-smi, and that CUDA_VISIBLE_DEVICES is not empty")
        }
        Err(DriverError(Code::CUDA_ERROR_STUB_LIBRARY)) => stub(),
        Err(error) => fail(
            format!("the driver refuses to start: {}", name(error)),
            "check nvidia-smi; after an update of the driver, reboot",
        ),
    }
}

/// The driver's own words, or those of the bindings where there is no driver to ask.
pub(crate) fn name(error: DriverError) -> String {
    // SAFETY: only opens libraries by name, and looks up what is not called.
    let speaks = unsafe {
        let has = |name: &str| sys::culib().get::<unsafe extern "C" fn()>(name.as_bytes()).is_ok();
        sys::is_culib_present() && has("cuGetErrorName") && has("cuGetErrorString")
    };
    if !speaks {
        return format!("{:?}", error.0);
    }
    let text = |text: Result<&std::ffi::CStr, DriverError>| text.ok().map(|t| t.to_string_lossy().into_owned());
    let name = text(error.error_name()).unwrap_or_else(|| format!("error {}", error.0 as u32));
    text(error.error_string()).map_or(name.clone(), |words| format!("{name} ({words})"))
}

/// Devices in the driver's order.
pub fn devices() -> Result<Vec<DeviceInfo>> {
    driver_version()?;
    let failed = |error| missing(format!("the driver does not list its devices: {}", name(error)), "check nvidia-smi");
    let count = device::get_count().map_err(failed)?;
    if count == 0 {
        return Err(missing(
            "the driver finds no device",
            "check nvidia-smi, and that CUDA_VISIBLE_DEVICES is not empty",
        ));
    }
    (0..count as usize).map(|index| describe(index).map_err(failed)).collect()
}

pub(crate) fn describe(index: usize) -> Result<DeviceInfo, DriverError> {
    let device = device::get(index as i32)?;
    Ok(DeviceInfo {
        index,
        name: device::get_name(device)?,
        capability: (
            attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        // SAFETY: the device was just got.
        memory: unsafe { device::total_mem(device)? } as u64,
        multiprocessors: attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
    })
}

pub(crate) fn attribute(device: sys::CUdevice, attribute: Attribute) -> Result<u32, DriverError> {
    // SAFETY: the device was got from the driver.
    Ok(unsafe { device::get_attribute(device, attribute)? } as u32)
}

/// Folders in which NVRTC may lie: the toolkit that `CUDA_HOME` or `CUDA_PATH` names, then where toolkits and Python
/// wheels are installed.
pub(crate) fn folders() -> Vec<PathBuf> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from);
    let mut toolkits: Vec<PathBuf> = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(variable).collect();
    toolkits.push("/usr/local/cuda".into());
    toolkits.extend(children("/usr/local".into(), "cuda-"));
    toolkits.push("/opt/cuda".into());
    let mut folders: Vec<PathBuf> =
        toolkits.iter().flat_map(|t| [t.join("lib64"), t.join("lib"), t.join("bin")]).collect();
    let mut prefixes: Vec<PathBuf> = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable).collect();
    folders.extend(prefixes.iter().map(|prefix| prefix.join("lib"))); // conda's own toolkit
    prefixes.extend(variable("HOME").map(|home| home.join(".local")));
    prefixes.extend(["/usr/local".into(), "/usr".into()]);
    for python in prefixes.into_iter().flat_map(|prefix| children(prefix.join("lib"), "python3")) {
        for packages in ["site-packages", "dist-packages"].map(|name| python.join(name).join("nvidia")) {
            folders.extend(["cu13/lib", "cuda_nvrtc/lib"].map(|wheel| packages.join(wheel)));
        }
    }
    folders
}

/// Entries of a folder whose names start so, the newest version first.
pub(crate) fn children(folder: PathBuf, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(start))).collect();
    let numbers = |path: &PathBuf| -> Vec<u32> {
        path.to_string_lossy().split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    found.sort_by_key(|path| std::cmp::Reverse(numbers(path)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_number() {
        let folder = env::temp_dir().join(format!("retrial-versions-{}", std::process::id()));
        for name in ["cuda-9.2", "cuda-13.0", "cuda-12.8", "other"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let names: Vec<_> =
            children(folder.clone(), "cuda-").iter().map(|p| p.file_name().unwrap().to_owned()).collect();
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(names, ["cuda-13.0", "cuda-12.8", "cuda-9.2"]);
    }

    #[test]
    fn the_toolkit_that_is_named_comes_first() {
        assert!(folders().iter().any(|f| f == &PathBuf::from("/usr/local/cuda/lib64")));
        assert_eq!((dotted(13000), dotted(12080)), ("13.0".into(), "12.8".into()));
    }

    /// On a machine without a driver, or with one: an answer or a typed error, never a panic.
    #[test]
    fn absence_is_an_error_that_says_what_was_looked_for() {
        match devices() {
            Ok(found) => assert!(!found.is_empty()),
            Err(error) => assert!(!error.is_input() && error.to_string().starts_with("device cuda: ")),
        }
    }
}
