//! `score_wgmma.cu`: f16 and bf16 on the tensor cores of Hopper (compute capability 9.0), compiled for the model's shape.

use crate::{
    driver::{DeviceProperties, Fault},
    gpu::{Gpu, Launch},
    image::{Decoder, Operand, PIXELS, SLAB, slots},
    operands::Operands,
    pass::Pass,
    resident::{Resident, Window},
    source::{self, Program},
};
use retrial_host::constant;
use retrial_spec::{Precision, Problem, Shape, Variant};

/// Trials of a block of `score_wgmma.cu`: of two warpgroups that multiply.
const TRIALS: usize = 2 * constant(source::SCORE_WGMMA.text, "TRIALS");
/// Its threads: those that multiply, and a warpgroup that copies.
const THREADS: u32 = constant(source::SCORE_WGMMA.text, "MULTIPLIERS") as u32 + 128;
/// Slabs of a stage.
const STEP: usize = constant(source::SCORE_WGMMA.text, "STEP");
/// Most stages of the ring.
const STAGES: usize = 12;
/// Most hidden units and latents that a thread's registers hold.
const HIDDEN: usize = 512;
const LATENT: usize = 48;

/// How `score_wgmma.cu` runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    program: &'static Program,
    /// Dynamic shared memory of a block, bytes.
    shared: u32,
    /// Blocks of a cluster.
    cluster: u32,
    /// Clusters that are resident at once.
    clusters: u32,
}

impl Plan {
    fn new(shape: Shape, variant: usize, operand: Operand, properties: &DeviceProperties) -> Result<Self, String> {
        let Shape { pixels, hidden, latent } = shape;
        if hidden > HIDDEN || latent > LATENT {
            return Err(format!(
                "a {shape} model, above {HIDDEN} hidden units or {LATENT} latents; use another kernel"
            ));
        }
        let (hidden, pixels) = (hidden.next_multiple_of(SLAB), pixels.next_multiple_of(PIXELS));
        let stage = STEP * PIXELS * SLAB * 2;
        // W3, pixels and biases, a barrier for W3; two barriers a stage.
        let fixed = 2 * slots(latent).len() * hidden + 8 * pixels + 8;
        let bytes = |ring: usize| fixed + ring * (stage + 16);
        let ring = (2..=STAGES).rev().find(|&ring| bytes(ring) <= properties.shared_per_block as usize);
        let ring = ring.ok_or_else(|| {
            let (needed, limit) = (bytes(2), properties.shared_per_block);
            format!("a {shape} model needs {needed} bytes of shared memory a block, and this GPU has {limit}; use another kernel")
        })?;
        let name = match operand {
            Operand::F16 => "F16",
            Operand::Bf16 => "Bf16",
            Operand::F16x3 => return Err("this kernel multiplies f16 or bf16; use mma in f16x3".into()),
        };
        let program = source::SCORE_WGMMA.with(&[
            ("HIDDEN", hidden.to_string()),
            ("LATENT", latent.to_string()),
            ("PIXELS", pixels.to_string()),
            ("RING", ring.to_string()),
            ("VARIANT", variant.to_string()),
            ("OPERAND", name.into()),
        ]);
        let cluster = if variant == 2 { 2 } else { 1 };
        Ok(Self { program, shared: bytes(ring) as u32, cluster, clusters: properties.multiprocessors / cluster })
    }
}

/// A problem for `score_wgmma.cu`.
pub(crate) struct Wgmma {
    plan: Plan,
    /// Of a pass over a few pixels of each sample.
    few: Plan,
    operands: Operands,
}

impl Wgmma {
    /// Its names by the kernel's VARIANT, each of which adds to the one before: taking turns, pairs of blocks.
    pub(crate) const NAMES: [&str; 3] = ["wgmma-b0", "wgmma-b1", "wgmma"];

    /// Those of a device of compute capability 9.0, the fastest of a precision first.
    pub(crate) fn variants() -> impl Iterator<Item = Variant> {
        let of = |precision| Self::NAMES.into_iter().rev().map(move |name| Variant::new(name, precision));
        [Precision::F16, Precision::Bf16].into_iter().flat_map(of)
    }

    /// How a problem would run, or why it cannot.
    pub(crate) fn fits(
        problem: &Problem,
        name: &str,
        operand: Operand,
        properties: &DeviceProperties,
    ) -> Result<([Plan; 2], Decoder), String> {
        let variant = Self::NAMES.iter().position(|&found| found == name).unwrap_or(Self::NAMES.len() - 1);
        let plan = |shape| Plan::new(shape, variant, operand, properties);
        let plans = [plan(problem.shape())?, plan(Shape { pixels: PIXELS, ..problem.shape() })?];
        let decoder = Decoder::new(problem, operand).map_err(|underflow| underflow.to_string())?;
        Ok((plans, decoder))
    }

    /// Copies it to the device.
    pub(crate) fn load(gpu: &Gpu, problem: &Problem, plans: ([Plan; 2], Decoder)) -> Result<Self, Fault> {
        let ([plan, few], decoder) = plans;
        Ok(Self { plan, few, operands: Operands::load(gpu, problem, &decoder)? })
    }
}

impl Resident for Wgmma {
    fn tile(&self) -> usize {
        TRIALS * self.plan.cluster as usize
    }

    fn most_noise(&self) -> f32 {
        self.operands.most_noise
    }

    fn operands(&self) -> Option<&Operands> {
        Some(&self.operands)
    }

    fn call(&self, window: &Window<'_>) -> Launch {
        let plan = if matches!(window.pass, Pass::Screen(_)) { self.few } else { self.plan };
        let (Plan { program, shared, cluster, clusters }, operands) = (plan, &self.operands);
        let (samples, _, [images, bias], w4) = window.pass.operands(operands);
        let pieces = window.trials.div_ceil(self.tile());
        let tiles = (pieces * samples) as u64;
        let params = source::ScoreWgmma {
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
            tiles,
            trials: window.trials as u32,
            pieces: pieces as u32,
            factor: operands.factor,
            unused: 0,
            screen: window.pass.params(),
        };
        let grid = tiles.min(clusters.into()) * u64::from(cluster);
        Launch::new(program, "score_wgmma", grid, THREADS, &params).clusters(cluster).shared(shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(shape: Shape, variant: usize) -> Result<Plan, String> {
        let properties = DeviceProperties {
            name: String::new(),
            detail: String::new(),
            capability: (9, 0),
            multiprocessors: 133,
            shared_per_multiprocessor: 228 << 10,
            shared_per_block: 227 << 10,
        };
        Plan::new(shape, variant, Operand::F16, &properties)
    }

    fn defined(plan: &Plan, name: &str) -> usize {
        let found = plan.program.defines.iter().find_map(|define| define.strip_prefix(&format!("-D{name}=")));
        found.unwrap().parse().unwrap()
    }

    #[test]
    fn the_paper_has_a_ring_of_nine_stages_and_pairs_of_blocks() {
        let two = plan(Shape::PAPER, 2).unwrap();
        assert_eq!((two.cluster, two.clusters, two.shared), (2, 66, 9 * 17_936 + 51_200 + 6_272 + 8));
        let names = ["HIDDEN", "LATENT", "PIXELS", "RING", "VARIANT"];
        assert_eq!(names.map(|name| defined(&two, name)), [400, 20, 784, 9, 2]);
        let one = plan(Shape::PAPER, 1).unwrap();
        assert_eq!((one.cluster, one.clusters, one.shared), (1, 133, two.shared));
        assert!(std::ptr::eq(two.program, plan(Shape::PAPER, 2).unwrap().program), "compiled once");
    }

    #[test]
    fn every_model_within_its_registers_fits_or_says_what_it_needs() {
        let shape = |pixels, hidden, latent| Shape { pixels, hidden, latent };
        assert_eq!(defined(&plan(shape(1, 1, 1), 2).unwrap(), "RING"), 12);
        assert_eq!(defined(&plan(shape(784, 512, 48), 2).unwrap(), "RING"), 3);
        assert!(plan(shape(4096, 512, 48), 2).unwrap_err().contains("bytes of shared memory a block"));
        for shape in [shape(784, 513, 20), shape(784, 400, 49)] {
            assert!(plan(shape, 2).unwrap_err().contains("use another kernel"));
        }
    }
}
