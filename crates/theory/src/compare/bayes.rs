//! Bayes@N: what the success rate of one attempt is, by Bayes' rule under a uniform prior.

use super::Pairs;
use crate::{coverage::Counts, normal};
use serde::Serialize;

/// The mean over problems of the success probability of one attempt: its posterior mean and standard deviation where the
/// probability of every problem is uniform beforehand (Hariri et al. 2025, "Don't Pass@k", arXiv 2510.04265). Of these
/// problems: it knows no others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bayes {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
}

impl Bayes {
    /// From counts and the number of problems that have them.
    pub fn new<'c>(counts: impl IntoIterator<Item = (&'c Counts, f64)>) -> Self {
        let (mut problems, mut mean, mut variance) = (0.0, 0.0, 0.0);
        for (s, weight) in counts {
            // Beta(c + 1, n - c + 1).
            let [yes, no] = [s.successes(), s.failures()].map(|count| count as f64 + 1.0);
            let all = yes + no;
            problems += weight;
            mean += weight * yes / all;
            variance += weight * yes * no / (all * all * (all + 1.0));
        }
        Self { mean: mean / problems, deviation: variance.sqrt() / problems }
    }
}

/// Bayes@N of two models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Better {
    /// Of the first and of the second.
    pub of: [Bayes; 2],
    /// The probability that the first has the higher success rate on these problems, by a normal law of the difference.
    pub probability: f64,
}

impl Pairs {
    /// Bayes@N of both, and which is better.
    pub fn bayes(&self) -> Better {
        let of = [0, 1].map(|side| Bayes::new(self.cells.iter().map(move |(pair, weight)| (&pair[side], *weight))));
        let [a, b] = of;
        Better { of, probability: normal::below((a.mean - b.mean) / a.deviation.hypot(b.deviation)) }
    }
}
