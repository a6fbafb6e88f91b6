//! The sampling loop: windows in, one tally out.

use retrial_spec::{Error, Noise, Observer, Progress, Result, Scorer, Tally};
use std::{
    ops::Range,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// Values of pass@1 at which [`pilot`] places thresholds unless told otherwise.
pub const PILOT_QUANTILES: [f64; 5] = [1e-4, 1e-3, 1e-2, 0.1, 0.5];

/// The pilot draws trials from here on, which no run reaches.
const PILOT_FIRST: u64 = 1 << 63;

/// How often [`run`] hands over a checkpoint.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// How often [`run`] asks whether it should stop.
const ATTENTION: Duration = Duration::from_millis(50);

/// Thresholds at which pass@1 is about each of `quantiles` (increasing): error quantiles of about 400,000 trials that
/// are not among the run's, but no more than the run's `trials` per sample, rounded to five significant digits.
/// Quantiles that fall together give one threshold.
pub fn pilot(scorer: &mut Scorer<'_>, trials: u64, quantiles: &[f64]) -> Result<Vec<f32>> {
    let trials = 400_000u64.div_ceil(scorer.problem().samples() as u64).min(trials).max(64);
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
/// result does not depend on the window. `keep` receives the tally every ten seconds, when the device fails, and within
/// a tenth of a second of the observer's cancelling, however long a window takes; windows that were not finished are
/// not in it. A cancelled call then still waits for the window that the device is at.
pub fn run(
    scorer: &mut Scorer<'_>,
    tally: &mut Tally,
    trials: u64,
    window: Option<u64>,
    observer: &dyn Observer,
    keep: &mut dyn FnMut(&Tally) -> Result<()>,
) -> Result<()> {
    // Counting may leave out most of the work.
    let window = window.unwrap_or_else(|| scorer.window().saturating_mul(if tally.is_counts_only() { 4 } else { 1 }));
    let samples = tally.rows().len();
    let report = |done: u64| {
        let [done, total] = [done, trials].map(|t| t.saturating_mul(samples as u64));
        observer.progress(Progress { stage: "sample", done, total, unit: "trials" });
    };
    report(tally.trials());
    let (ranges, empty) = (windows(tally.trials()..trials, window), tally.empty());
    thread::scope(|scope| {
        // The device works on a thread of its own, at most one window ahead; it ends when nobody receives any more.
        let (finished, parts) = mpsc::sync_channel(0);
        scope.spawn(move || {
            for range in ranges {
                // A window of its own, so that one that fails half-way leaves no trace.
                let mut part = empty.clone();
                let part = scorer.tally(range, &mut part).map(|()| part);
                let failed = part.is_err();
                if finished.send(part).is_err() || failed {
                    return;
                }
            }
        });
        let mut kept = Instant::now();
        loop {
            match parts.recv_timeout(ATTENTION) {
                Ok(Ok(part)) => {
                    tally.merge(&part)?;
                    report(tally.trials());
                }
                Ok(Err(fault)) => return keep(tally).and(Err(fault)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if observer.cancelled() {
                return keep(tally).and(Err(Error::Cancelled));
            }
            if kept.elapsed() > CHECKPOINT_EVERY {
                keep(tally)?;
                kept = Instant::now();
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrial_spec::{Fused, Linear, Posterior, Precision, Problem, Silent, Variant, Weights};
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    #[test]
    fn windows_cover_a_range_once() {
        assert_eq!(windows(3..10, 3).collect::<Vec<_>>(), [3..6, 6..9, 9..10]);
        assert_eq!(windows(0..0, 3).count(), 0);
        assert!(windows(u64::MAX - 2..u64::MAX, 100).eq(std::iter::once(u64::MAX - 2..u64::MAX)));
    }

    /// A device on which every trial errs by 1 and that is lost at some trial, once.
    struct Fragile(Option<u64>);

    impl Fused for Fragile {
        fn errors(&mut self, _: Noise<'_>) -> Result<Vec<f32>> {
            Ok(vec![1.0])
        }
        fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
            let (thresholds, rows) = tally.rows_mut();
            rows[0].add(thresholds, trials.start, &vec![1.0; (trials.end - trials.start) as usize]);
            if self.0.take_if(|at| trials.contains(at)).is_some() {
                return Err(Error::Device { device: "fragile".into(), fault: "lost".into(), fix: "resume".into() });
            }
            tally.add_trials(trials.end - trials.start);
            Ok(())
        }
        fn window(&self) -> u64 {
            10
        }
    }

    fn variant() -> Variant {
        Variant::new("none", Precision::F32)
    }

    /// The least there is.
    fn problem() -> Problem {
        let one = || Linear { outputs: 1, inputs: 1, weight: vec![1.0], bias: vec![0.0] };
        let weights = Weights {
            encoder_fc1: one(),
            encoder_fc_mu: one(),
            encoder_fc_logvar: one(),
            decoder_fc1: one(),
            decoder_fc2: one(),
        };
        Problem::new(weights, vec![0.5], &Posterior { mu: vec![0.0], logvar: vec![0.0] }, 1.0, 1).unwrap()
    }

    #[test]
    fn a_lost_device_loses_one_window() {
        let problem = problem();
        let mut device = Scorer::new(&problem, variant(), Box::new(Fragile(Some(25))));
        let (mut tally, mut kept) = (Tally::new(1, &[2.0]).unwrap(), None);
        let mut keep = |tally: &Tally| {
            kept = Some(tally.clone());
            Ok(())
        };
        assert!(run(&mut device, &mut tally, 50, None, &Silent, &mut keep).is_err());
        let mut tally = kept.take().unwrap();
        assert_eq!((tally.trials(), tally.successes(0)), (20, vec![20]));
        run(&mut device, &mut tally, 50, None, &Silent, &mut |_| Ok(())).unwrap();
        assert_eq!((tally.trials(), tally.successes(0)), (50, vec![50]));
    }

    /// A device whose second window ends only when the tally was kept: however long a window takes, it is not waited
    /// for.
    struct Endless<'a>(&'a AtomicBool);

    impl Fused for Endless<'_> {
        fn errors(&mut self, _: Noise<'_>) -> Result<Vec<f32>> {
            Ok(vec![1.0])
        }
        fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
            while trials.start > 0 && !self.0.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Fragile(None).tally(trials, tally)
        }
        fn window(&self) -> u64 {
            10
        }
    }

    /// Cancels once a window was reported.
    struct Once(AtomicU64);

    impl Observer for Once {
        fn progress(&self, p: Progress<'_>) {
            self.0.store(p.done, Ordering::Relaxed);
        }
        fn cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed) > 0
        }
    }

    #[test]
    fn a_cancelled_run_keeps_its_tally_before_its_window_ends() {
        let (problem, was_kept) = (problem(), AtomicBool::new(false));
        let mut device = Scorer::new(&problem, variant(), Box::new(Endless(&was_kept)));
        let mut tally = Tally::new(1, &[2.0]).unwrap();
        let mut keep = |tally: &Tally| {
            assert_eq!((tally.trials(), tally.successes(0)), (10, vec![10]));
            was_kept.store(true, Ordering::Relaxed);
            Ok(())
        };
        let observer = Once(AtomicU64::new(0));
        let ended = run(&mut device, &mut tally, 50, None, &observer, &mut keep);
        assert!(matches!(ended, Err(Error::Cancelled)) && was_kept.load(Ordering::Relaxed));
        assert_eq!(tally.trials(), 10, "what is returned is what was kept");
    }

    #[test]
    fn rounding_keeps_five_digits() {
        assert_eq!(round(1.023_456), 1.0235);
        assert_eq!(round(0.000_123_456_7), 0.000_123_46);
    }
}
