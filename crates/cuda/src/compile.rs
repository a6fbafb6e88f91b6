//! Kernels to machine code: NVRTC, and a cache on disk.

use crate::{
    cache::{cache_folder, keep, kept},
    discover::folders,
    nvrtc::{Failure, Nvrtc, Output},
    source::Program,
};
use retrial_spec::{Error, Result};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// A compiled kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Machine code for one architecture.
    Cubin(Vec<u8>),
    /// Intermediate code, for the driver to finish.
    Ptx(Vec<u8>),
}

impl Image {
    /// What the driver is given.
    pub fn bytes(&self) -> &[u8] {
        let (Self::Cubin(bytes) | Self::Ptx(bytes)) = self;
        bytes
    }
}

/// The runtime compiler of this machine.
#[derive(Debug)]
pub struct Compiler {
    /// `None` in tests of what needs none.
    nvrtc: Option<Nvrtc>,
    version: (u32, u32),
    architectures: Vec<u32>,
    cache: Option<PathBuf>,
}

/// NVRTC, looked for once. The error says where, and what was found and refused.
pub fn compiler() -> Result<&'static Compiler> {
    static COMPILER: OnceLock<Result<Compiler, String>> = OnceLock::new();
    COMPILER.get_or_init(Compiler::find).as_ref().map_err(|fault| Error::Device {
        device: "cuda".into(),
        fault: fault.clone(),
        fix: "install the CUDA toolkit and set CUDA_HOME, or pip install nvidia-cuda-nvrtc".into(),
    })
}

impl Compiler {
    fn find() -> Result<Self, String> {
        let folders = folders();
        let nvrtc = Nvrtc::find(&folders).map_err(|refused| {
            let tried: Vec<String> = folders.iter().take(4).map(|folder| folder.display().to_string()).collect();
            match refused.join(", ") {
                none if none.is_empty() => format!(
                    "no NVRTC (libnvrtc): looked in {}, Python's wheels and the system's paths",
                    tried.join(", ")
                ),
                refused => format!("no usable NVRTC: {refused}"),
            }
        })?;
        let (version, architectures) = (nvrtc.version, nvrtc.architectures.clone());
        Ok(Self { nvrtc: Some(nvrtc), version, architectures, cache: cache_folder() })
    }

    /// Its version, as (13, 0).
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Where compiled kernels are kept; `RETRIAL_CACHE` chooses another folder, empty none. One that others can write is
    /// not used: what it holds is executed.
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// The code of a program for a device of this compute capability: from the cache, or compiled and put there.
    pub fn image(&self, program: &Program, capability: (u32, u32)) -> Result<Image> {
        let exact = 10 * capability.0 + capability.1;
        let code = self.target(exact, program.only)?;
        let file = self.cache.as_ref().map(|cache| cache.join(self.key(program, &code)));
        if let Some(bytes) = file.as_ref().and_then(|file| kept(file)) {
            return Ok(if code.starts_with("sm_") { Image::Cubin(bytes) } else { Image::Ptx(bytes) });
        }
        let (image, _) = self.compile(program, &code)?;
        if let Some(file) = file {
            keep(&file, image.bytes());
        }
        Ok(image)
    }

    /// Throws a cached image away, which the driver did not accept.
    pub(crate) fn forget(&self, program: &Program, capability: (u32, u32)) {
        let code = self.target(10 * capability.0 + capability.1, program.only);
        if let (Some(cache), Ok(code)) = (&self.cache, code) {
            fs::remove_file(cache.join(self.key(program, &code))).ok();
        }
    }

    /// Machine code where the compiler knows the device, else intermediate code for the newest older one. What uses the
    /// instructions of one architecture alone is machine code for that one (`sm_90a`), or nothing.
    fn target(&self, exact: u32, only: Option<u32>) -> Result<String> {
        let failed = |fault: String, fix: String| Err(Error::Device { device: "cuda".into(), fault, fix });
        let capability = format!("compute capability {}.{}", exact / 10, exact % 10);
        let newest = self.architectures.iter().copied().filter(|arch| (80..=exact).contains(arch)).max();
        match (newest, only) {
            (_, Some(only)) if only != exact => {
                failed(capability, format!("this kernel needs {}.{} exactly; choose another", only / 10, only % 10))
            }
            (Some(arch), Some(_)) if arch == exact && self.version >= SPECIFIC => Ok(format!("sm_{arch}a")),
            (_, Some(_)) => failed(
                format!("NVRTC {}.{} makes no code for sm_{exact}a", self.version.0, self.version.1),
                "point CUDA_HOME at a toolkit of CUDA 13".into(),
            ),
            (Some(arch), None) if arch == exact => Ok(format!("sm_{arch}")),
            (Some(older), None) => Ok(format!("compute_{older}")),
            (None, None) => {
                failed(capability, "the kernels need 8.0 (Ampere) or later; use --device wgsl or cpu".into())
            }
        }
    }

    /// Refuses a device that no code can be made for.
    pub(crate) fn check(&self, capability: (u32, u32)) -> Result<()> {
        self.target(10 * capability.0 + capability.1, None).map(drop)
    }

    fn key(&self, program: &Program, code: &str) -> String {
        let mut hash = Sha256::new();
        let options = options(code).join(" ");
        let version = format!("{:?}", self.version);
        let headers = program.headers.iter().flat_map(|(name, text)| [*name, *text]);
        let defines = program.defines.iter().map(String::as_str);
        for part in [program.kernel, program.text, &options, &version].into_iter().chain(headers).chain(defines) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{code}-{digest}", program.kernel)
    }

    /// Compiles for an architecture such as `sm_90a`, or `compute_90` for intermediate code, and returns the compiler's
    /// log too, which holds the registers, shared memory and spills of every function.
    pub fn compile(&self, program: &Program, code: &str) -> Result<(Image, String)> {
        let failed = |fault: String, fix: &str| Error::Device { device: "cuda".into(), fault, fix: fix.into() };
        let Some(nvrtc) = &self.nvrtc else { return Err(failed("no NVRTC".into(), "install the CUDA toolkit")) };
        let (name, size) = program.params;
        let check = format!("\nstatic_assert(sizeof({name}) == {size}, \"{name} is not what the host writes\");\n");
        let (file, text) = (format!("{}.cu", program.kernel), format!("{}{check}", program.text));
        let output = if code.starts_with("sm_") { Output::Cubin } else { Output::Ptx };
        let options = [options(code), program.defines.to_vec()].concat();
        let compiled = nvrtc.compile((&file, &text), program.headers, &options, output);
        let (bytes, log) = compiled.map_err(|failure| match failure {
            Failure::Refused(log) => failed(
                format!(
                    "NVRTC {}.{} does not compile kernels/{file} for {code}:\n{log}",
                    self.version.0, self.version.1
                ),
                "point CUDA_HOME at a toolkit of CUDA 12 or 13",
            ),
            Failure::Builtins => failed(
                "NVRTC does not find its libnvrtc-builtins".into(),
                "reinstall the CUDA toolkit, or the Python package nvidia-cuda-nvrtc",
            ),
            Failure::Internal(code, log) => {
                failed(format!("NVRTC fails with its error {code}\n{log}"), "report it as a bug")
            }
        })?;
        let image = if output == Output::Cubin { Image::Cubin(bytes) } else { Image::Ptx(bytes) };
        Ok((image, log))
    }
}

/// The first NVRTC that knows architectures by the letter a; it lists them without.
const SPECIFIC: (u32, u32) = (12, 0);

/// Contraction is off: every fused multiply-add is written out, so that no compiler changes a bit.
fn options(code: &str) -> Vec<String> {
    let mut options = vec![format!("--gpu-architecture={code}"), "--std=c++17".into(), "--fmad=false".into()];
    if code.starts_with("sm_") {
        options.push("--ptxas-options=-v".into());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SCORE, SCORE_WGMMA, programs};

    fn compiler(cache: Option<PathBuf>) -> Compiler {
        Compiler { nvrtc: None, version: (13, 0), architectures: vec![75, 80, 86, 90, 100], cache }
    }

    #[test]
    fn an_unknown_newer_device_gets_intermediate_code_and_an_old_one_a_refusal() {
        let compiler = compiler(None);
        assert_eq!(compiler.target(90, None).unwrap(), "sm_90");
        assert_eq!(compiler.target(121, None).unwrap(), "compute_100");
        assert_eq!(compiler.target(89, None).unwrap(), "compute_86");
        for old in [70, 75] {
            assert!(compiler.target(old, None).unwrap_err().to_string().contains("8.0 (Ampere)"));
        }
        assert!(compiler.check((7, 5)).is_err() && compiler.check((9, 0)).is_ok());
    }

    /// Instructions of one architecture: code for that one, and for no device beside it, however new.
    #[test]
    fn code_for_one_architecture_is_made_for_it_alone() {
        let found = compiler(None);
        assert_eq!(found.target(90, Some(90)).unwrap(), "sm_90a");
        assert_eq!(found.target(100, Some(100)).unwrap(), "sm_100a");
        for other in [75, 80, 89, 100, 103, 121] {
            assert!(found.target(other, Some(90)).unwrap_err().to_string().contains("needs 9.0 exactly"));
        }
        for old in [
            Compiler { version: (11, 8), ..compiler(None) },
            Compiler { architectures: vec![80, 86], ..compiler(None) },
        ] {
            assert!(old.target(90, Some(90)).unwrap_err().to_string().contains("makes no code for sm_90a"));
            assert!(old.target(90, None).is_ok());
        }
    }

    #[test]
    fn the_key_changes_with_all_that_the_code_depends_on() {
        let newer = Compiler { version: (13, 1), ..compiler(None) };
        let mut keys = vec![newer.key(&SCORE, "sm_90"), newer.key(&SCORE, "sm_90a")];
        keys.extend(programs().into_iter().flat_map(|p| ["sm_80", "sm_90"].map(|code| compiler(None).key(p, code))));
        let edited = Program { text: "x", headers: SCORE.headers, entries: SCORE.entries, ..SCORE };
        keys.push(compiler(None).key(&edited, "sm_90"));
        let header = Program { headers: &SCORE.headers[1..], ..edited };
        keys.push(compiler(None).key(&header, "sm_90"));
        let shapes = ["400", "512"].map(|hidden| SCORE_WGMMA.with(&[("HIDDEN", hidden.into())]));
        keys.extend(shapes.map(|program| compiler(None).key(program, "sm_90a")));
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
    /// What lies in the cache is used without a compiler, and `forget` removes it.
    #[test]
    fn the_cache_is_read_and_forgotten() {
        let folder = std::env::temp_dir().join(format!("retrial-cache-{}", std::process::id()));
        let compiler = compiler(Some(folder.clone()));
        keep(&folder.join(compiler.key(&SCORE, "sm_90")), b"code");
        assert_eq!(compiler.image(&SCORE, (9, 0)).unwrap(), Image::Cubin(b"code".to_vec()));
        compiler.forget(&SCORE, (9, 0));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
