//! The fused path: tiles of trials go to the device while the host folds those before.

use crate::{
    Wgsl,
    counts::{Counts, Tiles},
    gpu::{Dispatch, Gpu, Slot},
    plan::{Pace, Plan, plan},
    source,
};
use retrial_spec::{Error, Fused, Noise, Precision, Problem, Result, Tally, model::DARK, recount::fold, rng};
use std::{collections::VecDeque, ops::Range};

/// Most trials of one run of tiles, so that their offsets fit 32 bits.
const SPAN: u64 = 1 << 31;

/// A problem on the device.
pub(crate) struct GpuScorer<'a> {
    gpu: &'a Gpu,
    problem: &'a Problem,
    plan: Plan,
    groups: Vec<Group>,
    w3: wgpu::Buffer,
    b3: wgpu::Buffer,
    w4: wgpu::Buffer,
    b4: wgpu::Buffer,
    hidden: wgpu::Buffer,
    errors: wgpu::Buffer,
    /// Given normals of one submission; the least possible buffer where noise comes from trials.
    noise: wgpu::Buffer,
    pipelines: [wgpu::ComputePipeline; 2],
    slots: [Slot; 2],
    pace: Pace,
}

/// Samples whose images share a buffer.
struct Group {
    samples: Range<usize>,
    mu: wgpu::Buffer,
    scale: wgpu::Buffer,
    images: wgpu::Buffer,
}

/// A run of tiles: some trials of a group's samples.
#[derive(Clone, Copy)]
struct Span<'n> {
    first: u64,
    trials: u64,
    /// Given normals `[samples of the group, trials, latent]` instead of those of the trials.
    given: Option<&'n [f32]>,
}

impl<'a> GpuScorer<'a> {
    pub fn new(wgsl: &'a Wgsl, problem: &'a Problem, precision: Precision) -> Result<Self> {
        if precision == Precision::F16 {
            half_range(problem)?;
        }
        let gpu = &wgsl.gpu;
        let (shape, weights) = (problem.shape(), problem.weights());
        let plan = plan(shape, problem.samples() as u64, &gpu.limits)?;
        let (text, bytes) = match precision {
            Precision::F16 => (source::SCORE_F16, 2),
            _ => (source::SCORE, 4),
        };
        let tile = plan.tile;
        let constants = [("TX", tile.tx), ("TY", tile.ty), ("DEPTH", tile.depth), ("LATENT", shape.latent as u64)];
        let constants = constants.map(|(name, value)| (name, value as f64));
        let mut groups = vec![];
        for start in (0..problem.samples()).step_by(plan.group as usize) {
            groups.push(Group::new(gpu, problem, start..problem.samples().min(start + plan.group as usize), &plan)?);
        }
        let (w3, b3) = weights.decoder_fc1.tiled(8, plan.hidden as usize, shape.latent, 0.0);
        let (w4, b4) =
            weights.decoder_fc2.tiled(tile.pixels() as usize, plan.pixels as usize, plan.hidden as usize, DARK);
        let trials = plan.tiles * tile.trials();
        Ok(Self {
            gpu,
            problem,
            plan,
            groups,
            w3: gpu.upload(&w3)?,
            b3: gpu.upload(&b3)?,
            w4: gpu.upload(&w4)?,
            b4: gpu.upload(&b4)?,
            hidden: gpu.buffer(trials * plan.hidden * bytes / 4)?,
            errors: gpu.buffer(trials)?,
            noise: gpu.buffer(0)?,
            pipelines: [gpu.pipeline(text, "hidden", &constants)?, gpu.pipeline(text, "score", &constants)?],
            slots: [gpu.slot(trials)?, gpu.slot(trials)?],
            pace: Pace::new(16),
        })
    }

    /// Scores a span of a group's samples, two submissions in flight, and hands each one's errors `[tiles, T]` to `fold`.
    fn run(
        &mut self,
        group: usize,
        span: Span<'_>,
        counts: Option<&Counts>,
        mut fold: impl FnMut(Tiles, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let samples = self.groups[group].samples.len();
        let total = samples as u64 * span.trials.div_ceil(self.plan.tile.trials());
        let (mut next, mut flying) = (0, VecDeque::new());
        loop {
            while next < total && flying.len() < self.slots.len() {
                let count = self.pace.next(self.plan.tiles).min(total - next);
                let tiles = Tiles::new(next, count as usize, samples);
                let slot = (0..self.slots.len()).find(|slot| flying.iter().all(|(used, _)| used != slot)).unwrap_or(0);
                self.submit(group, span, tiles, counts, slot)?;
                flying.push_back((slot, tiles));
                next += count;
            }
            let Some((slot, tiles)) = flying.pop_front() else { return Ok(()) };
            let (errors, time) = self.gpu.finish::<f32>(&mut self.slots[slot])?;
            self.pace.took(tiles.count as u64, time);
            fold(tiles, &errors)?;
        }
    }

    fn submit(
        &mut self,
        group: usize,
        span: Span<'_>,
        tiles: Tiles,
        counts: Option<&Counts>,
        slot: usize,
    ) -> Result<()> {
        let (gpu, plan) = (self.gpu, self.plan);
        let trials = plan.tile.trials();
        if let Some(given) = span.given {
            self.noise = gpu.upload(&self.arranged(given, span.trials as usize, group, tiles))?;
        }
        let Group { samples, mu, scale, images } = &self.groups[group];
        let params = gpu.params(source::Score {
            key: rng::key(self.problem.seed()),
            first: source::halves(span.first),
            tiles: tiles.count as u32,
            skip: tiles.skip as u32,
            samples: samples.len() as u32,
            piece: tiles.piece as u32,
            trials: span.trials as u32,
            sample: samples.start as u32,
            hidden: plan.hidden as u32,
            pixels: plan.pixels as u32,
            given: span.given.is_some().into(),
            pad: 0,
        })?;
        let noise = &self.noise;
        let hidden = Dispatch {
            pipeline: &self.pipelines[0],
            buffers: vec![(1, mu), (2, scale), (3, noise), (4, &self.w3), (5, &self.b3), (6, &self.hidden)],
            params: params.clone(),
            groups: tiles.count as u64 * trials / 32,
        };
        let score = Dispatch {
            pipeline: &self.pipelines[1],
            buffers: vec![(7, &self.hidden), (8, &self.w4), (9, &self.b4), (10, images), (11, &self.errors)],
            params,
            groups: tiles.count as u64,
        };
        let mut dispatches = vec![hidden, score];
        if let Some(counts) = counts {
            dispatches.extend(counts.dispatches(gpu, tiles, &self.errors)?);
        }
        gpu.submit(&dispatches, &self.errors, tiles.count as u64 * trials, &mut self.slots[slot])
    }

    /// Given normals in the order of tiles, `[tiles, T, latent]`, zero in lanes without a trial.
    fn arranged(&self, given: &[f32], window: usize, group: usize, tiles: Tiles) -> Vec<f32> {
        let (samples, latent) = (self.groups[group].samples.len(), self.problem.shape().latent);
        let trials = self.plan.tile.trials() as usize;
        let mut noise = vec![0.0; tiles.count * trials * latent];
        for sample in 0..samples {
            for (tile, piece) in tiles.of(sample, samples) {
                let live = trials.min(window - piece * trials) * latent;
                let from = (sample * window + piece * trials) * latent;
                noise[tile * trials * latent..][..live].copy_from_slice(&given[from..][..live]);
            }
        }
        noise
    }
}

impl Group {
    fn new(gpu: &Gpu, problem: &Problem, samples: Range<usize>, plan: &Plan) -> Result<Self> {
        let mut images = vec![0.0; samples.len() * plan.pixels as usize];
        for (sample, row) in samples.clone().zip(images.chunks_mut(plan.pixels as usize)) {
            row[..problem.shape().pixels].copy_from_slice(problem.image(sample));
        }
        let latent = problem.shape().latent;
        let part = |values: &[f32]| gpu.upload(&values[samples.start * latent..samples.end * latent]);
        let (mu, scale) = (part(problem.mus())?, part(problem.scales())?);
        Ok(Self { samples, mu, scale, images: gpu.upload(&images)? })
    }
}

/// Refuses a problem whose hidden units or weights may leave the range of f16.
fn half_range(problem: &Problem) -> Result<()> {
    const LARGEST: f32 = 65504.0;
    const NORMAL: f32 = 6.77; // no normal of a trial is larger
    let weights = problem.weights();
    let latent = |n: usize, d: usize| problem.mu(n)[d].abs() + NORMAL * problem.scale(n)[d];
    let reach: Vec<f32> =
        (0..problem.shape().latent).map(|d| (0..problem.samples()).map(|n| latent(n, d)).fold(0.0, f32::max)).collect();
    let hidden = weights.decoder_fc1.weight.chunks(reach.len()).zip(&weights.decoder_fc1.bias);
    let hidden = hidden.map(|(row, b)| row.iter().zip(&reach).fold(b.abs(), |sum, (w, z)| w.abs().mul_add(*z, sum)));
    let largest = hidden.chain(weights.decoder_fc2.weight.iter().map(|w| w.abs())).fold(0.0, f32::max);
    if largest > LARGEST {
        let limit = format!("hidden units or weights reach {largest}, beyond f16's {LARGEST}; use f32");
        return Err(Error::input("precision", Precision::F16, limit));
    }
    Ok(())
}

impl Fused for GpuScorer<'_> {
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (samples, latent) = (self.problem.samples(), self.problem.shape().latent);
        let window = noise.trials(self.problem);
        let (gpu, trials) = (self.gpu, self.plan.tile.trials() as usize);
        let mut errors = vec![0.0; samples * window];
        for group in 0..self.groups.len() {
            let range = self.groups[group].samples.clone();
            let span = match &noise {
                Noise::Trials(range) => Span { first: range.start, trials: window as u64, given: None },
                Noise::Given(noise) => Span {
                    first: 0,
                    trials: window as u64,
                    given: Some(&noise[range.start * window * latent..range.end * window * latent]),
                },
            };
            let rows = &mut errors[range.start * window..range.end * window];
            self.run(group, span, None, |tiles, part| {
                for (sample, row) in rows.chunks_mut(window).enumerate() {
                    for (tile, piece) in tiles.of(sample, range.len()) {
                        let row = &mut row[piece * trials..window.min((piece + 1) * trials)];
                        row.copy_from_slice(&part[tile * trials..][..row.len()]);
                        finite(gpu, range.start + sample, row)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(errors)
    }

    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        let (thresholds, rows) = tally.rows_mut();
        for first in trials.clone().step_by(SPAN as usize) {
            let span = Span { first, trials: (trials.end - first).min(SPAN), given: None };
            for group in 0..self.groups.len() {
                let range = self.groups[group].samples.clone();
                let rows = &mut rows[range.clone()];
                let (gpu, per_tile) = (self.gpu, self.plan.tile.trials());
                let counts = Counts::begin(gpu, per_tile, thresholds, rows)?;
                self.run(group, span, Some(&counts), |tiles, errors| {
                    fold(rows, errors.len(), |sample, row| {
                        for (tile, piece) in tiles.of(sample, range.len()) {
                            let offset = piece as u64 * per_tile;
                            let live = per_tile.min(span.trials - offset) as usize;
                            let errors = &errors[tile * per_tile as usize..][..live];
                            finite(gpu, range.start + sample, errors)?;
                            row.add(thresholds, first + offset, errors);
                        }
                        Ok(())
                    })
                })?;
                counts.check(gpu, first, rows)?;
            }
        }
        tally.add_trials(trials)
    }

    fn window(&self) -> u64 {
        // About a fifth of a second of a large GPU, and what a software adapter can do at all.
        let (trials, total) = (self.plan.tile.trials(), if self.gpu.limits.software { 1 << 10 } else { 1 << 22 });
        (total / self.problem.samples() as u64).next_multiple_of(trials).clamp(trials, 1 << 22)
    }
}

/// Refuses a NaN or infinite error, which no trial of a checked problem has.
pub(crate) fn finite(gpu: &Gpu, sample: usize, errors: &[f32]) -> Result<()> {
    match errors.iter().find(|e| !e.is_finite()) {
        None => Ok(()),
        Some(error) => Err(gpu.fault(
            format!("error {error} in sample {sample}"),
            "errors must be finite; update the driver, and report it as a bug if that does not help",
        )),
    }
}
