//! What is timed, on inputs prepared beforehand.

use crate::selection::Selection;
use retrial_check::{Inputs, Kernel};
use retrial_spec::{Backend, Noise, Posterior, Precision, Problem, Result, Tally, Variant, Weights};
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// Trials that thresholds come from, out of the way of those that are timed.
const PILOT: u64 = 1 << 40;

/// One row of the table: a kernel, and of `score` the implementation and what it may leave out.
pub struct Work {
    pub kernel: Kernel,
    pub variant: Option<Variant>,
    pub mode: Mode,
}

/// What `score` is asked for.
#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// All errors, of a model without a hidden unit that is ever zero: nothing can be left out.
    Dense,
    /// All errors of the model as it is.
    Full,
    /// Successes alone, at thresholds with pass@1 = 0.1 % and 1 %. Pilots, one per sample and run, are not timed.
    CountsOnly,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dense => "dense",
            Self::Full => "all errors",
            Self::CountsOnly => "counts only",
        })
    }
}

impl Work {
    /// The rows of a selection.
    pub fn all(selection: &Selection, variants: &[Variant]) -> Vec<Self> {
        let others = Kernel::ALL.into_iter().filter(|&kernel| kernel != Kernel::Score && selection.has(kernel));
        let others = others.map(|kernel| Self { kernel, variant: None, mode: Mode::Full });
        let modes = [Mode::Dense, Mode::Full, Mode::CountsOnly];
        let score = |variant: &Variant, mode| Self { kernel: Kernel::Score, variant: Some(variant.clone()), mode };
        let scores = variants.iter().flat_map(|variant| modes.map(|mode| score(variant, mode)));
        others.chain(scores).collect()
    }

    /// What it is computed in.
    pub fn precision(&self) -> Precision {
        self.variant.as_ref().map_or(Precision::F32, |variant| variant.precision)
    }

    /// Whether multiply-adds are what takes its time.
    pub fn computes(&self) -> bool {
        matches!(self.kernel, Kernel::Encode | Kernel::Decode | Kernel::Score)
    }

    /// Times it over `trials` trials of all samples.
    pub fn time(&self, problem: &Problem, trials: usize, backend: &dyn Backend) -> Result<Timing> {
        let (samples, window) = (problem.samples(), 0..trials as u64);
        if let Some(inputs) = Inputs::made(self.kernel, backend, problem, window.clone())? {
            return Timing::of(backend, || inputs.run(backend, problem, window.clone()).map(drop));
        }
        let dense = if self.mode == Mode::Dense { Some(dense(problem)?) } else { None };
        let problem = dense.as_ref().unwrap_or(problem);
        let mut scorer = match &self.variant {
            Some(variant) => backend.load_variant(problem, variant)?,
            None => backend.load(problem, Precision::F32)?,
        };
        let pilot = PILOT..PILOT + (8192 / samples as u64).max(64);
        let mut errors = scorer.errors(Noise::Trials(pilot))?;
        errors.sort_unstable_by(f32::total_cmp);
        let mut thresholds = vec![errors[errors.len() / 1000], errors[errors.len() / 100]];
        thresholds.dedup();
        let empty = if self.mode == Mode::CountsOnly { Tally::counts_only } else { Tally::new };
        let empty = empty(samples, &thresholds)?;
        Timing::of(backend, || scorer.tally(window.clone(), &mut empty.clone()))
    }
}

/// Runs of one kernel: at least three, then until half a second has passed.
pub struct Timing {
    pub runs: usize,
    pub median: Duration,
    pub fastest: Duration,
    pub slowest: Duration,
}

impl Timing {
    fn of(backend: &dyn Backend, mut run: impl FnMut() -> Result<()>) -> Result<Self> {
        run()?; // compiles, allocates, warms up
        let (start, mut times) = (Instant::now(), vec![]);
        while times.len() < 3 || (start.elapsed() < Duration::from_millis(500) && times.len() < 1000) {
            let (begin, busy) = (Instant::now(), backend.device_time());
            run()?;
            let device = backend.device_time().zip(busy).map(|(after, before)| after - before);
            times.push(device.unwrap_or_else(|| begin.elapsed()));
        }
        times.sort_unstable();
        let runs = times.len();
        Ok(Self { runs, median: times[runs / 2], fastest: times[0], slowest: times[runs - 1] })
    }
}

/// The problem with first biases so large that no hidden unit is ever zero, and second ones that make up for it.
fn dense(problem: &Problem) -> Result<Problem> {
    const NORMAL: f32 = 6.77; // no normal of a trial is larger
    let mut weights = problem.weights().clone();
    let fc1 = &mut weights.decoder_fc1;
    let mut shifts = vec![0.0; fc1.outputs];
    for (unit, (row, shift)) in fc1.weight.chunks(fc1.inputs).zip(&mut shifts).enumerate() {
        for sample in 0..problem.samples() {
            let latents = row.iter().zip(problem.mu(sample)).zip(problem.scale(sample));
            let least: f32 = latents.map(|((w, mu), scale)| w * mu - NORMAL * w.abs() * scale).sum();
            *shift = f32::max(*shift, 1.0 - least - fc1.bias[unit]);
        }
    }
    fc1.bias.iter_mut().zip(&shifts).for_each(|(bias, shift)| *bias += shift);
    let fc2 = &mut weights.decoder_fc2;
    for (row, bias) in fc2.weight.chunks(fc2.inputs).zip(&mut fc2.bias) {
        *bias -= row.iter().zip(&shifts).map(|(w, shift)| w * shift).sum::<f32>();
    }
    again(problem, weights, problem.samples())
}

/// The first samples of a problem, with other weights.
fn again(problem: &Problem, weights: Weights, samples: usize) -> Result<Problem> {
    let (shape, Posterior { mu, logvar }) = (problem.shape(), problem.posterior());
    let first = |values: &[f32], width: usize| values[..samples * width].to_vec();
    let posterior = Posterior { mu: first(mu, shape.latent), logvar: first(logvar, shape.latent) };
    let images = first(problem.images(), shape.pixels);
    Problem::new(weights, images, &posterior, problem.temperature(), problem.seed())
}
