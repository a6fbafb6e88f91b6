//! Trials one after the other: a sample is left alone when it is solved, and what that saves goes to the others.

use super::Cell;
use crate::{coverage::Counts, npmle::Npmle};
use retrial_spec::{Error, Result};

/// A policy for unsolved samples: how long each is tried if it stays unsolved.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Sequential {
    /// Further trials after which a sample is given up, in the order of the counts; 0 of solved ones.
    pub until: Vec<u64>,
    /// Trials that are expected to be made: those after a first success are not.
    pub spent: f64,
    /// Samples expected to be solved by them for the first time.
    pub gain: f64,
}

impl Cell {
    /// The probability that trial number `m + 1` succeeds where all before failed. It falls with `m`: what failed is hard.
    fn hazard(&self, m: u64) -> f64 {
        let left: f64 = self.posterior.iter().map(|(w, _, ln_failure)| w * (m as f64 * ln_failure).exp()).sum();
        if left > 0.0 { self.marginal(m) / left } else { 0.0 }
    }

    /// Expected trials of a member that is tried until its first success, `m` times at most: the sum of the
    /// probabilities that it is still unsolved.
    fn spent(&self, m: u64) -> f64 {
        let spent = |(w, success, ln_failure): &(f64, f64, f64)| match *success {
            0.0 => w * m as f64,
            success => w * -(m as f64 * ln_failure).exp_m1() / success,
        };
        self.posterior.iter().map(spent).sum()
    }

    /// Trials, at most `most`, whose hazard is at least `worth`.
    fn until(&self, worth: f64, most: u64) -> u64 {
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.hazard(middle) >= worth { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// The policy that spends `trials` in expectation and solves most samples: always try the unsolved one that is likeliest
/// to succeed next, by the posterior of the NPMLE. It is optimal because the chances of a sample only fall while it fails
/// (the index of Gittins 1979 is then the chance itself), up to the rest of the budget that pays for no whole trial more; so
/// [`allocate`](super::allocate), which settles all trials beforehand, solves no more than that.
pub fn sequential(npmle: &Npmle, counts: &[Counts], trials: f64) -> Result<Sequential> {
    /// No sample is tried so often.
    const MAX_TRIALS: u64 = 1 << 53;
    if !(trials >= 0.0 && trials <= MAX_TRIALS as f64) {
        return Err(Error::input("trials to spend", trials, "must be from 0 to 2^53"));
    }
    let cells = Cell::of_unsolved(npmle, counts);
    let most = trials as u64;
    let spent = |until: &[u64]| -> f64 {
        cells.iter().zip(until).map(|(cell, &m)| cell.spent(m) * cell.members.len() as f64).sum()
    };
    let until = |ln_worth: f64| -> Vec<u64> { cells.iter().map(|cell| cell.until(ln_worth.exp(), most)).collect() };
    let (mut low, mut high) = (-740.0, 1.0);
    if spent(&until(low)) <= trials {
        high = low;
    }
    for _ in 0..80 {
        let middle: f64 = (low + high) / 2.0;
        if spent(&until(middle)) <= trials { high = middle } else { low = middle }
    }
    let mut each = vec![0; counts.len()];
    let (sure, perhaps) = (until(high), until(low));
    let (mut left, mut gain) = (trials - spent(&sure), 0.0);
    for ((cell, &sure), &perhaps) in cells.iter().zip(&sure).zip(&perhaps) {
        for &member in &cell.members {
            // What is left is worth the same wherever it goes, as far as floats can tell.
            let more = |m: u64| cell.spent(m) - cell.spent(sure);
            let (mut m, mut high) = (sure, perhaps);
            while m < high {
                let middle = high - (high - m) / 2;
                if more(middle) <= left { m = middle } else { high = middle - 1 }
            }
            left -= more(m);
            gain += cell.gain(m);
            each[member] = m;
        }
    }
    Ok(Sequential { until: each, spent: trials - left, gain })
}
