//! What the backend needs of a device: memory, and kernels in order. NVIDIA's driver provides it (`nvidia`), and so does
//! anything else that runs the same sources, which is how they are tested without a GPU.

use crate::source::Program;
use std::{ptr::NonNull, time::Duration};

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceProperties {
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

/// Shared memory of each block that the system keeps for itself, bytes.
const RESERVED: u32 = 1 << 10;

impl DeviceProperties {
    /// Blocks of so many bytes of shared memory that fit a multiprocessor at once.
    pub fn resident(&self, shared: u32) -> u32 {
        self.shared_per_multiprocessor / (shared + RESERVED)
    }

    /// The share of a multiprocessor's memory, in percent of what can be shared memory, that these blocks need. The rest
    /// caches global memory.
    pub fn carveout(&self, shared: u32, blocks: u32) -> u32 {
        (100 * blocks * (shared + RESERVED)).div_ceil(self.shared_per_multiprocessor).min(100)
    }
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
pub struct LaunchParams<'a> {
    /// The file it is in.
    pub program: &'static Program,
    /// The function, one of the program's entries.
    pub entry: &'static str,
    /// Blocks.
    pub grid: u32,
    /// Blocks of a cluster, as the function itself says; 1 without clusters.
    pub cluster: u32,
    /// Threads of a block.
    pub block: u32,
    /// Dynamic shared memory, bytes.
    pub shared: u32,
    /// Blocks that are to be resident on a multiprocessor at once; 0 leaves it to the driver.
    pub resident: u32,
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

/// Work under way: what [`Driver::submit`] returns and [`Driver::finish`] takes, once.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Submission(pub u64);

/// One device. Launches run in the order of their submission; copies to the host run beside later launches.
///
/// # Safety
/// Safe code above reads and writes through what these methods return, and frees it by what they report. So
///
/// * [`Driver::pin`] returns memory of the size asked for, aligned to 16 bytes, that nobody else uses until
///   [`Driver::unpin`];
/// * [`Driver::allocate`] returns addresses of device memory of the size asked for, none of it part of another
///   allocation, until [`Driver::release`];
/// * work touches nothing but what the launches' parameters and the read name, and none of it before
///   [`Driver::submit`] was called, or after it failed, or once [`Driver::finish`] has returned, whatever it returned;
/// * what a submission reads back is in the memory of the read, all of it, when `finish` returns [`Ok`].
pub unsafe trait Driver: Send + Sync {
    /// What the device says of itself.
    fn properties(&self) -> &DeviceProperties;

    /// Bytes of memory that are free now.
    fn free_memory(&self) -> Result<u64, Fault>;

    /// Allocates device memory, aligned to 256 bytes, of any content.
    fn allocate(&self, bytes: u64) -> Result<u64, Fault>;

    /// Gives device memory back.
    ///
    /// # Safety
    /// `address` came from [`Driver::allocate`] of this device, once, and no work under way uses it.
    unsafe fn release(&self, address: u64);

    /// Allocates host memory that the device can copy to, of any content.
    fn pin(&self, bytes: usize) -> Result<NonNull<u8>, Fault>;

    /// Gives host memory back.
    ///
    /// # Safety
    /// `memory` came from [`Driver::pin`] of this device, once, and no work under way uses it.
    unsafe fn unpin(&self, memory: NonNull<u8>);

    /// Copies to the device, after all that was submitted, and waits for it.
    ///
    /// # Safety
    /// `bytes.len()` bytes from `address` on are allocated.
    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault>;

    /// Copies to the host at once, beside work under way, and waits for it.
    ///
    /// # Safety
    /// The memory of `read` is allocated, and nothing else reads or writes `read.to` meanwhile.
    unsafe fn read(&self, read: Read) -> Result<(), Fault>;

    /// Starts launches, then a copy to the host once they are done. On an error nothing is under way.
    ///
    /// # Safety
    /// The addresses in the parameters are allocated and large enough until the submission is finished; so is the memory of
    /// `read`, and nothing reads or writes `read.to` before.
    unsafe fn submit(&self, launches: &[LaunchParams<'_>], read: Option<Read>) -> Result<Submission, Fault>;

    /// Waits for a submission, and tells how long its launches took. A submission that is not under way on this device is an
    /// error.
    fn finish(&self, submission: Submission) -> Result<Duration, Fault>;
}

/// What [`Driver::finish`] says of a submission that it does not know.
pub fn unknown(Submission(submission): Submission) -> Fault {
    Fault::Failed {
        fault: format!("submission {submission} is not under way on this device"),
        fix: "report it as a bug".into(),
    }
}
