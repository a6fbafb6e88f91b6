//! What ranks other than 0 do.

use crate::{
    message::{Order, Report, Setup},
    world::World,
};
use retrial_engine::{State, window};
use retrial_spec::{Error, Result, Scorer};
use std::{
    collections::VecDeque,
    ops::Range,
    thread,
    time::{Duration, Instant},
};

/// Work that a request asks for.
const BATCH: Duration = Duration::from_millis(500);
/// Time before a rank that got nothing asks again.
const PAUSE: Duration = Duration::from_millis(20);
/// Trials on order, so that no rank waits for an answer.
const AHEAD: usize = 2;

/// How a rank works.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Trials per sample of a window; by default as many as the device wants.
    pub window: Option<u64>,
    /// Time between deliveries.
    pub delivery: Duration,
}

/// Serves rank 0 until the job ends: `work` makes ready for a run and does it by [`Service::run`]; where it fails, the other
/// ranks are told and go on.
///
/// # Errors
/// Where a message cannot be read.
pub fn serve(world: &World, mut work: impl FnMut(&Setup, Service<'_>) -> Result<()>) -> Result<()> {
    loop {
        match world.await_order()? {
            Order::Serve(setup) => {
                match work(&setup, Service { world }) {
                    Ok(()) => {}
                    // Rank 0 heard the signal too.
                    Err(Error::Cancelled) => world.report(&Report::Left)?,
                    Err(fault) => world.report(&Report::Failed(fault.to_string()))?,
                }
            }
            Order::Leave => return world.report(&Report::Gone),
            // Of a run that this rank does not take part in any more.
            Order::Stop => world.report(&Report::Left)?,
            Order::Work(_) | Order::Idle => {}
        }
    }
}

/// A run that rank 0 asked this one to take part in.
pub struct Service<'a> {
    world: &'a World,
}

impl std::fmt::Debug for Service<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service<'_> {
    /// Does what rank 0 orders, from `empty` on, until it orders to stop or `cancelled` says so.
    ///
    /// # Errors
    /// Those of the device, [`Error::Cancelled`], and where a message cannot be read.
    pub fn run(
        self,
        scorer: &mut Scorer<'_>,
        empty: &State,
        schedule: Schedule,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<()> {
        let Self { world } = self;
        let samples = empty.tally.rows().len() as f64;
        let mut queue: VecDeque<Range<u64>> = VecDeque::new();
        let (mut mine, mut asked, mut rate) = (empty.clone(), 0, 0.0);
        let (mut delivered, mut ask_again) = (Instant::now(), Instant::now());
        let deliver = |mine: &mut State, rate: f64| -> Result<()> {
            if !mine.trials().is_empty() {
                let state = std::mem::replace(mine, empty.clone()).to_bytes()?;
                world.report(&Report::Found { state, rate: rate * samples })?;
            }
            Ok(())
        };
        loop {
            while let Some(order) = world.next_order()? {
                asked = usize::saturating_sub(asked, 1);
                match order {
                    Order::Work(range) => queue.push_back(range),
                    Order::Idle => ask_again = Instant::now() + PAUSE,
                    Order::Serve(_) | Order::Stop | Order::Leave => {
                        deliver(&mut mine, rate)?;
                        return world.report(&Report::Left);
                    }
                }
            }
            let window = schedule.window.unwrap_or_else(|| scorer.window());
            if queue.len() + asked < AHEAD && Instant::now() >= ask_again {
                let most = ((rate * BATCH.as_secs_f64()) as u64).max(window);
                world.report(&Report::Want { most, least: window.min(most) })?;
                asked += 1;
            }
            match queue.pop_front() {
                Some(range) => {
                    let end = range.start.saturating_add(window).min(range.end);
                    let begin = Instant::now();
                    match window::sample(scorer, range.start..end, empty.clone()) {
                        Ok(part) => mine.merge(&part)?,
                        Err(fault) => {
                            deliver(&mut mine, rate)?;
                            return Err(fault);
                        }
                    }
                    let now = (end - range.start) as f64 / begin.elapsed().as_secs_f64().max(1e-9);
                    rate = if rate == 0.0 { now } else { 0.8 * rate + 0.2 * now };
                    if end < range.end {
                        queue.push_front(end..range.end);
                    }
                }
                None => {
                    deliver(&mut mine, rate)?;
                    thread::sleep(Duration::from_millis(2));
                }
            }
            if delivered.elapsed() >= schedule.delivery || cancelled() {
                deliver(&mut mine, rate)?;
                delivered = Instant::now();
            }
            if cancelled() {
                return Err(Error::Cancelled);
            }
        }
    }
}
