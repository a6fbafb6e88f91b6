//! The fused path: tiles of trials go to the device while the host turns to what it made of those before.

use crate::{
    Wgsl,
    choice::Choice,
    gpu::{self, Gpu, Work},
    group::Group,
    passes::{Pass, Passes, Span},
    plan::{Throughput, plan},
    screen::{Few, PILOT},
    tally::{DeviceTally, Entry, Found, Tiles, finite},
};
use retrial_host::{fold, recount::compare};
use retrial_spec::{Error, Fused, Noise, Precision, Problem, Result, Row, Tally};
use std::{collections::VecDeque, ops::Range, time::Duration};

/// Most trials of one run of tiles, so that their offsets and counts fit 32 bits.
const SPAN: u64 = 1 << 31;
/// Of so many runs the host tallies one again, the first among them.
const CHECK_EVERY: u64 = 256;
/// Trials per sample that make a plan for screening worth its pilot.
const WORTH: u64 = 8 * PILOT;

/// A problem on the device.
pub(crate) struct GpuScorer<'a> {
    gpu: &'a Gpu,
    problem: &'a Problem,
    passes: Passes,
    groups: Vec<Group>,
    slots: [Slot; 2],
    /// Given normals of one submission; the least possible buffer where noise comes from trials.
    noise: wgpu::Buffer,
    throughput: Throughput,
    tallied: Tallied,
}

/// What one submission fills.
struct Slot {
    staging: gpu::Slot,
    errors: wgpu::Buffer,
    found: Found,
}

/// What was tallied so far, by which is decided what is checked and screened.
#[derive(Default)]
struct Tallied {
    /// Runs of tiles of each group: in full, and screened.
    runs: Vec<[u64; 2]>,
    /// Trials per sample that were only counted.
    counted: u64,
    /// The largest threshold that the screens are for, and those of all groups.
    screens: Option<(f32, Vec<Option<Few>>)>,
}

/// What comes back of a submission.
struct Landed {
    /// `[tiles, T]`. Empty where they were not asked for.
    errors: Vec<f32>,
    entries: Option<Vec<Entry>>,
}

/// How a run of tiles is scored, and what comes back.
#[derive(Default)]
struct Run<'r> {
    tally: Option<&'r mut DeviceTally>,
    screen: Option<&'r Few>,
    errors: bool,
}

impl<'a> GpuScorer<'a> {
    pub(crate) fn new(wgsl: &'a Wgsl, problem: &'a Problem, precision: Precision) -> Result<Self> {
        if precision == Precision::F16 {
            half_range(problem)?;
        }
        let gpu = &wgsl.gpu;
        let plan = plan(problem.shape(), problem.samples() as u64, &gpu.limits)?;
        let bytes = if precision == Precision::F16 { 2 } else { 4 };
        let doubled = plan.tile.doubled(bytes, gpu.limits.workgroup_memory);
        let choices = gpu.wanted.choices(doubled.is_some())?;
        let mut groups = vec![];
        for start in (0..problem.samples()).step_by(plan.group as usize) {
            groups.push(Group::new(gpu, problem, start..problem.samples().min(start + plan.group as usize), &plan)?);
        }
        let trials = plan.tiles * plan.tile.trials();
        let slot = || {
            let found = Found::new(gpu, plan.tiles as usize)?;
            let staging = gpu.slot(trials + found.values(plan.tiles as usize))?;
            Ok(Slot { staging, errors: gpu.buffer(trials)?, found })
        };
        let mut scorer = Self {
            gpu,
            problem,
            passes: Passes::new(gpu, problem, plan, [plan.tile, doubled.unwrap_or(plan.tile)], precision, choices[0])?,
            groups,
            slots: [slot()?, slot()?],
            noise: gpu.buffer(1)?,
            throughput: Throughput::new(16),
            tallied: Tallied::default(),
        };
        scorer.tallied.runs = vec![[0; 2]; scorer.groups.len()];
        // On a software adapter compiling them costs more than a trial tells: it takes the first.
        if choices.len() > 1 && !gpu.limits.software {
            scorer.take_fastest(&choices)?;
        }
        Ok(scorer)
    }

    /// Takes the fastest of some ways, by a trial of each. All give the same bytes, so that chance may choose.
    fn take_fastest(&mut self, choices: &[Choice]) -> Result<()> {
        // Tiles enough to tell ways apart, which a small GPU has long before a large one.
        let (mut count, most) = (16, TRIED.min(self.passes.plan.tiles));
        while count < most && self.time(count)? < TELLING {
            count = most.min(2 * count);
        }
        let mut best = (Duration::MAX, self.passes.choice);
        for &choice in choices {
            self.passes.choice = choice;
            let mut time = Duration::MAX;
            for _ in 0..3 {
                time = time.min(self.time(count)?); // the first compiles
            }
            best = if time < best.0 { (time, choice) } else { best };
        }
        self.passes.choice = best.1;
        Ok(())
    }

    /// What some tiles of the first group take.
    fn time(&mut self, count: u64) -> Result<Duration> {
        let tiles = Tiles::new(0, count.min(self.passes.plan.tiles) as usize, self.groups[0].samples.len());
        let span = Span { first: 0, trials: SPAN, given: None };
        self.submit(0, span, tiles, &mut Run { errors: true, ..Run::default() }, 0)?;
        Ok(self.gpu.finish::<f32>(&mut self.slots[0].staging)?.1)
    }

    /// Scores a span of a group's samples, two submissions in flight, and hands over what comes back of each.
    fn run(
        &mut self,
        group: usize,
        span: Span<'_>,
        mut run: Run<'_>,
        mut fold: impl FnMut(Tiles, Landed, Option<&DeviceTally>) -> Result<()>,
    ) -> Result<()> {
        let samples = self.groups[group].samples.len();
        let trials = self.passes.plan.tile.trials();
        let total = samples as u64 * span.trials.div_ceil(trials);
        let (mut next, mut flying) = (0, VecDeque::new());
        loop {
            while next < total && flying.len() < self.slots.len() {
                let count = self.throughput.next(self.passes.plan.tiles).min(total - next);
                let tiles = Tiles::new(next, count as usize, samples);
                let slot = (0..self.slots.len()).find(|slot| flying.iter().all(|(used, _)| used != slot)).unwrap_or(0);
                self.submit(group, span, tiles, &mut run, slot)?;
                flying.push_back((slot, tiles));
                next += count;
            }
            let Some((slot, tiles)) = flying.pop_front() else { return Ok(()) };
            let Slot { staging, errors: device_errors, found } = &mut self.slots[slot];
            let (words, time) = self.gpu.finish::<u32>(staging)?;
            self.throughput.took(tiles.count as u64, time);
            let values = tiles.count as u64 * trials;
            let (errors, lists) = words.split_at(if run.errors { values as usize } else { 0 });
            let mut errors: Vec<f32> = bytemuck::pod_collect_to_vec(errors);
            let entries = if run.tally.is_some() { found.entries(self.gpu, lists)? } else { Some(vec![]) };
            if entries.is_none() && errors.is_empty() {
                errors = self.gpu.run(vec![], device_errors, values)?.0;
            }
            fold(tiles, Landed { errors, entries }, run.tally.as_deref())?;
        }
    }

    fn submit(&mut self, group: usize, span: Span<'_>, tiles: Tiles, run: &mut Run<'_>, slot: usize) -> Result<()> {
        let (gpu, passes, group) = (self.gpu, &self.passes, &self.groups[group]);
        if let Some(given) = span.given {
            self.noise = gpu.upload(&arranged(given, span, passes, group, self.problem.shape().latent, tiles))?;
        }
        let Slot { staging, errors, found } = &mut self.slots[slot];
        let mut work = Work::default();
        let order = match run.screen {
            None => vec![Pass::All],
            Some(few) => {
                work.clears.push((&passes.listed, 4));
                vec![Pass::Screen(few), Pass::List]
            }
        };
        for pass in order {
            work.dispatches.extend(passes.dispatches(gpu, group, span, tiles, pass, [&self.noise, errors])?);
        }
        if run.errors {
            work.reads.push((errors, tiles.count as u64 * passes.plan.tile.trials()));
        }
        if let Some(tally) = &mut run.tally {
            work.clears.push((&found.entries, 16));
            work.dispatches.extend(tally.dispatches(gpu, tiles, errors, found)?);
            work.reads.push((&found.entries, found.values(tiles.count)));
        }
        gpu.submit(&work, staging)
    }

    /// The rows of a span, of a group's samples; `empty` says what they keep.
    fn rows(&mut self, group: usize, span: Span<'_>, empty: &Tally) -> Result<Vec<Row>> {
        let (gpu, samples) = (self.gpu, self.groups[group].samples.clone());
        let (thresholds, counts_only) = (empty.thresholds(), empty.is_counts_only());
        let screens = self.tallied.screens.take();
        let screen = screens.as_ref().and_then(|(_, groups)| groups[group].as_ref());
        let shape = [span.trials, self.passes.plan.tile.trials()];
        let mut tally = None;
        if gpu.wanted.device_tally != Some(false) {
            tally = DeviceTally::begin(gpu, shape, thresholds, counts_only, &self.groups[group].first_bins)?;
        }
        // What may be wrong is checked: the device's tally, and a screen whoever tallies.
        let runs = &mut self.tallied.runs[group][usize::from(screen.is_some())];
        let checked = (tally.is_some() || screen.is_some()) && runs.is_multiple_of(CHECK_EVERY);
        *runs += 1;
        let host = tally.is_none();
        let (mut made, mut again) = (empty.rows()[samples.clone()].to_vec(), empty.rows()[samples.clone()].to_vec());
        let whole = |tiles: Tiles, errors: &[f32], rows: &mut [Row]| {
            fold(rows, errors.len(), |sample, row| {
                pieces(tiles, sample, samples.len(), span, shape[1], |offset, at| {
                    finite(gpu, samples.start + sample, &errors[at.clone()])?;
                    row.add(thresholds, span.first + offset, &errors[at]);
                    Ok(())
                })
            })
        };
        let beside = checked && !host && screen.is_none();
        let run = Run { tally: tally.as_mut(), screen, errors: host || beside };
        self.run(group, span, run, |tiles, landed, tally| {
            match (tally, &landed.entries) {
                (None, _) => whole(tiles, &landed.errors, &mut made)?,
                (Some(tally), Some(entries)) => {
                    tally.add(gpu, entries, [samples.start as u64, span.first], &mut made)?;
                }
                (Some(tally), None) => fold(&mut made, landed.errors.len(), |sample, row| {
                    pieces(tiles, sample, samples.len(), span, shape[1], |offset, at| {
                        finite(gpu, samples.start + sample, &landed.errors[at.clone()])?;
                        tally.look(sample, span.first + offset, &landed.errors[at], row);
                        Ok(())
                    })
                })?,
            }
            if beside { whole(tiles, &landed.errors, &mut again) } else { Ok(()) }
        })?;
        if let Some(tally) = &tally {
            tally.add_sums(gpu, &mut made)?;
        }
        if checked && !beside {
            // What was screened is held against the full kernel, and so the screening with it.
            self.run(group, span, Run { errors: true, ..Run::default() }, |tiles, landed, _| {
                whole(tiles, &landed.errors, &mut again)
            })?;
        }
        self.tallied.screens = screens;
        if checked {
            for (sample, (made, again)) in made.iter().zip(&again).enumerate() {
                compare(samples.start + sample, thresholds, None, made, again)
                    .map_err(|fault| gpu.untrusted(fault.to_string()))?;
            }
        }
        Ok(made)
    }

    /// Plans screens for a tally that counts successes below `threshold`, once there are trials enough to be worth it.
    fn plan_screens(&mut self, threshold: f32, trials: &Range<u64>) -> Result<()> {
        let Tallied { counted, screens, .. } = &mut self.tallied;
        *counted = counted.saturating_add(trials.end - trials.start);
        let forced = self.gpu.wanted.screen;
        if screens.as_ref().is_some_and(|(planned, _)| *planned == threshold) {
            return Ok(());
        }
        *screens = None;
        if forced == Some(false) || (forced.is_none() && *counted < WORTH) {
            return Ok(());
        }
        let few = |group| {
            let (problem, plan) = (self.problem, &self.passes.plan);
            Few::plan(self.gpu, problem, group, plan, threshold, trials.start, forced == Some(true))
        };
        let planned = self.groups.iter().map(few).collect::<Result<_>>()?;
        self.tallied.screens = Some((threshold, planned));
        self.tallied.runs.iter_mut().for_each(|runs| runs[1] = 0);
        Ok(())
    }
}

/// Most tiles that each way is tried on, a few milliseconds of a large GPU, and a time that tells: far from the 50 ms of a
/// submission.
const TRIED: u64 = 256;
const TELLING: Duration = Duration::from_millis(5);

/// Hands over the pieces of a sample in a submission: the first trial of the span, and where its errors lie.
fn pieces(
    tiles: Tiles,
    sample: usize,
    samples: usize,
    span: Span<'_>,
    per_tile: u64,
    mut each: impl FnMut(u64, Range<usize>) -> Result<()>,
) -> Result<()> {
    tiles.of(sample, samples).try_for_each(|(tile, piece)| {
        let offset = piece as u64 * per_tile;
        let start = tile * per_tile as usize;
        each(offset, start..start + per_tile.min(span.trials - offset) as usize)
    })
}

/// Given normals in the order of tiles, `[tiles, T, latent]`, zero in lanes without a trial.
fn arranged(given: &[f32], span: Span<'_>, passes: &Passes, group: &Group, latent: usize, tiles: Tiles) -> Vec<f32> {
    let (samples, window) = (group.samples.len(), span.trials as usize);
    let trials = passes.plan.tile.trials() as usize;
    let mut noise = vec![0.0; tiles.count * trials * latent];
    for sample in 0..samples {
        for (tile, piece) in tiles.of(sample, samples) {
            let live = trials.min(window - piece * trials) * latent;
            let from = (sample * window + piece * trials) * latent;
            noise[tile * trials * latent..][..live].copy_from_slice(&given[from..][..live]);
        }
    }
    noise
}

/// Refuses a problem whose hidden units or weights may leave the range of f16.
fn half_range(problem: &Problem) -> Result<()> {
    const LARGEST: f32 = 65504.0;
    const NORMAL: f32 = 6.77; // no normal of a trial is larger
    let weights = problem.weights();
    let latent = |n: usize, d: usize| problem.mu(n)[d].abs() + NORMAL * problem.scale(n)[d];
    let reach: Vec<f32> =
        (0..problem.shape().latent).map(|d| (0..problem.samples()).map(|n| latent(n, d)).fold(0.0, f32::max)).collect();
    let hidden = weights.decoder_fc1.weight.chunks(reach.len()).zip(&weights.decoder_fc1.bias);
    let hidden = hidden.map(|(row, b)| row.iter().zip(&reach).fold(b.abs(), |sum, (w, z)| w.abs().mul_add(*z, sum)));
    let largest = hidden.chain(weights.decoder_fc2.weight.iter().map(|w| w.abs())).fold(0.0, f32::max);
    if largest > LARGEST {
        let limit = format!("hidden units or weights reach {largest}, beyond f16's {LARGEST}; use f32");
        return Err(Error::input("precision", Precision::F16, limit));
    }
    Ok(())
}

impl Fused for GpuScorer<'_> {
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (samples, latent) = (self.problem.samples(), self.problem.shape().latent);
        let window = noise.trials(self.problem);
        let (gpu, trials) = (self.gpu, self.passes.plan.tile.trials());
        let mut errors = vec![0.0; samples * window];
        for group in 0..self.groups.len() {
            let range = self.groups[group].samples.clone();
            let (first, given) = match &noise {
                Noise::Trials(range) => (range.start, None),
                Noise::Given(noise) => (0, Some(&noise[range.start * window * latent..range.end * window * latent])),
            };
            let span = Span { first, trials: window as u64, given };
            let rows = &mut errors[range.start * window..range.end * window];
            self.run(group, span, Run { errors: true, ..Run::default() }, |tiles, landed, _| {
                for (sample, row) in rows.chunks_mut(window).enumerate() {
                    pieces(tiles, sample, range.len(), span, trials, |offset, at| {
                        finite(gpu, range.start + sample, &landed.errors[at.clone()])?;
                        row[offset as usize..][..at.len()].copy_from_slice(&landed.errors[at]);
                        Ok(())
                    })?;
                }
                Ok(())
            })?;
        }
        Ok(errors)
    }

    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        if let (true, Some(&threshold)) = (tally.is_counts_only(), tally.thresholds().last()) {
            self.plan_screens(threshold, &trials)?;
        }
        let empty = tally.empty();
        let (_, rows) = tally.rows_mut();
        for first in trials.clone().step_by(SPAN as usize) {
            let span = Span { first, trials: (trials.end - first).min(SPAN), given: None };
            for group in 0..self.groups.len() {
                let made = self.rows(group, span, &empty)?;
                rows[self.groups[group].samples.clone()].iter_mut().zip(&made).for_each(|(row, made)| row.merge(made));
            }
        }
        tally.add_trials(trials)
    }

    fn window(&self) -> u64 {
        // About a fifth of a second of a large GPU, and what a software adapter can do at all.
        let (trials, total) =
            (self.passes.plan.tile.trials(), if self.gpu.limits.software { 1 << 10 } else { 1 << 22 });
        (total / self.problem.samples() as u64).next_multiple_of(trials).clamp(trials, 1 << 22)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrial_spec::Shape;

    /// As a GPU does when a model is loaded; llvmpipe would take the first.
    #[test]
    fn a_trial_of_each_way_chooses_one() {
        let Some(wgsl) = crate::tests::software(None) else { return };
        let problem = crate::tests::problem(Shape { pixels: 97, hidden: 61, latent: 7 }, 3);
        let mut scorer = GpuScorer::new(&wgsl, &problem, Precision::F32).unwrap();
        let errors = scorer.errors(Noise::Trials(5..200)).unwrap();
        let choices = wgsl.gpu.wanted.choices(true).unwrap();
        scorer.take_fastest(&choices).unwrap();
        assert!(choices.len() == 4 && choices.contains(&scorer.passes.choice));
        assert!(scorer.errors(Noise::Trials(5..200)).unwrap() == errors);
    }
}
