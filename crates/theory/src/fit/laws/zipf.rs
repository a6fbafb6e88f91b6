//! Hutter's features (Eq 1): a sample is feature `i`, met with probability `theta_i`, and succeeds with that probability.

use crate::{
    Data,
    fit::{
        NoFit,
        family::{By, Family, Gain, Parameter, Range, Sampler, Values},
    },
    laws::HutterLaw,
    sampling,
};

/// The law.
pub(crate) struct Zipf;

impl Family for Zipf {
    fn name(&self) -> &'static str {
        "zipf"
    }

    fn about(&self) -> &'static str {
        "Eq. 1: a problem succeeds as often as it is met, by Zipf's law of exponent 1 + alpha"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "alpha", range: Range::Positive }]
    }

    fn by(&self) -> By {
        By::Given
    }

    fn coverage(&self, &[alpha, ..]: &Values, k: f64) -> f64 {
        HutterLaw::new(alpha).map_or(f64::NAN, |law| 1.0 - law.loss(k))
    }

    fn sampler(&self, &[alpha, ..]: &Values) -> Option<Sampler> {
        let law = HutterLaw::new(alpha).ok()?;
        Some(Box::new(move |stream| {
            let success = law.probability(sampling::zipf(1.0 + law.alpha(), stream));
            (1.0 - success, success)
        }))
    }

    fn estimate(&self, _: &Data, _: &[(f64, f64)]) -> Result<Values, NoFit> {
        Err(NoFit::Given)
    }

    fn again(&self, _: &Values, _: &Data, _: Gain) -> Result<Values, NoFit> {
        Err(NoFit::Given)
    }
}
