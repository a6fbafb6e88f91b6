//! NVIDIA's driver.

use crate::{
    compile::compiler,
    discover::{attribute, describe, dotted, driver_version, name},
    driver::{DeviceProperties, Driver, Fault, LaunchParams, Read, Submission, unknown},
    handles::{Context, Event, Module, Stream},
    source::Program,
};
use cudarc::driver::{
    DriverError,
    result::{self, device, event, function, module, stream},
    sys::{
        self, CUdevice_attribute_enum as Attribute, CUfunction_attribute_enum as FunctionAttribute,
        cudaError_enum as Code,
    },
};
use retrial_spec::{Error, Result};
use std::{
    collections::HashMap,
    ffi::{CString, c_void},
    ptr::NonNull,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// One device, with a stream for kernels, one for copies to the host behind them, and one for copies beside them.
pub(crate) struct Nvidia {
    properties: DeviceProperties,
    flights: Mutex<HashMap<u64, Events>>,
    submissions: AtomicU64,
    functions: Mutex<HashMap<(Key, &'static str), sys::CUfunction>>,
    kernels: Stream,
    copies: Stream,
    reads: Stream,
    /// Unloaded when the streams have ended.
    modules: Mutex<HashMap<Key, Module>>,
    /// Dropped last: everything above is of it.
    context: Context,
}

/// What tells programs apart: kernel and macros.
type Key = (&'static str, &'static [String]);

/// Begin and end of the launches, end of the copy.
struct Events([Event; 3]);

// SAFETY: the driver's handles may be used from any thread whose current context is theirs, which every call sets.
unsafe impl Send for Nvidia {}
// SAFETY: as above; maps are behind locks.
unsafe impl Sync for Nvidia {}

/// What went wrong, and what helps.
fn fault(what: &str, error: DriverError) -> Fault {
    let fix = match error.0 {
        Code::CUDA_ERROR_OUT_OF_MEMORY => return Fault::OutOfMemory { bytes: 0 },
        Code::CUDA_ERROR_ILLEGAL_ADDRESS
        | Code::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | Code::CUDA_ERROR_MISALIGNED_ADDRESS
        | Code::CUDA_ERROR_LAUNCH_FAILED
        | Code::CUDA_ERROR_ASSERT
        | Code::CUDA_ERROR_INVALID_PC
        | Code::CUDA_ERROR_INVALID_ADDRESS_SPACE
        | Code::CUDA_ERROR_HARDWARE_STACK_ERROR => {
            "the device takes no more work from this process: start it again, what was saved can be resumed; report it as a \
             bug if it repeats"
        }
        Code::CUDA_ERROR_ECC_UNCORRECTABLE => "the device's memory is damaged: see nvidia-smi -q -d ECC, and reset it",
        Code::CUDA_ERROR_LAUNCH_TIMEOUT => "the system ended a kernel of a GPU that drives a display; use another one",
        Code::CUDA_ERROR_DEVICE_UNAVAILABLE => "another process holds the device exclusively; wait, or choose another",
        Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
        | Code::CUDA_ERROR_NO_BINARY_FOR_GPU
        | Code::CUDA_ERROR_INVALID_IMAGE
        | Code::CUDA_ERROR_INVALID_PTX
        | Code::CUDA_ERROR_JIT_COMPILER_NOT_FOUND => NEWER,
        _ => "check nvidia-smi; update the driver if it repeats",
    };
    Fault::Failed { fault: format!("{what}: {}", name(error)), fix: fix.into() }
}

const NEWER: &str = "the toolkit is newer than the driver: update the driver, or point CUDA_HOME at a toolkit of the \
                     driver's CUDA version (nvidia-smi prints it)";

fn unavailable(index: usize, error: DriverError) -> Error {
    let (fault, fix) = match fault("opening it", error) {
        Fault::OutOfMemory { .. } => ("no memory for a context".into(), "end other programs on the GPU".into()),
        Fault::Failed { fault, fix } => (fault, fix),
    };
    Error::Device { device: format!("cuda:{index}"), fault, fix }
}

impl Nvidia {
    /// Opens device `index`, which must exist. The compiler is looked for here, so that its absence is known at once.
    pub(crate) fn open(index: usize) -> Result<Self> {
        let driver = driver_version()?;
        let toolkit = compiler()?.version();
        let info = describe(index).map_err(|error| unavailable(index, error))?;
        compiler()?.check(info.capability)?;
        let open = || -> Result<Self, DriverError> {
            let device = device::get(index as i32)?;
            let context = Context::retain(device)?;
            context.enter()?;
            let of = |which| attribute(device, which);
            let (major, minor) = info.capability;
            Ok(Self {
                properties: DeviceProperties {
                    name: info.name,
                    detail: format!("sm_{major}{minor}, driver {}, NVRTC {}.{}", dotted(driver), toolkit.0, toolkit.1),
                    capability: info.capability,
                    multiprocessors: info.multiprocessors,
                    shared_per_multiprocessor: of(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR)?,
                    shared_per_block: of(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
                },
                flights: Mutex::default(),
                submissions: AtomicU64::new(0),
                functions: Mutex::default(),
                kernels: Stream::new()?,
                copies: Stream::new()?,
                reads: Stream::new()?,
                modules: Mutex::default(),
                context,
            })
        };
        open().map_err(|error| unavailable(index, error))
    }

    /// Makes the context current on this thread; the driver's calls need it.
    fn enter(&self) -> Result<(), Fault> {
        self.context.enter().map_err(|error| fault("the context", error))
    }

    fn function(&self, program: &'static Program, entry: &'static str) -> Result<sys::CUfunction, Fault> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (program.kernel, program.defines);
        if let Some(function) = functions.get(&(key, entry)) {
            return Ok(*function);
        }
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let module = match modules.get(&key) {
            Some(module) => module.0,
            None => modules.entry(key).or_insert(self.load(program)?).0,
        };
        let missing = |error| fault(&format!("{entry} of kernels/{}.cu", program.kernel), error);
        let name = CString::new(entry).unwrap_or_default();
        // SAFETY: the module is loaded; a function may take all the shared memory that a block may have.
        let function = unsafe {
            let function = module::get_function(module, name).map_err(missing)?;
            let fixed = FunctionAttribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES;
            let fixed = function::get_function_attribute(function, fixed).map_err(missing)?;
            let which = FunctionAttribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let dynamic = self.properties.shared_per_block as i32 - fixed;
            function::set_function_attribute(function, which, dynamic).map_err(missing)?;
            function
        };
        functions.insert((key, entry), function);
        Ok(function)
    }

    /// Compiles, or takes from the cache; what the driver does not accept from the cache is compiled again.
    fn load(&self, program: &'static Program) -> Result<Module, Fault> {
        let failed = |error: Error| Fault::Failed { fault: error.to_string(), fix: "see above".into() };
        let compiler = compiler().map_err(failed)?;
        let attempt = || -> Result<Result<Module, DriverError>, Fault> {
            let image = compiler.image(program, self.properties.capability).map_err(|error| match error {
                Error::Device { fault, fix, .. } => Fault::Failed { fault, fix },
                other => failed(other),
            })?;
            // SAFETY: the image is complete; PTX ends with a zero byte, as NVRTC returns it.
            Ok(unsafe { Module::new(image.bytes()) })
        };
        let what = format!("loading kernels/{}.cu", program.kernel);
        if let Ok(module) = attempt()? {
            return Ok(module);
        }
        compiler.forget(program, self.properties.capability);
        attempt()?.map_err(|error| fault(&what, error))
    }

    /// Enqueues everything of a submission.
    unsafe fn enqueue(&self, launches: &[LaunchParams<'_>], read: Option<Read>, events: &Events) -> Result<(), Fault> {
        let [begin, end, landed] = events.0.each_ref().map(|event| event.0);
        let order = |error| fault("ordering work", error);
        // Before the clock starts: the first use compiles.
        let functions = launches.iter().map(|launch| self.function(launch.program, launch.entry));
        let functions = functions.collect::<Result<Vec<_>, Fault>>()?;
        // SAFETY: streams and events are this context's; memory is the caller's promise.
        unsafe {
            event::record(begin, self.kernels.0).map_err(order)?;
            for (launch, function) in launches.iter().zip(functions) {
                let mut params = launch.params.to_vec();
                let (grid, block) = ((launch.grid, 1, 1), (launch.block, 1, 1));
                let mut pointers = [params.as_mut_ptr().cast::<c_void>()];
                let starting = |error| fault(&format!("starting {}", launch.entry), error);
                if launch.resident > 0 {
                    let which = FunctionAttribute::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT;
                    let percent = self.properties.carveout(launch.shared, launch.resident) as i32;
                    function::set_function_attribute(function, which, percent).map_err(starting)?;
                }
                result::launch_kernel(function, grid, block, launch.shared, self.kernels.0, &mut pointers)
                    .map_err(starting)?;
            }
            event::record(end, self.kernels.0).map_err(order)?;
            let wait = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
            stream::wait_event(self.copies.0, end, wait).map_err(order)?;
            if let Some(Read { from, to, bytes }) = read.filter(|read| read.bytes > 0) {
                let to = std::slice::from_raw_parts_mut(to.as_ptr(), bytes);
                result::memcpy_dtoh_async(to, from, self.copies.0).map_err(order)?;
            }
            event::record(landed, self.copies.0).map_err(order)
        }
    }
}

impl Drop for Nvidia {
    fn drop(&mut self) {
        self.enter().ok(); // for the handles, which are dropped next
    }
}

// SAFETY: memory is the driver's; work runs on the two streams alone, `enqueue` copies nothing but the read, and `finish`
// waits for the event behind it.
unsafe impl Driver for Nvidia {
    fn properties(&self) -> &DeviceProperties {
        &self.properties
    }

    fn free_memory(&self) -> Result<u64, Fault> {
        self.enter()?;
        let (free, _) = result::mem_get_info().map_err(|error| fault("asking for free memory", error))?;
        Ok(free as u64)
    }

    fn allocate(&self, bytes: u64) -> Result<u64, Fault> {
        self.enter()?;
        // SAFETY: nothing is read before it is written.
        unsafe { result::malloc_sync(bytes as usize) }.map_err(|error| match fault("allocating", error) {
            Fault::OutOfMemory { .. } => Fault::OutOfMemory { bytes },
            other => other,
        })
    }

    unsafe fn release(&self, address: u64) {
        if self.enter().is_ok() {
            // SAFETY: the caller's promise.
            unsafe { result::free_sync(address) }.ok();
        }
    }

    fn pin(&self, bytes: usize) -> Result<NonNull<u8>, Fault> {
        self.enter()?;
        // SAFETY: the memory is cleared before anyone reads it.
        let memory = unsafe { result::malloc_host(bytes, 0) };
        let memory = memory.map_err(|error| match fault("allocating host memory", error) {
            Fault::OutOfMemory { .. } => Fault::OutOfMemory { bytes: bytes as u64 },
            other => other,
        })?;
        NonNull::new(memory.cast()).ok_or(Fault::OutOfMemory { bytes: bytes as u64 })
    }

    unsafe fn unpin(&self, memory: NonNull<u8>) {
        if self.enter().is_ok() {
            // SAFETY: the caller's promise.
            unsafe { result::free_host(memory.as_ptr().cast()) }.ok();
        }
    }

    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.enter()?;
        if bytes.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller's promise; `bytes` is borrowed until the stream is done.
        unsafe {
            result::memcpy_htod_async(address, bytes, self.kernels.0)
                .and_then(|()| stream::synchronize(self.kernels.0))
                .map_err(|error| fault("copying to the device", error))
        }
    }

    unsafe fn read(&self, Read { from, to, bytes }: Read) -> Result<(), Fault> {
        self.enter()?;
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the caller's promise; nothing else uses the memory until the stream is done.
        unsafe {
            let to = std::slice::from_raw_parts_mut(to.as_ptr(), bytes);
            result::memcpy_dtoh_async(to, from, self.reads.0)
                .and_then(|()| stream::synchronize(self.reads.0))
                .map_err(|error| fault("copying to the host", error))
        }
    }

    unsafe fn submit(&self, launches: &[LaunchParams<'_>], read: Option<Read>) -> Result<Submission, Fault> {
        self.enter()?;
        let events = || -> Result<_, DriverError> { Ok(Events([Event::new()?, Event::new()?, Event::new()?])) };
        let events = events().map_err(|error| fault("creating events", error))?;
        // SAFETY: the caller's promise.
        if let Err(fault) = unsafe { self.enqueue(launches, read, &events) } {
            // What did start must end before the caller frees its memory.
            // SAFETY: streams and events are this device's.
            unsafe {
                stream::synchronize(self.kernels.0).ok();
                stream::synchronize(self.copies.0).ok();
            }
            return Err(fault);
        }
        let submission = self.submissions.fetch_add(1, Relaxed);
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).insert(submission, events);
        Ok(Submission(submission))
    }

    fn finish(&self, submission: Submission) -> Result<Duration, Fault> {
        self.enter()?;
        let events = self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&submission.0);
        let Some(Events([begin, end, landed])) = events else { return Err(unknown(submission)) };
        // SAFETY: `submit` recorded all three.
        let time = unsafe { event::synchronize(landed.0).and_then(|()| event::elapsed(begin.0, end.0)) };
        let milliseconds = time.map_err(|error| fault("running kernels", error))?;
        Ok(Duration::try_from_secs_f64(f64::from(milliseconds) / 1e3).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_driver_becomes_a_typed_one() {
        assert_eq!(fault("x", DriverError(Code::CUDA_ERROR_OUT_OF_MEMORY)), Fault::OutOfMemory { bytes: 0 });
        let fix = |code| match fault("running kernels", DriverError(code)) {
            Fault::Failed { fix, .. } => fix,
            Fault::OutOfMemory { .. } => String::new(),
        };
        assert!(fix(Code::CUDA_ERROR_ILLEGAL_ADDRESS).contains("no more work from this process"));
        assert!(fix(Code::CUDA_ERROR_ECC_UNCORRECTABLE).contains("damaged"));
        assert!(fix(Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION).contains("newer than the driver"));
        assert!(fix(Code::CUDA_ERROR_UNKNOWN).contains("nvidia-smi"));
    }
}
