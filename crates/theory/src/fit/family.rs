//! What a law is: the trait that each file of [`laws`](super::laws) implements, and the coordinates of a search.

use super::NoFit;
use crate::Data;
use retrial_spec::rng::Stream;

/// As many parameters as the law with most has. What a law has not is 0, and without slope.
pub(super) const MAX_PARAMETERS: usize = 5;
/// Parameters in the order in which the law names them.
pub(super) type Values = [f64; MAX_PARAMETERS];
/// Parameters in coordinates without bounds, see [`Range`].
pub(super) type Point = [f64; MAX_PARAMETERS];
/// Derivatives by the coordinates.
pub(super) type Gradient = [f64; MAX_PARAMETERS];
/// No derivatives.
pub(super) const NONE: Gradient = [0.0; MAX_PARAMETERS];

/// Draws `(failure, success)`, the probabilities of a sample.
pub(super) type Sampler = Box<dyn Fn(&mut Stream) -> (f64, f64)>;

/// All that a parameter can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Above 0; its coordinate is its logarithm.
    Positive,
    /// From 0 to 1; its coordinate is its log odds.
    Share,
    /// Any number; it is its own coordinate.
    Real,
}

impl Range {
    /// The ends.
    pub fn ends(self) -> [f64; 2] {
        match self {
            Self::Positive => [0.0, f64::INFINITY],
            Self::Share => [0.0, 1.0],
            Self::Real => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }

    /// Whether a parameter can be `value`.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Positive => value > 0.0 && value.is_finite(),
            Self::Share => (0.0..=1.0).contains(&value),
            Self::Real => value.is_finite(),
        }
    }

    /// The value at a coordinate.
    pub(super) fn value(self, x: f64) -> f64 {
        match self {
            Self::Positive => x.exp(),
            Self::Share => 1.0 / (1.0 + (-x).exp()),
            Self::Real => x,
        }
    }

    /// The coordinate of a value. Log odds are kept from where a share is nearly all or nothing, and nearly without
    /// slope.
    fn coordinate(self, value: f64) -> f64 {
        const FAR: f64 = 4.0;
        match self {
            Self::Positive => value.ln(),
            Self::Share => (value / (1.0 - value)).ln().clamp(-FAR, FAR),
            Self::Real => value,
        }
    }
}

/// A parameter of a law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in tables, files and on the command line.
    pub name: &'static str,
    /// What it can be.
    pub range: Range,
}

/// How a law comes by its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Maximum likelihood of the counts.
    Likelihood,
    /// Least squares on the coverage curve.
    LeastSquares,
    /// They are given: the law is drawn from and never fitted.
    Given,
}

/// A law that mixes binomial ones, ready to be evaluated.
pub(crate) trait Mixing: Send + Sync {
    /// `ln` of the probability of `c` successes in `n` trials, binomial coefficient included, and its derivatives.
    fn ln_probability(&self, n: f64, c: f64) -> (f64, Gradient);

    /// Coverage of `k` trials, to its own last digits where it is small, and its derivatives.
    fn coverage(&self, k: f64) -> (f64, Gradient);

    /// Draws `(failure, success)` of a sample.
    fn sample(&self, stream: &mut Stream) -> (f64, f64);
}

/// A kind of law. Its file says all there is to it, and the registry of [`Kind`](super::Kind) names it.
pub(crate) trait Family: Sync {
    /// Its name in tables, files and on the command line.
    fn name(&self) -> &'static str;

    /// One line on what it says.
    fn about(&self) -> &'static str;

    /// Its parameters.
    fn parameters(&self) -> &'static [Parameter];

    /// How it comes by them.
    fn by(&self) -> By;

    /// The law made ready, where samples have a probability each. `rest` holds `1 - share` of every share, which
    /// may be within rounding of 1. `None` where a parameter overflowed.
    fn mixing(&self, _values: &Values, _rest: &Values) -> Option<Box<dyn Mixing>> {
        None
    }

    /// Coverage of `k >= 0` trials per sample.
    fn coverage(&self, values: &Values, k: f64) -> f64 {
        self.mixing(values, &rest(values)).map_or(f64::NAN, |law| if k == 0.0 { 0.0 } else { law.coverage(k).0 })
    }

    /// The density of the failure probability at `p` in `(0, 1)`, where there is one.
    fn density(&self, _values: &Values, _p: f64) -> Option<f64> {
        None
    }

    /// Draws of samples, where these have a probability each.
    fn sampler(&self, values: &Values) -> Option<Sampler> {
        let law = self.mixing(values, &rest(values))?;
        Some(Box::new(move |stream| law.sample(stream)))
    }

    /// The parameters that describe the data best; `curve` is their [`fitting_curve`](super::curve::fitting_curve).
    fn estimate(&self, data: &Data, curve: &[(f64, f64)]) -> Result<Values, NoFit>;

    /// The same of a replicate of data that `near` described best, as far as `gain` asks for.
    fn again(&self, near: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit>;

    /// The name of the law that it becomes where a share of its is 1.
    fn narrower(&self) -> Option<&'static str> {
        None
    }

    /// The same law, of all its spellings the one that is reported.
    fn spelt(&self, values: Values) -> Values {
        values
    }
}

/// How far a search goes on: until a step promises less than so many nats, or so much of a sum of squares of a curve.
#[derive(Clone, Copy)]
pub(crate) struct Gain {
    /// In the likelihood.
    pub nats: f64,
    /// Of a curve.
    pub squares: f64,
}

/// What shares leave of 1.
fn rest(values: &Values) -> Values {
    values.map(|value| 1.0 - value)
}

/// The parameters at a point.
pub(super) fn values(family: &dyn Family, point: Point) -> Values {
    let mut values = [0.0; MAX_PARAMETERS];
    for ((value, x), parameter) in values.iter_mut().zip(point).zip(family.parameters()) {
        *value = parameter.range.value(x);
    }
    family.spelt(values)
}

/// The point of some parameters.
pub(super) fn point(family: &dyn Family, values: &Values) -> Point {
    let mut point = [0.0; MAX_PARAMETERS];
    for ((x, value), parameter) in point.iter_mut().zip(values).zip(family.parameters()) {
        *x = parameter.range.coordinate(*value);
    }
    point
}

/// The law at a point, to the last digit of its shares.
pub(super) fn mixing_at(family: &dyn Family, point: Point) -> Option<Box<dyn Mixing>> {
    let (mut values, mut rest) = ([0.0; MAX_PARAMETERS], [1.0; MAX_PARAMETERS]);
    for (i, (x, parameter)) in point.into_iter().zip(family.parameters()).enumerate() {
        values[i] = parameter.range.value(x);
        rest[i] = if parameter.range == Range::Share { Range::Share.value(-x) } else { 1.0 - values[i] };
    }
    family.mixing(&values, &rest)
}

/// The law of these parameters.
pub(super) fn mixing_of(family: &dyn Family, values: &Values) -> Option<Box<dyn Mixing>> {
    family.mixing(values, &rest(values))
}
