//! How a problem is cut to fit a device. Pure arithmetic, tested without one.

use crate::driver::Facts;
use retrial_spec::Shape;

/// Trials and pixels of a tile, hidden units of a step and steps in flight, as in `score.cu`.
pub(crate) const TRIALS: usize = 128;
pub(crate) const PIXELS: usize = 112;
const DEPTH: usize = 16;
const STAGES: usize = 3;

/// How `score` runs a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Pixels, padded to whole tiles.
    pub pixels: usize,
    /// Hidden units, padded to groups of 8 with at least one that is always zero.
    pub hidden: usize,
    /// Dynamic shared memory of a block, bytes.
    pub shared: u32,
    /// Blocks that are resident at once.
    pub blocks: u32,
    /// Most trials per sample of one launch, in whole tiles.
    pub window: usize,
}

/// Trials of one launch, of all samples together: about 50 ms of a large device.
const LAUNCH: usize = 1 << 22;

impl Plan {
    /// For a device with `free` bytes of memory. Whether it fits in the end the allocations say.
    pub fn new(shape: Shape, samples: usize, facts: &Facts, free: u64) -> Self {
        let (pixels, hidden) = (shape.pixels.next_multiple_of(PIXELS), (shape.hidden + 1).next_multiple_of(8));
        let floats = (STAGES * DEPTH * (TRIALS + PIXELS)).max(shape.latent * TRIALS);
        let shared = 4 * (floats + hidden + DEPTH + hidden.div_ceil(32));
        // The system keeps 1 KB of each block's share; registers allow two blocks.
        let resident = (facts.shared_per_multiprocessor / (shared as u32 + 1024)).clamp(1, 2);
        let mut plan =
            Self { pixels, hidden, shared: shared as u32, blocks: facts.multiprocessors * resident, window: 0 };
        // Half of what is free, two windows in flight.
        let fixed = plan.fixed_bytes(shape, samples);
        let room = (free / 2).saturating_sub(fixed) as usize / (2 * 4 * samples);
        plan.window = (LAUNCH / samples).min(room).max(1).next_multiple_of(TRIALS);
        plan
    }

    /// Bytes on the device that do not depend on the window.
    fn fixed_bytes(&self, shape: Shape, samples: usize) -> u64 {
        let weights = self.hidden * (shape.latent + self.pixels + 1) + self.pixels;
        let images = samples * (self.pixels + 2 * shape.latent);
        4 * (weights + images + self.blocks as usize * self.hidden * TRIALS) as u64
    }

    /// With half the window, or `None` where one tile is the window already.
    pub fn halved(self) -> Option<Self> {
        (self.window > TRIALS).then(|| Self { window: (self.window / 2).next_multiple_of(TRIALS), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(multiprocessors: u32, shared: u32) -> Facts {
        Facts {
            name: String::new(),
            detail: String::new(),
            multiprocessors,
            shared_per_multiprocessor: shared,
            shared_per_block: shared - 1024,
        }
    }

    #[test]
    fn the_paper_has_no_padding_of_pixels_and_two_blocks_a_multiprocessor() {
        for (multiprocessors, shared) in [(132, 228 << 10), (108, 164 << 10), (84, 100 << 10)] {
            let plan = Plan::new(Shape::PAPER, 400, &facts(multiprocessors, shared), 1 << 34);
            assert_eq!((plan.pixels, plan.hidden, plan.blocks), (784, 408, 2 * multiprocessors));
            assert!(2 * (plan.shared + 1024) <= shared, "{}", plan.shared);
            assert_eq!(plan.window, (LAUNCH / 400_usize).next_multiple_of(TRIALS));
        }
    }

    #[test]
    fn the_largest_model_fits_the_smallest_block() {
        let plan = Plan::new(Shape::MAX, 1, &facts(20, 100 << 10), 1 << 32);
        assert!(plan.shared <= 99 << 10 && plan.blocks == 20 && plan.hidden == 1032);
    }

    #[test]
    fn little_memory_makes_a_small_window_and_halving_ends() {
        let facts = facts(132, 228 << 10);
        let mut plan = Plan::new(Shape::PAPER, 60_000, &facts, 1 << 29);
        assert_eq!(plan.window, TRIALS);
        assert!(plan.halved().is_none());
        plan = Plan::new(Shape::PAPER, 400, &facts, 1 << 34);
        let mut halvings = 0;
        while let Some(half) = plan.halved() {
            assert!(half.window < plan.window && half.window.is_multiple_of(TRIALS));
            (plan, halvings) = (half, halvings + 1);
        }
        assert_eq!((plan.window, halvings), (TRIALS, 7));
    }
}
