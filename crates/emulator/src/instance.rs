//! One loaded copy of a compiled program. Its variables are those of one OS thread at a time.

use crate::{Error, Fault, fault, memory};
use std::{
    ffi::CStr,
    fs,
    io::Write,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

/// `Launch` of `host/fibers.h`.
#[repr(C)]
pub(crate) struct Launch<'a> {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub cluster: u32,
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
    message: [u8; 1488],
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
    pub fault: Fault,
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
    pub(crate) fn load(library: &Path) -> Result<Self, Error> {
        let fail = |cause| Error::Load { path: library.into(), cause: Arc::new(cause) };
        let copy = tempfile::Builder::new().suffix(".so").tempfile();
        let mut copy = copy.map_err(Error::io("create a file in", std::env::temp_dir()))?;
        let bytes = fs::read(library).map_err(Error::io("read", library))?;
        copy.write_all(&bytes).map_err(Error::io("write", copy.path()))?;
        // SAFETY: built by this crate; its initialisers only set its own variables. Types as in `host/fibers.h`.
        unsafe {
            let library = libloading::Library::new(copy.path()).map_err(fail)?;
            Ok(Self {
                run: *library.get(b"retrial_run").map_err(fail)?,
                fault: *library.get(b"retrial_fault").map_err(fail)?,
                entries: **library.get::<*const *const Entry>(b"retrial_entries").map_err(fail)?,
                _library: library,
            })
        }
    }

    /// The kernel at this place of the list that the program was compiled with.
    ///
    /// # Safety
    /// There is one.
    pub(crate) unsafe fn entry(&self, at: usize) -> Entry {
        // SAFETY: the caller's promise.
        unsafe { *self.entries.add(at) }
    }

    /// Runs blocks until none is left or one fails.
    ///
    /// # Safety
    /// `launch.kernel` is of this instance, `launch.params` of its size, and what a block does with them is sound.
    pub(crate) unsafe fn run(&mut self, launch: &Launch<'_>) -> Result<(), Failure> {
        let mut report = Report { number: 0, block: [0; 3], thread: [0; 3], address: 0, message: [0; 1488] };
        // SAFETY: the caller's promise; a fault jumps back into `run`.
        if fault::catching(self.fault, || unsafe { (self.run)(launch, &mut report) }) == 0 {
            return Ok(());
        }
        let text = CStr::from_bytes_until_nul(&report.message).unwrap_or_default().to_string_lossy();
        let place = match report.address {
            0 => String::new(),
            address => format!(", {}", memory::describe(address)),
        };
        let fault = Fault::Thread { block: report.block, thread: report.thread, what: format!("{text}{place}") };
        Err(Failure { number: report.number, fault })
    }
}
