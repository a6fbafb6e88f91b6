//! A device in safe hands: buffers that free themselves, launches whose buffers outlive them.

use crate::{
    driver::{DeviceProperties, Driver, Fault, LaunchParams, Read, Submission},
    source::Program,
};
use bytemuck::{Pod, Zeroable};
use retrial_spec::Error;
use std::{
    marker::PhantomData,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// One device.
#[derive(Clone)]
pub(crate) struct Gpu {
    driver: Arc<dyn Driver>,
    /// The device as a user would ask for it.
    name: String,
    /// Nanoseconds spent in launches.
    busy: Arc<AtomicU64>,
}

/// Values on the device.
pub(crate) struct Buffer<T> {
    driver: Arc<dyn Driver>,
    address: u64,
    len: usize,
    values: PhantomData<T>,
}

impl<T> Buffer<T> {
    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // SAFETY: `Gpu::buffer` allocated it; who starts work on it promises that it outlives the flight.
        unsafe { self.driver.release(self.address) }
    }
}

/// Host memory that a device copies to.
pub(crate) struct Pinned<T> {
    driver: Arc<dyn Driver>,
    memory: NonNull<u8>,
    len: usize,
    values: PhantomData<T>,
}

// SAFETY: it owns its memory, as a `Vec` does.
unsafe impl<T: Send> Send for Pinned<T> {}
// SAFETY: as above; a shared reference only reads.
unsafe impl<T: Sync> Sync for Pinned<T> {}

impl<T: Pod> Pinned<T> {
    /// The first `len` values.
    pub(crate) fn values(&self, len: usize) -> &[T] {
        assert!(len <= self.len);
        // SAFETY: `Gpu::pinned` allocated and cleared `self.len` values of `T`, which is valid for any bits.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), len) }
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        // SAFETY: `Gpu::pinned` allocated it; who starts a copy to it promises that it outlives the flight.
        unsafe { self.driver.unpin(self.memory) }
    }
}

/// Work under way. Dropped unfinished, as when a panic unwinds, it waits: the device may still be using the memory.
#[must_use]
pub(crate) struct Pending<'g> {
    gpu: &'g Gpu,
    submission: Option<Submission>,
}

impl Pending<'_> {
    /// Waits until it has ended.
    pub(crate) fn finish(mut self) -> Result<(), Fault> {
        self.wait()
    }

    fn wait(&mut self) -> Result<(), Fault> {
        let Some(submission) = self.submission.take() else { return Ok(()) };
        let time = self.gpu.driver.finish(submission)?;
        self.gpu.busy.fetch_add(time.as_nanos() as u64, Relaxed);
        Ok(())
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let _ = self.wait(); // an error too means that it has ended
    }
}

/// A grid of a kernel with its parameters.
pub(crate) struct Launch {
    program: &'static Program,
    entry: &'static str,
    grid: u64,
    cluster: u32,
    block: u32,
    shared: u32,
    resident: u32,
    params: Vec<u8>,
}

impl Launch {
    pub(crate) fn new<P: Pod>(
        program: &'static Program,
        entry: &'static str,
        grid: u64,
        block: u32,
        params: &P,
    ) -> Self {
        assert!(program.entries.contains(&entry) && size_of::<P>() == program.params.1);
        let params = bytemuck::bytes_of(params).to_vec();
        Self { program, entry, grid, cluster: 1, block, shared: 0, resident: 0, params }
    }

    /// In clusters of so many blocks.
    pub(crate) fn clusters(self, blocks: u32) -> Self {
        assert!(self.grid.is_multiple_of(blocks.into()));
        Self { cluster: blocks, ..self }
    }

    /// With dynamic shared memory.
    pub(crate) fn shared(self, bytes: u32) -> Self {
        Self { shared: bytes, ..self }
    }

    /// Of so many blocks on a multiprocessor at once: what shared memory they do not need caches global memory.
    pub(crate) fn resident(self, blocks: u32) -> Self {
        Self { resident: blocks, ..self }
    }
}

/// Most blocks of a grid.
pub(crate) const GRID: u64 = i32::MAX as u64;

impl Gpu {
    pub(crate) fn new(driver: Arc<dyn Driver>, name: String) -> Self {
        Self { driver, name, busy: Arc::default() }
    }

    pub(crate) fn properties(&self) -> &DeviceProperties {
        self.driver.properties()
    }

    /// Time spent in launches so far.
    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Relaxed))
    }

    pub(crate) fn free_memory(&self) -> Result<u64, Fault> {
        self.driver.free_memory()
    }

    /// Room for `len` values, of any content.
    pub(crate) fn buffer<T>(&self, len: usize) -> Result<Buffer<T>, Fault> {
        let address = self.driver.allocate((len * size_of::<T>()).max(16) as u64)?;
        Ok(Buffer { driver: self.driver.clone(), address, len, values: PhantomData })
    }

    pub(crate) fn upload<T: Pod>(&self, values: &[T]) -> Result<Buffer<T>, Fault> {
        let buffer = self.buffer(values.len())?;
        self.write(&buffer, values)?;
        Ok(buffer)
    }

    pub(crate) fn write<T: Pod>(&self, buffer: &Buffer<T>, values: &[T]) -> Result<(), Fault> {
        assert!(values.len() <= buffer.len);
        // SAFETY: the buffer holds at least as many values.
        unsafe { self.driver.write(buffer.address, bytemuck::cast_slice(values)) }
    }

    pub(crate) fn pinned<T: Pod + Zeroable>(&self, len: usize) -> Result<Pinned<T>, Fault> {
        let bytes = (len * size_of::<T>()).max(16);
        let memory = self.driver.pin(bytes)?;
        // SAFETY: `pin` gave `bytes` bytes.
        unsafe { memory.as_ptr().write_bytes(0, bytes) };
        Ok(Pinned { driver: self.driver.clone(), memory, len, values: PhantomData })
    }

    /// Reads the first `len` values of a buffer, which no work under way writes, beside that work.
    pub(crate) fn read<T: Pod>(&self, from: &Buffer<T>, to: &mut Pinned<T>, len: usize) -> Result<(), Fault> {
        assert!(len <= from.len.min(to.len));
        let read = Read { from: from.address, to: to.memory, bytes: len * size_of::<T>() };
        // SAFETY: `read` is within both buffers, and `to` is borrowed.
        unsafe { self.driver.read(read) }
    }

    /// Starts calls, then copies the first `len` values of `from` to `to`.
    ///
    /// # Safety
    /// Every buffer whose address is in a parameter is as large as its kernel's contract says. It, `from` and `to` outlive
    /// the pending work, which is not forgotten; nothing reads `to` before it has landed.
    pub(crate) unsafe fn start<T>(
        &self,
        calls: &[Launch],
        from: &Buffer<T>,
        to: &Pinned<T>,
        len: usize,
    ) -> Result<Pending<'_>, Fault> {
        assert!(len <= from.len.min(to.len));
        assert!(calls.iter().all(|call| (1..=GRID).contains(&call.grid)));
        let read = Read { from: from.address, to: to.memory, bytes: len * size_of::<T>() };
        let launches: Vec<LaunchParams<'_>> = calls
            .iter()
            .map(|call| LaunchParams {
                program: call.program,
                entry: call.entry,
                grid: call.grid as u32,
                cluster: call.cluster,
                block: call.block,
                shared: call.shared,
                resident: call.resident,
                params: &call.params,
            })
            .collect();
        // SAFETY: `read` is within both buffers; the rest is the caller's promise.
        let submission = unsafe { self.driver.submit(&launches, Some(read))? };
        Ok(Pending { gpu: self, submission: Some(submission) })
    }

    /// Runs calls and reads the first `len` values of a buffer.
    ///
    /// # Safety
    /// Every buffer whose address is in a parameter is as large as its kernel's contract says, and lives.
    pub(crate) unsafe fn run<T: Pod>(&self, calls: &[Launch], from: &Buffer<T>, len: usize) -> Result<Vec<T>, Fault> {
        let to = self.pinned(len)?;
        // SAFETY: the caller's promise; the pending work has ended before `to` is read or dropped.
        unsafe { self.start(calls, from, &to, len)? }.finish()?;
        Ok(to.values(len).to_vec())
    }

    /// The error that a user sees.
    pub(crate) fn error(&self, fault: Fault) -> Error {
        let (fault, fix) = match fault {
            Fault::OutOfMemory { bytes } => {
                let free = self.driver.free_memory().map_or("an unknown amount".into(), |free| format!("{free} bytes"));
                let wanted = if bytes == 0 { "some".into() } else { bytes.to_string() };
                let fault = format!("{wanted} bytes of memory were refused, {free} are free");
                (fault, "end other programs on the GPU, or use fewer samples".into())
            }
            Fault::Failed { fault, fix } => (fault, fix),
        };
        Error::Device { device: self.name.clone(), fault, fix }
    }
}
