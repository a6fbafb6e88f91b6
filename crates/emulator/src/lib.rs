//! Runs CUDA kernels on a CPU, from their own source, so that tests execute them without a GPU.
//!
//! A C++ compiler builds the source with headers that define CUDA's language in terms of fibers (`src/host`): one fiber
//! per CUDA thread, one OS thread per block at a time. What a GPU leaves undefined is made to fail: barriers that some
//! threads miss, lanes that a mask names in vain, accesses outside of arrays, shared memory and [`Memory`], and, by
//! poison that reads as NaN, reads before writes. [`Order`] moves the rest of the races: results that depend on it lack
//! a barrier.
//!
//! Kernels are `extern "C"`, take one parameter, a struct by value, and see neither `__CUDACC__` nor inline PTX:
//! `emulated_mma_m16n8k16_f16` and `_bf16`, `emulated_ldmatrix_x4` and `_x2`, `emulated_cp_async`, `_commit` and
//! `_wait` stand in for that. A program's `__device__` variables are not shared by the OS threads; a kernel that spins on another thread
//! of its block never ends. For Linux, with a C++17 compiler (tested with GCC 12).
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
