//! The CPU backend.
//!
//! Every kernel is written once over a small set of vector operations (`lanes`) and compiled for AVX-512, AVX2 with
//! FMA, and any other target; the machine's best is chosen at run time. Lanes are trials, nothing is reduced across
//! lanes, and every operation rounds as IEEE 754 says: results are the same bits on every instruction set, for any
//! number of threads and any window.
#![allow(clippy::needless_range_loop, reason = "register tiles are indexed by row and vector, as on paper")]

mod correlation;
mod dense;
mod isa;
mod lanes;
mod normals;
mod panel;
mod pool;
mod score;

pub use isa::Isa;

use dense::{Activation, dense};
use retrial_spec::{Backend, Device, Error, Noise, Posterior, Precision, Problem, Result, Row, Scorer, Tally, Weights};
use score::{Block, BlockNoise, Decoder, Scratch};
use std::{num::NonZero, ops::Range, sync::Mutex, thread};

/// The CPU of this machine.
pub struct Cpu {
    device: Device,
    isa: Isa,
    threads: usize,
}

impl Cpu {
    /// On `threads` threads (at most 4096), by default one per core available to the process, with the instruction
    /// set that [`Isa::choose`] gives.
    pub fn new(threads: Option<usize>) -> Result<Self> {
        Self::with_isa(threads, Isa::choose()?)
    }

    /// As [`Cpu::new`], with a given instruction set, which must be available.
    pub fn with_isa(threads: Option<usize>, isa: Isa) -> Result<Self> {
        let threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
        if !(1..=4096).contains(&threads) {
            return Err(Error::input("threads", threads, "must be 1 to 4096"));
        }
        if !isa.available() {
            return Err(Error::input("instruction set", isa, "this CPU lacks it"));
        }
        let device = Device {
            backend: "cpu".into(),
            name: model_name(),
            detail: isa.to_string(),
            precisions: vec![Precision::F32],
            double: true,
        };
        Ok(Self { device, isa, threads })
    }

    /// Threads in use.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

/// The processor's name where the system tells it, else the architecture.
fn model_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.trim().into())
}

impl Backend for Cpu {
    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        let layer = |layer, act, x: &[f32]| dense(self.isa, self.threads, layer, act, x);
        let hidden = layer(&weights.encoder_fc1, Activation::Relu, images)?;
        Ok(Posterior {
            mu: layer(&weights.encoder_fc_mu, Activation::Identity, &hidden)?,
            logvar: layer(&weights.encoder_fc_logvar, Activation::Identity, &hidden)?,
        })
    }

    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (samples, latent) = (problem.samples(), problem.shape().latent);
        noise.check(samples, latent)?;
        let window = noise.trials(samples, latent);
        let mut z = vec![0.0; samples * window * latent];
        pool::for_each(
            self.threads,
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
        let hidden = dense(self.isa, self.threads, &weights.decoder_fc1, Activation::Relu, latents)?;
        dense(self.isa, self.threads, &weights.decoder_fc2, Activation::Sigmoid, &hidden)
    }

    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        let window = outputs.len() / images.len();
        let mut errors = vec![0.0; images.len() / pixels * window];
        let tasks = errors.chunks_mut(window).zip(images.chunks(pixels)).zip(outputs.chunks(window * pixels));
        pool::for_each(
            self.threads,
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
        let tasks = rows.iter_mut().zip(errors.chunks(window)).enumerate();
        pool::for_each(
            self.threads,
            tasks,
            || (),
            |(), (sample, (row, errors))| {
                finite(sample, first, errors)?;
                row.add(thresholds, first, errors);
                Ok(())
            },
        )?;
        tally.add_trials(window as u64);
        Ok(())
    }

    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        correlation::correlation(self.threads, errors, samples)
    }

    fn load<'a>(&'a self, problem: &'a Problem, precision: Precision) -> Result<Box<dyn Scorer + 'a>> {
        if precision != Precision::F32 {
            return Err(Error::input("precision", precision, "the CPU backend computes in f32"));
        }
        let decoder = Decoder::new(problem, self.isa);
        Ok(Box::new(CpuScorer { cpu: self, problem, decoder }))
    }
}

/// Refuses a NaN or infinite error, which no trial of a checked problem has.
fn finite(sample: usize, first: u64, errors: &[f32]) -> Result<()> {
    match errors.iter().position(|e| !e.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::Device {
            device: "cpu".into(),
            fault: format!("error {} of sample {sample}, trial {}", errors[at], first + at as u64),
            fix: "errors must be finite; this is a bug, please report it".into(),
        }),
    }
}

struct CpuScorer<'a> {
    cpu: &'a Cpu,
    problem: &'a Problem,
    decoder: Decoder,
}

impl CpuScorer<'_> {
    fn block(&self, scratch: &mut Scratch, sample: usize, noise: BlockNoise<'_>, errors: &mut [f32]) {
        let Self { cpu, problem, decoder } = self;
        cpu.isa.run(Block { problem, decoder, sample, noise, errors, scratch });
    }
}

impl Scorer for CpuScorer<'_> {
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (samples, latent, block) = (self.problem.samples(), self.problem.shape().latent, self.decoder.block());
        noise.check(samples, latent)?;
        let window = noise.trials(samples, latent);
        let mut errors = vec![0.0; samples * window];
        let rows = errors.chunks_mut(window).enumerate();
        let tasks: Vec<_> = rows
            .flat_map(|(sample, row)| row.chunks_mut(block).enumerate().map(move |(i, part)| (sample, i * block, part)))
            .collect();
        pool::for_each(
            self.cpu.threads,
            tasks.into_iter(),
            || self.decoder.scratch(),
            |scratch, (sample, offset, part)| {
                let noise = match noise {
                    Noise::Trials(ref trials) => BlockNoise::From(trials.start + offset as u64),
                    Noise::Given(given) => {
                        BlockNoise::Given(&given[(sample * window + offset) * latent..][..part.len() * latent])
                    }
                };
                self.block(scratch, sample, noise, part);
                finite(sample, offset as u64, part)
            },
        )?;
        Ok(errors)
    }

    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        // Large enough that the lock below is never felt, small enough to share one sample among threads.
        let step = 4 * self.decoder.block() as u64;
        let (thresholds, rows) = tally.rows_mut();
        let rows: Vec<Mutex<&mut Row>> = rows.iter_mut().map(Mutex::new).collect();
        let starts = (trials.start..trials.end).step_by(step as usize);
        let tasks: Vec<_> =
            (0..rows.len()).flat_map(|sample| starts.clone().map(move |first| (sample, first))).collect();
        pool::for_each(
            self.cpu.threads,
            tasks.into_iter(),
            || (self.decoder.scratch(), vec![0.0; step as usize]),
            |(scratch, errors), (sample, first)| {
                let errors = &mut errors[..(trials.end - first).min(step) as usize];
                for (i, part) in errors.chunks_mut(self.decoder.block()).enumerate() {
                    let first = first + (i * self.decoder.block()) as u64;
                    self.block(scratch, sample, BlockNoise::From(first), part);
                }
                finite(sample, first, errors)?;
                // Rows are commutative, so the order in which threads get here does not matter.
                let mut row = rows[sample].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                row.add(thresholds, first, errors);
                Ok(())
            },
        )?;
        tally.add_trials(trials.end - trials.start);
        Ok(())
    }

    fn window(&self) -> u64 {
        // About a quarter of a million trials: a second of one core, give or take the model's size.
        let block = self.decoder.block() as u64;
        ((1 << 18) / self.problem.samples() as u64).next_multiple_of(block).clamp(block, 1 << 18)
    }
}
