//! All laws in one type.

use super::mixing::Mixing;
use crate::laws::{BetaLaw, coverage, effective_trials};

/// A kind of law and the way it is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Kind {
    /// Eq 8 by least squares on the coverage curve.
    Eq8,
    /// Eq 8 with `A = 1` by maximum likelihood: the beta-binomial law.
    Beta,
    /// Eq 8 by maximum likelihood: a share `1 - A` of samples cannot be solved.
    ZeroInflated,
    /// The success probability is `A` times a Beta variable (Schaeffer et al. 2025), by maximum likelihood.
    ScaledBeta,
    /// The success probability is Kumaraswamy(beta, alpha), by maximum likelihood.
    Kumaraswamy,
    /// A mixture of two Beta laws, by maximum likelihood.
    TwoBetas,
    /// `exp(-a k^-b)` (Brown et al. 2024) by least squares on the coverage curve.
    Stretched,
    /// The same law as a straight line through `ln(-ln coverage)` against `ln k`.
    LogLog,
    /// `1 - a k^-b`, what Eq 9 tends to, as a straight line through `ln(1 - coverage)` against `ln k`.
    PowerLaw,
    /// Eq 12 by least squares on the coverage curve, at the measured mean failure probability.
    Eq12,
}

impl Kind {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 10] = [
        Self::Eq8,
        Self::Beta,
        Self::ZeroInflated,
        Self::ScaledBeta,
        Self::Kumaraswamy,
        Self::TwoBetas,
        Self::Stretched,
        Self::LogLog,
        Self::PowerLaw,
        Self::Eq12,
    ];

    /// Its name in tables, files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eq8 => "eq8",
            Self::Beta => "beta-binomial",
            Self::ZeroInflated => "zero-inflated",
            Self::ScaledBeta => "scaled-beta",
            Self::Kumaraswamy => "kumaraswamy",
            Self::TwoBetas => "two-betas",
            Self::Stretched => "stretched",
            Self::LogLog => "log-log",
            Self::PowerLaw => "power-law",
            Self::Eq12 => "eq12",
        }
    }

    /// Whether it is fitted by maximum likelihood (else by least squares).
    pub fn by_likelihood(self) -> bool {
        !matches!(self, Self::Eq8 | Self::Stretched | Self::LogLog | Self::PowerLaw | Self::Eq12)
    }
}

/// A law with its parameters. `alpha` and `beta` are of the *failure* probability, as in the paper: `beta` is the
/// exponent of the hard tail.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub enum Law {
    /// Eq 8, `A` and the Beta law, by least squares.
    Eq8(f64, BetaLaw),
    /// Eq 8 with `A = 1`.
    Beta(BetaLaw),
    /// Eq 8, `A` and the Beta law, by maximum likelihood.
    ZeroInflated(f64, BetaLaw),
    /// The scale of the success probability and the Beta law.
    ScaledBeta(f64, BetaLaw),
    /// `1-p = (1 - U^(1/alpha))^(1/beta)` for uniform `U`.
    Kumaraswamy(f64, f64),
    /// The share of the first Beta law, and both, the one of the lower success probability first.
    TwoBetas(f64, [BetaLaw; 2]),
    /// `a` and `b` of `exp(-a k^-b)`, by least squares.
    Stretched(f64, f64),
    /// `a` and `b` of `exp(-a k^-b)`, by a line.
    LogLog(f64, f64),
    /// `a` and `b` of `1 - a k^-b`.
    PowerLaw(f64, f64),
    /// `A`, the mean failure probability, and the exponent of Eq 11.
    Eq12(f64, f64, f64),
}

impl Law {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Eq8(..) => Kind::Eq8,
            Self::Beta(..) => Kind::Beta,
            Self::ZeroInflated(..) => Kind::ZeroInflated,
            Self::ScaledBeta(..) => Kind::ScaledBeta,
            Self::Kumaraswamy(..) => Kind::Kumaraswamy,
            Self::TwoBetas(..) => Kind::TwoBetas,
            Self::Stretched(..) => Kind::Stretched,
            Self::LogLog(..) => Kind::LogLog,
            Self::PowerLaw(..) => Kind::PowerLaw,
            Self::Eq12(..) => Kind::Eq12,
        }
    }

    /// Coverage of `k >= 0` trials per sample.
    pub fn coverage(&self, k: f64) -> f64 {
        match *self {
            Self::Eq8(max_coverage, law) | Self::ZeroInflated(max_coverage, law) => law.coverage(k, max_coverage),
            Self::Beta(law) => law.coverage(k, 1.0),
            Self::Stretched(a, b) | Self::LogLog(a, b) => (-a * k.powf(-b)).exp(),
            Self::PowerLaw(a, b) => (1.0 - a * k.powf(-b)).max(0.0),
            Self::Eq12(max_coverage, failure, exponent) => {
                max_coverage * coverage(&[failure], effective_trials(k, exponent))
            }
            Self::ScaledBeta(..) | Self::Kumaraswamy(..) | Self::TwoBetas(..) => {
                Mixing::of(self).map_or(f64::NAN, |law| law.coverage(k).0)
            }
        }
    }

    /// Its parameters by name, in a fixed order: "A", "alpha", "beta", "a", "b", "scale", "share", "alpha2", "beta2",
    /// "p" (the mean failure probability of Eq 12, measured and not fitted).
    pub fn parameters(&self) -> Vec<(&'static str, f64)> {
        match *self {
            Self::Eq8(max_coverage, law) | Self::ZeroInflated(max_coverage, law) => {
                vec![("A", max_coverage), ("alpha", law.alpha()), ("beta", law.beta())]
            }
            Self::Beta(law) => vec![("alpha", law.alpha()), ("beta", law.beta())],
            Self::ScaledBeta(scale, law) => vec![("alpha", law.alpha()), ("beta", law.beta()), ("scale", scale)],
            Self::Kumaraswamy(alpha, beta) => vec![("alpha", alpha), ("beta", beta)],
            Self::TwoBetas(share, [one, two]) => vec![
                ("alpha", one.alpha()),
                ("beta", one.beta()),
                ("share", share),
                ("alpha2", two.alpha()),
                ("beta2", two.beta()),
            ],
            Self::Stretched(a, b) | Self::LogLog(a, b) | Self::PowerLaw(a, b) => vec![("a", a), ("b", b)],
            Self::Eq12(max_coverage, failure, exponent) => vec![("A", max_coverage), ("a", exponent), ("p", failure)],
        }
    }

    /// A parameter by name.
    pub fn parameter(&self, name: &str) -> Option<f64> {
        self.parameters().into_iter().find(|(of, _)| *of == name).map(|(_, value)| value)
    }

    /// The density of the failure probability at `p` in `(0, 1)`, where the law has one. Where only a share `A` of the
    /// samples can be solved it integrates to `A`.
    pub fn density(&self, p: f64) -> Option<f64> {
        let density = match *self {
            Self::Eq8(max_coverage, law) | Self::ZeroInflated(max_coverage, law) => max_coverage * law.density(p),
            Self::Beta(law) => law.density(p),
            Self::ScaledBeta(scale, law) => law.density(1.0 - (1.0 - p) / scale) / scale,
            Self::Kumaraswamy(alpha, beta) => {
                let success = 1.0 - p;
                alpha * beta * success.powf(beta - 1.0) * (1.0 - success.powf(beta)).powf(alpha - 1.0)
            }
            Self::TwoBetas(share, [one, two]) => share * one.density(p) + (1.0 - share) * two.density(p),
            Self::Stretched(..) | Self::LogLog(..) | Self::PowerLaw(..) | Self::Eq12(..) => return None,
        };
        Some(density)
    }

    /// The density of the difficulty `s = -ln p` (Eq 10), `e^-s P(e^-s)`, where the law has one.
    pub fn difficulty_density(&self, s: f64) -> Option<f64> {
        self.density((-s).exp()).map(|density| density * (-s).exp())
    }
}
