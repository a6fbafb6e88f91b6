//! The log odds of success are normal: what a logistic model with a random effect per sample says.

use crate::{
    Data,
    coverage::Counts,
    fit::{
        NoFit,
        family::{By, Family, Gain, Gradient, Mixing, NONE, Parameter, Point, Range, Values},
        quadrature::{self, Node, Nodes, logistic},
        search,
    },
    sampling,
};
use retrial_spec::rng::Stream;
use std::f64::consts::PI;

/// The law.
pub(crate) struct LogitNormal;

impl Family for LogitNormal {
    fn name(&self) -> &'static str {
        "logit-normal"
    }

    fn about(&self) -> &'static str {
        "log odds of success are normal with mean mu and standard deviation sigma"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "mu", range: Range::Real }, Parameter { name: "sigma", range: Range::Positive }]
    }

    fn by(&self) -> By {
        By::Likelihood
    }

    fn mixing(&self, &[mu, sigma, ..]: &Values, _: &Values) -> Option<Box<dyn Mixing>> {
        let fine = Range::Real.holds(mu) && Range::Positive.holds(sigma);
        fine.then(|| Box::new(Law { mu, sigma }) as Box<dyn Mixing>)
    }

    fn density(&self, &[mu, sigma, ..]: &Values, p: f64) -> Option<f64> {
        let z = (((1.0 - p) / p).ln() - mu) / sigma;
        Some((-0.5 * z * z).exp() / ((2.0 * PI).sqrt() * sigma * p * (1.0 - p)))
    }

    fn estimate(&self, data: &Data, _: &[(f64, f64)]) -> Result<Values, NoFit> {
        search::from_beta(self, data, |_| starts(data))
    }

    fn again(&self, near: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
        search::again(self, near, data, gain)
    }
}

/// The mean of the log odds of the success rates, and from their spread to several times less and more: rates of unsolved
/// samples say only that theirs are low.
fn starts(data: &Data) -> Vec<Point> {
    let odds = |s: &Counts| ((s.successes() as f64 + 0.5) / (s.failures() as f64 + 0.5)).ln();
    let mean = |of: &dyn Fn(&Counts) -> f64| {
        data.cells().iter().map(|(s, weight)| weight * of(s)).sum::<f64>() / data.samples()
    };
    let mu = mean(&odds);
    let sigma = mean(&|s| (odds(s) - mu).powi(2)).sqrt().max(0.1);
    [(0.0, 0.4), (0.0, 1.0), (-1.0, 2.0), (-2.0, 3.0)]
        .map(|(lower, wider)| [mu + lower * sigma, (wider * sigma).ln(), 0.0, 0.0, 0.0])
        .to_vec()
}

/// The law, ready to be evaluated.
struct Law {
    mu: f64,
    sigma: f64,
}

impl Nodes for Law {
    fn scale(&self, _: f64) -> f64 {
        1.0
    }

    fn node(&self, u: f64) -> Node {
        let ([_, ln_failure], [success, failure]) = logistic(u);
        let z = (u - self.mu) / self.sigma;
        let mut by_weight = NONE;
        by_weight[0] = z / self.sigma;
        by_weight[1] = z * z - 1.0;
        Node {
            success,
            failure,
            ln_failure,
            ln_weight: -0.5 * (z * z + (2.0 * PI).ln()) - self.sigma.ln(),
            slope: [failure, -z / self.sigma],
            by_success: NONE,
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
        let (_, [success, failure]) = logistic(self.mu + self.sigma * sampling::normal(stream));
        (failure, success)
    }
}
