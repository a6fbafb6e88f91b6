//! The laws that have a likelihood, in coordinates without bounds.

use super::{
    Kind, Law,
    quadrature::{Kumaraswamy, Scaled, ln_likelihood, solved},
};
use crate::{
    Data,
    laws::BetaLaw,
    sampling,
    special::{digamma_rise, ln_largest_binomial, ln_rising_ratio, one_minus_exp},
};
use retrial_spec::rng::Stream;

/// As many coordinates as the law with most has. A law with fewer has no slope in the others.
pub type Point = [f64; 5];
/// Derivatives by the coordinates.
pub type Gradient = [f64; 5];
/// No derivatives.
pub const NONE: Gradient = [0.0; 5];

/// A law that mixes binomial ones, ready to be evaluated. Shares come with `1 - share`.
#[derive(Clone, Copy, Debug)]
pub enum Mixing {
    /// Coordinates: `ln alpha`, `ln beta`.
    Beta(BetaLaw),
    /// Coordinates: `ln alpha`, `ln beta`, log odds of `A`.
    ZeroInflated([f64; 2], BetaLaw),
    /// Coordinates: `ln alpha`, `ln beta`, log odds of `A`.
    Scaled(Scaled),
    /// Coordinates: `ln alpha`, `ln beta`.
    Kumaraswamy(Kumaraswamy),
    /// Coordinates: `ln alpha`, `ln beta` of the first and of the second, log odds of the first's share.
    TwoBetas([f64; 2], [BetaLaw; 2]),
}

impl Mixing {
    /// The law at a point; `None` where a parameter overflows, and for laws without a likelihood.
    pub fn at(kind: Kind, [a, b, c, d, e]: Point) -> Option<Self> {
        let beta = |a: f64, b: f64| BetaLaw::new(a.exp(), b.exp()).ok();
        let share = |odds: f64| [1.0 / (1.0 + (-odds).exp()), 1.0 / (1.0 + odds.exp())];
        match kind {
            Kind::Beta => beta(a, b).map(Self::Beta),
            Kind::ZeroInflated => beta(a, b).map(|law| Self::ZeroInflated(share(c), law)),
            Kind::ScaledBeta => beta(a, b).map(|law| Self::Scaled(Scaled::new(share(c), law))),
            Kind::Kumaraswamy => {
                let law = beta(a, b)?;
                Some(Self::Kumaraswamy(Kumaraswamy { alpha: law.alpha(), beta: law.beta() }))
            }
            Kind::TwoBetas => Some(Self::TwoBetas(share(e), [beta(a, b)?, beta(c, d)?])),
            _ => None,
        }
    }

    /// A law made ready; `None` for laws without a likelihood.
    pub fn of(law: &Law) -> Option<Self> {
        let share = |share: f64| [share, 1.0 - share];
        match *law {
            Law::Beta(law) => Some(Self::Beta(law)),
            Law::ZeroInflated(a, law) => Some(Self::ZeroInflated(share(a), law)),
            Law::ScaledBeta(a, law) => Some(Self::Scaled(Scaled::new(share(a), law))),
            Law::Kumaraswamy(alpha, beta) => Some(Self::Kumaraswamy(Kumaraswamy { alpha, beta })),
            Law::TwoBetas(a, laws) => Some(Self::TwoBetas(share(a), laws)),
            _ => None,
        }
    }

    /// The point of a law, whose log odds are kept in `[-LIMIT, LIMIT]`; `None` for laws without a likelihood.
    pub fn point(law: &Law) -> Option<(Kind, Point)> {
        /// Beyond, a share is nearly all or nothing, and nearly without slope.
        const LIMIT: f64 = 4.0;
        let odds = |share: f64| (share / (1.0 - share)).ln().clamp(-LIMIT, LIMIT);
        let point = match *law {
            Law::Beta(law) => [law.alpha().ln(), law.beta().ln(), 0.0, 0.0, 0.0],
            Law::ZeroInflated(share, law) | Law::ScaledBeta(share, law) => {
                [law.alpha().ln(), law.beta().ln(), odds(share), 0.0, 0.0]
            }
            Law::Kumaraswamy(alpha, beta) => [alpha.ln(), beta.ln(), 0.0, 0.0, 0.0],
            Law::TwoBetas(share, [one, two]) => {
                [one.alpha().ln(), one.beta().ln(), two.alpha().ln(), two.beta().ln(), odds(share)]
            }
            _ => return None,
        };
        Some((law.kind(), point))
    }

    /// The law with its parameters.
    pub fn law(&self) -> Law {
        match *self {
            Self::Beta(law) => Law::Beta(law),
            Self::ZeroInflated([share, _], law) => Law::ZeroInflated(share, law),
            Self::Scaled(scaled) => Law::ScaledBeta(scaled.scale[0], scaled.law),
            Self::Kumaraswamy(law) => Law::Kumaraswamy(law.alpha, law.beta),
            Self::TwoBetas([share, rest], [one, two]) => {
                if one.mean() >= two.mean() {
                    Law::TwoBetas(share, [one, two])
                } else {
                    Law::TwoBetas(rest, [two, one])
                }
            }
        }
    }

    /// `ln` of the probability of `c` successes in `n` trials, binomial coefficient included, and its derivatives by
    /// the coordinates.
    pub fn ln_probability(&self, n: f64, c: f64) -> (f64, Gradient) {
        let mut by = NONE;
        match self {
            Self::Beta(law) => {
                let ln;
                (ln, [by[0], by[1]]) = beta_binomial(law, n, c);
                (ln, by)
            }
            Self::ZeroInflated([share, rest], law) => {
                let (ln, d) = beta_binomial(law, n, c);
                if c > 0.0 {
                    [by[0], by[1], by[2]] = [d[0], d[1], *rest];
                    return (share.ln() + ln, by);
                }
                let solvable = share * ln.exp();
                let whole = rest + solvable;
                let part = solvable / whole;
                // d share = share (1 - share) d odds.
                let by_odds = share * rest * (ln.exp() - 1.0) / whole;
                [by[0], by[1], by[2]] = [part * d[0], part * d[1], by_odds];
                (whole.ln(), by)
            }
            Self::Scaled(family) => {
                let (ln, by) = ln_likelihood(family, c, n - c);
                (ln_largest_binomial(n, c) + ln, by)
            }
            Self::Kumaraswamy(family) => {
                let (ln, by) = ln_likelihood(family, c, n - c);
                (ln_largest_binomial(n, c) + ln, by)
            }
            Self::TwoBetas([share, rest], laws) => {
                let [(one, d_one), (two, d_two)] = [&laws[0], &laws[1]].map(|law| beta_binomial(law, n, c));
                let top = one.max(two);
                let [one, two] = [share * (one - top).exp(), rest * (two - top).exp()];
                let part = one / (one + two);
                by = [
                    part * d_one[0],
                    part * d_one[1],
                    (1.0 - part) * d_two[0],
                    (1.0 - part) * d_two[1],
                    part * rest - (1.0 - part) * share,
                ];
                (top + (one + two).ln(), by)
            }
        }
    }

    /// Coverage of `k` trials, to its own last digits where it is small, and its derivatives.
    pub fn coverage(&self, k: f64) -> (f64, Gradient) {
        if k == 0.0 {
            return (0.0, NONE);
        }
        let beta = |law: &BetaLaw| {
            let [by_alpha, by_beta] = law.ln_loss_gradient(k);
            let loss = law.loss(k);
            (one_minus_exp(law.ln_loss(k)), [-loss * by_alpha * law.alpha(), -loss * by_beta * law.beta()])
        };
        match self {
            Self::Beta(law) => {
                let (value, [a, b]) = beta(law);
                (value, [a, b, 0.0, 0.0, 0.0])
            }
            Self::ZeroInflated([share, rest], law) => {
                let (value, [a, b]) = beta(law);
                (share * value, [share * a, share * b, share * rest * value, 0.0, 0.0])
            }
            Self::Scaled(family) => solved(family, k),
            Self::Kumaraswamy(family) => solved(family, k),
            Self::TwoBetas([share, rest], [one, two]) => {
                let ((one, [a, b]), (two, [c, d])) = (beta(one), beta(two));
                let by = [share * a, share * b, rest * c, rest * d, share * rest * (one - two)];
                (share * one + rest * two, by)
            }
        }
    }

    /// Draws `(failure, success)` of a sample.
    pub fn sample(&self, stream: &mut Stream) -> (f64, f64) {
        let beta = |law: &BetaLaw, stream: &mut Stream| sampling::beta(law.alpha(), law.beta(), stream);
        match self {
            Self::Beta(law) => beta(law, stream),
            Self::ZeroInflated([share, _], law) => {
                if stream.uniform() < *share {
                    beta(law, stream)
                } else {
                    (1.0, 0.0)
                }
            }
            Self::Scaled(family) => {
                let (failure, success) = beta(&family.law, stream);
                let [scale, rest] = family.scale;
                (rest + scale * failure, scale * success)
            }
            Self::Kumaraswamy(law) => {
                // Y has the distribution function 1 - (1-y)^alpha.
                let ln_y = one_minus_exp((1.0 - stream.uniform()).ln() / law.alpha).ln();
                (one_minus_exp(ln_y / law.beta), (ln_y / law.beta).exp())
            }
            Self::TwoBetas([share, _], [one, two]) => {
                let law = if stream.uniform() < *share { one } else { two };
                beta(law, stream)
            }
        }
    }
}

/// The negative log likelihood at a point, and its gradient; infinite where there is no law.
pub fn nll_at(kind: Kind, data: &Data, point: Point) -> (f64, Gradient) {
    Mixing::at(kind, point).map_or((f64::INFINITY, NONE), |law| negative_log_likelihood(&law, data))
}

/// The negative log likelihood in nats, binomial coefficients included, and its gradient.
pub fn negative_log_likelihood(law: &Mixing, data: &Data) -> (f64, Gradient) {
    let (mut sum, mut gradient) = (data.orders(), NONE);
    for (s, weight) in data.cells() {
        let (ln, by) = law.ln_probability(s.trials() as f64, s.successes() as f64);
        sum -= weight * ln;
        gradient.iter_mut().zip(by).for_each(|(sum, by)| *sum -= weight * by);
    }
    if sum.is_nan() || gradient.iter().any(|g| !g.is_finite()) { (f64::INFINITY, NONE) } else { (sum, gradient) }
}

/// `ln` of a beta-binomial probability and its derivatives by `ln alpha` and `ln beta`:
/// `W(beta, c) W(alpha, n-c) / W(alpha + beta, n)` with `W(x, m) = Gamma(x+m) / (Gamma(x) m!)`.
fn beta_binomial(law: &BetaLaw, n: f64, c: f64) -> (f64, [f64; 2]) {
    let (alpha, beta, failures) = (law.alpha(), law.beta(), n - c);
    if c == 0.0 {
        let [by_alpha, by_beta] = law.ln_loss_gradient(n);
        return (law.ln_loss(n), [by_alpha * alpha, by_beta * beta]);
    }
    let ln = ln_weight(beta, c) + ln_weight(alpha, failures) - ln_weight(alpha + beta, n);
    let common = digamma_rise(alpha + beta, n);
    let by_alpha = digamma_rise(alpha, failures) - common;
    let by_beta = digamma_rise(beta, c) - common;
    (ln, [by_alpha * alpha, by_beta * beta])
}

/// `ln W(x, m)`.
fn ln_weight(x: f64, m: f64) -> f64 {
    if x < 1.0 { ln_rising_ratio(x, 1.0 - x, m) } else { -ln_rising_ratio(1.0, x - 1.0, m) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [(Kind, Point); 7] = [
        (Kind::Beta, [1.5, -1.0, 0.0, 0.0, 0.0]),
        (Kind::ZeroInflated, [1.5, -1.0, 0.7, 0.0, 0.0]),
        (Kind::ScaledBeta, [1.5, -1.0, -0.3, 0.0, 0.0]),
        (Kind::ScaledBeta, [3.0, -3.0, 2.0, 0.0, 0.0]),
        (Kind::Kumaraswamy, [1.5, -1.0, 0.0, 0.0, 0.0]),
        (Kind::Kumaraswamy, [-0.5, 0.4, 0.0, 0.0, 0.0]),
        (Kind::TwoBetas, [1.5, -1.0, 0.3, 0.9, -0.4]),
    ];

    #[test]
    fn probabilities_sum_to_one() {
        for (kind, point) in POINTS {
            let law = Mixing::at(kind, point).unwrap();
            for n in [1, 7, 60] {
                let sum: f64 = (0..=n).map(|c| law.ln_probability(f64::from(n), f64::from(c)).0.exp()).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{kind:?} {n}: {sum}");
            }
        }
    }

    #[test]
    fn coverage_is_the_complement_of_no_success() {
        for (kind, point) in POINTS {
            let law = Mixing::at(kind, point).unwrap();
            for k in [1.0, 30.0, 1e4, 1e9] {
                let (none, value) = (law.ln_probability(k, 0.0).0.exp(), law.coverage(k).0);
                assert!((none + value - 1.0).abs() < 1e-9, "{kind:?} {k}: {none} + {value}");
            }
        }
    }

    /// Against differences, for counts of every size.
    #[test]
    fn gradients_are_the_slopes() {
        for (kind, point) in POINTS {
            for (n, c) in [(50.0, 0.0), (50.0, 3.0), (50.0, 50.0), (1e4, 0.0), (1e4, 1.0), (1e4, 7000.0), (1e9, 40.0)] {
                let at = |point| {
                    let law = Mixing::at(kind, point).unwrap();
                    [law.ln_probability(n, c), law.coverage(n)]
                };
                for i in 0..5 {
                    let moved = |by: f64| {
                        let mut point = point;
                        point[i] += by;
                        at(point)
                    };
                    let (here, ahead, behind) = (at(point), moved(1e-4), moved(-1e-4));
                    for what in 0..2 {
                        let slope = (ahead[what].0 - behind[what].0) / 2e-4;
                        let got = here[what].1[i];
                        assert!(
                            (slope - got).abs() < 1e-5 * got.abs().max(1.0),
                            "{kind:?} {n} {c} {i}: {got}, not {slope}"
                        );
                    }
                }
            }
        }
    }
}
