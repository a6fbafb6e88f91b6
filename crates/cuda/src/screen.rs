//! Screening, for tallies that only count: the squares of a few pixels of a trial sum up to more than any success errs in
//! all, and so prove that it fails, whatever its other pixels are.
//!
//! A pilot finds the pixels that each sample is worst at, and how many trials they let through. A window is then scored
//! in two passes of the same kernel: all trials by those pixels alone, of which the device lists what they let through,
//! and what is listed in full, with the bits that it always has. Samples that screening does not pay for are listed whole.
//! Windows that the host checks are scored in full beside, so that the screening is checked with them.
//! Errors are then right below the largest threshold and at least it elsewhere, which is all that counting asks of them:
//! counts, first successes and records are those of the full kernel. What pays is counted in work, never measured.

use crate::{
    driver::Fault,
    gpu::{Gpu, Launch},
    image::{PIXELS, SLAB},
    kernels,
    operands::Operands,
    pass::{Few, Pass, Screening},
    resident::{Resident, Window},
    source,
};
use bytemuck::Zeroable;
use retrial_spec::{Noise, Problem, tally::screening_limit};
use std::ops::Range;

/// Trials of the pilot, per sample.
const PILOT: usize = 64;
/// Tiles of a window that screening asks for: a tile of a list takes as long as any, however few trials it has.
const TILES: usize = 4;
/// Most work of the two passes, as a share of the full kernel's.
const SHARE: f64 = 0.6;
/// What a normal and a pixel's sigmoid cost, in multiply-adds of tensor cores.
const NORMAL: f64 = 500.0;
const PIXEL: f64 = 70.0;
/// Outputs of the pilot that are read back at a time.
const READ: usize = 1 << 22;

const SCREENED: u32 = u32::MAX;

impl Screening {
    /// For windows of up to `window` trials, usually of `width`, by a pilot of trials from `first` on. `None` where it does
    /// not pay for any sample, or has no room.
    pub(crate) fn plan(
        gpu: &Gpu,
        problem: &Problem,
        resident: &dyn Resident,
        threshold: f32,
        first: u64,
        [width, window]: [usize; 2],
    ) -> Result<Option<Self>, Fault> {
        let (samples, tile) = (problem.samples(), resident.tile());
        let Some(operands) = resident.operands().filter(|operands| operands.pixels > PIXELS) else { return Ok(None) };
        assert!(Self::least(resident) <= width && width <= window);
        let limit = screening_limit(threshold, problem.shape().pixels);
        let work = Work::new(operands);
        let mut choices = pilot(gpu, problem, first..first + PILOT as u64, limit)?;
        choices.retain(|choice| work.screened(choice.passed, width, tile) < SHARE * work.full());
        // Where the device has not room for all, the samples that gain most are screened.
        choices.sort_by(|a, b| a.passed.total_cmp(&b.passed));
        let (slabs, lists) = (operands.slabs(), samples * window.div_ceil(tile));
        let place = (slabs * PIXELS * SLAB * 2 + PIXELS * 8) as u64;
        let free = (gpu.free_memory()? / 8 * 7).saturating_sub((8 * lists + 4 * samples * window) as u64);
        choices.truncate((free / place) as usize);
        if choices.is_empty() {
            return Ok(None);
        }
        choices.sort_by_key(|choice| choice.sample);
        let mut ranks = vec![0; samples];
        choices.iter().for_each(|choice| ranks[choice.sample] = SCREENED);
        (0..).zip(ranks.iter_mut().filter(|rank| **rank != SCREENED)).for_each(|(number, rank)| *rank = number);
        let made = Few::gather(gpu, operands, &choices).and_then(|few| {
            Ok(Self {
                few,
                limit,
                window,
                ranks: gpu.upload(&ranks)?,
                listed: gpu.buffer(samples * window)?,
                counts: gpu.buffer(1 + samples)?,
                tiles: gpu.buffer(lists)?,
            })
        });
        match made.and_then(|made| made.prove(gpu, resident, threshold, first).map(|()| made)) {
            Err(Fault::OutOfMemory { .. }) => Ok(None),
            made => made.map(Some),
        }
    }

    /// Scores a short window in both passes and in one, on this device, of which successes must be the same.
    fn prove(&self, gpu: &Gpu, resident: &dyn Resident, threshold: f32, first: u64) -> Result<(), Fault> {
        let trials = Self::least(resident);
        let errors = gpu.buffer((self.counts.len() - 1) * trials)?;
        let window = Window { first, trials, noise: 0, errors: errors.address(), pass: Pass::All };
        // SAFETY: there is room for the errors of the window; the rest is what the kernels take.
        let run = |calls: Vec<Launch>| unsafe { gpu.run(&calls, &errors, errors.len()) };
        let (want, got) = (run(vec![resident.call(&window)])?, run(self.calls(resident, &window))?);
        let success = |error: &f32| (*error < threshold).then(|| error.to_bits());
        match want.iter().zip(&got).position(|(want, got)| success(want) != success(got)) {
            None => Ok(()),
            Some(at) => Err(Fault::Failed {
                fault: format!(
                    "screening gives trial {} of sample {} an error of {}, and without it is {}",
                    first + (at % trials) as u64,
                    at / trials,
                    got[at],
                    want[at]
                ),
                fix: "take another kernel, or keep all errors instead of counts only; report it as a bug".into(),
            }),
        }
    }

    /// Trials of the shortest window that is worth a plan.
    pub(crate) fn least(resident: &dyn Resident) -> usize {
        PILOT.max(TILES * resident.tile())
    }

    /// What scores a window, both passes. Normals are not given.
    pub(crate) fn calls(&self, resident: &dyn Resident, window: &Window<'_>) -> Vec<Launch> {
        assert!(window.trials <= self.window && window.noise == 0);
        let (samples, pieces) = (self.ranks.len(), window.trials.div_ceil(resident.tile()) as u64);
        let params = source::ScoreScreen {
            ranks: self.ranks.address(),
            listed: self.listed.address(),
            counts: self.counts.address(),
            tiles: self.tiles.address(),
            errors: window.errors,
            trials: window.trials as u64,
            pieces,
            count: samples as u32,
            whole: (samples - self.few.samples.len()) as u32,
            tile: resident.tile() as u32,
            ..Zeroable::zeroed()
        };
        let blocks = (samples as u64 * pieces).div_ceil(256).min(1 << 16);
        let begin = Launch::new(&source::SCORE_SCREEN, "begin", blocks, 256, &params);
        let passes = [Pass::Screen(self), Pass::List(self)];
        [begin].into_iter().chain(passes.map(|pass| resident.call(&Window { pass, ..*window }))).collect()
    }
}

impl Few {
    fn gather(gpu: &Gpu, operands: &Operands, choices: &[Choice]) -> Result<Self, Fault> {
        let (slabs, places) = (operands.slabs(), choices.len());
        let few = Self {
            samples: gpu.upload(&choices.iter().map(|choice| choice.sample as u32).collect::<Vec<_>>())?,
            w4: gpu.buffer(places * slabs * PIXELS * SLAB)?,
            bias: gpu.buffer(places * PIXELS)?,
            images: gpu.buffer(places * PIXELS)?,
        };
        let pixels =
            gpu.upload(&choices.iter().flat_map(|choice| choice.pixels.iter().copied()).collect::<Vec<_>>())?;
        let params = source::ScoreScreen {
            pixels: pixels.address(),
            samples: few.samples.address(),
            w4: operands.w4.address(),
            bias: operands.bias.address(),
            images: operands.images.address(),
            few_w4: few.w4.address(),
            few_bias: few.bias.address(),
            few_images: few.images.address(),
            places: places as u64,
            slabs: slabs as u32,
            stride: operands.pixels as u32,
            ..Zeroable::zeroed()
        };
        let blocks = (places * PIXELS).div_ceil(256).min(1 << 16);
        let call = Launch::new(&source::SCORE_SCREEN, "gather", blocks as u64, 256, &params);
        // SAFETY: the lengths are those above and those of `Operands`; every pixel is one of the model's.
        unsafe { gpu.run(&[call], &few.bias, 0)? };
        Ok(few)
    }
}

/// What a pilot found of a sample.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    sample: usize,
    /// The `PIXELS` with the largest mean squared difference.
    pixels: Vec<u32>,
    /// The share of trials that these let through.
    passed: f64,
}

impl Choice {
    /// From outputs `[trials, pixels]`.
    fn new(sample: usize, image: &[f32], outputs: &[f32], limit: f32) -> Self {
        let square = |output: f32, pixel: f32| (output - pixel) * (output - pixel);
        let mut sums = vec![0f32; image.len()];
        for output in outputs.chunks(image.len()) {
            sums.iter_mut().zip(output).zip(image).for_each(|((sum, &y), &x)| *sum += square(y, x));
        }
        let mut pixels: Vec<u32> = (0..image.len() as u32).collect();
        pixels.sort_by(|&a, &b| sums[b as usize].total_cmp(&sums[a as usize]));
        pixels.truncate(PIXELS);
        let passes = |output: &&[f32]| {
            pixels.iter().map(|&p| square(output[p as usize], image[p as usize])).sum::<f32>() <= limit
        };
        let passed = outputs.chunks(image.len()).filter(passes).count() * image.len();
        Self { sample, pixels, passed: passed as f64 / outputs.len() as f64 }
    }
}

/// Every sample's choice, by trials of the building blocks.
fn pilot(gpu: &Gpu, problem: &Problem, trials: Range<u64>, limit: f32) -> Result<Vec<Choice>, Fault> {
    let (weights, shape) = (problem.weights(), problem.shape());
    let latents = kernels::sample_latent(gpu, problem, &Noise::Trials(trials))?;
    let at_once = (READ / (PILOT * shape.pixels)).max(1);
    let mut choices = vec![];
    for latents in latents.chunks(at_once * PILOT * shape.latent) {
        let layers = [&weights.decoder_fc1, &weights.decoder_fc2];
        let outputs = kernels::two_layers(gpu, &source::DECODE, layers, latents)?;
        for outputs in outputs.chunks(PILOT * shape.pixels) {
            let sample = choices.len();
            choices.push(Choice::new(sample, problem.image(sample), outputs, limit));
        }
    }
    Ok(choices)
}

/// Multiply-adds of a trial.
struct Work {
    /// Latents and units.
    start: f64,
    /// Each pixel.
    pixel: f64,
    pixels: usize,
}

impl Work {
    fn new(operands: &Operands) -> Self {
        let products = [1.0, 3.0][operands.parts() - 1];
        Self {
            start: (operands.steps * SLAB * operands.hidden) as f64 + NORMAL * operands.latent as f64,
            pixel: products * operands.hidden as f64 + PIXEL,
            pixels: operands.pixels,
        }
    }

    fn of(&self, pixels: usize) -> f64 {
        self.start + pixels as f64 * self.pixel
    }

    fn full(&self) -> f64 {
        self.of(self.pixels)
    }

    /// Of both passes, of which the second is over whole tiles.
    fn screened(&self, passed: f64, window: usize, tile: usize) -> f64 {
        let listed = (passed * window as f64 / tile as f64).ceil() * tile as f64;
        self.of(PIXELS) + listed / window as f64 * self.full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every trial errs by 1 at 112 pixels here and there, every second one also at the first, and by little elsewhere.
    #[test]
    fn a_pilot_takes_the_worst_pixels() {
        let pixels = 500;
        let worst = |pixel: usize| pixel % 4 == 1 && pixel < 4 * PIXELS;
        let output = |trial: usize, pixel: usize| match pixel {
            0 if trial % 2 == 1 => 0.9,
            _ if worst(pixel) => 1.0,
            _ => 0.01,
        };
        let outputs: Vec<f32> = (0..8 * pixels).map(|i| output(i / pixels, i % pixels)).collect();
        let choice = |limit| Choice::new(3, &vec![0.0; pixels], &outputs, limit);
        let mut found = choice(0.0).pixels;
        found.sort_unstable();
        assert!(found.iter().map(|&pixel| pixel as usize).eq((0..pixels).filter(|&pixel| worst(pixel))));
        assert_eq!([111.5, 112.0].map(|limit| choice(limit).passed), [0.0, 1.0]);
    }

    /// The paper's model in f16: a screen is a fifth of the work, and whole tiles are scored.
    #[test]
    fn screening_pays_while_few_trials_pass() {
        let work = Work { start: 35_600.0, pixel: 470.0, pixels: 784 };
        let share = |passed| work.screened(passed, 1024, 128) / work.full();
        assert!((0.21..0.23).contains(&share(0.0)));
        assert_eq!(share(0.01), share(0.0) + 0.125);
        assert!(share(0.37) < SHARE && share(0.38) > SHARE);
    }
}
