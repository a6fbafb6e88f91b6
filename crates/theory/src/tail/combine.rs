//! What each method says, and all of them together.

use super::{Found, Tail};
use crate::{coverage::proportion, special::one_minus_exp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The 0.975 quantile of the standard normal law.
pub(super) const Z: f64 = 1.959963984540054;

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
    /// Success is rarer than subset simulation follows it.
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
            Self::Below => "below 1e-18",
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
        let at = proportion(1, c / n, n);
        let p = (successes > 0).then_some(c / n);
        let ess = if successes == trials { f64::INFINITY } else { c / (1.0 - c / n) };
        Self { p, low: at.low, high: at.high, ess, evaluations: trials, note: None }
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
    let valued: Vec<Estimate> = rare.iter().copied().chain(counted).collect();
    if valued.is_empty() || unreached {
        let note = if unreached { Note::NotReached } else { Note::Below };
        return Estimate::none(pilot.high.min(subset.high), evaluations, Some(note));
    }
    let ln = |e: &Estimate| e.p.map_or(f64::NEG_INFINITY, f64::ln);
    let apart = |a: &Estimate, b: &Estimate| (ln(a) - ln(b)).abs() > DISAGREE * (a.variance() + b.variance()).sqrt();
    let mut disagree = valued.iter().enumerate().any(|(n, a)| valued[..n].iter().any(|b| apart(a, b)));
    // What a few or no counted successes exclude; the interval at the level of the other comparisons.
    disagree |= counted.is_none() && rare.iter().any(|e| e.low > 2.0 * pilot.high || e.high < 0.5 * pilot.low);
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
    let note = if counted.is_none() && rare.len() < 2 { Some(Note::Alone) } else { None };
    let estimate = Estimate::new(p.min(1.0), (1.0 / total).exp_m1(), evaluations);
    Estimate { note: note.or(estimate.note), ..estimate }
}
