//! `pass_at_k`: counts successes, from which pass@k is estimated.

use crate::rows;
use std::collections::BTreeMap;

/// What happened to one sample at one threshold, read off its errors one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Trials with an error below the threshold.
    pub successes: u64,
    /// The first of them, trials from 0.
    pub first_success: Option<u64>,
}

/// Outcomes `[N, thresholds]` of errors `[N, W]`, trials `first..first + W`.
pub fn pass_at_k(errors: &[f32], samples: usize, first: u64, thresholds: &[f32]) -> Vec<Outcome> {
    let window = rows(errors.len(), samples);
    let mut outcomes = vec![];
    for i in 0..samples {
        for &threshold in thresholds {
            let mut outcome = Outcome { successes: 0, first_success: None };
            for j in 0..window {
                if errors[i * window + j] < threshold {
                    outcome.successes += 1;
                    if outcome.first_success.is_none() {
                        outcome.first_success = Some(first + j as u64);
                    }
                }
            }
            outcomes.push(outcome);
        }
    }
    outcomes
}

/// Every trial whose error is below those of all trials before it, `(trial, error)`, of one sample's errors `[W]`.
pub fn records(errors: &[f32], first: u64) -> Vec<(u64, f32)> {
    let mut records = vec![];
    let mut least = f32::INFINITY;
    for j in 0..errors.len() {
        if errors[j] < least {
            least = errors[j];
            records.push((first + j as u64, least));
        }
    }
    records
}

/// The earliest of the trials with the largest of one sample's errors `[W]`, and that error.
pub fn worst(errors: &[f32], first: u64) -> Option<(u64, f32)> {
    let mut worst: Option<(u64, f32)> = None;
    for j in 0..errors.len() {
        if worst.is_none_or(|(_, most)| errors[j] > most) {
            worst = Some((first + j as u64, errors[j]));
        }
    }
    worst
}

/// How many of one sample's errors `[W]` share their upper 16 bits, by these bits.
pub fn histogram(errors: &[f32]) -> BTreeMap<u32, u64> {
    let mut bins = BTreeMap::new();
    for j in 0..errors.len() {
        *bins.entry(errors[j].to_bits() / 65536).or_default() += 1;
    }
    bins
}
