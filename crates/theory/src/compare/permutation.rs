//! Tests of a difference without a law: outcomes dealt to the two models again.

use super::Pairs;
use crate::{
    coverage::{Counts, unbiased},
    fit::Settings,
    hypergeometric, normal, parallel,
};
use retrial_spec::{Observer, Result, rng::Stream};
use serde::Serialize;

/// Two-sided p-values of the difference of pass@k at one `k`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PValues {
    /// Attempts.
    pub k: u64,
    /// That on each of these problems both succeed equally often: every problem's successes are dealt at random to the
    /// attempts of the two. With one attempt each it is McNemar's exact test.
    pub these: f64,
    /// That problems of this kind favour neither: differences change sign at random. Of one problem there is none.
    pub others: Option<f64>,
}

/// So many problems are dealt again and again; the sum over more of them is normal with the variance that dealing has.
pub const MAX_DEALT: f64 = 5000.0;
/// Random streams from here on, one for each [`REPLICATES_PER_STREAM`] of the replicates: of attempts, and of problems.
const STREAMS: [u32; 2] = [u32::from_be_bytes([b'd', 0, 0, 0]), u32::from_be_bytes([b'f', 0, 0, 0])];
/// Replicates of one stream.
const REPLICATES_PER_STREAM: u64 = 100;

/// The differences that one distinct pair can have: the successes of both dealt at random to its attempts.
struct Deals {
    /// Cumulative probabilities, the last 1.
    below: Vec<f64>,
    /// The difference at each `k` for each outcome.
    differences: Vec<Vec<f64>>,
    problems: u64,
}

impl Deals {
    fn new([a, b]: &[Counts; 2], problems: f64, ks: &[u64]) -> Self {
        let (na, nb) = (a.trials(), b.trials());
        let c = a.successes() + b.successes();
        let chances = hypergeometric::chances(na + nb, c, na);
        let mut total = 0.0;
        let mut below: Vec<f64> = chances
            .iter()
            .map(|(_, chance)| {
                total += chance;
                total
            })
            .collect();
        if let Some(last) = below.last_mut() {
            *last = 1.0;
        }
        let value = |n: u64, c: u64, k: u64| unbiased(n, c, k).unwrap_or(f64::NAN);
        let difference = |x: u64| ks.iter().map(|&k| value(na, x, k) - value(nb, c - x, k)).collect();
        Self { below, differences: chances.iter().map(|&(x, _)| difference(x)).collect(), problems: problems as u64 }
    }

    fn draw(&self, stream: &mut Stream) -> &[f64] {
        if self.below.len() == 1 {
            return &self.differences[0];
        }
        let at = stream.uniform();
        &self.differences[self.below.partition_point(|&below| below <= at)]
    }

    /// The variance at the `at`-th k.
    fn variance(&self, at: usize) -> f64 {
        let weights = self.below.iter().scan(0.0, |before, &below| {
            let weight = below - *before;
            *before = below;
            Some(weight)
        });
        // Its mean is zero: both estimates are unbiased.
        weights.zip(&self.differences).map(|(weight, values)| weight * values[at].powi(2)).sum()
    }
}

impl Pairs {
    /// Tests of the difference at every `k` up to the [reach](Self::reach), by as many random deals as `settings` ask for; with more than
    /// [`MAX_DEALT`] problems by the normal law with the same variance. The same seed gives the same numbers. A p-value of
    /// random deals is never below `1 / (replicates + 1)`, and holds its level exactly (Phipson and Smyth 2010).
    pub fn permutation(&self, ks: &[u64], settings: &Settings, observer: &dyn Observer) -> Result<Vec<PValues>> {
        let ks: Vec<u64> = ks.iter().copied().filter(|&k| k <= self.reach()).collect();
        let values: Vec<Vec<[f64; 2]>> = ks.iter().filter_map(|&k| self.values(k)).collect();
        // Of each distinct pair, at each k.
        let found: Vec<Vec<f64>> =
            (0..self.cells.len()).map(|cell| values.iter().map(|at| at[cell][0] - at[cell][1]).collect()).collect();
        let mut sums = vec![0.0; ks.len()];
        for (differences, (_, weight)) in found.iter().zip(&self.cells) {
            add(&mut sums, differences, *weight);
        }
        let deals: Vec<Deals> = self.cells.iter().map(|(pair, weight)| Deals::new(pair, *weight, &ks)).collect();
        let few = self.problems() <= MAX_DEALT;
        let [these, others] = if few {
            let dealt = |stream: &mut Stream, sums: &mut [f64]| {
                for deals in &deals {
                    (0..deals.problems).for_each(|_| add(sums, deals.draw(stream), 1.0));
                }
            };
            let flipped = |stream: &mut Stream, sums: &mut [f64]| {
                for (differences, (_, weight)) in found.iter().zip(&self.cells) {
                    let ups = (0..*weight as u64).filter(|_| stream.uniform() < 0.5).count() as f64;
                    add(sums, differences, 2.0 * ups - weight);
                }
            };
            [
                exceeded(&sums, STREAMS[0], settings, observer, &dealt)?,
                exceeded(&sums, STREAMS[1], settings, observer, &flipped)?,
            ]
        } else {
            let variances = |of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
                let at = |k: usize| self.cells.iter().enumerate().map(|(i, (_, weight))| weight * of(i, k)).sum();
                (0..ks.len()).map(at).collect()
            };
            [variances(&|cell, k| deals[cell].variance(k)), variances(&|cell, k| found[cell][k].powi(2))]
                .map(|variances| sums.iter().zip(variances).map(|(sum, variance)| two_sided(*sum, variance)).collect())
        };
        let one = self.problems() <= 1.0;
        let row = |((k, these), others): ((u64, f64), f64)| PValues { k, these, others: (!one).then_some(others) };
        Ok(ks.into_iter().zip(these).zip(others).map(row).collect())
    }
}

/// Adds differences so many times.
fn add(sums: &mut [f64], differences: &[f64], times: f64) {
    sums.iter_mut().zip(differences).for_each(|(sum, difference)| *sum += times * difference);
}

/// How often, and once more, random sums are as far from zero as those that were found.
fn exceeded(
    found: &[f64],
    stream: u32,
    settings: &Settings,
    observer: &dyn Observer,
    draw: &(dyn Fn(&mut Stream, &mut [f64]) + Sync),
) -> Result<Vec<f64>> {
    let replicates = u64::from(settings.replicates);
    // A stream a piece, so that threads change nothing.
    let piece = |piece: u64| {
        let mut stream = Stream::new(settings.seed, stream.wrapping_add(piece as u32));
        let (mut count, mut sums) = (vec![0u64; found.len()], vec![0.0; found.len()]);
        for _ in 0..REPLICATES_PER_STREAM.min(replicates - piece * REPLICATES_PER_STREAM) {
            sums.fill(0.0);
            draw(&mut stream, &mut sums);
            for ((count, sum), found) in count.iter_mut().zip(&sums).zip(found) {
                // Sums in another order are equal to rounding only.
                *count += u64::from(sum.abs() >= found.abs() - 1e-9 * (1.0 + found.abs()));
            }
        }
        count
    };
    let pieces = replicates.div_ceil(REPLICATES_PER_STREAM);
    let counts = parallel::map(pieces, ("permutation tests", "hundred deals"), observer, piece)?;
    let share = |at: usize| (1 + counts.iter().map(|count| count[at]).sum::<u64>()) as f64 / (replicates + 1) as f64;
    Ok((0..found.len()).map(share).collect())
}

/// The p-value of a normal sum.
fn two_sided(sum: f64, variance: f64) -> f64 {
    if variance > 0.0 { (2.0 * normal::below(-sum.abs() / variance.sqrt())).min(1.0) } else { 1.0 }
}
