//! Eq 8 by maximum likelihood: a share `1 - A` of samples cannot be solved, the others have Beta(alpha, beta).

use crate::{
    Data,
    fit::{
        NoFit, beta,
        family::{By, Family, Gain, Gradient, Mixing, Parameter, Range, Values},
        likelihood::{Outcome, likeliest, likeliest_share},
    },
    laws::BetaLaw,
    sampling,
};
use retrial_spec::rng::Stream;

/// The law.
pub(crate) struct ZeroInflated;

impl Family for ZeroInflated {
    fn name(&self) -> &'static str {
        "zero-inflated"
    }

    fn about(&self) -> &'static str {
        "Eq. 8: a share 1 - A cannot be solved, the others are Beta(alpha, beta)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &PARAMETERS
    }

    fn by(&self) -> By {
        By::Likelihood
    }

    fn mixing(&self, values: &Values, rest: &Values) -> Option<Box<dyn Mixing>> {
        Inflated::new(values, rest).map(|law| Box::new(law) as Box<dyn Mixing>)
    }

    fn density(&self, values: &Values, p: f64) -> Option<f64> {
        density(values, p)
    }

    fn narrower(&self) -> Option<&'static str> {
        Some("beta-binomial")
    }

    fn estimate(&self, data: &Data, _: &[(f64, f64)]) -> Result<Values, NoFit> {
        found(likeliest(data.cells(), likeliest_share, None, 0.0))
    }

    fn again(&self, &[alpha, beta, ..]: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
        found(likeliest(data.cells(), likeliest_share, BetaLaw::new(alpha, beta).ok(), gain.nats))
    }
}

fn found(outcome: Outcome) -> Result<Values, NoFit> {
    outcome.into_law().map(|(share, law)| [law.alpha(), law.beta(), share, 0.0, 0.0])
}

/// Those of Eq 8.
pub(crate) const PARAMETERS: [Parameter; 3] = [
    Parameter { name: "alpha", range: Range::Positive },
    Parameter { name: "beta", range: Range::Positive },
    Parameter { name: "A", range: Range::Share },
];

/// The density of Eq 8; it integrates to `A`.
pub(crate) fn density(&[alpha, beta, share, ..]: &Values, p: f64) -> Option<f64> {
    Some(share * BetaLaw::new(alpha, beta).ok()?.density(p))
}

/// Eq 8, ready to be evaluated.
pub(crate) struct Inflated {
    /// What can be solved, and what cannot.
    shares: [f64; 2],
    law: BetaLaw,
}

impl Inflated {
    /// The law of `alpha`, `beta` and `A`.
    pub(crate) fn new(&[alpha, beta, share, ..]: &Values, rest: &Values) -> Option<Self> {
        Some(Self { shares: [share, rest[2]], law: BetaLaw::new(alpha, beta).ok()? })
    }
}

impl Mixing for Inflated {
    fn ln_probability(&self, n: f64, c: f64) -> (f64, Gradient) {
        let (ln, [a, b, odds]) = beta::ln_inflated(self.shares, &self.law, n, c);
        (ln, [a, b, odds, 0.0, 0.0])
    }

    fn coverage(&self, k: f64) -> (f64, Gradient) {
        let ((value, [a, b]), [share, rest]) = (beta::coverage(&self.law, k), self.shares);
        (share * value, [share * a, share * b, share * rest * value, 0.0, 0.0])
    }

    fn sample(&self, stream: &mut Stream) -> (f64, f64) {
        match stream.uniform() < self.shares[0] {
            true => sampling::beta(self.law.alpha(), self.law.beta(), stream),
            false => (1.0, 0.0),
        }
    }
}
