//! Retrial as a library: how far repeated attempts carry a generative model, in one dependency.
//!
//! ```
//! use retrial::{coverage, fit::{self, Kind}, theory::Data};
//!
//! # fn main() -> retrial::Result<()> {
//! // Attempts and successes of each problem, from wherever they come.
//! let counts = [(100, 0), (100, 3), (100, 41), (100, 97)];
//! let counts = counts.map(|(n, c)| coverage::Counts::new(n, c)).into_iter().collect::<retrial::Result<Vec<_>>>()?;
//! let curve = coverage::unbiased_curve(&counts, &[1, 10, 100], coverage::Scope::Population)?;
//! assert_eq!(curve[2].value, 0.75);
//! let law = fit::fit(Kind::BETA, &Data::new(&counts)?).expect("a law of these counts");
//! assert!(law.coverage(1000.0) > 0.75);
//! # Ok(())
//! # }
//! ```
//!
//! Longer ones are in `examples/`: `cargo run --release --example pass_at_k COUNTS`, `fit COUNTS`, `score NOISE.npy`; a backend
//! of one's own is in `crates/check/examples`.
//!
//! # A map of the house
//!
//! Arrows point down; what stands on one line does not know its neighbours.
//!
//! ```text
//!     the command line (crates/cli)     the Python package (crates/python)     this library
//!         counts      mpi            page         devices
//!           |          |              |          /   |   \
//!         engine <-----+              |         /    |    \       report
//!           |  \                      |        /     |     \
//!         theory  vae      check <----|-------+      |      \
//!            \     |       /   \      |              |       \
//!             \    |   reference     wgsl          cuda      cpu      emulator (tests only)
//!              \   |       |          |              |        |
//!               +--+-------+----------+--------------+--------+
//!                                   spec
//! ```
//!
//! | to learn | read |
//! |---|---|
//! | what a kernel must compute | [`spec`] (`rng`, `tally`, `backend`), then its twin in `crates/reference/src` |
//! | how a kernel is held to it | [`check`]: `case`, `compare`, `prove` |
//! | how a run goes on after a crash | [`engine`]: `sample`, `ledger`, `run` |
//! | what the numbers mean | [`theory`]: `coverage`, `fit`, `forecast`, `spectrum`, `tail` |
//!
//! ## The path of a trial
//!
//! A trial is `(seed, sample, number)` and nothing else. [`engine`]'s ledger hands out ranges of numbers; a
//! [`Scorer`](spec::Scorer) takes a range through five stages, and the same bits come out however it was cut:
//!
//! | stage | CPU | WGSL | CUDA |
//! |---|---|---|---|
//! | normals of the counter | `normals.rs`, 16 lanes are 16 trials | `shared/normals.wgsl`, in `hidden` | `normals.cuh` |
//! | hidden units | `score.rs`, kept in cache | `hidden` of `score.wgsl`, through a buffer | `score.cu`, `score_mma.cuh`, `score_wgmma.cu`, in shared memory |
//! | units that are 0 left out | list of a block of 32 | `alive`, a list of a tile | a list of a block, in `score.cu` alone |
//! | pixels, squares, error | `panel.rs`, sums in registers | `score` | the same file |
//! | tally | `scorer.rs`, [`Row`](spec::Row) | `pass_at_k.wgsl` with `tally.rs` | `pass_at_k.cu` with `tally.rs` |
//!
//! What comes out is a [`Tally`](spec::Tally): counts at thresholds, a histogram, the running minima, the worst trial. Tallies
//! of other trials merge exactly, so windows, threads, shards and machines never show.
//!
//! ## To add a kernel
//!
//! 1. `crates/reference/src/NAME.rs`: the f64 twin; a variant of [`check::Kernel`], its case, tolerance, FLOPs and bytes.
//! 2. A method of [`spec::Kernels`], and of [`spec::Backend`] with the checks that it makes for all.
//! 3. `shaders/NAME.wgsl`, `kernels/NAME.cu`, and the CPU's; their entries in `crates/wgsl/src/source.rs` and
//!    `crates/cuda/src/source.rs`.
//! 4. `tests/NAME.rs` and `benches/NAME.rs`. `tests/layout.rs` says what was forgotten.
//!
//! ## To add a precision
//!
//! 1. [`spec::Precision`]: a variant, its name, its place in `FromStr`.
//! 2. Its bound in `Case::tolerance` and `operand` of `condition.rs`, both in `crates/check`; the compiler asks for them.
//! 3. A [`spec::Variant`] in the `variants` of the devices that have it, and what loads it.
//!
//! ## To add a law
//!
//! 1. `crates/theory/src/fit/laws/NAME.rs`: a family with its parameters, their ranges and its likelihood.
//! 2. A constant of [`fit::Kind`] in `law.rs`, in the list from which `fit`, `forecast`, the back-test and the help are made.
//! 3. Its test: counts drawn from it are fitted back to it (`crates/theory/tests`).
//!
//! ## To add a backend
//!
//! 1. A crate with a type that has [`spec::Kernels`]; `crates/check/examples/own_backend.rs` is the least there can be.
//! 2. [`check::conformance`] on it, and `prove::load` before a run trusts it.
//! 3. A name, a feature and a line of [`devices`]`::list` in `crates/devices`, and its part of `retrial info`.

pub use retrial_check as check;
pub use retrial_counts as counts;
pub use retrial_cpu as cpu;
#[cfg(feature = "cuda")]
pub use retrial_cuda as cuda;
pub use retrial_devices as devices;
pub use retrial_engine as engine;
pub use retrial_files as files;
pub use retrial_reference as reference;
pub use retrial_report as report;
pub use retrial_spec as spec;
pub use retrial_theory as theory;
pub use retrial_vae as vae;
#[cfg(feature = "wgsl")]
pub use retrial_wgsl as wgsl;

pub use retrial_spec::{Backend, Error, Result};
pub use retrial_theory::{coverage, fit, forecast};
