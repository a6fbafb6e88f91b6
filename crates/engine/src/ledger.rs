//! Who does which trials: the book that a run keeps, whether its workers are threads, processes or machines.
//!
//! A worker [takes](Ledger::take) trials, and [delivers](Ledger::deliver) what it found of them, some or all at once. The
//! book counts every trial once, whatever happens on the way: parts may come late, twice, out of order or never, and what
//! a silent worker had may be [given to others](Ledger::release) while it still works on it. So the state at the end is a
//! function of the trials alone.

use crate::State;
use retrial_spec::{Error, Result, Trials};
use std::{collections::BTreeMap, ops::Range, time::Duration};

/// The trials of a run: done, taken and free.
#[derive(Debug)]
pub struct Ledger {
    goal: Trials,
    free: Trials,
    state: State,
    workers: BTreeMap<u64, Worker>,
}

/// What is known of a worker.
#[derive(Debug)]
struct Worker {
    has: Trials,
    heard: Duration,
}

/// A worker that has trials and has not been heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The worker.
    pub worker: u64,
    /// What it has.
    pub trials: Trials,
    /// Since when, at least.
    pub lasts: Duration,
}

impl Ledger {
    /// The book of a run that has come to `state` and wants `goal`.
    pub fn new(goal: Trials, state: State) -> Self {
        let free = goal.without(state.trials());
        Self { goal, free, state, workers: BTreeMap::new() }
    }

    /// All that was delivered.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state, when the run has ended.
    pub fn into_state(self) -> State {
        self.state
    }

    /// The trials that the run wants.
    pub fn goal(&self) -> &Trials {
        &self.goal
    }

    /// Trials of the goal that are done.
    pub fn done(&self) -> u64 {
        self.goal.overlap(self.state.trials()).count()
    }

    /// Whether every trial of the goal is done.
    pub fn is_done(&self) -> bool {
        self.done() == self.goal.count()
    }

    /// Gives the first free trials to a worker, `most` or as many as there are in one range. `None` where none is free: all
    /// are done, or others have them. `now` is the time since some moment; clocks that jump move no trial.
    pub fn take(&mut self, worker: u64, most: u64, now: Duration) -> Option<Range<u64>> {
        let taken = self.free.take(most.max(1))?;
        let worker = self.workers.entry(worker).or_insert_with(|| Worker { has: Trials::none(), heard: now });
        worker.heard = now;
        worker.has = union(&worker.has, &taken.clone().into());
        Some(taken)
    }

    /// Notes that a worker lives.
    pub fn hear(&mut self, worker: u64, now: Duration) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.heard = now;
        }
    }

    /// Adds what a worker found of trials, and tells whether it was news. What others delivered before is not: a part that
    /// holds any of that is left out as a whole, and those of its trials that are still lacking are free again.
    ///
    /// # Errors
    /// [`Error::Input`] where a part holds trials that the run does not want, or keeps something else; it is left out.
    pub fn deliver(&mut self, worker: u64, part: &State, now: Duration) -> Result<bool> {
        self.hear(worker, now);
        let foreign = part.trials().without(&self.goal);
        if !foreign.is_empty() {
            return Err(Error::input("part", format!("trials {foreign}"), format!("the run wants {}", self.goal)));
        }
        let is_news = part.trials().overlap(self.state.trials()).is_empty();
        if is_news {
            self.state.merge(part)?;
        }
        let mut had = Trials::none();
        if let Some(worker) = self.workers.get_mut(&worker) {
            had = worker.has.overlap(part.trials());
            worker.has = worker.has.without(part.trials());
        }
        match is_news {
            // Free where they were taken back from a worker that was late.
            true => self.free = self.free.without(part.trials()),
            false => self.give_back(&had),
        }
        Ok(is_news)
    }

    /// Takes back what a worker has, for others to take. What it still delivers is as welcome as theirs.
    pub fn release(&mut self, worker: u64) {
        if let Some(worker) = self.workers.remove(&worker) {
            self.give_back(&worker.has);
        }
    }

    /// Workers that have trials and were not heard of for longer than `patience`.
    pub fn silent(&self, patience: Duration, now: Duration) -> Vec<Silence> {
        let silence = |(&worker, w): (&u64, &Worker)| {
            let lasts = now.saturating_sub(w.heard);
            let silent = lasts > patience && !w.has.is_empty();
            silent.then(|| Silence { worker, trials: w.has.clone(), lasts })
        };
        self.workers.iter().filter_map(silence).collect()
    }

    /// Frees trials that a worker had, and so nobody else has, unless they are done.
    fn give_back(&mut self, trials: &Trials) {
        self.free = union(&self.free, &trials.without(self.state.trials()));
    }
}

/// The trials that are in either set.
fn union(a: &Trials, b: &Trials) -> Trials {
    let mut union = a.clone();
    // What `a` lacks overlaps it nowhere.
    let _ = union.add(&b.without(a));
    union
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrial_spec::{Tally, rng::Stream};
    use std::collections::BinaryHeap;

    /// A state of trials whose errors are invented, and so cost nothing.
    fn part(trials: Range<u64>) -> State {
        let mut tally = Tally::new(1, &[0.25, 0.5]).unwrap();
        let (thresholds, rows) = tally.rows_mut();
        let error = |trial: u64| (trial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1 << 24) as f32;
        let errors: Vec<f32> = trials.clone().map(error).collect();
        rows[0].add(thresholds, trials.start, &errors);
        tally.add_trials(trials).unwrap();
        State { tally, gram: None }
    }

    fn nothing() -> State {
        State { tally: Tally::new(1, &[0.25, 0.5]).unwrap(), gram: None }
    }

    /// Ten thousand workers that finish late, twice, out of order or never, join several windows in one part, are given up
    /// too early, and read clocks that jump in either direction: the same state.
    #[test]
    fn ten_thousand_unreliable_workers_make_the_run() {
        const TRIALS: u64 = 400_000;
        const WORKERS: u64 = 10_000;
        let want = part(0..TRIALS);
        let mut stream = Stream::new(1, 0);
        let mut ledger = Ledger::new((0..TRIALS).into(), nothing());
        // By the moment when they come: the last first.
        let mut coming: BinaryHeap<(u64, u64, u64, u64)> = BinaryHeap::new();
        let (mut step, mut refused, mut given_up) = (u64::MAX, 0, 0);
        while !ledger.is_done() {
            step -= 1;
            let clock = Duration::from_secs(1000 + stream.below(100_000));
            let worker = stream.below(WORKERS);
            if let Some(range) = ledger.take(worker, 1 + stream.below(60), clock) {
                let fate = stream.below(100);
                let late = step - stream.below(20_000);
                if fate >= 10 {
                    coming.push((late, worker, range.start, range.end));
                }
                if fate >= 95 {
                    coming.push((late - stream.below(20_000), worker, range.start, range.end));
                }
            } else if coming.is_empty() || stream.below(50) == 0 {
                let silent = ledger.silent(Duration::from_secs(stream.below(50_000)), clock);
                given_up += silent.len();
                silent.iter().for_each(|silence| ledger.release(silence.worker));
            }
            while coming.peek().is_some_and(|(at, ..)| *at >= step) || stream.below(4) == 0 && !coming.is_empty() {
                let (_, worker, start, end) = coming.pop().unwrap();
                let mut found = part(start..end);
                // Now and then with the next one of anybody, as a worker that saves messages would.
                if stream.below(9) == 0
                    && let Some((.., start, end)) = coming.pop()
                {
                    let _ = found.merge(&part(start..end));
                }
                refused += u64::from(!ledger.deliver(worker, &found, clock).unwrap());
            }
        }
        assert!(refused > 100 && given_up > 100, "{refused} {given_up}");
        assert!(ledger.into_state() == want);
    }

    #[test]
    fn what_the_run_does_not_want_is_refused() {
        let mut ledger = Ledger::new((10..20).into(), nothing());
        let fault = ledger.deliver(1, &part(5..12), Duration::ZERO).unwrap_err().to_string();
        assert!(fault.contains("trials 5 to 9") && fault.contains("10 to 19"), "{fault}");
        assert_eq!((ledger.done(), ledger.take(1, 100, Duration::ZERO)), (0, Some(10..20)));
        let silence = ledger.silent(Duration::from_secs(1), Duration::from_secs(9));
        assert_eq!((silence[0].worker, silence[0].trials.clone()), (1, (10..20).into()));
        assert_eq!(ledger.take(2, 100, Duration::ZERO), None);
        ledger.release(1);
        assert_eq!(ledger.take(2, 100, Duration::ZERO), Some(10..20));
        assert!(ledger.deliver(1, &part(10..15), Duration::ZERO).unwrap(), "late, and welcome");
        assert!(!ledger.deliver(2, &part(10..20), Duration::ZERO).unwrap());
        assert_eq!(ledger.take(3, 100, Duration::ZERO), Some(15..20));
    }
}
