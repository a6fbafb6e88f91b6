//! What each method says, and all of them together.

use super::{Found, Tail};
use crate::{
    coverage::point,
    normal::Z,
    special::{beta_quantile, one_minus_exp},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Estimates that differ by more standard errors disagree: once in a thousand pairs by chance.
const DISAGREE: f64 = 3.29;

/// How a probability was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Plain trials, counted.
    Pilot,
    /// Importance sampling.
    Importance,
    /// Subset simulation.
    Subset,
    /// All of them.
    Combined,
}

impl Method {
    /// In the order of [`Tail::thresholds`].
    pub const ALL: [Self; 4] = [Self::Pilot, Self::Importance, Self::Subset, Self::Combined];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pilot => "pilot",
            Self::Importance => "importance",
            Self::Subset => "subset",
            Self::Combined => "combined",
        }
    }
}

/// What to know of an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// The threshold is below the smallest error met anywhere.
    NotReached,
    /// Success is rarer than subset simulation follows it: to 1e-18, or as far as errors in f32 differ.
    Below,
    /// Few effective successes: the interval is rough.
    Few,
    /// Only one of the two methods for rare successes has a value: nothing checks it.
    Alone,
    /// Methods differ by more than chance allows once in a thousand.
    Disagree,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReached => "not reached",
            Self::Below => "below the bound",
            Self::Few => "few effective successes",
            Self::Alone => "one method alone",
            Self::Disagree => "methods disagree",
        })
    }
}

/// The success probability of one trial by one method, with a 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// `None` where the method saw no success.
    pub p: Option<f64>,
    /// Lower end of the interval; 0 where there is no value.
    pub low: f64,
    /// Upper end; without a value the most that `p` may be, 1 if the method cannot say.
    pub high: f64,
    /// Successes of plain trials that would be as sure: `p^2 / variance`.
    pub ess: f64,
    /// Trials that the method computed, for all thresholds together.
    pub evaluations: u64,
    /// What to know of it.
    pub note: Option<Note>,
}

impl Estimate {
    /// From a positive `p` and its variance relative to `p^2`. The interval is that of a log-normal variable.
    pub(super) fn new(p: f64, variance: f64, evaluations: u64) -> Self {
        /// Fewer effective successes leave a rough interval.
        const FEW: f64 = 10.0;
        let spread = (Z * variance.ln_1p().sqrt()).exp();
        let note = (variance > 1.0 / FEW).then_some(Note::Few);
        Self { p: Some(p), low: p / spread, high: (p * spread).min(1.0), ess: 1.0 / variance, evaluations, note }
    }

    /// No success was seen.
    pub(super) fn none(high: f64, evaluations: u64, note: Option<Note>) -> Self {
        Self { p: None, low: 0.0, high: high.min(1.0), ess: 0.0, evaluations, note }
    }

    /// From successes among plain trials, by Clopper and Pearson.
    pub(super) fn counted(successes: u64, trials: u64) -> Self {
        let (c, n) = (successes as f64, trials as f64);
        let at = point(1, c / n, n);
        let p = (successes > 0).then_some(c / n);
        // One more trial, a failure, keeps the variance of n of n from being none.
        let ess = c * (n + 1.0) / (n + 1.0 - c);
        Self { p, low: at.low, high: at.high, ess, evaluations: trials, note: None }
    }

    /// The least and largest probability that a count leaves possible, at the level of [`DISAGREE`].
    fn bounds_of_count(&self) -> (f64, f64) {
        const LEVEL: f64 = 0.0005;
        let n = self.evaluations as f64;
        let c = self.p.unwrap_or(0.0) * n;
        let low = if c > 0.0 { beta_quantile(LEVEL, c, n - c + 1.0).0 } else { 0.0 };
        let high = if c < n { beta_quantile(1.0 - LEVEL, c + 1.0, n - c).0 } else { 1.0 };
        (low, high)
    }

    /// The variance of `ln p`.
    fn variance(&self) -> f64 {
        (1.0 / self.ess).ln_1p()
    }

    /// The chance that `k` trials hold a success at `p`, and at both ends of the interval.
    pub(super) fn coverage(&self, k: f64) -> [f64; 3] {
        [self.p.unwrap_or(0.0), self.low, self.high].map(|p| one_minus_exp(k * (-p).ln_1p()))
    }
}

/// Everything known of a sample, from the three methods.
pub(super) fn tail(thresholds: &[f32], pilot: &Found, importance: &Found, subset: &Found) -> Tail {
    let least = f64::from(pilot.least.min(importance.least).min(subset.least));
    let rows = thresholds.iter().enumerate().map(|(t, &threshold)| {
        let [p, i, s] = [pilot, importance, subset].map(|found| found.estimates[t]);
        [p, i, s, combined(p, i, s, f64::from(threshold) <= least)]
    });
    Tail { least, thresholds: rows.collect() }
}

/// Weighs logarithms by their precision. A count of a few says little in that way, and is left to judge the others.
fn combined(pilot: Estimate, importance: Estimate, subset: Estimate, unreached: bool) -> Estimate {
    /// Counts from which on their logarithm is nearly normal.
    const MANY: f64 = 50.0;
    let evaluations = pilot.evaluations + importance.evaluations + subset.evaluations;
    let counted = Some(pilot).filter(|e| e.ess >= MANY);
    let rare: Vec<Estimate> = [importance, subset].into_iter().filter(|e| e.p.is_some()).collect();
    let alone = counted.is_none() && rare.len() < 2;
    // What nothing checks has to be sure of itself.
    if unreached || rare.is_empty() || alone && rare[0].note.is_some() {
        let note = if unreached { Note::NotReached } else { Note::Below };
        return Estimate::none(pilot.high.min(subset.high), evaluations, Some(note));
    }
    let valued: Vec<Estimate> = rare.iter().copied().chain(counted).collect();
    let ln = |e: &Estimate| e.p.map_or(f64::NEG_INFINITY, f64::ln);
    let apart = |a: &Estimate, b: &Estimate| (ln(a) - ln(b)).abs() > DISAGREE * (a.variance() + b.variance()).sqrt();
    let mut disagree = valued.iter().enumerate().any(|(n, a)| valued[..n].iter().any(|b| apart(a, b)));
    if counted.is_none() {
        let (low, high) = pilot.bounds_of_count();
        disagree |= rare.iter().any(|e| e.high < low || e.low > high);
    }
    if disagree {
        let share = 1.0 / valued.len() as f64;
        let p = valued.iter().map(|e| share * ln(e)).sum::<f64>().exp();
        let low = valued.iter().map(|e| e.low).fold(p, f64::min);
        let high = valued.iter().map(|e| e.high).fold(p, f64::max);
        let ess = valued.iter().map(|e| e.ess).fold(f64::INFINITY, f64::min);
        return Estimate { p: Some(p), low, high, ess, evaluations, note: Some(Note::Disagree) };
    }
    // A certain success has no variance, and its logarithm none either.
    let precision = |e: &Estimate| 1.0 / e.variance().max(1e-12);
    let total: f64 = valued.iter().map(precision).sum();
    let p = (valued.iter().map(|e| precision(e) * ln(e)).sum::<f64>() / total).exp();
    let estimate = Estimate::new(p.min(1.0), (1.0 / total).exp_m1(), evaluations);
    Estimate { note: alone.then_some(Note::Alone).or(estimate.note), ..estimate }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighted(p: f64, ess: f64) -> Estimate {
        Estimate::new(p, 1.0 / ess, 1000)
    }

    #[test]
    fn what_differs_by_more_than_chance_says_so_and_spans_all() {
        let pilot = Estimate::counted(0, 10_000);
        let near = combined(pilot, weighted(1e-9, 400.0), weighted(1.5e-9, 16.0), false);
        assert_eq!(near.note, None);
        assert!((1e-9..1.1e-9).contains(&near.p.unwrap()) && near.ess > 400.0, "{near:?}");
        let (few, many) = (weighted(1e-9, 400.0), weighted(5e-9, 25.0));
        let far = combined(pilot, few, many, false);
        assert_eq!(far.note, Some(Note::Disagree));
        assert_eq!((far.low, far.high), (few.low, many.high));
        // Two of ten thousand where one in a million was foretold.
        let counted = combined(Estimate::counted(2, 10_000), weighted(1e-6, 400.0), weighted(1e-6, 25.0), false);
        assert_eq!(counted.note, Some(Note::Disagree));
        let counted = combined(Estimate::counted(1, 10_000), weighted(1e-5, 400.0), weighted(1e-5, 25.0), false);
        assert_eq!(counted.note, None);
    }

    #[test]
    fn what_nothing_checks_says_so_or_nothing() {
        let (pilot, below) = (Estimate::counted(0, 10_000), Estimate::none(2e-18, 1000, Some(Note::Below)));
        assert_eq!(combined(pilot, weighted(1e-30, 400.0), below, false).note, Some(Note::Alone));
        for (importance, unreached, note) in [
            (weighted(1e-30, 4.0), false, Note::Below),
            (Estimate::none(1.0, 1000, Some(Note::NotReached)), true, Note::NotReached),
        ] {
            let none = combined(pilot, importance, below, unreached);
            assert_eq!((none.p, none.high, none.note), (None, 2e-18, Some(note)));
        }
    }
}
