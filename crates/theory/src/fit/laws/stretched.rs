//! `exp(-a k^-b)` (Brown et al. 2024) by least squares on the coverage curve.

use crate::{
    Data,
    fit::{
        NoFit,
        curve::fitting_curve,
        family::{By, Family, Gain, Parameter, Range, Values},
        least_squares::{log_log, stretched_from},
    },
};

/// The law.
pub(crate) struct Stretched;

impl Family for Stretched {
    fn name(&self) -> &'static str {
        "stretched"
    }

    fn about(&self) -> &'static str {
        "exp(-a k^-b) on the curve (Brown et al. 2024)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &PARAMETERS
    }

    fn by(&self) -> By {
        By::LeastSquares
    }

    fn coverage(&self, values: &Values, k: f64) -> f64 {
        coverage(values, k)
    }

    fn estimate(&self, _: &Data, curve: &[(f64, f64)]) -> Result<Values, NoFit> {
        Ok(from(curve, log_log(curve)?, 0.0))
    }

    fn again(&self, &[a, b, ..]: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
        Ok(from(&fitting_curve(data), [a, b], gain.squares))
    }
}

fn from(curve: &[(f64, f64)], start: [f64; 2], gain: f64) -> Values {
    let [a, b] = stretched_from(curve, start.map(|x| x.max(1e-6)), gain);
    [a, b, 0.0, 0.0, 0.0]
}

/// `a` and `b`.
pub(crate) const PARAMETERS: [Parameter; 2] =
    [Parameter { name: "a", range: Range::Positive }, Parameter { name: "b", range: Range::Real }];

/// `exp(-a k^-b)`.
pub(crate) fn coverage(&[a, b, ..]: &Values, k: f64) -> f64 {
    (-a * k.powf(-b)).exp()
}
