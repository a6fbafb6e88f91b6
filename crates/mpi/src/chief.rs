//! What rank 0 does beside its own windows.

use crate::{
    message::{Order, Report, Setup},
    world::World,
};
use retrial_engine::{Ledger, State, sample::Crew};
use retrial_spec::{Result, text::visible};
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

/// A rank below this share of the usual rate is slow.
const SLOW: f64 = 0.5;
/// How long a signal allows to wait for what ranks still have.
const MOMENT: Duration = Duration::from_millis(300);
/// How long the end of a job waits for a rank that says nothing.
const FAREWELL: Duration = Duration::from_secs(60);

/// The ranks of a job, as the crew of a run.
pub struct Chief<'a> {
    world: &'a World,
    /// Those but rank 0.
    ranks: Vec<Rank>,
    patience: Duration,
    looked: Duration,
    say: fn(String),
}

impl std::fmt::Debug for Chief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chief").field("ranks", &self.ranks.len()).finish_non_exhaustive()
    }
}

/// What is known of a rank.
#[derive(Clone, Default)]
struct Rank {
    /// Trials of all samples in a second, once it delivered.
    rate: Option<f64>,
    was_slow: bool,
    was_silent: bool,
    has_left: bool,
}

impl<'a> Chief<'a> {
    /// Has all ranks take part. `say` hears of those that fail, and of those that are slow or were not heard of for longer
    /// than `patience`.
    ///
    /// # Errors
    /// Where a message cannot be made.
    pub fn new(world: &'a World, setup: Setup, patience: Duration, say: fn(String)) -> Result<Self> {
        let order = Order::Serve(Box::new(setup));
        (1..world.size()).try_for_each(|rank| world.order(rank, &order))?;
        let ranks = vec![Rank::default(); world.size() - 1];
        Ok(Self { world, ranks, patience, looked: Duration::ZERO, say })
    }

    /// Takes all reports that have come.
    fn hear(&mut self, ledger: &mut Ledger, now: Duration) -> Result<()> {
        while let Some((number, report)) = self.world.next_report()? {
            let worker = number as u64;
            ledger.hear(worker, now);
            let rank = &mut self.ranks[number - 1];
            rank.was_silent = false;
            match report {
                Report::Want { most, least } => {
                    // Ever smaller pieces, so that all end at about the same time.
                    let left = ledger.goal().count() - ledger.done();
                    let most = (left / (2 * self.world.size() as u64)).clamp(least, most.max(least));
                    let taken = ledger.take(worker, most, now);
                    self.world.order(number, &taken.map_or(Order::Idle, Order::Work))?;
                }
                Report::Found { state, rate } => {
                    self.ranks[number - 1].rate = Some(rate);
                    ledger.deliver(worker, &State::from_bytes(&state)?, now)?;
                }
                Report::Failed(fault) => {
                    ledger.release(worker);
                    (self.say)(format!("rank {number} failed, and the others do its trials: {}", visible(&fault)));
                }
                Report::Left | Report::Gone => rank.has_left = true,
            }
        }
        Ok(())
    }

    /// Names ranks that are silent, whose trials others may do, and those that are slow, once each.
    fn look(&mut self, ledger: &mut Ledger, now: Duration) {
        for silence in ledger.silent(self.patience, now) {
            let Some(rank) = (silence.worker as usize).checked_sub(1).and_then(|at| self.ranks.get_mut(at)) else {
                continue;
            };
            if !std::mem::replace(&mut rank.was_silent, true) {
                let seconds = silence.lasts.as_secs_f64();
                (self.say)(format!(
                    "rank {} was not heard of for {seconds:.0} s; the others do its trials, {}",
                    silence.worker, silence.trials
                ));
            }
            ledger.release(silence.worker);
        }
        let rates: Vec<Option<f64>> = self.ranks.iter().map(|rank| rank.rate).collect();
        for (at, rate, usual) in slow(&rates) {
            if !std::mem::replace(&mut self.ranks[at].was_slow, true) {
                (self.say)(format!("rank {} is slow: {rate:.3e} trials/s, where {usual:.3e} are usual", at + 1));
            }
        }
    }
}

/// Those whose rate is known and less than half of the median: where, their rate, and the median.
fn slow(rates: &[Option<f64>]) -> Vec<(usize, f64, f64)> {
    let mut known: Vec<f64> = rates.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    let Some(&usual) = known.get(known.len() / 2) else { return vec![] };
    let is_slow =
        |(at, rate): (usize, &Option<f64>)| rate.filter(|&rate| rate < SLOW * usual).map(|rate| (at, rate, usual));
    rates.iter().enumerate().filter_map(is_slow).collect()
}

/// Lets all ranks go, and waits until they have left: what is on its way from one must be received. `say` hears of one that
/// does not answer for a minute, without which the job then ends.
///
/// # Errors
/// Where a message cannot be read.
pub fn farewell(world: &World, say: fn(String)) -> Result<()> {
    for rank in 1..world.size() {
        // One that is still in a run leaves that first.
        world.order(rank, &Order::Stop)?;
        world.order(rank, &Order::Leave)?;
    }
    let mut left: BTreeSet<usize> = (1..world.size()).collect();
    let begin = Instant::now();
    while let Some(first) = left.first() {
        if begin.elapsed() > FAREWELL {
            say(format!("rank {first} does not answer; the job ends without it"));
            world.abort(0);
        }
        match world.next_report()? {
            Some((rank, Report::Gone)) => drop(left.remove(&rank)),
            // Late, and not needed any more.
            Some(_) => {}
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    Ok(())
}

impl Crew for Chief<'_> {
    fn attend(&mut self, ledger: &mut Ledger, now: Duration) -> Result<()> {
        self.hear(ledger, now)?;
        if now > self.looked + Duration::from_secs(1) {
            self.looked = now;
            self.look(ledger, now);
        }
        Ok(())
    }

    fn dismiss(&mut self, ledger: &mut Ledger, now: Duration) -> Result<()> {
        (1..self.world.size()).try_for_each(|rank| self.world.order(rank, &Order::Stop))?;
        let begin = Instant::now();
        while self.ranks.iter().any(|rank| !rank.has_left) && begin.elapsed() < MOMENT {
            self.hear(ledger, now)?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_below_half_of_the_median_is_slow() {
        assert_eq!(slow(&[None, Some(10.0), Some(4.9), Some(12.0), Some(5.1)]), [(2, 4.9, 10.0)]);
        assert!(slow(&[None, None]).is_empty() && slow(&[]).is_empty());
    }
}
