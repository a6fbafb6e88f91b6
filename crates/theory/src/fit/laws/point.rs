//! Every sample has the same failure probability.

use crate::{
    Data,
    fit::{
        NoFit,
        family::{By, Family, Gain, Parameter, Range, Sampler, Values},
    },
    laws::coverage,
};

/// The law.
pub(crate) struct Point;

impl Family for Point {
    fn name(&self) -> &'static str {
        "point"
    }

    fn about(&self) -> &'static str {
        "the same failure probability p for every problem"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "p", range: Range::Share }]
    }

    fn by(&self) -> By {
        By::Given
    }

    fn coverage(&self, &[failure, ..]: &Values, k: f64) -> f64 {
        coverage(&[failure], k)
    }

    fn sampler(&self, &[failure, ..]: &Values) -> Option<Sampler> {
        Some(Box::new(move |_| (failure, 1.0 - failure)))
    }

    fn estimate(&self, _: &Data, _: &[(f64, f64)]) -> Result<Values, NoFit> {
        Err(NoFit::Given)
    }

    fn again(&self, _: &Values, _: &Data, _: Gain) -> Result<Values, NoFit> {
        Err(NoFit::Given)
    }
}
