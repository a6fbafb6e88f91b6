//! `exp(-a k^-b)` (Brown et al. 2024) as a straight line through `ln(-ln coverage)` against `ln k`.

use super::stretched::{PARAMETERS, coverage};
use crate::{
    Data,
    fit::{
        NoFit,
        curve::fitting_curve,
        family::{By, Family, Gain, Parameter, Values},
        least_squares::log_log,
    },
};

/// The law.
pub(crate) struct LogLog;

impl Family for LogLog {
    fn name(&self) -> &'static str {
        "log-log"
    }

    fn about(&self) -> &'static str {
        "exp(-a k^-b) as a line through ln(-ln coverage) against ln k"
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
        log_log(curve).map(|[a, b]| [a, b, 0.0, 0.0, 0.0])
    }

    fn again(&self, _: &Values, data: &Data, _: Gain) -> Result<Values, NoFit> {
        self.estimate(data, &fitting_curve(data))
    }
}
