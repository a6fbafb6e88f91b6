//! Eq 8 by least squares on the coverage curve, as the paper fits it.

use super::zero_inflated::{Inflated, PARAMETERS, density};
use crate::{
    Data,
    fit::{
        NoFit,
        curve::fitting_curve,
        family::{By, Family, Gain, Mixing, Parameter, Values},
        least_squares::{Eq8Fit, eq8_from, eq8_least_squares},
    },
};

/// The law.
pub(crate) struct Eq8;

impl Family for Eq8 {
    fn name(&self) -> &'static str {
        "eq8"
    }

    fn about(&self) -> &'static str {
        "Eq. 8 on the curve: A (1 - <p^k>) of Beta(alpha, beta)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &PARAMETERS
    }

    fn by(&self) -> By {
        By::LeastSquares
    }

    fn mixing(&self, values: &Values, rest: &Values) -> Option<Box<dyn Mixing>> {
        Inflated::new(values, rest).map(|law| Box::new(law) as Box<dyn Mixing>)
    }

    fn density(&self, values: &Values, p: f64) -> Option<f64> {
        density(values, p)
    }

    fn estimate(&self, _: &Data, curve: &[(f64, f64)]) -> Result<Values, NoFit> {
        eq8_least_squares(curve).map(found).map_err(|_| NoFit::FewPoints)
    }

    fn again(&self, &[alpha, beta, ..]: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
        let fit = eq8_from(&fitting_curve(data), [[alpha, beta]], gain.squares);
        fit.map(found).map_err(|_| NoFit::FewPoints)
    }
}

fn found(fit: Eq8Fit) -> Values {
    [fit.law.alpha(), fit.law.beta(), fit.max_coverage, 0.0, 0.0]
}
