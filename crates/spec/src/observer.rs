//! How a long call says where it stands and learns that it should stop.

use crate::Tally;
use std::time::Duration;

/// A step of a long call.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is being done: "train", "sample".
    pub stage: &'a str,
    /// Units finished.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// What one unit is: "epochs", "trials".
    pub unit: &'a str,
}

/// Receives progress and can cancel. Calls come from the thread that runs the work, a few times a second at most
/// per unit of work; both methods should return at once.
pub trait Observer: Sync {
    /// Called after each unit of work.
    fn progress(&self, progress: Progress<'_>) {
        let _ = progress;
    }

    /// Called after each unit of sampling: what is known so far, and in what time it is kept.
    fn sampled(&self, so_far: &Tally, checkpoint: Duration) {
        let _ = (so_far, checkpoint);
    }

    /// Asked between units of work; `true` ends the call with [`Error::Cancelled`](crate::Error::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

/// An observer that watches nothing and never cancels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
