//! The sampling loop: windows in, one tally out.

use retrial_spec::{Noise, Observer, Progress, Result, Scorer, Tally};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// Values of pass@1 at which [`pilot`] places thresholds unless told otherwise.
pub const PILOT_QUANTILES: [f64; 5] = [1e-4, 1e-3, 1e-2, 0.1, 0.5];

/// The pilot draws trials from here on, which no run reaches.
const PILOT_FIRST: u64 = 1 << 63;

/// How often [`run`] hands over a checkpoint.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// Thresholds at which pass@1 is about each of `quantiles` (increasing): error quantiles of about 400,000 trials that
/// are not among the run's, but no more than the run's `trials` per sample, rounded to five significant digits.
/// Quantiles that fall together give one threshold.
pub fn pilot(scorer: &mut dyn Scorer, samples: usize, trials: u64, quantiles: &[f64]) -> Result<Vec<f32>> {
    let trials = 400_000u64.div_ceil(samples as u64).min(trials).max(64);
    let mut errors = scorer.errors(Noise::Trials(PILOT_FIRST..PILOT_FIRST + trials))?;
    let mut thresholds: Vec<f32> = quantiles
        .iter()
        .map(|q| {
            let rank = ((q * errors.len() as f64) as usize).min(errors.len() - 1);
            round(*errors.select_nth_unstable_by(rank, f32::total_cmp).1)
        })
        .filter(|&t| t > 0.0)
        .collect();
    thresholds.dedup();
    Ok(thresholds)
}

/// Five significant digits: what a reader can type back.
fn round(error: f32) -> f32 {
    format!("{error:.4e}").parse().unwrap_or(error)
}

/// Windows of at most `window` trials that cover a range.
pub fn windows(trials: Range<u64>, window: u64) -> impl Iterator<Item = Range<u64>> {
    let window = window.max(1);
    let mut next = trials.start;
    std::iter::from_fn(move || {
        let first = next;
        next = first.saturating_add(window).min(trials.end);
        (first < next).then_some(first..next)
    })
}

/// Adds trials until the tally holds `trials` per sample, `window` at a time (the device's choice by default).
///
/// Trials are taken in order from the tally's own count on, so a tally that was kept is continued, not repeated. The
/// result does not depend on the window. `keep` receives the tally every ten seconds and when the observer cancels;
/// windows that were not finished are not in it.
pub fn run(
    scorer: &mut dyn Scorer,
    tally: &mut Tally,
    trials: u64,
    window: Option<u64>,
    observer: &dyn Observer,
    keep: &mut dyn FnMut(&Tally) -> Result<()>,
) -> Result<()> {
    let window = window.unwrap_or_else(|| scorer.window());
    let samples = tally.rows().len();
    let report = |done: u64| {
        let [done, total] = [done, trials].map(|t| t.saturating_mul(samples as u64));
        observer.progress(Progress { stage: "sample", done, total, unit: "trials" });
    };
    let mut kept = Instant::now();
    report(tally.trials());
    for range in windows(tally.trials()..trials, window) {
        if observer.cancelled() {
            keep(tally)?;
            return Err(retrial_spec::Error::Cancelled);
        }
        // A window of its own, so that one that fails half-way leaves no trace.
        let mut part = Tally::new(samples, tally.thresholds())?;
        scorer.tally(range, &mut part)?;
        tally.merge(&part)?;
        report(tally.trials());
        if kept.elapsed() > CHECKPOINT_EVERY {
            keep(tally)?;
            kept = Instant::now();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_a_range_once() {
        assert_eq!(windows(3..10, 3).collect::<Vec<_>>(), [3..6, 6..9, 9..10]);
        assert_eq!(windows(0..0, 3).count(), 0);
        assert!(windows(u64::MAX - 2..u64::MAX, 100).eq(std::iter::once(u64::MAX - 2..u64::MAX)));
    }

    #[test]
    fn rounding_keeps_five_digits() {
        assert_eq!(round(1.023_456), 1.0235);
        assert_eq!(round(0.000_123_456_7), 0.000_123_46);
    }
}
