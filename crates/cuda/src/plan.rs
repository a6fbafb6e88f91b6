//! How trials are cut into launches. Pure arithmetic, tested without a device.

use crate::{
    found::{Found, SPAN},
    tally::DeviceTally,
};
use std::time::Duration;

/// Trials of one launch, of all samples together: about 50 ms of a large device.
const LAUNCH: usize = 1 << 22;

/// Most trials per sample of one launch, in whole tiles: of `free` bytes of memory half, less what tallies take, for
/// `slots` windows. Whether it fits in the end the allocations say.
pub(crate) fn window(tile: usize, samples: usize, slots: usize, free: u64) -> usize {
    let room = (free / 2).saturating_sub(DeviceTally::bytes(samples)) as usize / (slots * samples);
    // Each trial takes 4 bytes, and 4,096 trials or less take a list of what is found in them.
    let list = Found::bytes(1, 1) as usize;
    let trials = room.saturating_sub(list) * SPAN / (4 * SPAN + list);
    (LAUNCH / samples).min(trials).max(1).next_multiple_of(tile)
}

/// Half a window, or `None` where it is one tile already.
pub(crate) fn halved(window: usize, tile: usize) -> Option<usize> {
    (window > tile).then(|| (window / 2).next_multiple_of(tile))
}

/// How fast a device went, and how long it had nothing to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throughput {
    /// Trials per sample and second, 0 before anything was measured.
    rate: f64,
    /// Seconds of a call in which no kernel ran.
    idle: f64,
}

impl Throughput {
    /// Of a call of so many trials per sample.
    pub(crate) fn of(trials: u64, took: Duration, busy: Duration) -> Self {
        let took = took.as_secs_f64().max(1e-6);
        Self { rate: trials as f64 / took, idle: (took - busy.as_secs_f64()).max(0.0) }
    }

    /// Trials per sample of a call, in whole launches: a quarter of a second, up to two where it takes that long to make a
    /// hundredth of what a call leaves idle.
    pub(crate) fn trials(&self, launch: u64) -> u64 {
        let seconds = (100.0 * self.idle).clamp(0.25, 2.0);
        let launches = if self.rate > 0.0 { (self.rate * seconds / launch as f64) as u64 } else { 4 };
        launches.max(1).saturating_mul(launch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_makes_a_small_window_and_halving_ends() {
        assert_eq!(window(128, 60_000, 4, 1 << 32), 128);
        assert_eq!(window(128, 60_000, 4, 1 << 20), 128);
        assert_eq!(window(128, 6000, 4, 1 << 29), 768);
        let mut size = window(128, 400, 4, 1 << 34);
        assert_eq!(size, (LAUNCH / 400).next_multiple_of(128));
        let mut halvings = 0;
        while let Some(half) = halved(size, 128) {
            assert!(half < size && half.is_multiple_of(128));
            (size, halvings) = (half, halvings + 1);
        }
        assert_eq!((size, halvings), (128, 7));
    }
}
