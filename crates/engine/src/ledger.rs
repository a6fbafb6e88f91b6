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
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.has = worker.has.without(part.trials());
        }
        self.settle();
        Ok(is_news)
    }

    /// Takes back what a worker has, for others to take. What it still delivers is as welcome as theirs.
    pub fn release(&mut self, worker: u64) {
        self.workers.remove(&worker);
        self.settle();
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

    /// What is neither done nor taken is free.
    fn settle(&mut self) {
        let lacking = self.goal.without(self.state.trials());
        self.free = self.workers.values().fold(lacking, |free, worker| free.without(&worker.has));
    }
}

/// The trials that are in either set.
fn union(a: &Trials, b: &Trials) -> Trials {
    let mut union = a.clone();
    // What `a` lacks overlaps it nowhere.
    let _ = union.add(&b.without(a));
    union
}
