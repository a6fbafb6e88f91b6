//! A problem for the tensor-core implementations of `score`, and how `score_mma.cuh` is launched on it.

use crate::{
    driver::{DeviceProperties, Fault},
    gpu::{Gpu, Launch},
    image::{Decoder, Operand, PIXELS, SLAB},
    operands::Operands,
    resident::{Resident, Window},
    source::{self, Program},
};
use retrial_host::constant;
use retrial_spec::Problem;

/// Stages in flight of `score_mma.cuh`.
const STAGES: usize = constant(source::SCORE_MMA, "STAGES");
/// Most slabs of a stage.
const DEPTH: usize = 5;

/// How `score_mma.cuh` runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    program: &'static Program,
    entry: &'static str,
    /// Trials and threads of a block.
    trials: usize,
    threads: u32,
    /// Slabs of a stage.
    depth: usize,
    /// Bytes of the stages, and of the latents that lie in the last of them first.
    ring: usize,
    /// Dynamic shared memory of a block, bytes.
    shared: usize,
    /// Blocks that are resident at once on a multiprocessor, and on the device.
    resident: u32,
    blocks: u32,
}

impl Plan {
    /// The most trials a block that fit, or the bytes of shared memory that the fewest would need.
    ///
    /// With more trials each byte of W4 serves more of them; but stages of a single slab spend their time at barriers, so
    /// fewer trials come before those.
    fn new(
        operand: Operand,
        hidden: usize,
        steps: usize,
        latent: usize,
        properties: &DeviceProperties,
    ) -> Result<Self, usize> {
        let program = match operand {
            Operand::F16 => &source::SCORE_MMA_F16,
            Operand::Bf16 => &source::SCORE_MMA_BF16,
            Operand::F16x3 => &source::SCORE_MMA_F16X3,
        };
        let (slabs, parts) = (hidden / SLAB, operand.parts());
        let plan = |(entry, depth): (usize, usize)| {
            let trials = [128, 64, 32][entry] / parts;
            let threads = if trials == 128 { 256 } else { 4 * trials as u32 };
            // Stages of equal size.
            let depth = slabs.div_ceil(slabs.div_ceil(depth));
            let stage = 2 * depth * parts * PIXELS * SLAB + 8 * PIXELS;
            let latents = trials / 16 * (steps - latent / SLAB) * 512;
            let ring = (STAGES - 1) * stage + stage.max(latents);
            let shared = 2 * parts * hidden * trials + ring + 8 * trials;
            let resident = properties.resident(shared as u32).clamp(1, 2);
            let blocks = properties.multiprocessors * resident;
            Self { program, entry: program.entries[entry], trials, threads, depth, ring, shared, resident, blocks }
        };
        let deep = (0..3).flat_map(|entry| (2..=DEPTH).rev().map(move |depth| (entry, depth)));
        let fits = |plan: &Self| plan.shared <= properties.shared_per_block as usize;
        deep.chain([(2, 1)]).map(plan).find(fits).ok_or_else(|| plan((2, 1)).shared)
    }
}

/// A problem for `score_mma.cuh`.
pub(crate) struct Mma {
    plan: Plan,
    operands: Operands,
}

impl Mma {
    /// How a problem would run, or why it cannot.
    pub(crate) fn fits(
        problem: &Problem,
        operand: Operand,
        properties: &DeviceProperties,
    ) -> Result<(Plan, Decoder), String> {
        let decoder = Decoder::new(problem, operand).map_err(|underflow| underflow.to_string())?;
        match Plan::new(operand, decoder.hidden, decoder.steps, problem.shape().latent, properties) {
            Ok(plan) => Ok((plan, decoder)),
            Err(needed) => Err(format!(
                "a {} model needs {needed} bytes of shared memory a block, and this GPU has {}; use simt in f32",
                problem.shape(),
                properties.shared_per_block
            )),
        }
    }

    /// Copies it to the device.
    pub(crate) fn load(gpu: &Gpu, problem: &Problem, (plan, decoder): (Plan, Decoder)) -> Result<Self, Fault> {
        Ok(Self { plan, operands: Operands::load(gpu, problem, &decoder)? })
    }
}

impl Resident for Mma {
    fn tile(&self) -> usize {
        self.plan.trials
    }

    fn most_noise(&self) -> f32 {
        self.operands.most_noise
    }

    fn operands(&self) -> Option<&Operands> {
        Some(&self.operands)
    }

    fn call(&self, window: &Window<'_>) -> Launch {
        let Self { plan, operands } = self;
        let (samples, pixels, [images, bias], w4) = window.pass.operands(operands);
        let pieces = window.trials.div_ceil(plan.trials) as u64;
        let tiles = pieces * samples as u64;
        let params = source::ScoreMma {
            mu: operands.mu.address(),
            scale: operands.scale.address(),
            noise: window.noise,
            images: images.address(),
            w3: operands.w3.address(),
            w4: w4.address(),
            bias: bias.address(),
            errors: window.errors,
            seed: operands.seed,
            first: window.first,
            trials: window.trials as u64,
            tiles,
            pieces,
            latent: operands.latent as u32,
            hidden: operands.hidden as u32,
            pixels: pixels as u32,
            steps: operands.steps as u32,
            depth: plan.depth as u32,
            ring: plan.ring as u32,
            factor: operands.factor,
            unused: 0,
            screen: window.pass.params(),
        };
        let grid = tiles.min(plan.blocks.into());
        Launch::new(plan.program, plan.entry, grid, plan.threads, &params)
            .shared(plan.shared as u32)
            .resident(plan.resident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::slots;
    use retrial_spec::Shape;

    const OPERANDS: [Operand; 3] = [Operand::F16, Operand::Bf16, Operand::F16x3];

    /// On a device with so many bytes of shared memory a block.
    fn plan(operand: Operand, shape: Shape, shared: u32) -> Result<Plan, usize> {
        let properties = DeviceProperties {
            name: String::new(),
            detail: String::new(),
            capability: (8, 0),
            multiprocessors: 10,
            shared_per_multiprocessor: shared + 1024,
            shared_per_block: shared,
        };
        Plan::new(
            operand,
            shape.hidden.next_multiple_of(SLAB),
            slots(shape.latent).len() / SLAB,
            shape.latent,
            &properties,
        )
    }

    /// RTX 30 and 40, A100, H100.
    #[test]
    fn the_paper_runs_with_as_many_trials_a_block_as_fit() {
        for (shared, f16, f16x3) in
            [(99 << 10, (64, 4), (32, 2)), (163 << 10, (128, 5), (64, 2)), (227 << 10, (128, 5), (64, 5))]
        {
            for operand in OPERANDS {
                let plan = plan(operand, Shape::PAPER, shared).unwrap();
                let want = if operand == Operand::F16x3 { f16x3 } else { f16 };
                assert_eq!((plan.trials, plan.depth), want, "{operand:?} {shared}: {}", plan.shared);
                assert_eq!(plan.threads, if plan.trials == 128 { 256 } else { 4 * plan.trials as u32 });
                assert_eq!(plan.entry.rsplit('_').next(), Some(&*plan.trials.to_string()));
            }
        }
        assert_eq!(plan(Operand::F16, Shape::PAPER, 163 << 10).unwrap().shared, 159_872);
    }

    #[test]
    fn every_shape_fits_every_device() {
        for hidden in (1..=Shape::MAX.hidden).step_by(31).chain([Shape::MAX.hidden]) {
            for latent in [1, 15, 20, 100, Shape::MAX.latent] {
                for shared in [99 << 10, 163 << 10, 227 << 10] {
                    for operand in OPERANDS {
                        let plan = plan(operand, Shape { pixels: 784, hidden, latent }, shared).unwrap();
                        assert!(plan.shared <= shared as usize && plan.shared.is_multiple_of(16));
                        assert!((1..=20).contains(&plan.blocks));
                    }
                }
            }
        }
        assert_eq!(
            plan(Operand::F16x3, Shape::MAX, 48 << 10),
            Err(plan(Operand::F16x3, Shape::MAX, 99 << 10).unwrap().shared)
        );
    }
}
