//! Eq 12 by least squares on the coverage curve, at the measured mean failure probability.

use crate::{
    Data,
    fit::{
        NoFit,
        curve::fitting_curve,
        family::{By, Family, Gain, Parameter, Range, Values},
        least_squares::eq12_least_squares,
    },
    laws::{coverage, effective_trials},
};

/// The law.
pub(crate) struct Eq12;

impl Family for Eq12 {
    fn name(&self) -> &'static str {
        "eq12"
    }

    fn about(&self) -> &'static str {
        "Eq. 12 on the curve: A (1 - p^H), H the effective trials of exponent a, p measured"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter { name: "A", range: Range::Share },
            Parameter { name: "a", range: Range::Real },
            Parameter { name: "p", range: Range::Share },
        ]
    }

    fn by(&self) -> By {
        By::LeastSquares
    }

    fn coverage(&self, &[max_coverage, exponent, failure, ..]: &Values, k: f64) -> f64 {
        max_coverage * coverage(&[failure], effective_trials(k, exponent))
    }

    fn estimate(&self, data: &Data, curve: &[(f64, f64)]) -> Result<Values, NoFit> {
        // A and a are free.
        if curve.len() < 2 {
            return Err(NoFit::FewPoints);
        }
        let failure = data.failure();
        let fit = eq12_least_squares(&[failure], curve, None, None).map_err(|_| NoFit::FewPoints)?;
        Ok([fit.max_coverage, fit.exponent, failure, 0.0, 0.0])
    }

    fn again(&self, _: &Values, data: &Data, _: Gain) -> Result<Values, NoFit> {
        self.estimate(data, &fitting_curve(data))
    }
}
