//! The CPU backend.
//!
//! Every kernel is written once over a small set of vector operations (`lanes`) and compiled for AVX-512, AVX2 with
//! FMA, and any other target; the machine's best is chosen at run time. Lanes are trials, nothing is reduced across
//! lanes, and every operation rounds as IEEE 754 says: results are the same bits on every instruction set, for any
//! number of threads and any window. Where a CPU multiplies bf16 pairs, `score` can do so at twice the rate.
#![allow(clippy::needless_range_loop, reason = "register tiles are indexed by row and vector, as on paper")]

mod correlation;
mod dense;
mod isa;
mod lanes;
mod layer;
mod normals;
mod pairs;
mod panel;
mod peak;
mod pool;
mod score;
mod scorer;
mod screen;
#[cfg(test)]
mod tests;

pub use isa::Isa;
use pool::Pool;

use dense::{Activation, dense};
use pairs::Pairs;
use panel::Packed;
use retrial_spec::{
    Device, Error, Fused, Kernels, Noise, Posterior, Precision, Problem, Result, Tally, Variant, Weights,
};
use scorer::CpuScorer;

/// The CPU of this machine.
#[derive(Debug)]
pub struct Cpu {
    device: Device,
    isa: Isa,
    pool: Pool,
}

impl Cpu {
    /// On `threads` threads (at most 4096), by default one per core available to the process, with the instruction
    /// set that [`Isa::choose`] gives.
    ///
    /// ```
    /// use retrial_cpu::Cpu;
    /// use retrial_spec::Backend;
    ///
    /// # fn main() -> retrial_spec::Result<()> {
    /// let cpu = Cpu::new(None)?;
    /// let errors = cpu.l2_error(&[0.0, 0.0], &[0.6, 0.8, 0.0, 1.0], 2)?; // one image of two pixels, two outputs
    /// assert!(errors.iter().all(|error| (error - 1.0).abs() < 1e-6));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(threads: Option<usize>) -> Result<Self> {
        let chosen = Isa::choose()?;
        let mut cpu = Self::with_isa(threads, chosen)?;
        if std::env::var_os("RETRIAL_CPU").is_none() {
            // The portable one would be no help to anyone who waits.
            let others = [Isa::Avx512, Isa::Avx2].into_iter().filter(|&isa| isa.available() && isa != chosen);
            cpu.device.variants.extend(others.map(|isa| Variant::new(isa.to_string(), Precision::F32)));
        }
        Ok(cpu)
    }

    /// As [`Cpu::new`], with a given instruction set, which must be available.
    pub fn with_isa(threads: Option<usize>, isa: Isa) -> Result<Self> {
        if let Some(threads) = threads.filter(|threads| !(1..=4096).contains(threads)) {
            return Err(Error::input("threads", threads, "must be 1 to 4096"));
        }
        if !isa.available() {
            return Err(Error::input("instruction set", isa, "this CPU lacks it"));
        }
        let device = Device {
            backend: "cpu".into(),
            name: model_name(),
            detail: isa.to_string(),
            variants: [Precision::F32]
                .into_iter()
                .chain(isa.has_bf16().then_some(Precision::Bf16))
                .map(|precision| Variant::new(isa.to_string(), precision))
                .collect(),
            has_f64: true,
        };
        Ok(Self { device, isa, pool: Pool::new(threads)? })
    }

    /// Threads in use.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }
}

/// The processor's name where the system tells it, else the architecture.
fn model_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.trim().into())
}

impl Kernels for Cpu {
    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        let layer = |layer, act, x: &[f32]| dense(self.isa, &self.pool, layer, act, x);
        let hidden = layer(&weights.encoder_fc1, Activation::Relu, images)?;
        Ok(Posterior {
            mu: layer(&weights.encoder_fc_mu, Activation::Identity, &hidden)?,
            logvar: layer(&weights.encoder_fc_logvar, Activation::Identity, &hidden)?,
        })
    }

    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (samples, latent) = (problem.samples(), problem.shape().latent);
        let window = noise.trials(problem);
        let mut z = vec![0.0; samples * window * latent];
        self.pool.for_each(
            z.chunks_mut(window * latent).enumerate(),
            || (),
            |(), (sample, z)| {
                match noise {
                    Noise::Given(given) => z.copy_from_slice(&given[sample * z.len()..][..z.len()]),
                    Noise::Trials(ref trials) => self.isa.run(normals::Rows {
                        seed: problem.seed(),
                        sample: sample as u32,
                        first: trials.start,
                        latent,
                        out: z,
                    }),
                }
                for z in z.chunks_mut(latent) {
                    for (d, z) in z.iter_mut().enumerate() {
                        *z = problem.scale(sample)[d].mul_add(*z, problem.mu(sample)[d]);
                    }
                }
                Ok(())
            },
        )?;
        Ok(z)
    }

    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>> {
        let hidden = dense(self.isa, &self.pool, &weights.decoder_fc1, Activation::Relu, latents)?;
        dense(self.isa, &self.pool, &weights.decoder_fc2, Activation::Sigmoid, &hidden)
    }

    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        let window = outputs.len() / images.len();
        let mut errors = vec![0.0; images.len() / pixels * window];
        let tasks = errors.chunks_mut(window).zip(images.chunks(pixels)).zip(outputs.chunks(window * pixels));
        self.pool.for_each(
            tasks,
            || (),
            |(), ((errors, image), outputs)| {
                for (error, output) in errors.iter_mut().zip(outputs.chunks(pixels)) {
                    let square = |sum, (x, y): (&f32, &f32)| (y - x).mul_add(y - x, sum);
                    *error = image.iter().zip(output).fold(0f32, square).sqrt();
                }
                Ok(())
            },
        )?;
        Ok(errors)
    }

    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
        let (thresholds, rows) = tally.rows_mut();
        let window = errors.len() / rows.len();
        let tasks = rows.iter_mut().zip(errors.chunks(window));
        self.pool.for_each(
            tasks,
            || (),
            |(), (row, errors)| {
                row.add(thresholds, first, errors);
                Ok(())
            },
        )?;
        tally.add_trials(first..first + window as u64)
    }

    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        correlation::correlation(&self.pool, errors, samples)
    }

    fn peak(&self, precision: Precision) -> Result<Option<f64>> {
        Ok(peak::peak(self.isa, &self.pool, precision))
    }

    fn load<'a>(&'a self, problem: &'a Problem, variant: &Variant) -> Result<Box<dyn Fused + 'a>> {
        let isa: Isa = variant.kernel.parse()?;
        if !self.device.variants.contains(variant) {
            return Err(Error::input("kernel", variant, "this CPU lacks its instructions"));
        }
        match variant.precision {
            Precision::Bf16 => Ok(Box::new(CpuScorer::<Pairs>::new(isa, &self.pool, problem))),
            _ => Ok(Box::new(CpuScorer::<Packed>::new(isa, &self.pool, problem))),
        }
    }
}
