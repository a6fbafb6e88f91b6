//! Sampling runs: from a problem and a backend to a state, its analysis, and a run directory.
//!
//! [`sample`] draws the windows, [`ledger`] keeps book of them, [`analysis`] turns a tally into curves, fits and the
//! correlation spectrum, [`correlation`] follows that spectrum through all trials, [`arrays`] lays results out for NumPy,
//! and [`run`] keeps them on disk so that an interrupted run goes on where it stopped. [`tail`] finds success
//! probabilities that no run reaches. Runs on many machines: [`massive`].

pub mod analysis;
pub mod arrays;
mod checkpoint;
pub mod correlation;
pub mod ledger;
pub mod lock;
mod manifest;
pub mod massive {
    #![doc = include_str!("../massive.md")]
}
pub mod run;
pub mod sample;
mod state;
pub mod tail;
pub mod window;

pub use analysis::Analysis;
pub use correlation::Drift;
pub use ledger::Ledger;
pub use manifest::{DataInfo, Manifest, ModelInfo, Shard, TrainingInfo};
pub use run::{Existing, RunDir};
pub use state::State;
