//! Intervals that hold at whatever moment one looks: for measurements that go on until they are good enough.

use super::{Counts, unbiased};
use retrial_spec::{Error, Result};

/// Half of an interval: what it may miss on each side, over all moments together.
const TAIL: f64 = 0.025;

/// A 95 % confidence sequence of pass@k for these very samples, all of which have been tried equally often: the interval
/// for each `k`, as `(k, value, [low, high])`, of which all those that were or will be taken while trials go on hold
/// together with a probability of 95 %, so that stopping when one likes the look of it is no harm. A `k` beyond the trials
/// is left out. An error without samples, or where trials differ.
///
/// The estimate is a U-statistic, and over growing numbers of trials a reverse martingale (Hoeffding 1963 bounds its
/// exponential moments by those of `n / k` blocks of trials; Manole and Ramdas 2023 use Ville's inequality backwards). From
/// `k 2^j` trials on it is off by more than Chernoff's bound for `N 2^j` blocks with a probability of at most `0.025 / ((j+1)
/// (j+2))` a side, and these add up to 0.025. It is wider than an interval for one moment, by about the half.
pub fn anytime(counts: &[Counts], ks: &[u64]) -> Result<Vec<(u64, f64, [f64; 2])>> {
    let Some(n) = counts.first().map(Counts::trials) else {
        return Err(Error::input("samples", 0, "need at least one"));
    };
    if let Some(other) = counts.iter().find(|s| s.trials() != n) {
        let got = format!("{n} and {} trials", other.trials());
        return Err(Error::input("counts", got, "intervals for any moment need equally many trials of all samples"));
    }
    let samples = counts.len() as f64;
    let interval = |&k: &u64| {
        let blocks = n.checked_div(k).filter(|&blocks| blocks > 0)?;
        let sum: Option<f64> = counts.iter().map(|s| unbiased(n, s.successes(), k)).sum();
        let value = sum? / samples;
        let epoch = f64::from(blocks.ilog2());
        let nats = ((epoch + 1.0) * (epoch + 2.0) / TAIL).ln();
        let most = nats / (samples * epoch.exp2());
        Some((k, value, [end(value, most, 0.0), end(value, most, 1.0)]))
    };
    Ok(ks.iter().filter_map(interval).collect())
}

/// The truth farthest towards `side`, 0 or 1, of which `value` is at most `most` nats away.
fn end(value: f64, most: f64, side: f64) -> f64 {
    let (mut near, mut far) = (value, side);
    for _ in 0..100 {
        let middle = 0.5 * (near + far);
        if nats(value, middle) <= most { near = middle } else { far = middle }
    }
    near
}

/// The relative entropy of a coin of probability `value` to one of probability `truth`.
fn nats(value: f64, truth: f64) -> f64 {
    let part = |v: f64, t: f64| if v > 0.0 { v * (v / t).ln() } else { 0.0 };
    part(value, truth) + part(1.0 - value, 1.0 - truth)
}
