//! Samples that are scored together.

use crate::{gpu::Gpu, plan::Plan, tally::first_bins};
use retrial_spec::{Problem, Result};
use std::ops::Range;

/// Samples whose images share a buffer.
pub(crate) struct Group {
    pub samples: Range<usize>,
    /// Where the histograms of the samples begin.
    pub first_bins: Vec<u32>,
    pub mu: wgpu::Buffer,
    pub scale: wgpu::Buffer,
    pub images: wgpu::Buffer,
}

impl Group {
    pub(crate) fn new(gpu: &Gpu, problem: &Problem, samples: Range<usize>, plan: &Plan) -> Result<Self> {
        let mut images = vec![0.0; samples.len() * plan.pixels as usize];
        for (sample, row) in samples.clone().zip(images.chunks_mut(plan.pixels as usize)) {
            row[..problem.shape().pixels].copy_from_slice(problem.image(sample));
        }
        let latent = problem.shape().latent;
        let part = |values: &[f32]| gpu.upload(&values[samples.start * latent..samples.end * latent]);
        let (mu, scale) = (part(problem.mus())?, part(problem.scales())?);
        let first_bins = first_bins(problem, samples.clone());
        Ok(Self { samples, first_bins, mu, scale, images: gpu.upload(&images)? })
    }
}
