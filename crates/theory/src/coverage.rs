//! Estimators of coverage (pass@k) from what was counted, and how sure they are.

mod anytime;
mod clusters;
mod stopped;
mod tail;

use crate::{
    normal::Z,
    special::{beta_quantile, ln_rising_ratio, one_minus_exp},
};
pub use anytime::anytime;
pub use clusters::clustered_curve;
use retrial_spec::{Error, Result};
pub(crate) use stopped::ProductLimit;
pub use tail::{all_succeed, most_succeed};

/// How often one sample was tried and solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Counts {
    trials: u64,
    successes: u64,
}

impl Counts {
    /// An error unless `successes <= trials` and there is a trial.
    pub fn new(trials: u64, successes: u64) -> Result<Self> {
        if trials == 0 || successes > trials {
            let got = format!("{successes} successes in {trials} trials");
            return Err(Error::input(
                "counts of a sample",
                got,
                "need at least one trial and no more successes than trials",
            ));
        }
        Ok(Self { trials, successes })
    }

    /// Trials of this sample.
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// Successes among them.
    pub fn successes(&self) -> u64 {
        self.successes
    }

    /// Failures among them.
    pub fn failures(&self) -> u64 {
        self.trials - self.successes
    }

    /// Trials of the last batch, where trials come by `batch` (at least 1).
    pub fn last_batch(&self, batch: u64) -> u64 {
        (self.trials - 1) % batch + 1
    }
}

/// One point of a coverage curve, with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Point {
    /// Trials per sample.
    pub k: u64,
    /// Estimated coverage.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// What an interval of 95 % leaves out on each side.
pub(crate) const TAIL: f64 = 0.025;

/// What a confidence interval speaks about: what would differ if everything were done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Scope {
    /// These very samples, tried again: only the trials are random.
    Benchmark,
    /// Other samples of the same kind: samples are drawn from a population, then tried.
    Population,
}

/// What of `k` trials is estimated; each without bias.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub enum Estimator {
    /// pass@k: at least one succeeds.
    Pass,
    /// pass^k: all succeed.
    AllPass,
    /// G-Pass@k: at least `ceil(tau k)`, and at least one, succeed (Liu et al. 2024, arXiv 2412.13147), `0 <= tau <= 1`.
    MostPass(f64),
}

impl Estimator {
    /// The estimate for one sample; `None`, not available, where `k > n` (or `c > n`).
    pub fn estimate(self, n: u64, c: u64, k: u64) -> Option<f64> {
        match self {
            Self::Pass => unbiased(n, c, k),
            Self::AllPass => all_succeed(n, c, k),
            Self::MostPass(tau) => most_succeed(n, c, k, tau),
        }
    }
}

/// Points per factor of ten of curves that are drawn or held against laws.
pub const PER_DECADE: u32 = 12;

/// Distinct numbers of trials from 1 to `k_max`, both included, about `per_decade` (at least 1) per factor of ten.
/// Empty when `k_max` is 0. More than 10,000 per decade are taken for so many.
pub fn log_grid(k_max: u64, per_decade: u32) -> Vec<u64> {
    let per_decade = per_decade.clamp(1, 10_000);
    let k = |step: u32| 10f64.powf(f64::from(step) / f64::from(per_decade)).round() as u64;
    // u64 ends within its 20th decade.
    let mut ks: Vec<u64> = (0..=20 * per_decade).map(k).take_while(|&k| k < k_max).collect();
    ks.extend((k_max > 0).then_some(k_max));
    ks.dedup();
    ks
}

/// The unbiased estimate `1 - C(n-c, k) / C(n, k)` that `k` trials of a sample contain a success, from `c` successes in
/// `n` trials (Chen et al. 2021, arXiv 2107.03374). `None`, not available, where `k > n` (or `c > n`).
///
/// Constant time and memory; relative error below 1e-12 for `n` up to 1e12.
///
/// ```
/// use retrial_theory::coverage::unbiased;
///
/// // 3 of 10 attempts succeeded: pass@1 is the success rate, and of 8 attempts at least one succeeds.
/// assert!((unbiased(10, 3, 1).unwrap() - 0.3).abs() < 1e-12);
/// assert_eq!(unbiased(10, 3, 8), Some(1.0));
/// assert_eq!(unbiased(10, 3, 11), None);
/// ```
pub fn unbiased(n: u64, c: u64, k: u64) -> Option<f64> {
    ln_all_fail(n, c, k).map(one_minus_exp)
}

/// `ln U_k`, where `U_k = C(n-c, k) / C(n, k)` estimates the probability that `k` trials all fail.
fn ln_all_fail(n: u64, c: u64, k: u64) -> Option<f64> {
    if k > n || c > n {
        return None;
    }
    // Fewer failures than k: every choice of k trials holds a success.
    let Some(spare) = (n - k).checked_sub(c) else { return Some(f64::NEG_INFINITY) };
    Some(ln_rising_ratio(spare as f64 + 1.0, c as f64, k as f64))
}

/// The curve of the `unbiased` estimator: the mean of [`unbiased`] over the samples, with intervals for `scope`. A `k`
/// beyond the trials of some sample is not available and left out. An error without samples.
///
/// The intervals are Korn and Graubard's (Survey Methodology 24, 1998): Clopper-Pearson's, exact for a proportion, at
/// the effective number of yes-or-no observations `v (1-v) / variance`. The variance of the mean is estimated by
/// - [`Scope::Benchmark`]: the mean over samples of `U_k^2 - U_2k`, divided by `N`. It is unbiased, since `U_2k`
///   estimates `p^2k`, and never negative. Where `2k` exceeds the trials it is not available and the next one bounds
///   it.
/// - [`Scope::Population`]: the variance of the estimates across samples, divided by `N`. It holds the noise of the
///   trials as well. Student's quantile allows for few samples, but not for few and very unequal ones: where rates span
///   four decades, 20 samples hold the truth 92 % of the time and 8 samples 85 %.
///
/// Both get `(2k / nN)^2` on top: one more success of an unsolved sample would add `k / nN` to the curve, and two
/// standard deviations of this term are the four successes that a count of zero cannot exclude.
///
/// The effective number is never below what is certain: the variance of `U_k` is at most `k/n p^k (1-p^k)` (Hoeffding
/// 1948), and yes-or-no observations of unequal probability vary no more than of equal ones (Hoeffding 1956). That
/// makes `N n/k` observations for the benchmark, `N` for the population. For `k > n/2` intervals for the benchmark are
/// conservative, and wider than just below: ask for `n >= 2k` trials where that matters.
///
/// ```
/// use retrial_theory::coverage::{Counts, Scope, unbiased_curve};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let counts = [Counts::new(100, 0)?, Counts::new(100, 3)?, Counts::new(100, 41)?];
/// let curve = unbiased_curve(&counts, &[1, 10, 100], Scope::Benchmark)?;
/// assert!((curve[0].value - 0.44 / 3.0).abs() < 1e-12 && curve[2].value == 2.0 / 3.0);
/// assert!(curve.iter().all(|point| point.low <= point.value && point.value <= point.high));
/// # Ok(())
/// # }
/// ```
pub fn unbiased_curve(counts: &[Counts], ks: &[u64], scope: Scope) -> Result<Vec<Point>> {
    if counts.is_empty() {
        return Err(Error::input("samples", 0, "a coverage curve needs at least one"));
    }
    Ok(unbiased_cells(&cells(counts), ks, Estimator::Pass, scope))
}

/// Distinct counts, sorted, each with the number of samples that have them.
pub(crate) fn cells(counts: &[Counts]) -> Vec<(Counts, f64)> {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect()
}

/// [`unbiased_curve`] of any estimator, from distinct counts and their weights. For [`Estimator::MostPass`] the noise of
/// trials has no estimate in constant time: the spread of the samples bounds it, and intervals for the benchmark are
/// conservative.
pub(crate) fn unbiased_cells(cells: &[(Counts, f64)], ks: &[u64], estimator: Estimator, scope: Scope) -> Vec<Point> {
    let at = |&k: &u64| {
        let (value, observations) = effective(cells, k, estimator, scope)?;
        Some(point(k, value, observations))
    };
    ks.iter().filter_map(at).collect()
}

/// The unbiased estimate of `k` trials and the effective number of yes-or-no observations behind it, which for the
/// population of a single sample is 0; `None` where it is not available.
pub(crate) fn effective(cells: &[(Counts, f64)], k: u64, estimator: Estimator, scope: Scope) -> Option<(f64, f64)> {
    let samples: f64 = cells.iter().map(|(_, weight)| weight).sum();
    let trials = cells.iter().map(|(s, _)| s.trials()).min().unwrap_or(0);
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        cells.iter().zip(values).map(|((_, weight), value)| weight * value).sum::<f64>() / samples
    };
    // pass^k is pass@k with success and failure exchanged, and so is its variance.
    let ln_alike = |k: u64| -> Option<Vec<f64>> {
        let alike = |s: &Counts| match estimator {
            Estimator::Pass => ln_all_fail(s.trials, s.successes, k),
            Estimator::AllPass => ln_all_fail(s.trials, s.failures(), k),
            Estimator::MostPass(_) => None,
        };
        cells.iter().map(|(s, _)| alike(s)).collect()
    };
    let widen = (student_t(samples - 1.0) / Z).powi(2);
    let alike = ln_alike(k);
    let values: Vec<f64> = match (estimator, &alike) {
        (Estimator::Pass, Some(alike)) => alike.iter().map(|&u| one_minus_exp(u)).collect(),
        (Estimator::AllPass, Some(alike)) => alike.iter().map(|u| u.exp()).collect(),
        _ => cells.iter().map(|(s, _)| estimator.estimate(s.trials, s.successes, k)).collect::<Option<_>>()?,
    };
    let value = mean(&mut values.iter().copied());
    let unseen = (2.0 * k as f64 / (trials as f64 * samples)).powi(2);
    let spread = mean(&mut values.iter().map(|v| (v - value).powi(2))) / (samples - 1.0) * widen + unseen;
    let noise = alike.zip(ln_alike(k.saturating_mul(2))).map(|(once, twice)| {
        mean(&mut once.iter().zip(&twice).map(|(u, twice)| (2.0 * u).exp() - twice.exp())) / samples + unseen
    });
    let (variance, certain) = match scope {
        Scope::Benchmark => (noise.unwrap_or(spread), samples * trials as f64 / k.max(1) as f64),
        Scope::Population => (spread.max(noise.unwrap_or(0.0)), samples),
    };
    if scope == Scope::Population && samples <= 1.0 {
        return Some((value, 0.0)); // one sample says nothing of others
    }
    // `max` also covers 0/0, where nothing varies.
    Some((value, (value * (1.0 - value) / variance).max(certain)))
}

/// The curve of the `first-success` estimator, the paper's: the share of samples whose first success is among the first
/// `k` of `trials` trials. `first` holds its index, from 0. A `k > trials` is not available and left out. An error
/// without samples, or where a first success is not among the trials.
///
/// The intervals are Clopper-Pearson's for a proportion of `N` samples. For samples drawn from a population they are
/// exact; for a fixed benchmark they hold too but are wide, because a sum of yes-or-no observations of unequal
/// probability varies less than a binomial one (Hoeffding 1956). One observation per sample cannot say how much less:
/// [`unbiased_curve`] can.
pub fn first_success_curve(first: &[Option<u64>], trials: u64, ks: &[u64]) -> Result<Vec<Point>> {
    if first.is_empty() {
        return Err(Error::input("samples", 0, "a coverage curve needs at least one"));
    }
    let mut solved: Vec<u64> = first.iter().copied().flatten().collect();
    solved.sort_unstable();
    if let Some(last) = solved.last().filter(|&&last| last >= trials) {
        return Err(Error::input(
            "first success",
            format!("trial {last}, from 0"),
            format!("there are {trials} trials"),
        ));
    }
    let samples = first.len() as f64;
    let share = |k: u64| solved.partition_point(|&at| at < k) as f64 / samples;
    Ok(ks.iter().filter(|&&k| k <= trials).map(|&k| point(k, share(k), samples)).collect())
}

/// The 0.975 quantile of Student's t law: `t^2 = d (1/x - 1)` where `x` is Beta(d/2, 1/2). Infinite for `d = 0`.
fn student_t(d: f64) -> f64 {
    if d > 0.0 {
        let (x, rest) = beta_quantile(0.05, 0.5 * d, 0.5);
        (d * rest / x).sqrt()
    } else {
        f64::INFINITY
    }
}

/// A point with Clopper and Pearson's 95 % interval of a proportion `value` among `observations`, which need not be whole.
pub(crate) fn point(k: u64, value: f64, observations: f64) -> Point {
    let [low, high] = proportion(value, observations, TAIL);
    Point { k, value, low, high }
}

/// Clopper and Pearson's interval of a proportion, which leaves out `tail` on each side; of no observations, all there is.
pub(crate) fn proportion(value: f64, observations: f64, tail: f64) -> [f64; 2] {
    let (yes, no) = (value * observations, (1.0 - value) * observations);
    let low = if yes > 0.0 { beta_quantile(tail, yes, no + 1.0).0 } else { 0.0 };
    let high = if no > 0.0 { beta_quantile(1.0 - tail, yes + 1.0, no).0 } else { 1.0 };
    [low.min(value), high.max(value)]
}
