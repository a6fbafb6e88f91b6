//! The f32 implementation, `score.cu`: multiply-adds on the cores that every GPU has.

use crate::{
    driver::{DeviceProperties, Fault},
    gpu::{Buffer, Gpu, Launch},
    resident::{Resident, Window},
    source,
};
use retrial_host::{DARK, constant, tiled};
use retrial_spec::{Problem, Shape};

/// Trials and pixels of a tile of `score.cu`, and its steps in shared memory.
const TRIALS: usize = constant(source::SCORE.text, "TRIALS");
const PIXELS: usize = constant(source::SCORE.text, "PIXELS");
const STAGES: usize = constant(source::SCORE.text, "STAGES");

/// The entries and their hidden units a step. Fewer steps are faster, two blocks on a multiprocessor are more so.
const DEEP: (&str, usize) = ("score_deep", 32);
const SHALLOW: (&str, usize) = ("score", 24);

/// How `score.cu` runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Pixels, padded to whole tiles.
    pixels: usize,
    /// Hidden units, padded to groups of 8 with at least one that is always zero.
    hidden: usize,
    /// The kernel's function.
    entry: &'static str,
    /// Dynamic shared memory of a block, bytes.
    shared: u32,
    /// Blocks that are resident at once on a multiprocessor, and on the device.
    resident: u32,
    blocks: u32,
}

impl Plan {
    fn new(shape: Shape, properties: &DeviceProperties) -> Self {
        let (pixels, hidden) = (shape.pixels.next_multiple_of(PIXELS), (shape.hidden + 1).next_multiple_of(8));
        let shared = |depth: usize| {
            let floats = (STAGES * depth * (TRIALS + PIXELS)).max(shape.latent * TRIALS);
            4 * (floats + hidden + depth + hidden.div_ceil(32)) as u32
        };
        let (entry, depth) = if properties.resident(shared(DEEP.1)) >= 2 { DEEP } else { SHALLOW };
        let shared = shared(depth);
        let resident = properties.resident(shared).clamp(1, 2); // registers allow two
        Self { pixels, hidden, entry, shared, resident, blocks: properties.multiprocessors * resident }
    }
}

/// A problem for `score.cu`.
pub(crate) struct Simt {
    plan: Plan,
    samples: usize,
    latent: usize,
    seed: u64,
    mu: Buffer<f32>,
    scale: Buffer<f32>,
    images: Buffer<f32>,
    w3: Buffer<f32>,
    b3: Buffer<f32>,
    w4: Buffer<f32>,
    b4: Buffer<f32>,
    h: Buffer<f32>,
}

impl Simt {
    /// How a problem would run, or why it cannot.
    pub(crate) fn fits(problem: &Problem, properties: &DeviceProperties) -> Result<Plan, String> {
        let plan = Plan::new(problem.shape(), properties);
        let (needed, limit) = (plan.shared, properties.shared_per_block);
        let shape = problem.shape();
        match needed <= limit {
            true => Ok(plan),
            false => Err(format!(
                "a {shape} model needs {needed} bytes of shared memory a block, and this GPU has {limit}; use --device wgsl \
                 or cpu"
            )),
        }
    }

    /// Copies it to the device.
    pub(crate) fn load(gpu: &Gpu, problem: &Problem, plan: Plan) -> Result<Self, Fault> {
        let (shape, samples, weights) = (problem.shape(), problem.samples(), problem.weights());
        let mut images = vec![0.0; samples * plan.pixels];
        for (n, row) in images.chunks_mut(plan.pixels).enumerate() {
            row[..shape.pixels].copy_from_slice(problem.image(n));
        }
        let (w3, b3) = tiled(&weights.decoder_fc1, 8, plan.hidden, shape.latent, 0.0);
        let (w4, b4) = tiled(&weights.decoder_fc2, PIXELS, plan.pixels, plan.hidden, DARK);
        Ok(Self {
            plan,
            samples,
            latent: shape.latent,
            seed: problem.seed(),
            mu: gpu.upload(problem.mus())?,
            scale: gpu.upload(problem.scales())?,
            images: gpu.upload(&images)?,
            w3: gpu.upload(&w3)?,
            b3: gpu.upload(&b3)?,
            w4: gpu.upload(&w4)?,
            b4: gpu.upload(&b4)?,
            h: gpu.buffer(plan.blocks as usize * plan.hidden * TRIALS)?,
        })
    }
}

impl Resident for Simt {
    fn tile(&self) -> usize {
        TRIALS
    }

    fn call(&self, window: &Window<'_>) -> Launch {
        let pieces = window.trials.div_ceil(TRIALS) as u64;
        let tiles = pieces * self.samples as u64;
        let params = source::Score {
            mu: self.mu.address(),
            scale: self.scale.address(),
            noise: window.noise,
            images: self.images.address(),
            w3: self.w3.address(),
            b3: self.b3.address(),
            w4: self.w4.address(),
            b4: self.b4.address(),
            errors: window.errors,
            h: self.h.address(),
            seed: self.seed,
            first: window.first,
            trials: window.trials as u64,
            tiles,
            pieces,
            latent: self.latent as u32,
            hidden: self.plan.hidden as u32,
            pixels: self.plan.pixels as u32,
            unused: 0,
        };
        let grid = tiles.min(self.plan.blocks.into());
        let Plan { entry, shared, resident, .. } = self.plan;
        Launch::new(&source::SCORE, entry, grid, TRIALS as u32, &params).shared(shared).resident(resident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(multiprocessors: u32, shared: u32) -> DeviceProperties {
        DeviceProperties {
            name: String::new(),
            detail: String::new(),
            capability: (8, 0),
            multiprocessors,
            shared_per_multiprocessor: shared,
            shared_per_block: shared - 1024,
        }
    }

    #[test]
    fn the_paper_has_no_padding_of_pixels_and_two_blocks_a_multiprocessor() {
        for (multiprocessors, shared, entry, percent) in
            [(132, 228 << 10, "score_deep", 56), (108, 164 << 10, "score_deep", 77), (84, 100 << 10, "score", 96)]
        {
            let properties = properties(multiprocessors, shared);
            let plan = Plan::new(Shape::PAPER, &properties);
            assert_eq!((plan.pixels, plan.hidden, plan.blocks), (784, 408, 2 * multiprocessors));
            assert!(2 * (plan.shared + 1024) <= shared, "{}", plan.shared);
            assert_eq!((plan.entry, properties.carveout(plan.shared, plan.resident)), (entry, percent));
        }
    }

    #[test]
    fn the_largest_model_fits_the_smallest_block() {
        let plan = Plan::new(Shape::MAX, &properties(20, 100 << 10));
        assert!(plan.shared <= 99 << 10 && plan.blocks == 20 && plan.hidden == 1032);
    }
}
