//! Runs CUDA kernels on a CPU, from their own source, so that tests execute them without a GPU.
//!
//! A C++ compiler builds the source with headers that define CUDA's language in terms of fibers (`src/host`): one
//! fiber per CUDA thread, one OS thread per block, or cluster of blocks, at a time. What a GPU leaves undefined is
//! made to fail: barriers that some threads miss, lanes that a mask names in vain, accesses outside of arrays, shared
//! memory and [`Memory`], and, by poison that reads as NaN, reads before writes. [`Order`] moves the rest of the
//! races: results that depend on it lack a barrier.
//!
//! Kernels are `extern "C"`, take one parameter, a struct by value, and see neither `__CUDACC__` nor inline PTX. A
//! function for each instruction stands in for that:
//!
//! | `emulated_` | |
//! |---|---|
//! | `cp_async`, `_commit`, `_wait` | done by the wait |
//! | `ldmatrix_x4`, `_x2`; `mma_m16n8k16_f16`, `_bf16` | by a warp, at once |
//! | `mbarrier_init`, `_arrive`, `_arrive_expect_tx`, `_arrive_cluster`, `_wait` | waits as long as it takes |
//! | `fence_mbarrier_init`, `fence_proxy_async` | |
//! | `bulk_copy`, `_multicast` | counted by an mbarrier in each target |
//! | `cluster_rank`, `_size`, `_arrive`, `_wait`; `map_shared` | no `__shared__` variables in clusters |
//! | `barrier_sync`, `_arrive`; `setmaxnreg` | named barriers; registers of whole warpgroups |
//! | `wgmma_fence`, `_commit`, `_wait`; `_f16`, `_bf16`, `_ss_f16`, `_ss_bf16` | m64nNk16, no swizzle |
//! | `shared_address` | for descriptors |
//!
//! What goes on beside threads ends as late as the rules allow, or, in shuffled order, at any time. Until then its
//! targets are poisoned, and an early use is an error that names both sides: a stage that is overwritten before wgmma
//! has read it, read before its copy has arrived, or written by threads with no proxy fence after; registers that are
//! touched before the wait; bytes or arrivals that come too late for a block that exits; a barrier that is made,
//! counted or announced wrongly. When nobody can go on, the error says what each kind of waiter waits for. Three
//! things are not noticed: a proxy fence that only other threads ran after the write; a missing fence of registers
//! between two products under way; and whether lanes that reach an `.aligned` instruction do so together.
//!
//! A program's `__device__` variables are not shared by the OS threads; a kernel that spins on another thread of its
//! block never ends. For Linux, with a C++17 compiler (tested with GCC 12).
#![cfg(target_os = "linux")]

mod compile;
mod error;
mod fault;
mod instance;
mod memory;
mod program;

pub use compile::{Compiler, compiler};
pub use error::{Error, Fault, Overrun};
pub use memory::Memory;
pub use program::{Grid, Options, Order, Program};
