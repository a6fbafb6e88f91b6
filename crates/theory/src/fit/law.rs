//! Every law, by name.

use super::{
    family::{By, Family, Mixing, Parameter, Range, Sampler, Values, mixing_of},
    laws::{
        beta_binomial::BetaBinomial, eq8::Eq8, eq12::Eq12, kumaraswamy::Kumaraswamy, log_log::LogLog,
        logit_normal::LogitNormal, point::Point, power_law::PowerLaw, scaled_beta::ScaledBeta, stretched::Stretched,
        two_betas::TwoBetas, zero_inflated::ZeroInflated, zipf::Zipf,
    },
};
use crate::laws::BetaLaw;
use retrial_spec::{Error, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// A kind of law.
#[derive(Clone, Copy)]
pub struct Kind(&'static dyn Family);

macro_rules! registry {
    ($($(#[$doc:meta])* $name:ident: $family:ident,)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Self = Self(&$family);)*

            /// Every kind, in the order of reports.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

registry! {
    /// Eq 8 by least squares on the coverage curve.
    EQ8: Eq8,
    /// Eq 8 with `A = 1` by maximum likelihood.
    BETA: BetaBinomial,
    /// Eq 8 by maximum likelihood.
    ZERO_INFLATED: ZeroInflated,
    /// A scaled Beta law of success (Schaeffer et al. 2025), by maximum likelihood.
    SCALED_BETA: ScaledBeta,
    /// Kumaraswamy's law of success, by maximum likelihood.
    KUMARASWAMY: Kumaraswamy,
    /// Normal log odds of success, by maximum likelihood.
    LOGIT_NORMAL: LogitNormal,
    /// A mixture of two Beta laws, by maximum likelihood.
    TWO_BETAS: TwoBetas,
    /// `exp(-a k^-b)` (Brown et al. 2024) by least squares on the coverage curve.
    STRETCHED: Stretched,
    /// The same law as a straight line.
    LOG_LOG: LogLog,
    /// `1 - a k^-b`, what Eq 9 tends to, as a straight line.
    POWER_LAW: PowerLaw,
    /// Eq 12 by least squares on the coverage curve.
    EQ12: Eq12,
    /// Hutter's features (Eq 1), which are drawn from and not fitted.
    ZIPF: Zipf,
    /// One failure probability for all samples, which is drawn from and not fitted.
    POINT: Point,
}

impl Kind {
    /// The kinds that are fitted.
    pub fn fitted() -> impl Iterator<Item = Self> + Clone {
        Self::ALL.iter().copied().filter(|kind| kind.0.by() != By::Given)
    }

    /// The kind of this name. An error, which lists the names, where there is none.
    pub fn named(name: &str) -> Result<Self> {
        let names = || Self::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().copied().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::input("law", name, format!("must be one of {}", names())))
    }

    /// Its name in tables, files and on the command line.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// One line on what it says.
    pub fn about(self) -> &'static str {
        self.0.about()
    }

    /// Its parameters. `alpha` and `beta` are of the *failure* probability, as in the paper: `beta` is the exponent of
    /// the hard tail.
    pub fn parameters(self) -> &'static [Parameter] {
        self.0.parameters()
    }

    /// Whether it is fitted by maximum likelihood.
    pub fn by_likelihood(self) -> bool {
        self.0.by() == By::Likelihood
    }

    pub(crate) fn family(self) -> &'static dyn Family {
        self.0
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A law with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    kind: Kind,
    values: Values,
}

impl Law {
    /// The law of these parameters, by name. An error where one is missing, unknown, named twice or out of range.
    ///
    /// ```
    /// use retrial_theory::fit::{Kind, Law};
    /// # fn main() -> retrial_spec::Result<()> {
    /// let law = Law::new(Kind::BETA, &[("alpha", 4.65), ("beta", 0.361)])?;
    /// assert!((law.coverage(1.0) - 0.361 / (4.65 + 0.361)).abs() < 1e-15);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(kind: Kind, parameters: &[(&str, f64)]) -> Result<Self> {
        let object = |name: &str| format!("{name} of the law {}", kind.name());
        let names = || kind.parameters().iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
        if let Some((name, value)) =
            parameters.iter().find(|(name, _)| kind.parameters().iter().all(|p| p.name != *name))
        {
            return Err(Error::input(object(name), value, format!("its parameters are {}", names())));
        }
        let mut values = Values::default();
        for (at, parameter) in values.iter_mut().zip(kind.parameters()) {
            let given: Vec<f64> = parameters.iter().filter(|(name, _)| *name == parameter.name).map(|p| p.1).collect();
            let &[value] = &given[..] else {
                let got = if given.is_empty() { "nothing" } else { "several values" };
                return Err(Error::input(object(parameter.name), got, format!("give one each of {}", names())));
            };
            if !parameter.range.holds(value) {
                let [low, high] = parameter.range.ends();
                let limit = match parameter.range {
                    Range::Share => format!("must be from {low} to {high}"),
                    Range::Positive => "must be a finite number > 0".into(),
                    Range::Real => "must be a finite number".into(),
                };
                return Err(Error::input(object(parameter.name), value, limit));
            }
            *at = value;
        }
        Ok(Self { kind, values })
    }

    pub(crate) fn of(kind: Kind, values: Values) -> Self {
        Self { kind, values }
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    pub(crate) fn family(&self) -> &'static dyn Family {
        self.kind.0
    }

    /// The law ready for counts, if it is fitted to counts.
    pub(crate) fn mixing(&self) -> Option<Box<dyn Mixing>> {
        mixing_of(self.kind.0, &self.values).filter(|_| self.kind.by_likelihood())
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Coverage of `k >= 0` trials per sample.
    pub fn coverage(&self, k: f64) -> f64 {
        self.kind.0.coverage(&self.values, k)
    }

    /// Its parameters by name, in the order of [`Kind::parameters`].
    pub fn parameters(&self) -> Vec<(&'static str, f64)> {
        self.kind.parameters().iter().map(|p| p.name).zip(self.values).collect()
    }

    /// A parameter by name.
    pub fn parameter(&self, name: &str) -> Option<f64> {
        self.parameters().into_iter().find(|(of, _)| *of == name).map(|(_, value)| value)
    }

    /// The density of the failure probability at `p` in `(0, 1)`, where the law has one. Where only a share `A` of the
    /// samples can be solved it integrates to `A`.
    pub fn density(&self, p: f64) -> Option<f64> {
        self.kind.0.density(&self.values, p)
    }

    /// The density of the difficulty `s = -ln p` (Eq 10), `e^-s P(e^-s)`, where the law has one.
    pub fn difficulty_density(&self, s: f64) -> Option<f64> {
        self.density((-s).exp()).map(|density| density * (-s).exp())
    }

    /// Draws of `(failure, success)`, the probabilities of a sample. An error where the law is one of the curve alone.
    pub(crate) fn sampler(&self) -> Result<Sampler> {
        let limit = "is a law of the curve and has no probability per sample to draw";
        self.kind.0.sampler(&self.values).ok_or_else(|| Error::input("law", self.kind.name(), limit))
    }
}

/// Every sample can be solved.
impl From<BetaLaw> for Law {
    fn from(law: BetaLaw) -> Self {
        Self { kind: Kind::BETA, values: [law.alpha(), law.beta(), 0.0, 0.0, 0.0] }
    }
}

/// `kumaraswamy alpha 2 beta 0.3`.
impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        self.parameters().into_iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

/// `{"law": NAME, PARAMETER: VALUE, ..}`.
impl Serialize for Law {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parameters = self.parameters();
        let mut map = serializer.serialize_map(Some(1 + parameters.len()))?;
        map.serialize_entry("law", self.kind.name())?;
        parameters.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::family::{Point, mixing_at};

    const POINTS: [(Kind, Point); 9] = [
        (Kind::BETA, [1.5, -1.0, 0.0, 0.0, 0.0]),
        (Kind::ZERO_INFLATED, [1.5, -1.0, 0.7, 0.0, 0.0]),
        (Kind::SCALED_BETA, [1.5, -1.0, -0.3, 0.0, 0.0]),
        (Kind::SCALED_BETA, [3.0, -3.0, 2.0, 0.0, 0.0]),
        (Kind::KUMARASWAMY, [1.5, -1.0, 0.0, 0.0, 0.0]),
        (Kind::KUMARASWAMY, [-0.5, 0.4, 0.0, 0.0, 0.0]),
        (Kind::LOGIT_NORMAL, [-6.0, 0.8, 0.0, 0.0, 0.0]),
        (Kind::LOGIT_NORMAL, [1.0, -1.5, 0.0, 0.0, 0.0]),
        (Kind::TWO_BETAS, [1.5, -1.0, 0.3, 0.9, -0.4]),
    ];

    /// A law without a point above is not tested below.
    #[test]
    fn every_law_is_tested() {
        let by_likelihood = Kind::fitted().filter(|kind| kind.by_likelihood());
        assert!(by_likelihood.clone().all(|kind| POINTS.iter().any(|(of, _)| *of == kind)));
        for (i, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(Kind::named(kind.name()).unwrap(), *kind);
            assert!(!kind.about().is_empty() && !Kind::ALL[..i].contains(kind), "{kind:?}");
        }
    }

    #[test]
    fn probabilities_sum_to_one() {
        for (kind, point) in POINTS {
            let law = mixing_at(kind.family(), point).unwrap();
            for n in [1, 7, 60] {
                let sum: f64 = (0..=n).map(|c| law.ln_probability(f64::from(n), f64::from(c)).0.exp()).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{kind:?} {n}: {sum}");
            }
        }
    }

    #[test]
    fn coverage_is_the_complement_of_no_success() {
        for (kind, point) in POINTS {
            let law = mixing_at(kind.family(), point).unwrap();
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
                    let law = mixing_at(kind.family(), point).unwrap();
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
