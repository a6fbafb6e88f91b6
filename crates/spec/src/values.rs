//! Checks of what callers give: lengths, ranges, and sizes of what they ask for.

use crate::{Error, Result};
use std::{fmt::Display, hint::black_box, ops::RangeInclusive};

/// Place of the first value that is not within a range; NaN never is.
pub(crate) fn outside(values: &[f32], range: &RangeInclusive<f32>) -> Option<usize> {
    const BLOCK: usize = 4096;
    // Without an early exit within a block, which a compiler can turn into vectors.
    let fits = |block: &[f32]| block.iter().fold(true, |all, v| all & range.contains(v));
    let block = values.chunks(BLOCK).position(|block| !fits(block))? * BLOCK;
    values[block..].iter().position(|v| !range.contains(v)).map(|at| block + at)
}

/// Refuses a value that is not finite or lies outside a range. `object` is one of the values.
pub(crate) fn within(object: &str, values: &[f32], range: RangeInclusive<f32>) -> Result<()> {
    let Some(at) = outside(values, &range) else { return Ok(()) };
    let limit = format!("must be finite and within {:e} to {:e}", range.start(), range.end());
    Err(Error::input(format!("{object} {at}"), values[at], limit))
}

/// How many rows of `width` values there are: at least one, and nothing left over. `shape` says what they should be.
pub(crate) fn rows(object: &str, values: usize, width: usize, shape: impl Display) -> Result<usize> {
    match values.checked_div(width) {
        Some(rows) if rows >= 1 && rows * width == values => Ok(rows),
        _ => Err(Error::input(object, format!("{values} values"), format!("must be {shape}"))),
    }
}

/// Refuses a result that no memory holds, before anybody asks for it in earnest: a failed allocation ends the process.
pub(crate) fn room<T>(object: &str, shape: &[usize]) -> Result<()> {
    let values = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    // The compiler may not leave the allocation out.
    let granted = |n| black_box(Vec::<T>::new()).try_reserve_exact(black_box(n)).is_ok();
    match values {
        Some(n) if granted(n) => Ok(()),
        _ => {
            let got = format!("{shape:?} values of {} bytes", size_of::<T>());
            Err(Error::input(object, got, "do not fit in memory; ask for fewer at a time"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_outside_is_found_wherever_it_lies() {
        let range = -1.0..=1.0;
        for at in [0, 1, 4095, 4096, 9999] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.000_001] {
                let mut values = vec![1.0; 10_000];
                values[at] = bad;
                values[9_999] = f32::NAN;
                assert_eq!(outside(&values, &range), Some(at));
            }
        }
        assert_eq!(outside(&[-1.0, -0.0, 1.0], &range), None);
    }

    #[test]
    fn rows_are_whole_and_at_least_one() {
        assert_eq!(rows("x", 6, 3, "").unwrap(), 2);
        for (values, width) in [(0, 3), (7, 3), (2, 3), (3, 0), (0, 0), (3, usize::MAX)] {
            assert!(rows("x", values, width, "").unwrap_err().is_input());
        }
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        assert!(room::<f32>("x", &[3, 4, 5]).is_ok());
        assert!(room::<f32>("x", &[1 << 40, 1 << 20]).unwrap_err().to_string().contains("memory"));
        assert!(room::<f32>("x", &[usize::MAX, 2]).is_err());
    }
}
