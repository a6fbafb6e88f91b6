//! Samples tried in batches until one held a success. A batch of one is a trial: attempts until the first success.

use super::{Counts, Point, Scope, point, unbiased, unbiased_cells};
use crate::coverage::Estimator;

/// What is left after some batches.
struct Step {
    batches: u64,
    /// Share of samples without a success.
    left: f64,
    /// Greenwood's sum: the variance of `left` over its square.
    greenwood: f64,
}

/// The product limit (Kaplan and Meier 1958) over batches: the share of samples without a success is multiplied at
/// every batch by the share, among the samples that were tried so far, that it leaves without. Unbiased where attempts
/// ran out for reasons that have nothing to do with the sample. With equally many attempts for all it is the share of
/// samples unsolved.
///
/// Within a batch the number of trials was set beforehand, so the share that its first `j` trials leave without a
/// success has the unbiased estimate `C(b-c, j) / C(b, j)`: coverage is there at every `k`, not at multiples only.
pub(crate) struct ProductLimit<'a> {
    cells: &'a [(Counts, f64)],
    batch: u64,
    steps: Vec<Step>,
}

impl<'a> ProductLimit<'a> {
    /// From distinct sorted counts and their weights.
    pub(crate) fn new(cells: &'a [(Counts, f64)], batch: u64) -> Self {
        let of = |s: &Counts| (s.trials - 1) / batch;
        let mut steps = vec![Step { batches: 0, left: 1.0, greenwood: 0.0 }];
        let mut at_risk = total(cells);
        for same in cells.chunk_by(|a, b| of(&a.0) == of(&b.0)) {
            let solved: f64 = same.iter().filter(|(s, _)| s.successes > 0).map(|(_, weight)| weight).sum();
            let Step { left, greenwood, .. } = steps[steps.len() - 1];
            if solved > 0.0 {
                let more = solved / (at_risk * (at_risk - solved));
                let left = left * (1.0 - solved / at_risk);
                steps.push(Step { batches: of(&same[0].0) + 1, left, greenwood: greenwood + more });
            }
            at_risk -= total(same);
        }
        Self { cells, batch, steps }
    }

    /// The share without a success after `k` trials and Greenwood's sum; `None` beyond the trials of every sample.
    fn left(&self, k: u64) -> Option<(f64, f64)> {
        self.cells.last().filter(|(s, _)| s.trials >= k)?;
        let before = k.saturating_sub(1) / self.batch;
        let Step { left, greenwood, .. } = self.steps[self.steps.partition_point(|step| step.batches <= before) - 1];
        let done = before * self.batch;
        let tried = &self.cells[self.cells.partition_point(|(s, _)| s.trials <= done)..];
        let ends = tried.partition_point(|(s, _)| (s.trials - 1) / self.batch == before);
        // Mean and mean square over the samples tried of the estimate that k - done trials more leave them without.
        let (mut once, mut twice) = (total(&tried[ends..]), total(&tried[ends..]));
        for (s, weight) in &tried[..ends] {
            let size = s.trials - done;
            let without = 1.0 - unbiased(size, s.successes, (k - done).min(size))?;
            once += weight * without;
            twice += weight * without * without;
        }
        let at_risk = total(tried);
        let more = (twice * at_risk / (once * once) - 1.0).max(0.0) / at_risk;
        Some((left * once / at_risk, greenwood + more))
    }

    /// Coverage of `k` trials.
    pub(crate) fn coverage(&self, k: u64) -> Option<f64> {
        self.left(k).map(|(left, _)| 1.0 - left)
    }

    /// The curve with intervals; a `k` beyond the trials is left out.
    ///
    /// First batches have a number of trials that was set beforehand, and below their size intervals are those of
    /// [`unbiased_curve`](super::unbiased_curve). From there on they are Clopper-Pearson's at the number of yes-or-no
    /// observations that Greenwood's variance is worth, at most one per sample: for samples drawn from a population, and
    /// wide for a fixed benchmark.
    pub(crate) fn curve(&self, ks: &[u64], scope: Scope) -> Vec<Point> {
        let samples = total(self.cells);
        let first = |s: &Counts| match s.trials <= self.batch {
            true => *s,
            false => Counts { trials: self.batch, successes: 0 },
        };
        let first: Vec<(Counts, f64)> = self.cells.iter().map(|(s, weight)| (first(s), *weight)).collect();
        let at = |&k: &u64| {
            if k < self.batch {
                return unbiased_cells(&first, &[k], Estimator::Pass, scope).pop();
            }
            let (left, greenwood) = self.left(k)?;
            let observations = ((1.0 - left) / (left * greenwood)).min(samples);
            Some(point(k, 1.0 - left, if observations > 0.0 { observations } else { samples }))
        };
        ks.iter().filter_map(at).collect()
    }
}

fn total(cells: &[(Counts, f64)]) -> f64 {
    cells.iter().map(|(_, weight)| weight).sum()
}
