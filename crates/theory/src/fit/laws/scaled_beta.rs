//! The success probability is a scale times a Beta variable (Schaeffer et al. 2025).

use crate::{
    Data,
    coverage::Counts,
    fit::{
        NoFit,
        family::{By, Family, Gain, Gradient, Mixing, NONE, Parameter, Point, Range, Values},
        quadrature::{self, Node, Nodes, logistic},
        search,
    },
    laws::BetaLaw,
    sampling,
    special::{digamma_rise, ln_beta},
};
use retrial_spec::rng::Stream;

/// The law.
pub(crate) struct ScaledBeta;

impl Family for ScaledBeta {
    fn name(&self) -> &'static str {
        "scaled-beta"
    }

    fn about(&self) -> &'static str {
        "success probabilities are a scale times a Beta variable (Schaeffer et al. 2025)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter { name: "alpha", range: Range::Positive },
            Parameter { name: "beta", range: Range::Positive },
            Parameter { name: "scale", range: Range::Share },
        ]
    }

    fn by(&self) -> By {
        By::Likelihood
    }

    fn mixing(&self, &[alpha, beta, scale, ..]: &Values, rest: &Values) -> Option<Box<dyn Mixing>> {
        let law = BetaLaw::new(alpha, beta).ok()?;
        let digamma = [digamma_rise(alpha, beta), digamma_rise(beta, alpha)];
        Some(Box::new(Scaled { scale: [scale, rest[2]], law, ln_beta: ln_beta(alpha, beta), digamma }))
    }

    fn density(&self, &[alpha, beta, scale, ..]: &Values, p: f64) -> Option<f64> {
        Some(BetaLaw::new(alpha, beta).ok()?.density(1.0 - (1.0 - p) / scale) / scale)
    }

    fn narrower(&self) -> Option<&'static str> {
        Some("beta-binomial")
    }

    fn estimate(&self, data: &Data, _: &[(f64, f64)]) -> Result<Values, NoFit> {
        search::from_beta(self, data, |law| starts(data, law))
    }

    fn again(&self, near: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
        search::again(self, near, data, gain)
    }
}

/// Scales from hardly any to as small as the largest success rate allows, with the mean as it is.
fn starts(data: &Data, law: &BetaLaw) -> Vec<Point> {
    let (alpha, beta) = (law.alpha(), law.beta());
    let rate = |s: &Counts| s.successes() as f64 / s.trials() as f64;
    let largest = data.cells().iter().map(|(s, _)| rate(s)).fold(0.0, f64::max);
    let scale = |share: f64| {
        let scale = (largest * (1.0 - share) + share).clamp(1e-12, 0.999);
        let alpha = beta * (scale * (alpha + beta) / beta - 1.0);
        [alpha.max(0.1).ln(), beta.ln(), (scale / (1.0 - scale)).ln(), 0.0, 0.0]
    };
    [0.95, 0.4, 0.02].map(scale).to_vec()
}

/// The law, ready to be evaluated.
struct Scaled {
    /// The scale and what it leaves of 1.
    scale: [f64; 2],
    /// The law of the failure probability, were it not scaled.
    law: BetaLaw,
    ln_beta: f64,
    /// `psi(alpha + beta) - psi(alpha)`, and with `psi(beta)`.
    digamma: [f64; 2],
}

impl Nodes for Scaled {
    fn scale(&self, _: f64) -> f64 {
        1.0
    }

    fn node(&self, u: f64) -> Node {
        let ([ln_x, ln_y], [x, y]) = logistic(u);
        let ([scale, rest], alpha, beta) = (self.scale, self.law.alpha(), self.law.beta());
        let success = scale * x;
        let mut by_success = NONE;
        by_success[2] = success * rest;
        let mut by_weight = NONE;
        by_weight[0] = alpha * (ln_y + self.digamma[0]);
        by_weight[1] = beta * (ln_x + self.digamma[1]);
        Node {
            success,
            failure: rest + scale * y,
            ln_failure: if success < 0.5 { (-success).ln_1p() } else { (rest + scale * y).ln() },
            ln_weight: beta * ln_x + alpha * ln_y - self.ln_beta,
            slope: [y, beta * y - alpha * x],
            by_success,
            by_weight,
        }
    }
}

impl Mixing for Scaled {
    fn ln_probability(&self, n: f64, c: f64) -> (f64, Gradient) {
        quadrature::ln_probability(self, n, c)
    }

    fn coverage(&self, k: f64) -> (f64, Gradient) {
        quadrature::solved(self, k)
    }

    fn sample(&self, stream: &mut Stream) -> (f64, f64) {
        let (failure, success) = sampling::beta(self.law.alpha(), self.law.beta(), stream);
        let [scale, rest] = self.scale;
        (rest + scale * failure, scale * success)
    }
}
