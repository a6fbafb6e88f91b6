//! Sampling runs: from a problem and a backend to a tally, its analysis, and a run directory.
//!
//! [`sample`] draws the windows, [`analysis`] turns a tally into curves, fits and the correlation spectrum, [`arrays`]
//! lays results out for NumPy, and [`run`] keeps them on disk so that an interrupted run goes on where it stopped.

pub mod analysis;
pub mod arrays;
mod checkpoint;
pub mod run;
pub mod sample;

pub use analysis::Analysis;
pub use run::{DataInfo, Existing, Manifest, ModelInfo, RunDir, TrainingInfo};
