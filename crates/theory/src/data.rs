//! The counts of many samples, equal ones together.

use crate::coverage::{Counts, Estimator, Point, Scope, kaplan_meier, unbiased_cells, values};
use retrial_spec::{Error, Result};

/// Counts of the samples that one law is to describe. Equal counts are kept once with their number, so a million
/// samples of equally many trials cost what their distinct counts cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Sorted and distinct, each with the number of samples that have them.
    cells: Vec<(Counts, f64)>,
    stopped: bool,
}

impl Data {
    /// Samples whose numbers of trials were set beforehand. An error without samples.
    pub fn new(counts: &[Counts]) -> Result<Self> {
        let mut sorted = counts.to_vec();
        sorted.sort_unstable();
        Self::of_cells(sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect(), false)
    }

    /// Samples that were tried until their first success or until attempts ran out: one success in `n` trials is a
    /// success at trial `n`. An error without samples, or where a sample has more than one success.
    ///
    /// The rule does not depend on `p`, so the likelihood is the same, `p^(n-c) (1-p)^c`, with nothing to choose from
    /// and hence without a binomial coefficient. The *unbiased* estimator is not unbiased here: [`Self::curve`] gives
    /// the first-success curve instead.
    pub fn stopped(counts: &[Counts]) -> Result<Self> {
        if let Some(many) = counts.iter().find(|s| s.successes() > 1) {
            let got = format!("{} successes in {} trials", many.successes(), many.trials());
            return Err(Error::input("counts of a stopped sample", got, "a sample stops at its first success"));
        }
        Ok(Self { stopped: true, ..Self::new(counts)? })
    }

    /// The same from distinct sorted counts and their weights.
    pub(crate) fn of_cells(cells: Vec<(Counts, f64)>, stopped: bool) -> Result<Self> {
        if cells.is_empty() {
            return Err(Error::input("samples", 0, "need at least one"));
        }
        Ok(Self { cells, stopped })
    }

    /// Distinct counts, sorted, each with the number of samples that have them.
    pub fn cells(&self) -> &[(Counts, f64)] {
        &self.cells
    }

    /// Whether samples stopped at their first success.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Number of samples.
    pub fn samples(&self) -> f64 {
        self.cells.iter().map(|(_, weight)| weight).sum()
    }

    /// Number of samples with a success.
    pub fn solved(&self) -> f64 {
        self.cells.iter().filter(|(s, _)| s.successes() > 0).map(|(_, weight)| weight).sum()
    }

    /// The largest `k` at which coverage can be estimated: the fewest trials of a sample, or where samples stopped at
    /// a success, the most.
    pub fn reach(&self) -> u64 {
        let trials = self.cells.iter().map(|(s, _)| s.trials());
        let reach = if self.stopped { trials.max() } else { trials.min() };
        reach.unwrap_or(0)
    }

    /// The number of trials, where all samples have the same.
    pub fn equal_trials(&self) -> Option<u64> {
        let n = self.cells[0].0.trials();
        (!self.stopped && self.cells.iter().all(|(s, _)| s.trials() == n)).then_some(n)
    }

    /// `ln` of the number of orders in which the counts can have come about, where there is only one: nats that a
    /// likelihood with binomial coefficients is short of one without.
    pub(crate) fn orders(&self) -> f64 {
        let solved = self.cells.iter().filter(|(s, _)| self.stopped && s.successes() > 0);
        // An empty sum is a negative zero.
        solved.map(|(s, weight)| weight * (s.trials() as f64).ln()).sum::<f64>() + 0.0
    }

    /// The mean failure probability of one trial: the mean over samples of the share of failures; for stopped samples,
    /// whose shares are biased, the share that failed their first trial.
    pub fn failure(&self) -> f64 {
        let share = |s: &Counts| match self.stopped {
            true => f64::from(u8::from(s.trials() > 1 || s.successes() == 0)),
            false => s.failures() as f64 / s.trials() as f64,
        };
        self.cells.iter().map(|(s, weight)| share(s) * weight).sum::<f64>() / self.samples()
    }

    /// The coverage curve that laws are compared with: unbiased pass@k, or for stopped samples the product-limit
    /// (Kaplan-Meier) curve of first successes. A `k` beyond [`Self::reach`] is not available and left out.
    pub fn curve(&self, ks: &[u64], scope: Scope) -> Vec<Point> {
        if self.stopped {
            kaplan_meier(&self.cells, ks)
        } else {
            unbiased_cells(&self.cells, ks, Estimator::Pass, scope)
        }
    }

    /// The estimates alone of [`Self::curve`], as `(k, coverage)`: intervals take most of the time.
    pub fn values(&self, ks: &[u64]) -> Vec<(f64, f64)> {
        values(&self.cells, self.stopped, ks)
    }

    /// The curve of another unbiased estimator, as [`Self::curve`]. An error for stopped samples, where it is biased.
    pub fn unbiased(&self, estimator: Estimator, ks: &[u64], scope: Scope) -> Result<Vec<Point>> {
        if self.stopped {
            let limit = "unbiased estimators need numbers of trials set beforehand; use the first-success curve";
            return Err(Error::input("samples", "trials stopped at a success", limit));
        }
        Ok(unbiased_cells(&self.cells, ks, estimator, scope))
    }
}
