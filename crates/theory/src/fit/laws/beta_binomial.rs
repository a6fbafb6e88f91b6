//! Eq 8 with `A = 1`: every sample can be solved, and its failure probability is Beta(alpha, beta).

use crate::{
    Data,
    fit::{
        NoFit, beta,
        family::{By, Family, Gain, Gradient, Mixing, Parameter, Range, Values},
        likelihood::{Outcome, all_solvable, likeliest},
    },
    laws::BetaLaw,
    sampling,
};
use retrial_spec::rng::Stream;

/// The law.
pub(crate) struct BetaBinomial;

impl Family for BetaBinomial {
    fn name(&self) -> &'static str {
        "beta-binomial"
    }

    fn about(&self) -> &'static str {
        "Eq. 8 with A = 1: failure probabilities are Beta(alpha, beta)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "alpha", range: Range::Positive }, Parameter { name: "beta", range: Range::Positive }]
    }

    fn by(&self) -> By {
        By::Likelihood
    }

    fn mixing(&self, [alpha, beta, ..]: &Values, _: &Values) -> Option<Box<dyn Mixing>> {
        Some(Box::new(BetaLaw::new(*alpha, *beta).ok()?))
    }

    fn density(&self, [alpha, beta, ..]: &Values, p: f64) -> Option<f64> {
        Some(BetaLaw::new(*alpha, *beta).ok()?.density(p))
    }

    fn estimate(&self, data: &Data, _: &[(f64, f64)]) -> Result<Values, NoFit> {
        found(likeliest(data.cells(), all_solvable, None, 0.0))
    }

    fn again(&self, &[alpha, beta, ..]: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
        found(likeliest(data.cells(), all_solvable, BetaLaw::new(alpha, beta).ok(), gain.nats))
    }
}

fn found(outcome: Outcome) -> Result<Values, NoFit> {
    outcome.into_law().map(|(_, law)| [law.alpha(), law.beta(), 0.0, 0.0, 0.0])
}

impl Mixing for BetaLaw {
    fn ln_probability(&self, n: f64, c: f64) -> (f64, Gradient) {
        let (ln, [a, b]) = beta::ln_probability(self, n, c);
        (ln, [a, b, 0.0, 0.0, 0.0])
    }

    fn coverage(&self, k: f64) -> (f64, Gradient) {
        let (value, [a, b]) = beta::coverage(self, k);
        (value, [a, b, 0.0, 0.0, 0.0])
    }

    fn sample(&self, stream: &mut Stream) -> (f64, f64) {
        sampling::beta(self.alpha(), self.beta(), stream)
    }
}
