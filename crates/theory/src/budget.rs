//! What a budget buys: Eqs 13 to 15 turned round.

use crate::{coverage::Counts, laws::Cost, npmle::Npmle};
use retrial_spec::Result;

/// The least number of trials, at most `most`, with which `coverage`, a non-decreasing function of `k`, reaches
/// `target`; `None` where it does not.
pub fn trials_to_reach(coverage: impl Fn(f64) -> f64, target: f64, most: f64) -> Option<f64> {
    let _ = (coverage, target, most);
    todo!()
}

/// The best of several models at a budget per sample: its index and coverage. `None` where no budget pays a prompt.
pub fn best_model(models: &[(Cost, &dyn Fn(f64) -> f64)], budget: f64) -> Option<(usize, f64)> {
    let _ = (models, budget);
    todo!()
}

/// Where further trials go.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Allocation {
    /// Further trials of each sample, in the order of the counts.
    pub trials: Vec<u64>,
    /// Samples expected to be solved by them for the first time.
    pub gain: f64,
    /// The same had they been spread evenly over the unsolved samples.
    pub even_gain: f64,
}

/// Allots `trials` further trials to the samples, each to where it is likeliest to solve an unsolved sample, by the
/// posterior of the NPMLE. Greedy, and optimal because the gain of each further trial of a sample is less than that of
/// the one before. Stops early where no trial gains anything.
pub fn allocate(npmle: &Npmle, counts: &[Counts], trials: u64) -> Result<Allocation> {
    let _ = (npmle, counts, trials);
    todo!()
}
