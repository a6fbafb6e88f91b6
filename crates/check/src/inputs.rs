//! Six of the kernels with inputs that were prepared, to run once and judge, or many times and time. The seventh, `score`, is
//! loaded first: [`Backend::load_variant`].

use crate::{Kernel, images, thresholds};
use retrial_spec::{Backend, Noise, Posterior, Problem, Result, Tally};
use std::ops::Range;

/// What a kernel is given beside the problem.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// The images of the problem.
    Encode,
    /// The posterior of the problem and the normals of the trials.
    SampleLatent,
    /// Latents `[B, latent]`.
    Decode(Vec<f32>),
    /// Outputs `[N, W, pixels]`, against the images of the problem.
    L2Error(Vec<f32>),
    /// Errors `[N, W]` and thresholds, increasing.
    PassAtK(Vec<f32>, Vec<f32>),
    /// Errors `[N, W]`.
    Correlation(Vec<f32>),
}

/// What comes out of a kernel.
#[derive(Clone, Debug)]
pub enum Output {
    /// Of `encode`.
    Posterior(Posterior),
    /// Row-major.
    F32(Vec<f32>),
    /// The Gram matrix of `correlation`.
    F64(Vec<f64>),
    /// Of `pass_at_k`.
    Tally(Box<Tally>),
}

impl Inputs {
    /// Inputs of a kernel for some trials of a problem, made by the backend itself; `None` of `score`.
    ///
    /// # Errors
    /// Those of the kernels that make them.
    pub fn made(kernel: Kernel, backend: &dyn Backend, problem: &Problem, trials: Range<u64>) -> Result<Option<Self>> {
        let errors = || {
            let precision = backend.device().precisions()[0];
            backend.load(problem, precision)?.errors(Noise::Trials(trials.clone()))
        };
        let outputs = problem.samples() * (trials.end - trials.start) as usize;
        Ok(Some(match kernel {
            Kernel::Encode => Self::Encode,
            Kernel::SampleLatent => Self::SampleLatent,
            Kernel::Decode => Self::Decode(backend.sample_latent(problem, Noise::Trials(trials.clone()))?),
            Kernel::L2Error => Self::L2Error(images(problem.shape(), outputs, problem.seed() + 1)),
            Kernel::PassAtK => Self::pass_at_k(errors()?),
            Kernel::Correlation => Self::Correlation(errors()?),
            Kernel::Score => return Ok(None),
        }))
    }

    /// Errors `[N, W]`, tallied at [`thresholds`] of their own.
    pub fn pass_at_k(errors: Vec<f32>) -> Self {
        let thresholds = thresholds(&errors);
        Self::PassAtK(errors, thresholds)
    }

    /// Runs the kernel.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn run(&self, backend: &dyn Backend, problem: &Problem, trials: Range<u64>) -> Result<Output> {
        let (weights, samples) = (problem.weights(), problem.samples());
        Ok(match self {
            Self::Encode => Output::Posterior(backend.encode(weights, problem.images())?),
            Self::SampleLatent => Output::F32(backend.sample_latent(problem, Noise::Trials(trials))?),
            Self::Decode(latents) => Output::F32(backend.decode(weights, latents)?),
            Self::L2Error(outputs) => {
                Output::F32(backend.l2_error(problem.images(), outputs, problem.shape().pixels)?)
            }
            Self::PassAtK(errors, thresholds) => {
                let mut tally = Tally::new(samples, thresholds)?;
                backend.pass_at_k(errors, trials.start, &mut tally)?;
                Output::Tally(Box::new(tally))
            }
            Self::Correlation(errors) => Output::F64(backend.correlation(errors, samples)?),
        })
    }
}
