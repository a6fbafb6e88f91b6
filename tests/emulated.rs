//! The CUDA backend without a GPU: a device whose kernels, from the same sources, run on the CPU (`crates/emulator`).
#![cfg(target_os = "linux")]

use retrial_cuda::{
    Cuda, Program,
    driver::{DeviceProperties, Driver, Fault, LaunchParams, Read, Submission, unknown},
};
use retrial_emulator::{Grid, Memory, Options, Order, compiler};
use std::{
    collections::{BTreeSet, HashMap},
    ptr::{self, NonNull},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A small device: two multiprocessors of the size of an RTX 30 GPU's.
pub struct Emulated {
    properties: DeviceProperties,
    options: Options,
    device: Mutex<HashMap<u64, Memory>>,
    host: Mutex<HashMap<usize, Box<[u8]>>>,
    /// Bytes there are.
    memory: u64,
    /// Bytes allocated.
    used: AtomicU64,
    submissions: AtomicU64,
    /// Times of those that were not asked for yet, by submission.
    times: Mutex<HashMap<u64, Duration>>,
    /// Functions that were started.
    started: Mutex<BTreeSet<&'static str>>,
    /// What is replaced in which file of `kernels/`, and by what.
    edits: Vec<[&'static str; 3]>,
}

impl Emulated {
    pub fn new(memory: u64, order: Order) -> Self {
        Self {
            properties: DeviceProperties {
                name: "emulator".into(),
                detail: "kernels/*.cu on the CPU".into(),
                capability: (8, 6),
                multiprocessors: 2,
                shared_per_multiprocessor: 100 << 10,
                shared_per_block: 99 << 10,
            },
            memory,
            options: Options { order, ..Options::default() },
            device: Mutex::default(),
            host: Mutex::default(),
            used: AtomicU64::new(0),
            submissions: AtomicU64::new(0),
            times: Mutex::default(),
            started: Mutex::default(),
            edits: vec![],
        }
    }

    /// A small device of the Hopper kind.
    pub fn hopper(order: Order) -> Self {
        let mut device = Self::new(MEMORY, order).with_shared(228 << 10);
        (device.properties.capability, device.properties.multiprocessors) = ((9, 0), 4);
        device
    }

    /// With something else in the text of a file of `kernels/`.
    pub fn edited(mut self, file: &'static str, from: &'static str, to: &'static str) -> Self {
        self.edits.push([file, from, to]);
        self
    }

    /// With multiprocessors of so much shared memory, in bytes.
    pub fn with_shared(mut self, bytes: u32) -> Self {
        (self.properties.shared_per_multiprocessor, self.properties.shared_per_block) = (bytes, bytes - 1024);
        self
    }

    /// Whether a function was started.
    pub fn has_started(&self, entry: &str) -> bool {
        self.started.lock().unwrap().contains(entry)
    }

    /// The emulator compiles a text once for all tests.
    fn compiled(&self, program: &'static Program) -> Result<retrial_emulator::Program, Fault> {
        let file = format!("{}.cu", program.kernel);
        let edited = |(name, text): (&str, &str)| {
            let edits = self.edits.iter().filter(|[file, ..]| *file == name);
            edits.fold(text.to_owned(), |text, [_, from, to]| {
                assert!(text.contains(from), "{name} has no {from:?}");
                text.replace(from, to)
            })
        };
        let files = || [(&*file, program.text)].into_iter().chain(program.headers.iter().copied());
        let texts: Vec<String> = files().map(edited).collect();
        let files: Vec<_> = files().zip(&texts).map(|((name, _), text)| (name, &**text)).collect();
        let compiled = retrial_emulator::Program::compile(program.kernel, &files, program.defines, program.entries);
        compiled.map_err(|fault| failed(&fault.to_string()))
    }
}

pub fn failed(fault: &str) -> Fault {
    Fault::Failed { fault: fault.into(), fix: "see kernels/".into() }
}

// SAFETY: allocations are `Memory` and boxes of their own, which live until they are given back; a submission is over
// when it returns, and the emulator catches what leaves its buffers.
unsafe impl Driver for Emulated {
    fn properties(&self) -> &DeviceProperties {
        &self.properties
    }

    fn free_memory(&self) -> Result<u64, Fault> {
        Ok(self.memory - self.used.load(Relaxed))
    }

    fn allocate(&self, bytes: u64) -> Result<u64, Fault> {
        let mut device = self.device.lock().unwrap();
        if bytes > self.memory - self.used.load(Relaxed) {
            return Err(Fault::OutOfMemory { bytes });
        }
        self.used.fetch_add(bytes, Relaxed);
        let memory = Memory::allocate(bytes as usize).map_err(|fault| failed(&fault.to_string()))?;
        let address = memory.address();
        device.insert(address, memory);
        Ok(address)
    }

    unsafe fn release(&self, address: u64) {
        let memory = self.device.lock().unwrap().remove(&address).expect("a buffer is released once");
        self.used.fetch_sub(memory.as_slice().len() as u64, Relaxed);
        memory.free().expect("nothing wrote beyond the buffer");
    }

    fn pin(&self, bytes: usize) -> Result<NonNull<u8>, Fault> {
        let mut memory = vec![0xff; bytes].into_boxed_slice();
        let address = NonNull::new(memory.as_mut_ptr()).unwrap();
        self.host.lock().unwrap().insert(address.as_ptr() as usize, memory);
        Ok(address)
    }

    unsafe fn unpin(&self, memory: NonNull<u8>) {
        self.host.lock().unwrap().remove(&(memory.as_ptr() as usize)).expect("host memory is released once");
    }

    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let mut device = self.device.lock().unwrap();
        let memory = device.get_mut(&address).expect("writes go to the start of a buffer");
        memory.as_mut_slice()[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    unsafe fn read(&self, Read { from, to, bytes }: Read) -> Result<(), Fault> {
        // SAFETY: the caller's promise.
        unsafe { ptr::copy_nonoverlapping(from as *const u8, to.as_ptr(), bytes) };
        Ok(())
    }

    unsafe fn submit(&self, launches: &[LaunchParams<'_>], read: Option<Read>) -> Result<Submission, Fault> {
        let begin = Instant::now();
        for launch in launches {
            assert!(
                launch.resident <= self.properties.resident(launch.shared),
                "{} does not fit so often",
                launch.entry
            );
            self.started.lock().unwrap().insert(launch.entry);
            let program = self.compiled(launch.program)?;
            let grid = Grid::new([launch.grid, 1, 1], [launch.block, 1, 1])
                .shared(launch.shared as usize)
                .clusters(launch.cluster);
            // SAFETY: parameters hold addresses of `Memory`; one submission runs at a time on a device.
            unsafe { program.launch(launch.entry, grid, launch.params, &self.options) }
                .map_err(|fault| failed(&fault.to_string()))?;
        }
        if let Some(Read { from, to, bytes }) = read {
            // SAFETY: the caller's promise.
            unsafe { ptr::copy_nonoverlapping(from as *const u8, to.as_ptr(), bytes) };
        }
        let submission = self.submissions.fetch_add(1, Relaxed);
        self.times.lock().unwrap().insert(submission, begin.elapsed());
        Ok(Submission(submission))
    }

    fn finish(&self, submission: Submission) -> Result<Duration, Fault> {
        self.times.lock().unwrap().remove(&submission.0).ok_or_else(|| unknown(submission))
    }
}

/// Whether there is a compiler to run the kernels with; says so where there is none.
pub fn available() -> bool {
    if compiler().is_none() {
        crate::skip("emulator", "no C++ compiler; install g++ or clang++, or set CXX");
    }
    compiler().is_some()
}

/// Memory of the devices below: more than any case needs.
pub const MEMORY: u64 = 256 << 20;

/// So many devices that share the work, all of which the host checks.
pub fn devices(count: usize, memory: u64, order: Order) -> Cuda {
    Cuda::with_drivers((0..count).map(|_| Arc::new(Emulated::new(memory, order)) as Arc<dyn Driver>).collect())
        .checking(1)
}

/// One device, the same for all tests.
pub fn emulated() -> Option<&'static Cuda> {
    static DEVICE: OnceLock<Cuda> = OnceLock::new();
    available().then(|| DEVICE.get_or_init(|| devices(1, MEMORY, Order::Forward)))
}
