//! Screening, for tallies that only count: the squares of a few pixels of a trial sum up to more than any success errs in
//! all, and so prove that it fails, whatever its other pixels are.
//!
//! A pilot finds the pixels that each sample is worst at, and how many trials they let through. A submission is then scored
//! in two passes of the same kernel: all trials by those pixels alone, and what they let through in full, with the bits that
//! it always has. Counts, first successes and records are those of the full kernel. What pays is counted in work, never
//! measured.

use crate::{gpu::Gpu, group::Group, kernels, plan::Plan, source};
use retrial_host::{DARK, tiled};
use retrial_spec::{Linear, Noise, Problem, Result, tally::screening_limit};
use std::ops::Range;

/// Trials of the pilot, per sample.
pub(crate) const PILOT: u64 = 32;
/// Most work of the two passes, as a share of the full kernel's.
const SHARE: f64 = 0.8;
/// What a normal and a pixel's sigmoid cost, in multiply-adds.
const NORMAL: f64 = 90.0;
const PIXEL: f64 = 20.0;
/// Most tiles of pixels that are looked at.
const MAX_TILES: usize = 3;
/// Outputs of the pilot that are read back at a time.
const READ: usize = 1 << 22;

/// A few pixels of each sample of a group.
pub(crate) struct Few {
    /// Pixels of each sample, a multiple of a tile's.
    pub pixels: u64,
    /// A sum over them that is larger proves that a trial fails.
    pub limit: f32,
    /// `[samples, pixels / P, hidden, P]`.
    pub w4: wgpu::Buffer,
    /// `[samples, pixels]`.
    pub b4: wgpu::Buffer,
    pub images: wgpu::Buffer,
}

impl Few {
    /// For successes below `threshold`, by a pilot of trials from `first` on. `None` where it does not pay, unless `forced`,
    /// or has no room.
    pub(crate) fn plan(
        gpu: &Gpu,
        problem: &Problem,
        group: &Group,
        plan: &Plan,
        threshold: f32,
        first: u64,
        forced: bool,
    ) -> Result<Option<Self>> {
        let (shape, samples) = (problem.shape(), &group.samples);
        let tile = plan.tile.pixels() as usize;
        let room = gpu.limits.values() / (samples.len() as u64 * plan.hidden * tile as u64);
        // Fewer than all, so that none is padding.
        let most = MAX_TILES.min(room as usize).min(plan.pixels as usize / tile - 1);
        if most == 0 || first > u64::MAX - PILOT {
            return Ok(None);
        }
        let limit = screening_limit(threshold, shape.pixels);
        let pilot = pilot(gpu, problem, samples.clone(), first..first + PILOT, most * tile, limit)?;
        let start = (shape.latent * shape.hidden) as f64 + NORMAL * shape.latent as f64;
        let cost = |pixels: usize| start + pixels as f64 * (shape.hidden as f64 + PIXEL);
        let full = cost(plan.pixels as usize);
        let passed = |pixels: usize| {
            let passed: usize = pilot.iter().map(|choice| choice.passed[pixels - 1]).sum();
            passed as f64 / (pilot.len() as u64 * PILOT) as f64
        };
        let ways = (1..=most).map(|tiles| tiles * tile).map(|pixels| (cost(pixels) + passed(pixels) * full, pixels));
        let best = ways.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|(cost, _)| forced || *cost < SHARE * full);
        let Some((_, pixels)) = best else { return Ok(None) };
        let (mut w4, mut b4, mut images) = (vec![], vec![], vec![]);
        for (sample, choice) in samples.clone().zip(&pilot) {
            let few = Few::layer(&problem.weights().decoder_fc2, &choice.order[..pixels]);
            let (weight, bias) = tiled(&few, tile, pixels, plan.hidden as usize, DARK);
            w4.extend(weight);
            b4.extend(bias);
            let image = problem.image(sample);
            images.extend(choice.order[..pixels].iter().map(|&pixel| image[pixel]));
        }
        let [w4, b4, images] = [gpu.upload(&w4)?, gpu.upload(&b4)?, gpu.upload(&images)?];
        Ok(Some(Self { pixels: pixels as u64, limit, w4, b4, images }))
    }

    /// Some outputs of a layer.
    fn layer(full: &Linear, outputs: &[usize]) -> Linear {
        let row = |&pixel: &usize| &full.weight[pixel * full.inputs..][..full.inputs];
        Linear {
            outputs: outputs.len(),
            inputs: full.inputs,
            weight: outputs.iter().flat_map(row).copied().collect(),
            bias: outputs.iter().map(|&pixel| full.bias[pixel]).collect(),
        }
    }
}

/// What a pilot found of a sample.
#[derive(Debug, PartialEq)]
struct Choice {
    /// Pixels by their mean squared difference, the largest first.
    order: Vec<usize>,
    /// How many trials the first so many of them let through.
    passed: Vec<usize>,
}

impl Choice {
    /// The first `most` pixels, from outputs `[trials, pixels]`.
    fn new(image: &[f32], outputs: &[f32], most: usize, limit: f32) -> Self {
        let square = |output: &[f32], pixel: usize| (output[pixel] - image[pixel]).powi(2);
        let mut sums = vec![0f32; image.len()];
        for output in outputs.chunks(image.len()) {
            sums.iter_mut().enumerate().for_each(|(pixel, sum)| *sum += square(output, pixel));
        }
        let mut order: Vec<usize> = (0..image.len()).collect();
        order.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]));
        order.truncate(most);
        let mut passed = vec![0; most];
        for output in outputs.chunks(image.len()) {
            let mut sum = 0.0;
            for (&pixel, passed) in order.iter().zip(&mut passed) {
                sum += square(output, pixel);
                *passed += usize::from(sum <= limit);
            }
        }
        Self { order, passed }
    }
}

fn pilot(
    gpu: &Gpu,
    problem: &Problem,
    samples: Range<usize>,
    trials: Range<u64>,
    most: usize,
    limit: f32,
) -> Result<Vec<Choice>> {
    let (weights, shape) = (problem.weights(), problem.shape());
    let latents = kernels::sample_latent(gpu, problem, &Noise::Trials(trials))?;
    let per_sample = PILOT as usize * shape.latent;
    let latents = &latents[samples.start * per_sample..samples.end * per_sample];
    let at_once = (READ / (PILOT as usize * shape.pixels)).max(1);
    let mut choices = vec![];
    for latents in latents.chunks(at_once * per_sample) {
        let layers = [&weights.decoder_fc1, &weights.decoder_fc2];
        let outputs = kernels::two_layers(gpu, source::DECODE, ["hidden", "pixels"], layers, latents)?;
        for outputs in outputs.chunks(PILOT as usize * shape.pixels) {
            let image = problem.image(samples.start + choices.len());
            choices.push(Choice::new(image, outputs, most, limit));
        }
    }
    Ok(choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_pixels_come_first() {
        let image = [0.0, 0.5, 1.0];
        let outputs = [0.1, 0.5, 0.0, 0.1, 0.6, 0.0, 0.4, 0.5, 0.9];
        let choice = Choice::new(&image, &outputs, 2, 0.5);
        assert_eq!(choice, Choice { order: vec![2, 0], passed: vec![1, 1] });
        let (weight, bias) = (vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![7.0, 8.0, 9.0]);
        let few = Few::layer(&Linear { outputs: 3, inputs: 2, weight, bias }, &choice.order);
        assert_eq!((&few.weight[..], &few.bias[..]), (&[5.0, 6.0, 1.0, 2.0][..], &[9.0, 7.0][..]));
    }
}
