//! Where laws are drawn.

use retrial_theory::{
    Data,
    coverage::{PER_DECADE, log_grid},
};

/// A factor of ten beyond the attempts.
pub fn beyond(data: &Data) -> Vec<f64> {
    log_grid(data.reach().saturating_mul(10), PER_DECADE).into_iter().map(|k| k as f64).collect()
}
