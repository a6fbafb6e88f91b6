//! The success probability is `Y^(1/beta)` for a Beta(1, alpha) variable `Y`: Kumaraswamy's law.

use crate::{
    Data,
    fit::{
        NoFit,
        family::{By, Family, Gain, Gradient, Mixing, NONE, Parameter, Point, Range, Values},
        quadrature::{self, Node, Nodes, logistic},
        search,
    },
    laws::BetaLaw,
    special::{ln_beta, one_minus_exp},
};
use retrial_spec::rng::Stream;

/// The law.
pub(crate) struct Kumaraswamy;

impl Family for Kumaraswamy {
    fn name(&self) -> &'static str {
        "kumaraswamy"
    }

    fn about(&self) -> &'static str {
        "success probabilities are (1 - U^(1/alpha))^(1/beta) for uniform U"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "alpha", range: Range::Positive }, Parameter { name: "beta", range: Range::Positive }]
    }

    fn by(&self) -> By {
        By::Likelihood
    }

    fn mixing(&self, &[alpha, beta, ..]: &Values, _: &Values) -> Option<Box<dyn Mixing>> {
        let fine = [alpha, beta].into_iter().all(|value| Range::Positive.holds(value));
        fine.then(|| Box::new(Law { alpha, beta }) as Box<dyn Mixing>)
    }

    fn density(&self, &[alpha, beta, ..]: &Values, p: f64) -> Option<f64> {
        let success = 1.0 - p;
        Some(alpha * beta * success.powf(beta - 1.0) * (1.0 - success.powf(beta)).powf(alpha - 1.0))
    }

    fn estimate(&self, data: &Data, _: &[(f64, f64)]) -> Result<Values, NoFit> {
        search::from_beta(self, data, starts)
    }

    fn again(&self, near: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
        search::again(self, near, data, gain)
    }
}

/// The density of small success probabilities and of small failure probabilities, each as the Beta law has it.
fn starts(law: &BetaLaw) -> Vec<Point> {
    let (alpha, beta) = (law.alpha(), law.beta());
    let tail = -(beta.ln() + ln_beta(alpha, beta));
    vec![[tail, beta.ln(), 0.0, 0.0, 0.0], [alpha.ln(), beta.ln(), 0.0, 0.0, 0.0]]
}

/// The law, ready to be evaluated.
struct Law {
    /// The exponent of success probabilities near 1.
    alpha: f64,
    /// The exponent of small success probabilities.
    beta: f64,
}

impl Nodes for Law {
    fn scale(&self, n: f64) -> f64 {
        (self.beta / one_minus_exp(-self.beta * n.max(3.0).ln())).min(1.0)
    }

    fn node(&self, u: f64) -> Node {
        let ([ln_x, ln_y], [x, y]) = logistic(u);
        let ln_success = ln_x / self.beta;
        let (success, failure) = (ln_success.exp(), one_minus_exp(ln_success));
        let mut by_success = NONE;
        by_success[1] = -success * ln_success;
        let mut by_weight = NONE;
        by_weight[0] = 1.0 + self.alpha * ln_y;
        Node {
            success,
            failure,
            ln_failure: if success < 0.5 { (-success).ln_1p() } else { failure.ln() },
            ln_weight: self.alpha.ln() + ln_x + self.alpha * ln_y,
            slope: [y / self.beta, y - self.alpha * x],
            by_success,
            by_weight,
        }
    }
}

impl Mixing for Law {
    fn ln_probability(&self, n: f64, c: f64) -> (f64, Gradient) {
        quadrature::ln_probability(self, n, c)
    }

    fn coverage(&self, k: f64) -> (f64, Gradient) {
        quadrature::solved(self, k)
    }

    fn sample(&self, stream: &mut Stream) -> (f64, f64) {
        // Y has the distribution function 1 - (1-y)^alpha.
        let ln_y = one_minus_exp((1.0 - stream.uniform()).ln() / self.alpha).ln();
        (one_minus_exp(ln_y / self.beta), (ln_y / self.beta).exp())
    }
}
