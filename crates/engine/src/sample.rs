//! The sampling loop: windows in, one tally out.

use retrial_spec::{Error, Noise, Observer, Progress, Result, Scorer, Tally};
use std::{
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

/// Adds trials until the tally holds `trials` per sample, `window` at a time (by default as many as the device wants,
/// which it learns).
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
    let samples = tally.rows().len();
    let report = |done: u64| {
        let [done, total] = [done, trials].map(|t| t.saturating_mul(samples as u64));
        observer.progress(Progress { stage: "sample", done, total, unit: "trials" });
    };
    report(tally.trials());
    let (mut first, empty) = (tally.trials(), tally.empty());
    thread::scope(|scope| {
        // The device works on a thread of its own, which does not wait until its last window is merged or kept; it ends when
        // nobody receives any more.
        let (finished, parts) = mpsc::sync_channel(1);
        scope.spawn(move || {
            while first < trials {
                let window = window.unwrap_or_else(|| scorer.window()).max(1);
                let range = first..first.saturating_add(window).min(trials);
                first = range.end;
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
                if let Ok(Ok(part)) = parts.try_recv() {
                    tally.merge(&part)?;
                }
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
    use std::{
        ops::Range,
        sync::atomic::{AtomicBool, AtomicU64, Ordering},
    };

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

    /// A device that takes the trials of ever longer windows as it asks for them.
    struct Learning(Vec<Range<u64>>);

    impl Fused for &mut Learning {
        fn errors(&mut self, _: Noise<'_>) -> Result<Vec<f32>> {
            Ok(vec![1.0])
        }
        fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
            self.0.push(trials.clone());
            Fragile(None).tally(trials, tally)
        }
        fn window(&self) -> u64 {
            10 << self.0.len()
        }
    }

    #[test]
    fn windows_are_as_long_as_the_device_wants_or_as_told() {
        let problem = problem();
        for (window, want) in [(None, vec![0..10, 10..30, 30..65]), (Some(40), vec![0..40, 40..65])] {
            let mut device = Learning(vec![]);
            let mut tally = Tally::new(1, &[2.0]).unwrap();
            let mut scorer = Scorer::new(&problem, variant(), Box::new(&mut device));
            run(&mut scorer, &mut tally, 65, window, &Silent, &mut |_| Ok(())).unwrap();
            drop(scorer);
            assert_eq!((device.0, tally.successes(0)), (want, vec![65]));
        }
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
