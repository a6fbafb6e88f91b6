//! Curves as they are drawn: where they are measured, and where laws go on.

use retrial_theory::{
    Data,
    coverage::{Point, Scope, log_grid},
};

/// Points per factor of ten of drawn curves.
const PER_DECADE: u32 = 12;

/// The measured curve, with intervals for other problems of the same kind.
pub fn measured(data: &Data) -> Vec<Point> {
    data.curve(&log_grid(data.reach(), PER_DECADE), Scope::Population)
}

/// Where laws are drawn: a factor of ten beyond the attempts.
pub fn beyond(data: &Data) -> Vec<f64> {
    log_grid(data.reach().saturating_mul(10), PER_DECADE).into_iter().map(|k| k as f64).collect()
}
