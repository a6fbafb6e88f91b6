//! Rare successes: the probability that one trial succeeds, down to 1e-15, by two methods that share no random number.
//!
//! A trial draws `e ~ N(0, I_d)` and succeeds when its error is below a threshold. A [`Target`] says what errors are; one
//! pass over a set of its samples answers all thresholds:
//!
//! | method | how |
//! |---|---|
//! | [`Method::Pilot`] | plain trials, counted |
//! | [`Method::Importance`] | trials drawn where successes are likely, weighted by how much likelier that made them |
//! | [`Method::Subset`] | a population of trials pushed from level to level of the error, a fifth surviving each |
//! | [`Method::Combined`] | all that give a value, weighted by their precision, and a [`Note`] where they disagree |
//!
//! A sample's results are a function of the target, the seed and the settings: which samples are computed beside it, and on
//! how many threads, changes nothing as long as the target's own errors do not depend on it.

mod combine;
mod coverage;
mod design;
mod gaussian;
mod importance;
mod subset;

#[cfg(test)]
mod exact;
#[cfg(test)]
mod tests;

pub use combine::{Estimate, Method, Note};
pub use coverage::{Reach, TailPoint, tail_coverage};

use rayon::prelude::*;
use retrial_spec::{Error, Observer, Result, rng::Stream};

/// From noise `[S, W, d]` to errors `[S, W]`, of the samples that were made ready.
pub type Errors<'a> = dyn FnMut(&[f32]) -> Result<Vec<f32>> + 'a;

/// What is done with them.
pub type Work<'a> = dyn FnMut(&mut Errors<'_>) -> Result<()> + 'a;

/// The errors of trials, a function of standard normals for each sample.
pub trait Target: Sync {
    /// Normals of one trial, `d`.
    fn dimensions(&self) -> usize;

    /// Makes some samples ready and has `work` done with their errors.
    fn ready(&self, samples: &[usize], work: &mut Work<'_>) -> Result<()>;

    /// The squared error of a sample at `e`, `[d]`.
    fn square(&self, sample: usize, e: &[f64]) -> f64;

    /// The squared error of a sample near `e`, `[d]`.
    fn expand(&self, sample: usize, e: &[f64]) -> Expansion;
}

/// The squared length of residuals `r` near a point, by their Jacobian `J`: `square + 2 slope . h + h . gram h` at a
/// distance `h`, as Gauss and Newton have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expansion {
    /// `r . r`.
    pub square: f64,
    /// `J^T r`, `[d]`.
    pub slope: Vec<f64>,
    /// `J^T J`, `[d, d]`.
    pub gram: Vec<f64>,
}

/// How much to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Trials in the population of subset simulation, at least 100; importance sampling draws as many in each of its
    /// dozen rounds.
    pub particles: usize,
    /// Plain trials per sample that are counted first.
    pub pilot: usize,
    /// Seed of all random numbers. Results do not depend on the number of threads.
    pub seed: u64,
}

/// What is known of one sample.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tail {
    /// The smallest error met anywhere: by descent, by any trial of any method.
    pub least: f64,
    /// Of each threshold, in the order given, the estimates of each method in the order of [`Method::ALL`].
    pub thresholds: Vec<[Estimate; 4]>,
}

/// Estimates the success probability of one trial of some samples, at thresholds in any order. `finished` hears how many
/// samples are done.
///
/// # Errors
/// Those of the target; [`Error::Cancelled`] by the observer, which is asked before each call of the target.
pub fn tails(
    target: &dyn Target,
    samples: &[usize],
    thresholds: &[f32],
    settings: &Settings,
    observer: &dyn Observer,
    finished: &dyn Fn(usize),
) -> Result<Vec<Tail>> {
    let run = Run { target, samples, thresholds, settings, observer };
    let pilots = importance::pilot(&run)?;
    let importance = importance::run(&run, &pilots)?;
    let subset = subset::run(&run, finished)?;
    let all = pilots.iter().zip(&importance).zip(&subset);
    Ok(all.map(|((p, i), s)| combine::tail(thresholds, &p.found(), i, s)).collect())
}

/// What the methods are given.
struct Run<'a> {
    target: &'a dyn Target,
    samples: &'a [usize],
    thresholds: &'a [f32],
    settings: &'a Settings,
    observer: &'a dyn Observer,
}

/// What one method found of one sample.
struct Found {
    least: f32,
    estimates: Vec<Estimate>,
}

impl Run<'_> {
    /// The random numbers of one method for one sample. Methods have keys of their own, each a word of the seed.
    fn stream(&self, method: Method, sample: usize) -> Stream {
        const TAIL: u32 = 0x7461_0000;
        let key = Stream::new(self.settings.seed, TAIL + method as u32).next_u64();
        Stream::new(key, sample as u32)
    }

    /// Stops where the observer says so.
    fn go_on(&self) -> Result<()> {
        if self.observer.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Has each of `states`, one per listed sample, write noise `[W, d]`, and read the errors `[W]` it gave, `rounds` times.
    fn rounds<S: Send>(
        &self,
        states: &mut [(usize, S)],
        (trials, rounds): (usize, usize),
        write: impl Fn(&mut S, &mut [f32]) + Sync,
        read: impl Fn(&mut S, &[f32], &[f32]) + Sync,
    ) -> Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        let width = trials * self.target.dimensions();
        let mut noise = vec![0.0; states.len() * width];
        let listed: Vec<usize> = states.iter().map(|(sample, _)| *sample).collect();
        self.target.ready(&listed, &mut |errors| {
            for _ in 0..rounds {
                self.go_on()?;
                states
                    .par_iter_mut()
                    .zip(noise.par_chunks_mut(width))
                    .for_each(|((_, state), noise)| write(state, noise));
                let errors = errors(&noise)?;
                let made = noise.par_chunks(width).zip(errors.par_chunks(trials));
                states.par_iter_mut().zip(made).for_each(|((_, state), (noise, errors))| read(state, noise, errors));
            }
            Ok(())
        })
    }
}
