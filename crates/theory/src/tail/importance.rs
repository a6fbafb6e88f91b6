//! Plain trials, and trials drawn where successes are likely, weighted by how much likelier that made them.
//!
//! The draws come from a mixture: a share of `N(0, I)`, so that no weight is above ten; for each threshold the
//! [tilts](super::design) found from the mean and from the best plain trial; and the normal law that fits the weighted
//! successes of the rounds before best (the cross-entropy method; Rubinstein and Kroese 2004). Every draw serves every
//! threshold, with the density of the whole mixture in its weight. Only rounds drawn after the mixture was settled are
//! counted, so that estimates have no bias.

use super::{Estimate, Found, Method, Note, Run, design::design, gaussian::Gaussian};
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use retrial_spec::{Result, rng::Stream};

/// Share of `N(0, I)`.
const DEFENSIVE: f64 = 0.1;
/// Times that the mixture is fitted, and rounds drawn for each.
const FITS: usize = 3;
const ROUNDS_OF_FIT: usize = 2;
/// Rounds that are counted.
const ROUNDS: usize = 8;
/// Effective successes below which a few weights are all there is, and nothing is said.
const FEWEST: f64 = 3.0;
/// Of what a threshold has, the share of the law that fits its successes.
const FITTED: f64 = 0.6;

/// The plain trials of one sample.
pub(super) struct Pilot {
    stream: Stream,
    successes: Vec<u64>,
    trials: u64,
    /// The trial of the least error, `[d]`.
    best: Vec<f32>,
    least: f32,
}

impl Pilot {
    /// What they say.
    pub(super) fn found(&self) -> Found {
        let estimates = self.successes.iter().map(|&c| Estimate::counted(c, self.trials));
        Found { least: self.least, estimates: estimates.collect() }
    }
}

/// Plain trials of all samples.
pub(super) fn pilot(run: &Run<'_>) -> Result<Vec<Pilot>> {
    const WINDOW: usize = 1000;
    let window = run.settings.pilot.clamp(1, WINDOW);
    let new = |&sample: &usize| {
        let pilot = Pilot {
            stream: run.stream(Method::Pilot, sample),
            successes: vec![0; run.thresholds.len()],
            trials: 0,
            best: vec![0.0; run.target.dimensions()],
            least: f32::INFINITY,
        };
        (sample, pilot)
    };
    let mut all: Vec<(usize, Pilot)> = run.samples.iter().map(new).collect();
    let read = |pilot: &mut Pilot, noise: &[f32], errors: &[f32]| {
        for (e, &error) in noise.chunks(pilot.best.len()).zip(errors) {
            if error < pilot.least {
                pilot.least = error;
                pilot.best.copy_from_slice(e);
            }
            for (count, &threshold) in pilot.successes.iter_mut().zip(run.thresholds) {
                *count += u64::from(error < threshold);
            }
        }
        pilot.trials += errors.len() as u64;
    };
    let rounds = run.settings.pilot.div_ceil(window);
    run.rounds(&mut all, (window, rounds), |pilot, noise| pilot.stream.fill_normal(noise), read)?;
    Ok(all.into_iter().map(|(_, pilot)| pilot).collect())
}

/// One draw: its error and `ln` of its weight.
type Draw = (f32, f64);

/// The mixture of one sample, and what was drawn from it.
struct Sampler {
    dimensions: usize,
    stream: Stream,
    /// For each threshold the tilts, none where it is out of reach.
    tilts: Vec<Vec<Gaussian>>,
    /// Number of draws of a round from each law.
    mixture: Vec<(usize, Gaussian)>,
    /// Errors above it count for nothing; infinite while the mixture is fitted.
    limit: f32,
    draws: Vec<Draw>,
    /// While the mixture is fitted, the draws themselves, `[draws, d]`.
    noise: Vec<f32>,
    evaluations: u64,
    least: f32,
}

/// Estimates every threshold of every sample.
pub(super) fn run(run: &Run<'_>, pilots: &[Pilot]) -> Result<Vec<Found>> {
    let width = run.settings.particles;
    let mut slots: Vec<_> = run.samples.iter().copied().zip(pilots).map(|at| (at, None)).collect();
    slots.par_iter_mut().for_each(|((sample, pilot), slot)| {
        // Asked here too: a wide model's designs take a while.
        if !run.observer.cancelled() {
            *slot = Some(Sampler::new(run, *sample, pilot));
        }
    });
    run.go_on()?;
    let mut all: Vec<(usize, Sampler)> = slots.into_iter().filter_map(|((sample, _), s)| Some((sample, s?))).collect();
    for _ in 0..FITS {
        run.rounds(&mut all, (width, ROUNDS_OF_FIT), Sampler::write, Sampler::read)?;
        all.par_iter_mut().for_each(|(_, sampler)| sampler.fit(run.thresholds, width));
    }
    let limit = run.thresholds.iter().copied().fold(0.0, f32::max);
    all.iter_mut().for_each(|(_, sampler)| sampler.limit = limit);
    run.rounds(&mut all, (width, ROUNDS), Sampler::write, Sampler::read)?;
    Ok(all.into_iter().map(|(_, sampler)| sampler.found(run.thresholds, ROUNDS * width)).collect())
}

impl Sampler {
    fn new(run: &Run<'_>, sample: usize, pilot: &Pilot) -> Self {
        let best: Vec<f64> = pilot.best.iter().map(|&v| v.into()).collect();
        let starts = [vec![0.0; best.len()], best];
        let descents = starts.map(|start| design(run.target, sample, &start, 0.0));
        let least = descents.iter().map(|found| found.least.sqrt() as f32).fold(pilot.least, f32::min);
        // From the largest threshold down, each from where the one before was.
        let mut order: Vec<usize> = (0..run.thresholds.len()).collect();
        order.sort_by(|&a, &b| run.thresholds[b].total_cmp(&run.thresholds[a]));
        let mut tilts = vec![vec![]; run.thresholds.len()];
        let mut starts = [vec![0.0; run.target.dimensions()], descents[1].at.clone()];
        for threshold in order {
            let square = f64::from(run.thresholds[threshold]).powi(2);
            if run.thresholds[threshold] <= least {
                continue;
            }
            for start in &mut starts {
                let found = design(run.target, sample, start, square);
                *start = found.at;
                tilts[threshold].extend(found.law);
            }
            if let [one, two] = &tilts[threshold][..]
                && one.mean().iter().zip(two.mean()).map(|(a, b)| (a - b).powi(2)).sum::<f64>() < 0.1
            {
                tilts[threshold].pop();
            }
        }
        let mut sampler = Self {
            dimensions: run.target.dimensions(),
            stream: run.stream(Method::Importance, sample),
            mixture: vec![],
            tilts,
            limit: f32::INFINITY,
            draws: vec![],
            noise: vec![],
            evaluations: 0,
            least,
        };
        sampler.mix(vec![None; run.thresholds.len()], run.settings.particles);
        sampler
    }

    /// Shares out a round of draws.
    fn mix(&mut self, fitted: Vec<Option<Gaussian>>, round: usize) {
        let standard = Gaussian::standard(self.dimensions);
        let reached = self.tilts.iter().filter(|tilts| !tilts.is_empty()).count();
        let mut shares = vec![(if reached == 0 { 1.0 } else { DEFENSIVE }, standard)];
        for (tilts, fitted) in self.tilts.iter().zip(fitted).filter(|(tilts, _)| !tilts.is_empty()) {
            let own = (1.0 - DEFENSIVE) / reached as f64;
            let rest = if fitted.is_some() { (1.0 - FITTED) * own } else { own };
            shares.extend(tilts.iter().map(|law| (rest / tilts.len() as f64, law.clone())));
            shares.extend(fitted.map(|law| (FITTED * own, law)));
        }
        // Whole numbers that add up to the round.
        let (mut sum, mut given) = (0.0, 0);
        self.mixture.clear();
        for (share, law) in shares {
            sum += share;
            let upto = ((sum * round as f64).round() as usize).min(round);
            if upto > given {
                self.mixture.push((upto - given, law));
            }
            given = upto;
        }
    }

    fn write(&mut self, noise: &mut [f32]) {
        self.stream.fill_normal(noise);
        let mut trials = noise.chunks_mut(self.dimensions);
        for (count, law) in &self.mixture {
            trials.by_ref().take(*count).for_each(|z| law.shape(z));
        }
    }

    fn read(&mut self, noise: &[f32], errors: &[f32]) {
        let d = self.dimensions;
        let mut scratch = vec![0.0; d];
        let round = errors.len() as f64;
        let mut logs = vec![0.0; self.mixture.len()];
        for (e, &error) in noise.chunks(d).zip(errors).filter(|(_, error)| **error < self.limit) {
            for (log, (count, law)) in logs.iter_mut().zip(&self.mixture) {
                *log = (*count as f64 / round).ln() + law.ln_density(e, &mut scratch);
            }
            let square: f64 = e.iter().map(|&v| f64::from(v).powi(2)).sum();
            self.draws.push((error, -0.5 * square - ln_sum_exp(&logs)));
            if self.limit.is_infinite() {
                self.noise.extend_from_slice(e);
            }
        }
        self.evaluations += errors.len() as u64;
        self.least = errors.iter().copied().fold(self.least, f32::min);
    }

    /// Fits the mixture to what was drawn since the last time.
    fn fit(&mut self, thresholds: &[f32], round: usize) {
        let mut order: Vec<usize> = (0..self.draws.len()).collect();
        order.sort_by(|&a, &b| self.draws[a].0.total_cmp(&self.draws[b].0));
        let fitted = thresholds.iter().zip(&self.tilts).map(|(&t, tilts)| self.successes(t, &order, tilts.first()?));
        self.mix(fitted.collect(), round);
        self.draws.clear();
        self.noise.clear();
    }

    /// The normal law of the weighted successes; where they are few, of as many more of the least errors as it takes.
    fn successes(&self, threshold: f32, order: &[usize], tilt: &Gaussian) -> Option<Gaussian> {
        let d = self.dimensions;
        let need = 3.0 * d as f64;
        let scale = order.iter().map(|&at| self.draws[at].1).fold(f64::NEG_INFINITY, f64::max);
        let weight = |at: usize| (self.draws[at].1 - scale).exp();
        let (mut sum, mut squares, mut taken) = (0.0, 0.0, 0);
        for &at in order {
            if self.draws[at].0 >= threshold && sum * sum >= need * squares && taken > 2 * d {
                break;
            }
            sum += weight(at);
            squares += weight(at).powi(2);
            taken += 1;
        }
        let effective = sum * sum / squares;
        // NaN where all weights vanish.
        if effective.is_nan() || effective < need {
            return None;
        }
        let rows = || order[..taken].iter().map(|&at| (weight(at) / sum, &self.noise[at * d..][..d]));
        let mut mean = DVector::zeros(d);
        rows().for_each(|(w, e)| mean.iter_mut().zip(e).for_each(|(m, &e)| *m += w * f64::from(e)));
        let mut spread = DMatrix::zeros(d, d);
        for (w, e) in rows() {
            let off = DVector::from_fn(d, |i, _| f64::from(e[i]) - mean[i]);
            spread.ger(w, &off, &off, 1.0);
        }
        // A covariance of few draws is drawn towards the tilt's.
        let trust = effective / (effective + d as f64);
        Gaussian::new(mean.as_slice().to_vec(), spread * trust + tilt.covariance() * (1.0 - trust))
    }

    fn found(self, thresholds: &[f32], counted: usize) -> Found {
        let estimates = thresholds.iter().zip(&self.tilts).map(|(&threshold, tilts)| {
            let logs: Vec<f64> = self.draws.iter().filter(|(e, _)| *e < threshold).map(|(_, ln_w)| *ln_w).collect();
            if logs.is_empty() {
                let note = tilts.is_empty().then_some(Note::NotReached);
                return Estimate::none(1.0, self.evaluations, note);
            }
            let n = counted as f64;
            let squares: Vec<f64> = logs.iter().map(|ln_w| 2.0 * ln_w).collect();
            let ln_sum = ln_sum_exp(&logs);
            // Of the mean of weights, failures among them 0, relative to its square.
            let variance = ((ln_sum_exp(&squares) - 2.0 * ln_sum).exp() - 1.0 / n) * n / (n - 1.0);
            if variance > 1.0 / FEWEST {
                return Estimate::none(1.0, self.evaluations, Some(Note::Few));
            }
            Estimate::new((ln_sum - n.ln()).exp().min(1.0), variance.max(1.0 / (n * n)), self.evaluations)
        });
        Found { least: self.least, estimates: estimates.collect() }
    }
}

/// `ln sum exp`, without overflow. Of at least one term.
fn ln_sum_exp(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + logs.iter().map(|l| (l - most).exp()).sum::<f64>().ln()
}
