//! Least squares against a coverage curve. The factor `A` is linear, so its best value in `[0, 1]` is found exactly and
//! only the shape is searched.

use super::{
    Misfit, NoFit, check_curve,
    minimise::{bfgs, golden},
};
use crate::laws::{BetaLaw, coverage, effective_trials};
use retrial_spec::{Error, Result};

/// Eq 8, fitted to a curve.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Eq8Fit {
    /// `A`, the maximal coverage, in `[0, 1]`.
    pub max_coverage: f64,
    /// The law of the failure probability.
    pub law: BetaLaw,
    /// How far it misses the curve.
    pub misfit: Misfit,
}

impl Eq8Fit {
    /// The fitted coverage of `k` trials (Eq 8).
    pub fn coverage(&self, k: f64) -> f64 {
        self.law.coverage(k, self.max_coverage)
    }
}

/// The least-squares fit of Eq 8, `A (1 - <p^k>)` with `0 <= A <= 1`, to a curve of at least three points `(k,
/// coverage)`, each of the same weight. Points of an estimated curve depend on each other, so the fit claims no errors.
pub fn eq8_least_squares(curve: &[(f64, f64)]) -> Result<Eq8Fit> {
    let starts = [0.5f64, 5.0, 50.0].into_iter().flat_map(|alpha| [0.05f64, 0.3, 2.0].map(|beta| [alpha, beta]));
    eq8_from(curve, starts, 0.0)
}

/// [`eq8_least_squares`] from these `[alpha, beta]`, until a step promises less than `gain`.
pub(super) fn eq8_from(curve: &[(f64, f64)], starts: impl IntoIterator<Item = [f64; 2]>, gain: f64) -> Result<Eq8Fit> {
    check_curve(curve, 3)?;
    let objective = |[a, b]: [f64; 2]| {
        let Ok(law) = BetaLaw::new(a.exp(), b.exp()) else { return (f64::INFINITY, [0.0; 2]) };
        let max_coverage = best_factor(curve, |k| law.coverage(k, 1.0));
        let (mut sum, mut gradient) = (0.0, [0.0; 2]);
        for &(k, value) in curve {
            let residual = law.coverage(k, max_coverage) - value;
            sum += residual * residual;
            let by_ln_loss = -2.0 * residual * max_coverage * law.loss(k);
            let [by_alpha, by_beta] = law.ln_loss_gradient(k);
            gradient[0] += by_ln_loss * by_alpha * law.alpha();
            gradient[1] += by_ln_loss * by_beta * law.beta();
        }
        (sum, gradient)
    };
    let mut best = ([0.0; 2], f64::INFINITY);
    for start in starts {
        let end = bfgs(objective, start.map(f64::ln), gain);
        if end.1 < best.1 {
            best = end;
        }
    }
    let [a, b] = best.0;
    let law = BetaLaw::new(a.exp(), b.exp())?;
    let max_coverage = best_factor(curve, |k| law.coverage(k, 1.0));
    Ok(Eq8Fit { max_coverage, law, misfit: Misfit::of(curve, |k| law.coverage(k, max_coverage)) })
}

/// Eq 12, given or fitted.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Eq12Fit {
    /// `A`, the maximal coverage, in `[0, 1]`.
    pub max_coverage: f64,
    /// The exponent `a` of the effective number of trials (Eq 11).
    pub exponent: f64,
    /// How far it misses the curve.
    pub misfit: Misfit,
}

impl Eq12Fit {
    /// The coverage of `k` trials (Eq 12) for the failure probabilities that were fitted.
    pub fn coverage(&self, failure: &[f64], k: f64) -> f64 {
        self.max_coverage * coverage(failure, effective_trials(k, self.exponent))
    }
}

/// Eq 12, `A 1/N sum_i (1 - p_i^k_eff)`, against a curve. `failure` holds the failure probability of every sample, or
/// only their mean for the form that the paper plots. What is `None` is fitted by least squares: the exponent in `[0,
/// 10]` (beyond 10, a second trial would add less than a thousandth of the first) and the maximal coverage in `[0, 1]`.
/// With both given, as from a measured spectrum, only the misfit is computed.
pub fn eq12_least_squares(
    failure: &[f64],
    curve: &[(f64, f64)],
    exponent: Option<f64>,
    max_coverage: Option<f64>,
) -> Result<Eq12Fit> {
    check_curve(curve, 1)?;
    if failure.is_empty() {
        return Err(Error::input("failure probabilities", "none", "Eq 12 needs one per sample, or their mean"));
    }
    if let Some(p) = failure.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Error::input("failure probability", p, "must be in [0, 1]"));
    }
    if let Some(a) = exponent.filter(|a| !(*a >= 0.0 && a.is_finite())) {
        return Err(Error::input("exponent of Eq 12", a, "must be a finite number >= 0"));
    }
    if let Some(a) = max_coverage.filter(|a| !(0.0..=1.0).contains(a)) {
        return Err(Error::input("maximal coverage of Eq 12", a, "must be in [0, 1]"));
    }
    let with = |exponent: f64| {
        let shape = |k: f64| coverage(failure, effective_trials(k, exponent));
        let max_coverage = max_coverage.unwrap_or_else(|| best_factor(curve, shape));
        Eq12Fit { max_coverage, exponent, misfit: Misfit::of(curve, |k| max_coverage * shape(k)) }
    };
    Ok(with(exponent.unwrap_or_else(|| golden(|a| with(a).misfit.rmse, 0.0, 10.0))))
}

/// `a` and `b` of `exp(-a k^-b)` by least squares, from those of `start`.
pub(super) fn stretched_from(curve: &[(f64, f64)], start: [f64; 2], gain: f64) -> [f64; 2] {
    let objective = |[ln_a, ln_b]: [f64; 2]| {
        let b = ln_b.exp();
        let (mut sum, mut gradient) = (0.0, [0.0; 2]);
        for &(k, value) in curve {
            let exponent = (ln_a - b * k.ln()).exp();
            let law = (-exponent).exp();
            let residual = law - value;
            sum += residual * residual;
            // At an infinite exponent the law is flat.
            let slope = if law > 0.0 { -2.0 * residual * law * exponent } else { 0.0 };
            gradient[0] += slope;
            gradient[1] -= slope * b * k.ln();
        }
        (sum, gradient)
    };
    bfgs(objective, start.map(f64::ln), gain).0.map(f64::exp)
}

/// `a` and `b` of the line `ln a - b ln k` through transformed coverages, where these are finite.
pub(super) fn power_line(curve: &[(f64, f64)], ordinate: fn(f64) -> f64) -> Result<[f64; 2], NoFit> {
    let points: Vec<_> = curve.iter().map(|&(k, value)| (k.ln(), ordinate(value))).collect();
    let points: Vec<_> = points.into_iter().filter(|(_, y)| y.is_finite()).collect();
    line(&points).map(|(intercept, slope)| [intercept.exp(), -slope]).ok_or(NoFit::FewPoints)
}

/// `a` and `b` of `exp(-a k^-b)` by a line.
pub(super) fn log_log(curve: &[(f64, f64)]) -> Result<[f64; 2], NoFit> {
    power_line(curve, |value| (-value.ln()).ln())
}

/// The least-squares line `(intercept, slope)` through points, each of the same weight; `None` for fewer than two
/// different abscissae.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0 / count, sum.1 + p.1 / count));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + (p.0 - x) * (p.1 - y), sum.1 + (p.0 - x).powi(2)));
    (xx > 0.0).then(|| (y - xy / xx * x, xy / xx))
}

/// The factor in `[0, 1]` that brings `shape(k)` closest to the curve in least squares.
fn best_factor(curve: &[(f64, f64)], shape: impl Fn(f64) -> f64) -> f64 {
    let (mut product, mut square) = (0.0, 0.0);
    for &(k, value) in curve {
        let shape = shape(k);
        product += shape * value;
        square += shape * shape;
    }
    if square > 0.0 { (product / square).min(1.0) } else { 1.0 }
}
