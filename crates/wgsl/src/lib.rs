//! The WGSL backend: any GPU with Vulkan, Metal or Direct3D 12, through wgpu.
//!
//! The kernels are in `shaders/`. Everything is cut to the adapter's limits (`plan`) and to submissions of 50 ms, so
//! that no display freezes and no operating system resets the device. The device tallies its
//! errors, and the host adds what was found in one submission while the device computes the next. A trial's error has one fixed order of operations: on one adapter, windows and
//! submissions do not change a bit of a result.

mod adapter;
mod choice;
mod correlation;
mod gpu;
mod group;
mod kernels;
mod passes;
mod peak;
mod plan;
mod score;
mod screen;
mod source;
mod tally;
#[cfg(test)]
mod tests;

pub use adapter::{Adapter, adapters};
pub use source::{Constants, Shader, shaders};

use choice::Wanted;
use gpu::Gpu;
use retrial_spec::{Device, Fused, Kernels, Noise, Posterior, Precision, Problem, Result, Tally, Variant, Weights};
use std::time::Duration;

/// One adapter, open.
pub struct Wgsl {
    device: Device,
    adapter: Adapter,
    gpu: Gpu,
}

impl std::fmt::Debug for Wgsl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wgsl").field("adapter", &self.adapter).finish_non_exhaustive()
    }
}

impl Wgsl {
    /// Opens the adapter with a number, PCI id or part of a name, case ignored; without a selector the first that is no
    /// software. The environment variable `RETRIAL_WGSL` forces ways to compute that the backend chooses otherwise: words out of
    /// `plain` (neither half precision nor subgroups), `skip` or `dense`, `double` or `single`, `device` or `host`, `screen` or
    /// `full`, with commas between them. All ways give the same bytes.
    pub fn new(selector: Option<&str>) -> Result<Self> {
        Self::open(selector, None, Wanted::from_env()?)
    }

    fn open(selector: Option<&str>, limits: Option<wgpu::Limits>, wanted: Wanted) -> Result<Self> {
        let (handles, adapters): (Vec<_>, Vec<_>) = adapter::enumerate().into_iter().unzip();
        let chosen = adapter::choose(&adapters, selector, adapter::nvidia())?;
        let adapter = adapters[chosen].clone();
        let gpu = Gpu::open(&handles[chosen], &adapter, limits, wanted)?;
        let device = Device {
            backend: "wgsl".into(),
            name: adapter.name.clone(),
            detail: format!("{}, {}", adapter.backend, adapter.driver),
            variants: [Precision::F32]
                .into_iter()
                .chain(gpu.f16().then_some(Precision::F16))
                .map(|precision| Variant::new("wgsl", precision))
                .collect(),
            has_f64: false,
        };
        Ok(Self { device, adapter, gpu })
    }
}

impl Kernels for Wgsl {
    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        let layers = [&weights.encoder_fc1, &weights.heads()];
        let y = kernels::two_layers(&self.gpu, source::ENCODE, ["hidden", "posterior"], layers, images)?;
        Ok(Posterior::of_heads(&y, weights.encoder_fc_mu.outputs))
    }

    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        kernels::sample_latent(&self.gpu, problem, &noise)
    }

    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>> {
        let layers = [&weights.decoder_fc1, &weights.decoder_fc2];
        kernels::two_layers(&self.gpu, source::DECODE, ["hidden", "pixels"], layers, latents)
    }

    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        kernels::l2_error(&self.gpu, images, outputs, pixels)
    }

    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
        tally::pass_at_k(&self.gpu, errors, first, tally)
    }

    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        correlation::correlation(&self.gpu, errors, samples)
    }

    fn device_time(&self) -> Option<Duration> {
        self.adapter.timestamps.then(|| self.gpu.busy())
    }

    fn peak(&self, precision: Precision) -> Result<Option<f64>> {
        peak::peak(&self.gpu, precision)
    }

    fn bandwidth(&self) -> Result<Option<f64>> {
        peak::bandwidth(&self.gpu).map(Some)
    }

    fn load<'a>(&'a self, problem: &'a Problem, variant: &Variant) -> Result<Box<dyn Fused + 'a>> {
        Ok(Box::new(score::GpuScorer::new(self, problem, variant.precision)?))
    }
}
