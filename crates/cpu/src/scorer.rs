//! A problem on the CPU: blocks of trials shared among threads.

use crate::{
    Isa,
    layer::Layer,
    pool::Pool,
    score::{Block, BlockNoise, Decoder, Scratch},
    screen::{PILOT, Pilot, Screen},
};
use retrial_spec::{
    Error, Fused, Noise, Problem, Result, Row, Tally,
    tally::{Record, screening_limit},
};
use std::{
    ops::Range,
    sync::{Mutex, OnceLock, PoisonError},
};

/// A problem, packed for the precision of its layer.
pub(crate) struct CpuScorer<'a, L> {
    isa: Isa,
    pool: &'a Pool,
    problem: &'a Problem,
    decoder: Decoder<L>,
    /// The largest threshold that samples were screened for, and the pixels to look at, by sample.
    screened: f32,
    plans: Vec<OnceLock<Option<Vec<u16>>>>,
}

impl<'a, L: Layer> CpuScorer<'a, L> {
    /// With an instruction set that is available, and for pairs multiplies them.
    pub(crate) fn new(isa: Isa, pool: &'a Pool, problem: &'a Problem) -> Self {
        Self { isa, pool, problem, decoder: Decoder::new(problem, isa), screened: 0.0, plans: vec![] }
    }

    /// Samples of which the last counts-only tally looked at some pixels first.
    #[cfg(test)]
    pub(crate) fn screened_samples(&self) -> usize {
        self.plans.iter().filter(|plan| plan.get().is_some_and(Option::is_some)).count()
    }

    fn worker(&self) -> Worker<'_, L> {
        Worker {
            scorer: self,
            scratch: self.decoder.scratch(),
            errors: vec![0.0; self.decoder.block()],
            sample: usize::MAX,
            image: vec![0.0; self.decoder.fc2.bias().len()],
            order: vec![],
            screen: None,
        }
    }
}

impl<L: Layer> Fused for CpuScorer<'_, L> {
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (samples, latent, block) = (self.problem.samples(), self.problem.shape().latent, self.decoder.block());
        let window = noise.trials(self.problem);
        let mut errors = vec![0.0; samples * window];
        let rows = errors.chunks_mut(window).enumerate();
        let tasks: Vec<_> = rows
            .flat_map(|(sample, row)| row.chunks_mut(block).enumerate().map(move |(i, part)| (sample, i * block, part)))
            .collect();
        self.pool.for_each(
            tasks.into_iter(),
            || self.worker(),
            |worker, (sample, offset, part)| {
                let noise = match noise {
                    Noise::Trials(ref trials) => BlockNoise::From(trials.start + offset as u64),
                    Noise::Given(given) => {
                        BlockNoise::Given(&given[(sample * window + offset) * latent..][..part.len() * latent])
                    }
                };
                worker.turn_to(sample);
                worker.squares(noise, part, None);
                part.iter_mut().for_each(|e| *e = e.sqrt());
                finite(sample, offset as u64, part)
            },
        )?;
        Ok(errors)
    }

    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        let length = trials.end - trials.start;
        let (samples, block) = (self.problem.samples(), self.decoder.block() as u64);
        let screened = tally.thresholds().last().copied().filter(|_| tally.is_counts_only());
        if let Some(threshold) = screened.filter(|&threshold| threshold != self.screened) {
            self.screened = threshold;
            self.plans = (0..samples).map(|_| OnceLock::new()).collect();
        }
        // Short enough to keep all threads busy to the end, long enough that a task's preparations are never felt.
        let share = (samples as u64).saturating_mul(length) / (16 * self.pool.threads() as u64);
        let step = share.next_multiple_of(block).clamp(4 * block, 64 * block);
        let pieces = length.div_ceil(step) as usize;
        let (thresholds, rows) = tally.rows_mut();
        let empty = rows[0].empty();
        let rows: Vec<Mutex<&mut Row>> = rows.iter_mut().map(Mutex::new).collect();
        let this = &*self;
        this.pool.for_each(
            (0..samples * pieces).map(|task| (task / pieces, trials.start + (task % pieces) as u64 * step)),
            || this.worker(),
            |worker, (sample, first)| {
                let mut row = empty.clone();
                worker.turn_to(sample);
                let task = first..trials.end.min(first.saturating_add(step));
                match screened {
                    Some(_) => worker.count(task, thresholds, &mut row)?,
                    None => worker.tally(task, thresholds, &mut row)?,
                }
                // Rows are commutative, so the order in which threads get here does not matter.
                rows[sample].lock().unwrap_or_else(PoisonError::into_inner).merge(&row);
                Ok(())
            },
        )?;
        tally.add_trials(trials)
    }

    fn window(&self) -> u64 {
        // About half a second of every core, give or take the model's size.
        let (samples, block) = (self.problem.samples() as u64, self.decoder.block() as u64);
        let trials = (self.pool.threads() as u64) << 17;
        (trials / samples).next_multiple_of(block).clamp(block, trials.next_multiple_of(block))
    }
}

/// One thread, and what it keeps of the sample it works on.
struct Worker<'a, L: Layer> {
    scorer: &'a CpuScorer<'a, L>,
    scratch: Scratch<L>,
    /// Of one block.
    errors: Vec<f32>,
    sample: usize,
    /// Filled up with dark pixels.
    image: Vec<f32>,
    order: Vec<u16>,
    screen: Option<Screen<L>>,
}

impl<L: Layer> Worker<'_, L> {
    fn turn_to(&mut self, sample: usize) {
        if self.sample != sample {
            let problem = self.scorer.problem;
            self.image[..problem.shape().pixels].copy_from_slice(problem.image(sample));
            self.order = L::order(problem, sample);
            self.screen = None;
            self.sample = sample;
        }
    }

    /// Squared errors of up to a block of trials, and of each of their pixels where wanted.
    fn squares(&mut self, noise: BlockNoise<'_>, sums: &mut [f32], squares: Option<&mut [f32]>) {
        let CpuScorer { isa, problem, decoder, .. } = self.scorer;
        isa.run(Block {
            problem,
            decoder,
            layer: &decoder.fc2,
            image: &self.image,
            sample: self.sample,
            order: &self.order,
            noise,
            sums,
            squares,
            scratch: &mut self.scratch,
        });
    }

    /// Adds trials to a row, every error computed.
    fn tally(&mut self, trials: Range<u64>, thresholds: &[f32], row: &mut Row) -> Result<()> {
        let mut errors = std::mem::take(&mut self.errors);
        for first in trials.clone().step_by(errors.len()) {
            let errors = &mut errors[..(trials.end - first).min(self.scorer.decoder.block() as u64) as usize];
            self.squares(BlockNoise::From(first), errors, None);
            errors.iter_mut().for_each(|e| *e = e.sqrt());
            finite(self.sample, first, errors)?;
            row.add(thresholds, first, errors);
        }
        self.errors = errors;
        Ok(())
    }

    /// Adds trials to a row that only counts, screened where that pays.
    fn count(&mut self, trials: Range<u64>, thresholds: &[f32], row: &mut Row) -> Result<()> {
        let scorer = self.scorer;
        let (plan, block) = (&scorer.plans[self.sample], scorer.decoder.block());
        let mut rest = trials;
        let pilot = PILOT.min(block) as u64;
        if plan.get().is_none() && rest.end - rest.start >= pilot {
            let trials = rest.start..rest.start + pilot;
            rest.start = trials.end;
            // Another thread may have planned meanwhile, from other trials; either plan will do.
            let _ = plan.set(self.pilot(trials, thresholds, row)?);
        }
        let Some(Some(pixels)) = plan.get() else { return self.tally(rest, thresholds, row) };
        let rows = scorer.decoder.tile.rows;
        let limit = screening_limit(scorer.screened, scorer.problem.shape().pixels);
        let screen = self.screen.take().unwrap_or_else(|| Screen::new(scorer.problem, self.sample, pixels, rows));
        let (mut sums, mut survivors) = (vec![0.0; block], vec![]);
        for first in rest.clone().step_by(block) {
            let sums = &mut sums[..(rest.end - first).min(block as u64) as usize];
            scorer.isa.run(Block {
                problem: scorer.problem,
                decoder: &scorer.decoder,
                layer: &screen.layer,
                image: &screen.image,
                sample: self.sample,
                order: &self.order,
                noise: BlockNoise::From(first),
                sums,
                squares: None,
                scratch: &mut self.scratch,
            });
            survivors.extend(sums.iter().zip(first..).filter(|(sum, _)| **sum <= limit).map(|(_, trial)| trial));
            while survivors.len() >= block {
                self.listed(&survivors[..block], thresholds, row)?;
                survivors.drain(..block);
            }
        }
        self.screen = Some(screen);
        if survivors.is_empty() { Ok(()) } else { self.listed(&survivors, thresholds, row) }
    }

    /// Adds up to a block of listed trials to a row.
    fn listed(&mut self, trials: &[u64], thresholds: &[f32], row: &mut Row) -> Result<()> {
        let mut errors = vec![0.0; trials.len()];
        self.squares(BlockNoise::Listed(trials), &mut errors, None);
        errors.iter_mut().for_each(|e| *e = e.sqrt());
        finite(self.sample, trials[0], &errors)?;
        row.extend(thresholds, trials.iter().zip(errors).map(|(&trial, error)| Record { trial, error }));
        Ok(())
    }

    /// Adds a pilot's trials to a row, and plans the screening of the others.
    fn pilot(&mut self, trials: Range<u64>, thresholds: &[f32], row: &mut Row) -> Result<Option<Vec<u16>>> {
        let CpuScorer { problem, decoder, screened, .. } = self.scorer;
        let mut errors = vec![0.0; (trials.end - trials.start) as usize];
        let stride = errors.len().next_multiple_of(decoder.tile.trials);
        let mut squares = vec![0.0; self.image.len() * stride];
        self.squares(BlockNoise::From(trials.start), &mut errors, Some(&mut squares));
        errors.iter_mut().for_each(|e| *e = e.sqrt());
        finite(self.sample, trials.start, &errors)?;
        row.add(thresholds, trials.start, &errors);
        let steps = self.scratch.steps(stride / decoder.tile.trials);
        let pilot = Pilot { squares: &squares, stride, trials: errors.len(), steps };
        Ok(pilot.plan(problem, decoder.tile.rows, screening_limit(*screened, problem.shape().pixels)))
    }
}

/// Refuses a NaN or infinite error, which no trial of a checked problem has.
pub(crate) fn finite(sample: usize, first: u64, errors: &[f32]) -> Result<()> {
    match errors.iter().position(|e| !e.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::Device {
            device: "cpu".into(),
            fault: format!("error {} of sample {sample}, trial {}", errors[at], first + at as u64),
            fix: "errors must be finite; this is a bug, please report it".into(),
        }),
    }
}
