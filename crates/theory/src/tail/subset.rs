//! Subset simulation (Au and Beck 2001), with moves of preconditioned Crank and Nicolson (Cotter et al. 2013).
//!
//! A population of trials is pushed from level to level: a level is the error that a fifth of it is below; these survive,
//! are drawn from with replacement until the population is whole, and move by `e' = sqrt(1 - b^2) e + b xi`, which keeps
//! `N(0, I)`, staying where they would leave the level. The probability is the product of the shares that survived, and
//! each threshold that a level falls to or below is read off on the way.
//!
//! Moves leave descendants of one trial alike, which a formula for independent trials does not see. How sure the product is
//! shows in its genealogy (Lee and Whiteley, Biometrika 105, 2018): with `n` drawings so far and `m_a` of `M` successes
//! descending from the trial `a` of the first population,
//!
//! ```text
//! A = (W / (W - 1))^(n + 1) (1 - sum_a (m_a / M)^2)
//! ```
//!
//! and `1 - A` estimates the variance relative to the squared estimate while that is small. Level by level, `A` is a product
//! of `1 - v`, where the second moment is one of `1 + v`: so `1 / A - 1` is taken here, which grows without bound as few
//! families are left, where `1 - A` ends at 1.

use super::{Estimate, Found, Method, Note, Run};
use rayon::prelude::*;
use retrial_spec::{Result, rng::Stream};

/// The share that survives a level: near the optimum of `(1 - s) / (s ln(s)^2)`, flat around 0.2.
const SURVIVE: f64 = 0.2;

/// Moves of the whole population at each level.
const MOVES: usize = 8;

/// Probability below which successes are not followed.
const FLOOR: f64 = 1e-18;

/// Share of accepted moves aimed at (Papaioannou et al. 2015).
const ACCEPT: f64 = 0.4;

/// The population of one sample.
struct Population {
    dimensions: usize,
    stream: Stream,
    /// `[W, d]`.
    trials: Vec<f32>,
    /// `[W]`.
    errors: Vec<f32>,
    /// The trial of the first population that each descends from.
    ancestors: Vec<u32>,
    /// Drawings so far.
    drawings: i32,
    /// `ln` of the probability of the level.
    ln_p: f64,
    level: f32,
    /// `b`.
    step: f64,
    evaluations: u64,
    least: f32,
    /// Indices of the thresholds that are left, the largest last.
    left: Vec<usize>,
    found: Vec<Option<Estimate>>,
}

/// Runs until every threshold of every sample is passed or out of reach.
pub(super) fn run(run: &Run<'_>, finished: &dyn Fn(usize)) -> Result<Vec<Found>> {
    let (dimensions, width) = (run.target.dimensions(), run.settings.particles);
    let mut left: Vec<usize> = (0..run.thresholds.len()).collect();
    left.sort_by(|&a, &b| run.thresholds[a].total_cmp(&run.thresholds[b]));
    let new = |&sample: &usize| Population {
        dimensions,
        stream: run.stream(Method::Subset, sample),
        trials: vec![0.0; width * dimensions],
        errors: vec![f32::INFINITY; width],
        ancestors: (0..width as u32).collect(),
        drawings: 0,
        ln_p: 0.0,
        level: f32::INFINITY,
        step: 1.0,
        evaluations: 0,
        least: f32::INFINITY,
        left: left.clone(),
        found: vec![None; run.thresholds.len()],
    };
    let mut all: Vec<Population> = run.samples.iter().map(new).collect();
    // The first population is a move by a whole step from anywhere.
    let mut moves = 1;
    loop {
        let active = run.samples.iter().copied().zip(&mut all).filter(|(_, population)| !population.left.is_empty());
        let mut active: Vec<(usize, &mut Population)> = active.collect();
        if active.is_empty() {
            break;
        }
        run.rounds(
            &mut active,
            (width, moves),
            |p, noise| p.propose(noise),
            |p, noise, errors| p.accept(noise, errors),
        )?;
        active.par_iter_mut().for_each(|(_, population)| population.sink(run.thresholds));
        moves = MOVES;
        finished(all.iter().filter(|population| population.left.is_empty()).count());
    }
    Ok(all.into_iter().map(Population::found).collect())
}

impl Population {
    fn propose(&mut self, noise: &mut [f32]) {
        self.stream.fill_normal(noise);
        let (keep, step) = ((1.0 - self.step * self.step).sqrt() as f32, self.step as f32);
        noise.iter_mut().zip(&self.trials).for_each(|(xi, e)| *xi = keep * e + step * *xi);
    }

    fn accept(&mut self, noise: &[f32], errors: &[f32]) {
        let mut accepted = 0;
        for (at, &error) in errors.iter().enumerate() {
            if error < self.level {
                let own = at * self.dimensions..(at + 1) * self.dimensions;
                self.trials[own.clone()].copy_from_slice(&noise[own]);
                self.errors[at] = error;
                self.least = self.least.min(error);
                accepted += 1;
            }
        }
        self.evaluations += errors.len() as u64;
        if self.drawings > 0 {
            let share = f64::from(accepted) / errors.len() as f64;
            self.step = (self.step * (share - ACCEPT).exp()).min(1.0);
        }
    }

    /// Reads off the thresholds that the next level passes, and draws the population that starts from it.
    fn sink(&mut self, thresholds: &[f32]) {
        let width = self.errors.len();
        let mut sorted = self.errors.clone();
        let rank = (SURVIVE * width as f64).round() as usize;
        let level = *sorted.select_nth_unstable_by(rank, f32::total_cmp).1;
        while let Some(&threshold) = self.left.last()
            && thresholds[threshold] >= level
            && let Some(estimate) = self.estimate(thresholds[threshold])
        {
            self.found[threshold] = Some(estimate);
            self.left.pop();
        }
        if self.left.is_empty() {
            return;
        }
        let survivors: Vec<usize> = (0..width).filter(|&at| self.errors[at] < level).collect();
        let ln_p = self.ln_p + (survivors.len() as f64 / width as f64).ln();
        if ln_p < FLOOR.ln() {
            // Rarer than what is left above the floor, or, where errors are all alike, than what is here.
            let high = self.estimate(level).map_or(self.ln_p.exp(), |e| e.high);
            for threshold in self.left.drain(..) {
                self.found[threshold] = Some(Estimate::none(high, self.evaluations, Some(Note::Below)));
            }
            return;
        }
        let drawn: Vec<usize> =
            (0..width).map(|_| survivors[self.stream.below(survivors.len() as u64) as usize]).collect();
        let d = self.dimensions;
        self.trials = drawn.iter().flat_map(|&at| &self.trials[at * d..][..d]).copied().collect();
        self.errors = drawn.iter().map(|&at| self.errors[at]).collect();
        self.ancestors = drawn.iter().map(|&at| self.ancestors[at]).collect();
        (self.ln_p, self.level) = (ln_p, level);
        self.drawings += 1;
    }

    /// The probability of errors below a threshold within the level; `None` where the population has none.
    fn estimate(&self, threshold: f32) -> Option<Estimate> {
        let width = self.errors.len();
        let mut families = vec![0_u32; width];
        let mut successes = 0_u64;
        for (&error, &ancestor) in self.errors.iter().zip(&self.ancestors) {
            if error < threshold {
                families[ancestor as usize] += 1;
                successes += 1;
            }
        }
        if self.drawings == 0 {
            return (successes > 0).then(|| Estimate::counted(successes, width as u64));
        }
        let count = successes as f64;
        let together = families.iter().map(|&m| (f64::from(m) / count).powi(2)).sum::<f64>();
        let growth = (width as f64 / (width - 1) as f64).powi(self.drawings + 1);
        // Of a single family nothing is known.
        let apart = (growth * (1.0 - together)).clamp(1.0 / width as f64, 1.0);
        let variance = (1.0 / apart - 1.0).max(1.0 / (width as f64).powi(2));
        let p = (self.ln_p + (count / width as f64).ln()).exp();
        (successes > 0).then(|| Estimate::new(p, variance, self.evaluations))
    }

    fn found(self) -> Found {
        let estimates = self.found.into_iter().map(|estimate| {
            let estimate = estimate.unwrap_or(Estimate::none(1.0, 0, None));
            Estimate { evaluations: self.evaluations, ..estimate }
        });
        Found { least: self.least, estimates: estimates.collect() }
    }
}
