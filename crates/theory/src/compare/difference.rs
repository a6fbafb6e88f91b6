//! The difference of pass@k, with intervals.

use super::Pairs;
use crate::{
    coverage::{Counts, Estimator, Scope, TAIL, effective, proportion},
    normal::Z,
};
use serde::Serialize;

/// The ends of an interval.
pub type Ends = [f64; 2];

/// pass@k of two models at one `k`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Attempts.
    pub k: u64,
    /// pass@k of the first and of the second.
    pub of: [f64; 2],
    /// The first less the second.
    pub difference: f64,
    /// Its 95 % interval for these problems, tried again by both.
    pub these: Ends,
    /// Its 95 % interval for other problems of their kind; of one problem there is none.
    pub others: Option<Ends>,
    /// The correlation, across problems, of what was estimated of the two.
    pub correlation: f64,
    /// Attempts at each problem, by both, with which the interval for these problems leaves out zero in 4 repetitions of
    /// 5, if the difference is what was found; `None` where none was found.
    pub attempts: Option<f64>,
    /// Problems, tried as often as these, with which the interval for others does.
    pub problems: Option<f64>,
}

/// The normal quantiles at 0.975 and 0.8: a difference so many standard errors away from zero is found in 4 cases of 5 by an
/// interval of 95 %.
pub(crate) const FOUND: f64 = Z + 0.8416212335729143;

impl Pairs {
    /// The difference of pass@k at every `k`, unbiased; a `k` beyond the [reach](Self::reach) is left out.
    ///
    /// The intervals are put together from those of the two models (Newcombe 1998; Zou and Donner 2008: each end takes the
    /// two distances that would move the difference there), which are [`unbiased_curve`](crate::coverage::unbiased_curve)'s:
    /// good at 0 and 1 too, where a normal interval is not. Given the problems, attempts of the two are independent; for
    /// other problems the distances are correlated as the estimates are.
    pub fn differences(&self, ks: &[u64]) -> Vec<Difference> {
        ks.iter().filter_map(|&k| self.difference(k)).collect()
    }

    fn difference(&self, k: u64) -> Option<Difference> {
        let values = self.values(k)?;
        let sides = [self.side(0), self.side(1)];
        let correlation = self.correlation(&values);
        let others =
            (self.problems() > 1.0).then(|| interval(&sides, k, Scope::Population, correlation, TAIL)).flatten();
        let these = match others {
            Some(others) if self.is_noise_unknown(k) => others,
            _ => interval(&sides, k, Scope::Benchmark, 0.0, TAIL)?,
        };
        let of = [0, 1].map(|side| {
            values.iter().zip(&self.cells).map(|(v, (_, weight))| v[side] * weight).sum::<f64>() / self.problems()
        });
        let difference = of[0] - of[1];
        // An interval is as wide as it is for `1/size` of variance.
        let enough = |[low, high]: Ends, size: f64| {
            let error = (high - low) / (2.0 * Z);
            (difference != 0.0).then(|| (size * (FOUND * error / difference).powi(2)).ceil().max(1.0))
        };
        Some(Difference {
            k,
            of,
            difference,
            these,
            others,
            correlation,
            attempts: enough(these, self.reach() as f64).map(|n| n.max(k as f64)),
            problems: others.and_then(|ends| enough(ends, self.problems())).map(|n| n.max(2.0)),
        })
    }

    /// Whether the noise of attempts has no estimate, so that the spread of the problems bounds it: there the differences of
    /// these problems vary less than those of others, and the interval for others holds for both.
    fn is_noise_unknown(&self, k: u64) -> bool {
        k.saturating_mul(2) > self.reach() && self.problems() > 1.0
    }

    /// The correlation of the two estimates across problems, 0 where one of them does not vary.
    fn correlation(&self, values: &[[f64; 2]]) -> f64 {
        let problems = self.problems();
        let mean = |of: &dyn Fn(&[f64; 2]) -> f64| {
            values.iter().zip(&self.cells).map(|(v, (_, weight))| of(v) * weight).sum::<f64>() / problems
        };
        let [a, b] = [mean(&|v| v[0]), mean(&|v| v[1])];
        let (aa, bb) = (mean(&|v| (v[0] - a).powi(2)), mean(&|v| (v[1] - b).powi(2)));
        let ab = mean(&|v| (v[0] - a) * (v[1] - b));
        let scale = (aa * bb).sqrt();
        if scale > 0.0 { (ab / scale).clamp(-1.0, 1.0) } else { 0.0 }
    }

    /// The interval of the difference that leaves out `tail` on each side.
    pub(super) fn ends(&self, k: u64, scope: Scope, tail: f64) -> Option<Ends> {
        let scope = if self.is_noise_unknown(k) { Scope::Population } else { scope };
        let correlation = match scope {
            Scope::Benchmark => 0.0,
            Scope::Population => self.correlation(&self.values(k)?),
        };
        interval(&[self.side(0), self.side(1)], k, scope, correlation, tail)
    }
}

/// The interval of a difference from the intervals of its two sides.
fn interval(sides: &[Vec<(Counts, f64)>; 2], k: u64, scope: Scope, correlation: f64, tail: f64) -> Option<Ends> {
    let side = |cells: &[_]| {
        let (value, observations) = effective(cells, k, Estimator::Pass, scope)?;
        Some((value, proportion(value, observations, tail)))
    };
    let ((a, [a_low, a_high]), (b, [b_low, b_high])) = (side(&sides[0])?, side(&sides[1])?);
    let both = |one: f64, other: f64| (one * one + other * other - 2.0 * correlation * one * other).max(0.0).sqrt();
    Some([(a - b - both(a - a_low, b_high - b)).max(-1.0), (a - b + both(a_high - a, b - b_low)).min(1.0)])
}

impl Pairs {
    /// The variance of the difference of pass@k across problems, the noise of attempts included; `None` beyond the reach
    /// or of one problem.
    pub(crate) fn spread(&self, k: u64) -> Option<f64> {
        let (values, problems) = (self.values(k)?, self.problems());
        let differences = || values.iter().zip(&self.cells).map(|(v, (_, weight))| (v[0] - v[1], weight));
        let mean = differences().map(|(d, weight)| d * weight).sum::<f64>() / problems;
        let sum: f64 = differences().map(|(d, weight)| (d - mean).powi(2) * weight).sum();
        (problems > 1.0).then(|| sum / (problems - 1.0))
    }

    /// The mean over problems of the noise of both, `of(side, attempts)`.
    pub(crate) fn noise(&self, k: u64, of: impl Fn(usize, u64) -> f64) -> Option<f64> {
        if k > self.reach() {
            return None;
        }
        let mut known = std::collections::BTreeMap::new();
        let mut sum = 0.0;
        for (pair, weight) in &self.cells {
            for (side, counts) in pair.iter().enumerate() {
                let n = counts.trials();
                sum += weight * *known.entry((side, n)).or_insert_with(|| of(side, n));
            }
        }
        Some(sum / self.problems())
    }
}
