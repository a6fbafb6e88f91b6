//! One loaded copy of a compiled program. Its variables are those of one OS thread at a time.

use crate::{fault, memory};
use std::{ffi::CStr, fs, io::Write, path::Path, sync::atomic::AtomicU64};

/// `Launch` of `host/fibers.h`.
#[repr(C)]
pub(crate) struct Launch<'a> {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: usize,
    pub kernel: Option<unsafe extern "C" fn(*const u8)>,
    pub params: *const u8,
    pub order: u64,
    pub seed: u64,
    pub next: &'a AtomicU64,
}

/// `Report` of `host/fibers.h`.
#[repr(C)]
struct Report {
    number: u64,
    block: [u32; 3],
    thread: [u32; 3],
    address: usize,
    message: [u8; 464],
}

/// `Entry` of `host/fibers.h`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub kernel: Option<unsafe extern "C" fn(*const u8)>,
    pub parameter_bytes: usize,
}

/// A block that failed.
pub(crate) struct Failure {
    /// Of the block, in launch order.
    pub number: u64,
    pub message: String,
}

pub(crate) struct Instance {
    run: unsafe extern "C-unwind" fn(*const Launch<'_>, *mut Report) -> i32,
    fault: fault::Escape,
    entries: *const Entry,
    _library: libloading::Library,
}

// SAFETY: one OS thread uses it at a time, by `&mut self`; nothing in it belongs to the thread that loaded it.
unsafe impl Send for Instance {}

impl Instance {
    /// Loads a copy of a library: the loader would return the same one for the same file.
    pub fn load(library: &Path) -> Result<Self, String> {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", library.display());
        let mut copy = tempfile::Builder::new().suffix(".so").tempfile().map_err(|e| fail(&e))?;
        copy.write_all(&fs::read(library).map_err(|e| fail(&e))?).map_err(|e| fail(&e))?;
        // SAFETY: built by this crate; its initialisers only set its own variables. Types as in `host/fibers.h`.
        unsafe {
            let library = libloading::Library::new(copy.path()).map_err(|e| fail(&e))?;
            Ok(Self {
                run: *library.get(b"retrial_run").map_err(|e| fail(&e))?,
                fault: *library.get(b"retrial_fault").map_err(|e| fail(&e))?,
                entries: **library.get::<*const *const Entry>(b"retrial_entries").map_err(|e| fail(&e))?,
                _library: library,
            })
        }
    }

    /// The kernel at this place of the list that the program was compiled with.
    ///
    /// # Safety
    /// There is one.
    pub unsafe fn entry(&self, at: usize) -> Entry {
        // SAFETY: the caller's promise.
        unsafe { *self.entries.add(at) }
    }

    /// Runs blocks until none is left or one fails.
    ///
    /// # Safety
    /// `launch.kernel` is of this instance, `launch.params` of its size, and what a block does with them is sound.
    pub unsafe fn run(&mut self, launch: &Launch<'_>) -> Result<(), Failure> {
        let mut report = Report { number: 0, block: [0; 3], thread: [0; 3], address: 0, message: [0; 464] };
        // SAFETY: the caller's promise; a fault jumps back into `run`.
        if fault::catching(self.fault, || unsafe { (self.run)(launch, &mut report) }) == 0 {
            return Ok(());
        }
        let text = CStr::from_bytes_until_nul(&report.message).unwrap_or_default().to_string_lossy();
        let place = match report.address {
            0 => String::new(),
            address => format!(", {}", memory::describe(address)),
        };
        let message = format!("block {:?}, thread {:?}: {text}{place}", report.block, report.thread);
        Err(Failure { number: report.number, message })
    }
}
