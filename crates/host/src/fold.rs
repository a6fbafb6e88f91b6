//! Errors that were read back, folded into rows.

use rayon::prelude::*;
use retrial_spec::{Result, Row};

/// Errors below which threads are not worth their start.
const FEW: usize = 1 << 16;

/// Does `work` for every row of a tally and the number of its sample, on all threads where there are enough `errors` to be
/// worth it.
///
/// # Errors
/// Of the first row, in order, whose work fails.
pub fn fold(rows: &mut [Row], errors: usize, work: impl Fn(usize, &mut Row) -> Result<()> + Sync) -> Result<()> {
    if errors < FEW {
        return rows.iter_mut().enumerate().try_for_each(|(sample, row)| work(sample, row));
    }
    let results: Vec<Result<()>> = rows.par_iter_mut().enumerate().map(|(sample, row)| work(sample, row)).collect();
    results.into_iter().collect()
}

/// The first of a sample's errors that is none: negative, infinite or not a number.
pub fn no_error(errors: &[f32]) -> Option<f32> {
    errors.iter().copied().find(|error| !(*error >= 0.0 && error.is_finite()))
}
