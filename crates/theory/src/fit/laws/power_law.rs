//! `1 - a k^-b`, what Eq 9 tends to, as a straight line through `ln(1 - coverage)` against `ln k`.

use super::stretched::PARAMETERS;
use crate::{
    Data,
    fit::{
        NoFit,
        curve::fitting_curve,
        family::{By, Family, Gain, Parameter, Values},
        least_squares::power_line,
    },
};

/// The law.
pub(crate) struct PowerLaw;

impl Family for PowerLaw {
    fn name(&self) -> &'static str {
        "power-law"
    }

    fn about(&self) -> &'static str {
        "1 - a k^-b as a line through ln(1 - coverage) against ln k"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &PARAMETERS
    }

    fn by(&self) -> By {
        By::LeastSquares
    }

    fn coverage(&self, &[a, b, ..]: &Values, k: f64) -> f64 {
        (1.0 - a * k.powf(-b)).max(0.0)
    }

    fn estimate(&self, _: &Data, curve: &[(f64, f64)]) -> Result<Values, NoFit> {
        power_line(curve, |value| (1.0 - value).ln()).map(|[a, b]| [a, b, 0.0, 0.0, 0.0])
    }

    fn again(&self, _: &Values, data: &Data, _: Gain) -> Result<Values, NoFit> {
        self.estimate(data, &fitting_curve(data))
    }
}
