//! NVIDIA's runtime compiler, opened from the toolkit that the user names before any that the system finds.
//!
//! Symbols are looked up once, when the library is opened: one that is too old is refused with its version instead of
//! ending the program at the first call. The newest library of a folder is taken, and the next folder where it is refused.

use libloading::Library;
use std::{
    ffi::{CStr, CString, c_char, c_int},
    fmt,
    path::{Path, PathBuf},
    ptr,
};

/// An opaque program of the compiler.
type Handle = *mut std::ffi::c_void;
type Code = c_int;

/// Success, in every version.
const SUCCESS: Code = 0;

/// The functions that are called, under NVRTC's names.
struct Calls {
    create: unsafe extern "C" fn(
        *mut Handle,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> Code,
    compile: unsafe extern "C" fn(Handle, c_int, *const *const c_char) -> Code,
    destroy: unsafe extern "C" fn(*mut Handle) -> Code,
    log: Part,
    ptx: Part,
    cubin: Part,
}

/// A result of a compilation: how long it is, and its bytes.
#[derive(Clone, Copy)]
struct Part {
    size: unsafe extern "C" fn(Handle, *mut usize) -> Code,
    copy: unsafe extern "C" fn(Handle, *mut c_char) -> Code,
}

impl Part {
    /// # Safety
    /// `program` was compiled and not destroyed.
    unsafe fn read(self, program: Handle) -> Result<Vec<u8>, Failure> {
        let mut size = 0;
        // SAFETY: the caller's promise; the second call writes as many bytes as the first one said.
        unsafe {
            done((self.size)(program, &mut size))?;
            let mut bytes = vec![0_u8; size];
            done((self.copy)(program, bytes.as_mut_ptr().cast()))?;
            Ok(bytes)
        }
    }
}

/// An open library.
pub(crate) struct Nvrtc {
    /// (13, 0).
    pub version: (u32, u32),
    /// Architectures it makes machine code for, as 90.
    pub architectures: Vec<u32>,
    calls: Calls,
    /// Never closed: its threads may outlive every call.
    _library: &'static Library,
}

impl fmt::Debug for Nvrtc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NVRTC {}.{}", self.version.0, self.version.1)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Machine code.
    Cubin,
    /// Intermediate code, with a zero byte at its end.
    Ptx,
}

/// Why a compilation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The text was refused; the log says why.
    Refused(String),
    /// The library that holds the built-in functions is missing or of another version.
    Builtins,
    /// The compiler's own fault, by its number and log.
    Internal(c_int, String),
}

fn done(code: Code) -> Result<(), Failure> {
    if code == SUCCESS { Ok(()) } else { Err(Failure::Internal(code, String::new())) }
}

impl Nvrtc {
    /// The first usable library: of `folders`, in order, then of the system's own search. The error names those that were
    /// found and refused; it is empty where there is none.
    pub(crate) fn find(folders: &[PathBuf]) -> Result<Self, Vec<String>> {
        let mut refused = vec![];
        for folder in folders {
            for file in libraries(folder) {
                open_builtins(folder);
                match Self::open(file.as_os_str()) {
                    Ok(found) => return Ok(found),
                    Err(why) => refused.push(format!("{} {why}", file.display())),
                }
            }
        }
        for name in SYSTEM {
            match Self::open(name.as_ref()) {
                Ok(found) => return Ok(found),
                Err(Unusable::Missing) => {}
                Err(why) => refused.push(format!("{name} {why}")),
            }
        }
        Err(refused)
    }

    fn open(file: &std::ffi::OsStr) -> Result<Self, Unusable> {
        // SAFETY: NVIDIA's libraries have no initialisers that matter here; it stays open.
        let library: &'static Library = match unsafe { Library::new(file) } {
            Ok(library) => Box::leak(Box::new(library)),
            Err(_) if Path::new(file).is_absolute() => return Err(Unusable::Damaged),
            Err(_) => return Err(Unusable::Missing),
        };
        let mut version: (c_int, c_int) = (0, 0);
        let mut count: c_int = 0;
        // SAFETY: the types are those of NVRTC's header; the functions write a version, a count, and as many numbers.
        unsafe {
            let ask: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Code = symbol(library, "nvrtcVersion")?;
            if ask(&mut version.0, &mut version.1) != SUCCESS {
                return Err(Unusable::Damaged);
            }
            let version = (version.0 as u32, version.1 as u32);
            let old = |_| Unusable::Old(version);
            let part = |size: &str, copy: &str| -> Result<Part, Unusable> {
                Ok(Part { size: symbol(library, size).map_err(old)?, copy: symbol(library, copy).map_err(old)? })
            };
            let calls = Calls {
                create: symbol(library, "nvrtcCreateProgram").map_err(old)?,
                compile: symbol(library, "nvrtcCompileProgram").map_err(old)?,
                destroy: symbol(library, "nvrtcDestroyProgram").map_err(old)?,
                log: part("nvrtcGetProgramLogSize", "nvrtcGetProgramLog")?,
                ptx: part("nvrtcGetPTXSize", "nvrtcGetPTX")?,
                cubin: part("nvrtcGetCUBINSize", "nvrtcGetCUBIN")?,
            };
            let number: unsafe extern "C" fn(*mut c_int) -> Code =
                symbol(library, "nvrtcGetNumSupportedArchs").map_err(old)?;
            let list: unsafe extern "C" fn(*mut c_int) -> Code =
                symbol(library, "nvrtcGetSupportedArchs").map_err(old)?;
            if number(&mut count) != SUCCESS || !(1..=1000).contains(&count) {
                return Err(Unusable::Damaged);
            }
            let mut architectures = vec![0; count as usize];
            if list(architectures.as_mut_ptr()) != SUCCESS {
                return Err(Unusable::Damaged);
            }
            let architectures: Vec<u32> = architectures.into_iter().map(|arch: c_int| arch as u32).collect();
            Ok(Self { version, architectures, calls, _library: library })
        }
    }

    /// Compiles a text with its headers, `(name, text)`. Returns code and log.
    pub(crate) fn compile(
        &self,
        (name, text): (&str, &str),
        headers: &[(&str, &str)],
        options: &[String],
        output: Output,
    ) -> Result<(Vec<u8>, String), Failure> {
        // A text with a zero byte would end there, and the compiler say so.
        let c = |text: &str| CString::new(text).unwrap_or_default();
        let pointers = |strings: &[CString]| strings.iter().map(|s| s.as_ptr()).collect::<Vec<_>>();
        let (text, name) = (c(text), c(name));
        let texts: Vec<CString> = headers.iter().map(|(_, text)| c(text)).collect();
        let names: Vec<CString> = headers.iter().map(|(name, _)| c(name)).collect();
        let options: Vec<CString> = options.iter().map(|option| c(option)).collect();
        let (texts, names, options) = (pointers(&texts), pointers(&names), pointers(&options));
        let mut program: Handle = ptr::null_mut();
        // SAFETY: every string and list outlives the calls; the program is created once and destroyed once.
        unsafe {
            let (count, texts, names) = (texts.len() as c_int, texts.as_ptr(), names.as_ptr());
            done((self.calls.create)(&mut program, text.as_ptr(), name.as_ptr(), count, texts, names))?;
            let code = (self.calls.compile)(program, options.len() as c_int, options.as_ptr());
            let log = self.calls.log.read(program).unwrap_or_default();
            let log = CStr::from_bytes_until_nul(&log).map_or(String::new(), |log| log.to_string_lossy().into_owned());
            let part = if output == Output::Cubin { self.calls.cubin } else { self.calls.ptx };
            let result = match code {
                SUCCESS => part.read(program).map(|bytes| (bytes, log)),
                6 => Err(Failure::Refused(log)), // NVRTC_ERROR_COMPILATION
                // NVRTC_ERROR_BUILTIN_OPERATION_FAILURE, by which the absence is told; older versions only log it.
                7 => Err(Failure::Builtins),
                _ if log.contains("libnvrtc-builtins") => Err(Failure::Builtins),
                code => Err(Failure::Internal(code, log)),
            };
            (self.calls.destroy)(&mut program);
            result
        }
    }
}

/// Why a library is not used.
enum Unusable {
    /// There is none of the name.
    Missing,
    /// It cannot be opened, or does not say what it is.
    Damaged,
    /// It lacks functions.
    Old((u32, u32)),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "is missing"),
            Self::Damaged => write!(f, "is damaged, or made for another machine"),
            Self::Old((major, minor)) => write!(f, "is NVRTC {major}.{minor}, too old (11.2 is the oldest that works)"),
        }
    }
}

/// # Safety
/// `T` is the type of the function.
unsafe fn symbol<T: Copy>(library: &Library, name: &str) -> Result<T, Unusable> {
    // SAFETY: the caller's promise.
    unsafe { library.get::<T>(name.as_bytes()) }.map(|function| *function).map_err(|_| Unusable::Damaged)
}

/// Names under which the system may know it, the newest first.
#[cfg(windows)]
const SYSTEM: [&str; 3] = ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"];
/// Names under which the system may know it, the newest first.
#[cfg(not(windows))]
const SYSTEM: [&str; 5] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "libnvrtc.so.11.2", "libnvrtc.so.11.1"];

/// The libraries of a folder, the newest version first, each once under its shortest name.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let mut seen = vec![];
    let mut found =
        crate::discover::children(folder.to_path_buf(), if cfg!(windows) { "nvrtc64_" } else { "libnvrtc.so" });
    found.retain(|file| {
        let real = file.canonicalize().unwrap_or_else(|_| file.clone());
        let new = !seen.contains(&real);
        seen.push(real);
        new
    });
    found
}

/// Opens the libraries of built-in functions in a folder: the compiler looks them up by name, in the system's paths alone.
fn open_builtins(folder: &Path) {
    for file in crate::discover::children(folder.to_path_buf(), "libnvrtc-builtins.so") {
        // SAFETY: as for the compiler itself. Where it fails, the compiler looks for it by itself.
        unsafe { Library::new(file) }.map(std::mem::forget).ok();
    }
}
