//! What every tensor-core kernel reads of a problem.

use crate::{
    driver::Fault,
    gpu::{Buffer, Gpu},
    image::{Decoder, SLAB},
};
use retrial_spec::Problem;

/// What every tensor-core kernel reads.
pub(crate) struct Operands {
    pub samples: usize,
    pub latent: usize,
    pub seed: u64,
    /// Padded widths, slabs of the first layer, and the factor of the sigmoid, of a [`Decoder`].
    pub hidden: usize,
    pub pixels: usize,
    pub steps: usize,
    pub factor: f32,
    /// Largest magnitude of a given normal.
    pub most_noise: f32,
    pub mu: Buffer<f32>,
    pub scale: Buffer<f32>,
    /// `[N, pixels]`, padded with 0.
    pub images: Buffer<f32>,
    pub w3: Buffer<u16>,
    pub w4: Buffer<u16>,
    pub bias: Buffer<f32>,
}

impl Operands {
    /// Copies them to the device.
    pub(crate) fn load(gpu: &Gpu, problem: &Problem, decoder: &Decoder) -> Result<Self, Fault> {
        let Decoder { hidden, pixels, steps, factor, most_noise, .. } = *decoder;
        let mut images = vec![0.0; problem.samples() * pixels];
        for (n, row) in images.chunks_mut(pixels).enumerate() {
            row[..problem.shape().pixels].copy_from_slice(problem.image(n));
        }
        Ok(Self {
            samples: problem.samples(),
            latent: problem.shape().latent,
            seed: problem.seed(),
            hidden,
            pixels,
            steps,
            factor,
            most_noise,
            mu: gpu.upload(&decoder.mu)?,
            scale: gpu.upload(&decoder.scale)?,
            images: gpu.upload(&images)?,
            w3: gpu.upload(&decoder.w3)?,
            w4: gpu.upload(&decoder.w4)?,
            bias: gpu.upload(&decoder.bias)?,
        })
    }

    /// Numbers that stand for one.
    pub(crate) fn parts(&self) -> usize {
        self.w4.len() / (self.hidden * self.pixels)
    }

    /// Slabs of a tile of pixels, of all parts.
    pub(crate) fn slabs(&self) -> usize {
        self.hidden / SLAB * self.parts()
    }
}
