//! Fits of the laws to counts and to curves, each with the amount by which it misses the measured curve.
//!
//! [`fit`](fn@fit) fits any [`Kind`] of law to [`Data`](crate::Data); [`study`] adds intervals of its parameters and its
//! goodness of fit. By themselves, for counts or curves that come without `Data`:
//!
//! | function | law | by | from |
//! |---|---|---|---|
//! | [`beta_binomial`] | Eq 8 with `A = 1` | maximum likelihood | counts |
//! | [`zero_inflated`] | Eq 8 | maximum likelihood | counts |
//! | [`eq8_least_squares`] | Eq 8 | least squares | a curve |
//! | [`eq12_least_squares`] | Eq 12 | least squares, or nothing free | a curve and failure probabilities |
//!
//! A curve is a slice of `(k, coverage)`; [`pairs`] makes one of estimated points. The Beta law misfits most real data,
//! so no fit comes without its [`Misfit`].

mod across;
mod beta;
pub(crate) mod bootstrap;
mod curve;
pub(crate) mod estimate;
mod family;
mod fitted;
mod goodness;
mod law;
mod laws;
mod least_squares;
mod likelihood;
mod minimise;
mod nested;
mod no_fit;
pub(crate) mod profile;
mod quadrature;
mod search;
mod study;

use crate::coverage::Point;
pub use across::{Across, across};
pub use family::{Parameter, Range};
pub use fitted::{Fitted, Goodness, Interval, Method, Settings};
pub use law::{Kind, Law};
pub use least_squares::{Eq8Fit, Eq12Fit, eq8_least_squares, eq12_least_squares};
pub use likelihood::{BetaFit, Outcome, beta_binomial, zero_inflated};
pub use nested::{Nested, nested};
pub use no_fit::NoFit;
use retrial_spec::{Error, Result};
pub use study::{fit, study, study_all};

/// How far a law misses a curve, over the points of the curve, each counted once.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Misfit {
    /// Root mean square of the differences in coverage.
    pub rmse: f64,
    /// The largest absolute difference.
    pub max: f64,
}

impl Misfit {
    /// The misfit of `law(k)` to a curve; NaN for an empty curve.
    pub fn of(curve: &[(f64, f64)], law: impl Fn(f64) -> f64) -> Self {
        let differences = || curve.iter().map(|&(k, value)| (law(k) - value).abs());
        let mean_square = differences().map(|d| d * d).sum::<f64>() / curve.len() as f64;
        Self { rmse: mean_square.sqrt(), max: differences().fold(f64::NAN, f64::max) }
    }
}

/// The `(k, coverage)` pairs of an estimated curve.
pub fn pairs(points: &[Point]) -> Vec<(f64, f64)> {
    points.iter().map(|point| (point.k as f64, point.value)).collect()
}

/// Checks a curve given by the user: at least `least` points, `k` at least 0 and finite, coverage in `[0, 1]`.
fn check_curve(curve: &[(f64, f64)], least: usize) -> Result<()> {
    if curve.len() < least {
        return Err(Error::input("points of the curve", curve.len(), format!("the fit needs at least {least}")));
    }
    match curve.iter().find(|(k, value)| !(*k >= 0.0 && k.is_finite() && (0.0..=1.0).contains(value))) {
        Some((k, value)) => {
            Err(Error::input("point of the curve", format!("({k}, {value})"), "needs k >= 0 and a coverage in [0, 1]"))
        }
        None => Ok(()),
    }
}
