//! A mixture of two Beta laws, the one of the lower success probability first.

use crate::{
    Data,
    coverage::Counts,
    fit::{
        NoFit, beta,
        family::{By, Family, Gain, Gradient, Mixing, Parameter, Point, Range, Values},
        search,
    },
    laws::BetaLaw,
    npmle::{Solver, Tilt},
    sampling,
};
use retrial_spec::rng::Stream;

/// The law.
pub(crate) struct TwoBetas;

impl Family for TwoBetas {
    fn name(&self) -> &'static str {
        "two-betas"
    }

    fn about(&self) -> &'static str {
        "a share is Beta(alpha, beta), the rest Beta(alpha2, beta2)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter { name: "alpha", range: Range::Positive },
            Parameter { name: "beta", range: Range::Positive },
            Parameter { name: "alpha2", range: Range::Positive },
            Parameter { name: "beta2", range: Range::Positive },
            Parameter { name: "share", range: Range::Share },
        ]
    }

    fn by(&self) -> By {
        By::Likelihood
    }

    fn mixing(&self, &[a, b, c, d, share]: &Values, rest: &Values) -> Option<Box<dyn Mixing>> {
        let laws = [BetaLaw::new(a, b).ok()?, BetaLaw::new(c, d).ok()?];
        Some(Box::new(Mixture { shares: [share, rest[4]], laws }))
    }

    fn density(&self, &[a, b, c, d, share]: &Values, p: f64) -> Option<f64> {
        let [one, two] = [BetaLaw::new(a, b).ok()?, BetaLaw::new(c, d).ok()?];
        Some(share * one.density(p) + (1.0 - share) * two.density(p))
    }

    fn estimate(&self, data: &Data, _: &[(f64, f64)]) -> Result<Values, NoFit> {
        search::from_beta(self, data, |_| starts(data))
    }

    fn again(&self, near: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
        search::again(self, near, data, gain)
    }

    fn spelt(&self, values: Values) -> Values {
        let [a, b, c, d, share] = values;
        // By the mean failure probability.
        if a / (a + b) >= c / (c + d) { values } else { [c, d, a, b, 1.0 - share] }
    }
}

/// Two parts of the samples, by success rate: halves, the easiest few, and between any two clusters of the NPMLE.
fn starts(data: &Data) -> Vec<Point> {
    let shares = [0.3, 0.5, 0.7, 0.9, 0.95, 0.98].map(|share| split(&rates(data), share));
    let clusters = clusters(data);
    let mut below = 0.0;
    let between = clusters.iter().map(|(_, weight)| {
        below += weight;
        split(&clusters, below)
    });
    shares.into_iter().chain(between).flatten().collect()
}

/// Success rates and shares of the samples, increasing.
fn rates(data: &Data) -> Vec<(f64, f64)> {
    let rate = |s: &Counts| (s.successes() as f64 + 0.5) / (s.trials() as f64 + 1.0);
    let mut rates: Vec<_> = data.cells().iter().map(|(s, weight)| (rate(s), weight / data.samples())).collect();
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    rates
}

/// The same by the NPMLE, found roughly: rates without the noise of the trials.
fn clusters(data: &Data) -> Vec<(f64, f64)> {
    let free = Solver::new(data.cells(), 0.0).solve(Tilt::default(), &[], 0.05 / data.samples(), false);
    free.atoms.iter().map(|&(angle, weight)| (angle.sin().powi(2), weight)).collect()
}

/// The start of a mixture whose first law describes the `share` of samples with the lowest success rates, or the nearest
/// share that leaves something to either law.
fn split(rates: &[(f64, f64)], share: f64) -> Option<Point> {
    let mut below = 0.0;
    let lowest = rates.iter().take_while(|(_, weight)| {
        below += weight;
        below <= share + 1e-9
    });
    let at = lowest.count().clamp(1, rates.len().checked_sub(1).filter(|&most| most > 0)?);
    let (low, high) = rates.split_at(at);
    let moments = |part: &[(f64, f64)]| {
        let total: f64 = part.iter().map(|(_, weight)| weight).sum();
        let mean = (part.iter().map(|(rate, weight)| rate * weight).sum::<f64>() / total).clamp(1e-9, 1.0 - 1e-9);
        let variance = part.iter().map(|(rate, weight)| (rate - mean).powi(2) * weight).sum::<f64>() / total;
        // Of a Beta law: mean (1 - mean) / (alpha + beta + 1).
        let sum = (mean * (1.0 - mean) / variance - 1.0).clamp(0.5, 1e3);
        (total, [((1.0 - mean) * sum).ln(), (mean * sum).ln()])
    };
    let ((one, [a, b]), (two, [c, d])) = (moments(low), moments(high));
    Some([a, b, c, d, (one / two).ln()])
}

/// The law, ready to be evaluated.
struct Mixture {
    /// Of the first law and of the second.
    shares: [f64; 2],
    laws: [BetaLaw; 2],
}

impl Mixing for Mixture {
    fn ln_probability(&self, n: f64, c: f64) -> (f64, Gradient) {
        let [(one, d_one), (two, d_two)] = self.laws.each_ref().map(|law| beta::ln_probability(law, n, c));
        let [share, rest] = self.shares;
        let top = one.max(two);
        let [one, two] = [share * (one - top).exp(), rest * (two - top).exp()];
        let part = one / (one + two);
        let by = [
            part * d_one[0],
            part * d_one[1],
            (1.0 - part) * d_two[0],
            (1.0 - part) * d_two[1],
            part * rest - (1.0 - part) * share,
        ];
        (top + (one + two).ln(), by)
    }

    fn coverage(&self, k: f64) -> (f64, Gradient) {
        let [(one, [a, b]), (two, [c, d])] = self.laws.each_ref().map(|law| beta::coverage(law, k));
        let [share, rest] = self.shares;
        (share * one + rest * two, [share * a, share * b, rest * c, rest * d, share * rest * (one - two)])
    }

    fn sample(&self, stream: &mut Stream) -> (f64, f64) {
        let law = &self.laws[usize::from(stream.uniform() >= self.shares[0])];
        sampling::beta(law.alpha(), law.beta(), stream)
    }
}
