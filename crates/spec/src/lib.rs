//! The contract that every backend keeps.
//!
//! Retrial decodes `N` memorised *samples* at a *temperature*, `k` *trials* each, scores every trial by its
//! L2 *error* and folds the errors into a [`Tally`]. This crate says what those words mean to a machine:
//!
//! | module | settles |
//! |---|---|
//! | [`model`] | shapes, weight layout, and the [`Problem`] a backend is given |
//! | [`rng`] | the random numbers: which word belongs to which trial, to the bit |
//! | [`tally`] | the mergeable summary of a set of trials |
//! | [`gram`] | the correlation of trials, mergeable too |
//! | [`backend`] | [`Backend`] and [`Scorer`], which callers use and which check every argument; devices, precisions |
//! | [`kernels`] | the [`Kernels`] and [`Fused`] traits, which a backend implements |
//! | [`observer`] | how a long call reports progress and is cancelled |
//! | [`error`] | the one error type |
//! | [`text`] | how a name that others chose is shown |
//!
//! It knows no GPU and no file format, prints nothing, and everything else stands on it.

pub mod backend;
mod device;
pub mod error;
pub mod gram;
pub mod kernels;
pub mod model;
mod noise;
pub mod observer;
pub mod rng;
pub mod tally;
pub mod text;
mod trials;
mod values;

pub use backend::{Backend, Scorer};
pub use device::{Device, Precision, Variant};
pub use error::{Error, Result};
pub use gram::Gram;
pub use kernels::{Fused, Kernels};
pub use model::{Linear, Posterior, Problem, Shape, Weights};
pub use noise::Noise;
pub use observer::{Observer, Progress, Silent};
pub use tally::{Row, Tally};
pub use trials::Trials;
