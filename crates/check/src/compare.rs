use crate::{Agreement, Fault};
use std::ops::RangeInclusive;

/// How far a value may be from the reference: `absolute + relative |reference|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Absolute part, in the unit of the values.
    pub absolute: f64,
    /// Relative part.
    pub relative: f64,
}

impl Tolerance {
    /// Half a unit in the last place of f32: the relative error of one rounding.
    pub const F32: f64 = 5.960_464_477_539_063e-8;

    /// The bound at one reference value.
    pub fn at(self, want: f64) -> f64 {
        self.absolute + self.relative * want.abs()
    }
}

/// Compares values element by element.
///
/// Lengths must match, every value must be finite, every difference must be within the tolerance, and the normalised
/// mean square error must be below the square of what the tolerance allows on average, so that many values that are
/// all just within their bounds in the same direction do not pass for rounding.
pub fn compare<T: Copy + Into<f64>>(got: &[T], want: &[f64], tolerance: Tolerance) -> Result<Agreement, Fault> {
    compare_by(got, want, |_, want, _| tolerance.at(want))
}

/// As [`compare`], with a bound for each value: of its place, the reference, and the difference, for bounds that are dear
/// where a cheap one does.
pub(crate) fn compare_by<T: Copy + Into<f64>>(
    got: &[T],
    want: &[f64],
    bound: impl Fn(usize, f64, f64) -> f64,
) -> Result<Agreement, Fault> {
    if got.len() != want.len() {
        return Err(Fault::Length { got: got.len(), want: want.len() });
    }
    let (mut agreement, mut square, mut allowed) = (Agreement { used: 0.0, max_error: 0.0 }, 0.0, 0.0);
    for (at, (&got, &want)) in got.iter().zip(want).enumerate() {
        let got: f64 = got.into();
        let error = (got - want).abs();
        let bound = bound(at, want, error);
        if !(got.is_finite() && error <= bound) {
            return Err(Fault::Value { at, got, want, allowed: bound });
        }
        agreement.used = agreement.used.max(if bound > 0.0 { error / bound } else { 0.0 });
        agreement.max_error = agreement.max_error.max(error);
        square += error * error;
        allowed += bound * bound;
    }
    if got.len() >= 64 && square > 0.25 * allowed {
        let mean = |sum: f64| (sum / got.len() as f64).sqrt();
        return Err(Fault::Bias { got: mean(square), allowed: 0.5 * mean(allowed) });
    }
    Ok(agreement)
}

/// What a threshold may report of one sample when errors are only known to within a bound.
///
/// A trial certainly succeeds when the reference error is below `threshold - bound` and certainly fails when it is not
/// below `threshold + bound`; in between, either answer is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// The threshold.
    pub threshold: f32,
    /// Possible success counts.
    pub successes: RangeInclusive<u64>,
    /// Earliest and latest possible first success, trials from 0; `None` is never.
    pub first_success: (Option<u64>, Option<u64>),
}

impl Band {
    /// The band of one sample's reference errors, trials `first..`.
    pub fn new(errors: &[f64], first: u64, threshold: f32, tolerance: Tolerance) -> Self {
        let count = |limit: f64| errors.iter().filter(|&&e| e < limit).count() as u64;
        let find = |limit: f64| errors.iter().position(|&e| e < limit).map(|at| first + at as u64);
        let (middle, bound) = (f64::from(threshold), tolerance.at(threshold.into()));
        Self {
            threshold,
            successes: count(middle - bound)..=count(middle + bound),
            first_success: (find(middle + bound), find(middle - bound)),
        }
    }

    /// Checks the count and the first success that were reported of a sample.
    pub fn check(&self, sample: usize, successes: u64, first_success: Option<u64>) -> Result<(), Fault> {
        let threshold = self.threshold;
        if !self.successes.contains(&successes) {
            return Err(Fault::Successes { sample, threshold, got: successes, allowed: self.successes.clone() });
        }
        // Never comes after every trial.
        let order = |first: Option<u64>| first.unwrap_or(u64::MAX);
        let (earliest, latest) = self.first_success;
        if !(order(earliest)..=order(latest)).contains(&order(first_success)) {
            return Err(Fault::FirstSuccess { sample, threshold, got: first_success, allowed: self.first_success });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Tolerance = Tolerance { absolute: 0.0, relative: 1e-6 };

    fn pair() -> (Vec<f32>, Vec<f64>) {
        let want: Vec<f64> = (0..500).map(|i| 1.0 + f64::from(i) / 7.0).collect();
        (want.iter().map(|&v| v as f32).collect(), want)
    }

    #[test]
    fn rounding_passes() {
        let (got, want) = pair();
        let agreement = compare(&got, &want, TOLERANCE).unwrap();
        assert!(agreement.used > 0.0 && agreement.used < 0.1, "{agreement:?}");
    }

    #[test]
    fn a_flipped_bit_fails() {
        let (mut got, want) = pair();
        got[137] = f32::from_bits(got[137].to_bits() ^ 1 << 8);
        assert!(matches!(compare(&got, &want, TOLERANCE), Err(Fault::Value { at: 137, .. })));
    }

    #[test]
    fn a_nan_or_infinity_fails() {
        for bad in [f32::NAN, f32::INFINITY] {
            let (mut got, want) = pair();
            got[3] = bad;
            assert!(compare(&got, &want, Tolerance { absolute: 1e30, relative: 1.0 }).is_err());
        }
        assert!(compare(&[1.0], &[f64::NAN], TOLERANCE).is_err());
    }

    #[test]
    fn an_off_by_one_tile_fails() {
        let (got, want) = pair();
        let shifted: Vec<f32> = got[1..].iter().chain(&got[..1]).copied().collect();
        assert!(compare(&shifted, &want, TOLERANCE).is_err());
        assert!(compare(&got[..499], &want, TOLERANCE).is_err());
    }

    #[test]
    fn zeros_fail() {
        let (got, want) = pair();
        assert!(compare(&vec![0.0; got.len()], &want, TOLERANCE).is_err());
    }

    #[test]
    fn a_bias_within_every_bound_fails() {
        let (_, want) = pair();
        let biased: Vec<f32> = want.iter().map(|&v| (v * (1.0 + 0.9e-6)) as f32).collect();
        assert!(matches!(compare(&biased, &want, TOLERANCE), Err(Fault::Bias { .. })));
    }

    #[test]
    fn the_band_allows_only_ambiguous_trials_to_differ() {
        let tolerance = Tolerance { absolute: 0.01, relative: 0.0 };
        let band = Band::new(&[2.0, 1.005, 0.5, 0.995, 3.0], 10, 1.0, tolerance);
        assert_eq!(band.successes, 1..=3);
        assert_eq!(band.first_success, (Some(11), Some(12)));
        assert!(band.check(0, 2, Some(11)).is_ok() && band.check(0, 1, Some(12)).is_ok());
        assert!(band.check(0, 4, Some(11)).is_err() && band.check(0, 0, Some(12)).is_err());
        assert!(
            band.check(0, 2, Some(10)).is_err()
                && band.check(0, 2, Some(13)).is_err()
                && band.check(0, 2, None).is_err()
        );
        let never = Band::new(&[2.0], 0, 1.0, tolerance);
        assert!(never.check(0, 0, None).is_ok() && never.check(0, 0, Some(0)).is_err());
    }
}
