//! What the backend needs of a device: memory, and kernels in order. NVIDIA's driver provides it (`nvidia`), and so does
//! anything else that runs the same sources, which is how they are tested without a GPU.

use crate::source::Program;
use std::{ptr::NonNull, time::Duration};

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The device as its maker calls it.
    pub name: String,
    /// Driver, toolkit and architecture in a few words.
    pub detail: String,
    /// Compute capability, as (9, 0).
    pub capability: (u32, u32),
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Shared memory of a multiprocessor, bytes.
    pub shared_per_multiprocessor: u32,
    /// Most shared memory of one block, bytes.
    pub shared_per_block: u32,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Less memory was free than asked for; the device is otherwise well, and less may do.
    OutOfMemory {
        /// What was asked for.
        bytes: u64,
    },
    /// Anything else.
    Failed {
        /// What happened.
        fault: String,
        /// What to do about it.
        fix: String,
    },
}

/// One grid of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The file it is in.
    pub program: &'static Program,
    /// The function, one of the program's entries.
    pub entry: &'static str,
    /// Blocks.
    pub grid: u32,
    /// Threads of a block.
    pub block: u32,
    /// Dynamic shared memory, bytes.
    pub shared: u32,
    /// The function's one parameter, of the size that `program.params` says.
    pub params: &'a [u8],
}

/// A copy from the device to host memory.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Where on the device.
    pub from: u64,
    /// Where to, in memory from [`Driver::pin`].
    pub to: NonNull<u8>,
    /// How much.
    pub bytes: usize,
}

/// Work under way.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// One device. Launches run in the order of their submission; copies to the host run beside later launches.
pub trait Driver: Send + Sync {
    /// What the device says of itself.
    fn facts(&self) -> &Facts;

    /// Bytes of memory that are free now.
    fn free_memory(&self) -> Result<u64, Fault>;

    /// Allocates device memory, aligned to 256 bytes.
    fn allocate(&self, bytes: u64) -> Result<u64, Fault>;

    /// Gives device memory back.
    ///
    /// # Safety
    /// `address` came from [`Driver::allocate`], and no work under way uses it.
    unsafe fn release(&self, address: u64);

    /// Allocates host memory that the device can copy to.
    fn pin(&self, bytes: usize) -> Result<NonNull<u8>, Fault>;

    /// Gives host memory back.
    ///
    /// # Safety
    /// `memory` came from [`Driver::pin`], and no work under way uses it.
    unsafe fn unpin(&self, memory: NonNull<u8>);

    /// Copies to the device, after all that was submitted.
    ///
    /// # Safety
    /// `bytes.len()` bytes from `address` on are allocated.
    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault>;

    /// Starts launches, then a copy to the host once they are done.
    ///
    /// # Safety
    /// The addresses in the parameters are allocated and large enough until the ticket is finished, and nothing reads
    /// `read.to` before.
    unsafe fn submit(&self, launches: &[Launch<'_>], read: Option<Read>) -> Result<Ticket, Fault>;

    /// Waits for a submission, and tells how long its launches took.
    fn finish(&self, ticket: Ticket) -> Result<Duration, Fault>;
}
