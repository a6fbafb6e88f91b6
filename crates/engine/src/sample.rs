//! The sampling loop: windows in, one state out.

use crate::{Ledger, State, window};
use retrial_spec::{Error, Noise, Observer, Progress, Result, Scorer};
use std::{
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

/// Values of pass@1 at which [`pilot`] places thresholds unless told otherwise.
pub const PILOT_QUANTILES: [f64; 5] = [1e-4, 1e-3, 1e-2, 0.1, 0.5];

/// The pilot draws trials from here on, which no run reaches.
const PILOT_FIRST: u64 = 1 << 63;

/// How often [`run`] asks whether it should stop, and attends to workers elsewhere.
const ATTENTION: Duration = Duration::from_millis(10);

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

/// How [`run`] works.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Trials per sample of a window; by default as many as the device wants, which it learns.
    pub window: Option<u64>,
    /// Time between checkpoints.
    pub checkpoint: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { window: None, checkpoint: Duration::from_secs(10) }
    }
}

/// Workers elsewhere, which do trials of the same ledger.
pub trait Crew {
    /// Answers those that want trials and delivers what others found, without waiting. `now` is the time of the run.
    ///
    /// # Errors
    /// Where a worker delivers what is not of this run.
    fn attend(&mut self, ledger: &mut Ledger, now: Duration) -> Result<()>;

    /// Ends their work: delivers what they still have, and waits no longer for it than a signal allows.
    ///
    /// # Errors
    /// As of [`Crew::attend`].
    fn dismiss(&mut self, ledger: &mut Ledger, now: Duration) -> Result<()>;
}

/// No workers elsewhere.
#[derive(Debug)]
pub struct Alone;

impl Crew for Alone {
    fn attend(&mut self, _: &mut Ledger, _: Duration) -> Result<()> {
        Ok(())
    }

    fn dismiss(&mut self, _: &mut Ledger, _: Duration) -> Result<()> {
        Ok(())
    }
}

/// Why a state is handed over to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is time. Where it cannot be kept, the run may go on.
    Checkpoint,
    /// The run stops here, before its end.
    Stop,
}

/// Takes windows of trials from the ledger, as its crew does, until all of its goal is done.
///
/// The result does not depend on the windows, nor on who did them. `keep` receives the state at every checkpoint, when the
/// device fails, and within a fraction of a second of the observer's cancelling, however long a window takes; windows that
/// were not finished are not in it. A cancelled call then still waits for the window that the device is at.
///
/// # Errors
/// Those of the device, the crew and `keep`; [`Error::Cancelled`].
///
/// ```
/// use retrial_cpu::Cpu;
/// use retrial_engine::{Ledger, State, sample::{self, Alone, Schedule}};
/// use retrial_spec::{Backend, Linear, Posterior, Precision, Problem, Silent, Tally, Weights};
///
/// # fn main() -> retrial_spec::Result<()> {
/// # let layer = |outputs, inputs| Linear { outputs, inputs, weight: vec![0.5; outputs * inputs], bias: vec![0.0; outputs] };
/// # let weights = Weights {
/// #     encoder_fc1: layer(3, 4),
/// #     encoder_fc_mu: layer(2, 3),
/// #     encoder_fc_logvar: layer(2, 3),
/// #     decoder_fc1: layer(3, 2),
/// #     decoder_fc2: layer(4, 3),
/// # };
/// # let posterior = Posterior { mu: vec![0.0; 2], logvar: vec![0.0; 2] };
/// let problem = Problem::new(weights, vec![0.5; 4], &posterior, 1.0, 1)?;
/// let cpu = Cpu::new(Some(1))?;
/// let mut scorer = cpu.load(&problem, Precision::F32)?;
/// let mut ledger = Ledger::new((0..1000).into(), State { tally: Tally::new(1, &[0.5])?, gram: None });
/// sample::run(&mut scorer, &mut ledger, &mut Alone, Schedule::default(), &Silent, &mut |_, _| Ok(()))?;
/// assert_eq!(ledger.state().tally.trials().count(), 1000);
/// # Ok(())
/// # }
/// ```
pub fn run(
    scorer: &mut Scorer<'_>,
    ledger: &mut Ledger,
    crew: &mut dyn Crew,
    schedule: Schedule,
    observer: &dyn Observer,
    keep: &mut dyn FnMut(&State, Moment) -> Result<()>,
) -> Result<()> {
    let (start, empty) = (Instant::now(), ledger.state().empty());
    let ledger = Mutex::new(ledger);
    let book = || ledger.lock().unwrap_or_else(PoisonError::into_inner);
    report(&book(), observer, schedule.checkpoint);
    thread::scope(|scope| {
        // The device works on a thread of its own, which does not wait until its last window is merged or kept; it ends when
        // nobody receives any more.
        let (finished, parts) = mpsc::sync_channel(1);
        let book = &book;
        scope.spawn(move || {
            let take = |scorer: &Scorer<'_>| {
                let window = schedule.window.unwrap_or_else(|| scorer.window());
                book().take(0, window, start.elapsed())
            };
            let mut taken = take(scorer);
            loop {
                let Some(range) = taken else {
                    // What others have may come back.
                    if book().is_done() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(1));
                    taken = take(scorer);
                    continue;
                };
                // A state of its own, so that a window that fails half-way leaves no trace.
                let part = window::sample(scorer, range, empty.clone());
                let failed = part.is_err();
                // Before the ledger is busy with this part.
                taken = take(scorer);
                if finished.send(part).is_err() || failed {
                    return;
                }
            }
        });
        let mut kept = Instant::now();
        let deliver = |part: State| book().deliver(0, &part, start.elapsed());
        let is_done = || book().is_done();
        while !is_done() {
            let before = book().done();
            match parts.recv_timeout(ATTENTION) {
                Ok(Ok(part)) => drop(deliver(part)?),
                Ok(Err(fault)) => {
                    crew.dismiss(&mut book(), start.elapsed())?;
                    return keep(book().state(), Moment::Stop).and(Err(fault));
                }
                Err(RecvTimeoutError::Timeout) => {}
                // With trials left to do it can only have panicked, which the scope passes on.
                Err(RecvTimeoutError::Disconnected) if !is_done() => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => {}
            }
            crew.attend(&mut book(), start.elapsed())?;
            if book().done() > before {
                report(&book(), observer, schedule.checkpoint.saturating_sub(kept.elapsed()));
            }
            if observer.cancelled() {
                if let Ok(Ok(part)) = parts.try_recv() {
                    deliver(part)?;
                }
                crew.dismiss(&mut book(), start.elapsed())?;
                return keep(book().state(), Moment::Stop).and(Err(Error::Cancelled));
            }
            if kept.elapsed() > schedule.checkpoint {
                // A copy, so that the device does not wait for the disk.
                let state = book().state().clone();
                keep(&state, Moment::Checkpoint)?;
                kept = Instant::now();
            }
        }
        crew.dismiss(&mut book(), start.elapsed())
    })
}

/// Tells an observer where a run stands.
fn report(ledger: &Ledger, observer: &dyn Observer, checkpoint: Duration) {
    let samples = ledger.state().tally.rows().len() as u64;
    let [done, total] = [ledger.done(), ledger.goal().count()].map(|trials| trials.saturating_mul(samples));
    observer.sampled(&ledger.state().tally, checkpoint);
    observer.progress(Progress { stage: "sample", done, total, unit: "trials" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrial_spec::{Fused, Linear, Posterior, Precision, Problem, Silent, Tally, Variant, Weights};
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
            tally.add_trials(trials)
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

    fn ledger(trials: u64) -> Ledger {
        Ledger::new((0..trials).into(), State { tally: Tally::new(1, &[2.0]).unwrap(), gram: None })
    }

    /// Trials in one range, and successes.
    fn found(state: &State) -> (Range<u64>, Vec<u64>) {
        (state.trials().ranges()[0].clone(), state.tally.successes(0))
    }

    #[test]
    fn a_lost_device_loses_one_window() {
        let problem = problem();
        let mut device = Scorer::new(&problem, variant(), Box::new(Fragile(Some(25))));
        let mut kept = None;
        let mut keep = |state: &State, moment: Moment| {
            assert_eq!(moment, Moment::Stop);
            kept = Some(state.clone());
            Ok(())
        };
        assert!(run(&mut device, &mut ledger(50), &mut Alone, Schedule::default(), &Silent, &mut keep).is_err());
        let state = kept.take().unwrap();
        assert_eq!(found(&state), (0..20, vec![20]));
        let mut ledger = Ledger::new((0..50).into(), state);
        run(&mut device, &mut ledger, &mut Alone, Schedule::default(), &Silent, &mut |_, _| Ok(())).unwrap();
        assert_eq!(found(ledger.state()), (0..50, vec![50]));
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
            let mut ledger = ledger(65);
            let mut scorer = Scorer::new(&problem, variant(), Box::new(&mut device));
            let schedule = Schedule { window, ..Schedule::default() };
            run(&mut scorer, &mut ledger, &mut Alone, schedule, &Silent, &mut |_, _| Ok(())).unwrap();
            drop(scorer);
            assert_eq!((device.0, found(ledger.state())), (want, (0..65, vec![65])));
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
        let mut ledger = ledger(50);
        let mut keep = |state: &State, _| {
            assert_eq!(found(state), (0..10, vec![10]));
            was_kept.store(true, Ordering::Relaxed);
            Ok(())
        };
        let observer = Once(AtomicU64::new(0));
        let ended = run(&mut device, &mut ledger, &mut Alone, Schedule::default(), &observer, &mut keep);
        assert!(matches!(ended, Err(Error::Cancelled)) && was_kept.load(Ordering::Relaxed));
        assert_eq!(found(ledger.state()).0, 0..10, "what is returned is what was kept");
    }

    #[test]
    fn rounding_keeps_five_digits() {
        assert_eq!(round(1.023_456), 1.0235);
        assert_eq!(round(0.000_123_456_7), 0.000_123_46);
    }
}
