//! One parameter in several groups: training checkpoints, sizes of a model, kinds of problems.

use super::{
    Fitted,
    family::{Point, point},
    minimise::bfgs,
    profile::DROP,
    search::nll_at,
};
use crate::{Data, peak::peak};
use serde::Serialize;

/// Whether groups have one value of a parameter, whatever their others are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Across {
    /// The parameter.
    pub parameter: &'static str,
    /// The likeliest value that all share.
    pub common: f64,
    /// Its 95 % interval, if all do share one.
    pub interval: [f64; 2],
    /// Twice the nats by which a value of its own for each is likelier.
    pub statistic: f64,
    /// Degrees of freedom: one less than groups.
    pub freedom: usize,
    /// Probability of at least this statistic if all share one.
    pub p_value: f64,
}

/// The likelihood-ratio test of one common value of `parameter` (Wilks 1938), from fits of one law to several groups.
/// `None` of fewer than two groups, of laws without a likelihood or that parameter, and of different laws.
pub fn across(groups: &[(&Fitted, &Data)], parameter: &str) -> Option<Across> {
    let kind = groups.first()?.0.law.kind();
    let i = kind.parameters().iter().position(|of| of.name == parameter)?;
    if groups.len() < 2 || !kind.by_likelihood() || groups.iter().any(|(fitted, _)| fitted.law.kind() != kind) {
        return None;
    }
    let family = kind.family();
    let starts: Vec<Point> = groups.iter().map(|(fitted, _)| point(family, fitted.law.values())).collect();
    let best = groups.iter().map(|(fitted, _)| fitted.nll).sum::<Option<f64>>()?;
    // Nats that one value, a coordinate, costs all of them.
    let behind = |t: f64| {
        let one = |((_, data), start): (&(&Fitted, &Data), &Point)| {
            let mut from = *start;
            from[i] = t;
            let fixed = |x: Point| {
                let (nll, mut gradient) = nll_at(family, data, x);
                gradient[i] = 0.0;
                (nll, gradient)
            };
            let (at, _) = bfgs(fixed, from, 1e-6);
            nll_at(family, data, at).0
        };
        groups.iter().zip(&starts).map(one).sum::<f64>() - best
    };
    let ends = starts.iter().map(|start| start[i]);
    let (low, high) = (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max));
    let common = peak(|t| -behind(t), low, high);
    let statistic = 2.0 * behind(common).max(0.0);
    // Outwards until the nats are lost, then by bisection.
    let end = |direction: f64| {
        let (mut inside, mut step) = (common, 0.05);
        while behind(inside + direction * step) < 0.5 * statistic + DROP && step < 100.0 {
            inside += direction * step;
            step *= 2.0;
        }
        let mut outside = inside + direction * step;
        for _ in 0..20 {
            let middle = 0.5 * (inside + outside);
            if behind(middle) < 0.5 * statistic + DROP { inside = middle } else { outside = middle }
        }
        kind.parameters()[i].range.value(inside)
    };
    let freedom = groups.len() - 1;
    Some(Across {
        parameter: kind.parameters()[i].name,
        common: kind.parameters()[i].range.value(common),
        interval: [end(-1.0), end(1.0)],
        statistic,
        freedom,
        p_value: chi_squared_above(statistic, freedom),
    })
}

/// The probability that chi squared with so many degrees of freedom is above `x`, by its finite sum.
fn chi_squared_above(x: f64, freedom: usize) -> f64 {
    let half = 0.5 * x.max(0.0);
    // Q(a+1) = Q(a) + half^a e^-half / Gamma(a+1), from Q(1/2) or Q(0).
    let mut a = if freedom % 2 == 1 { 0.5 } else { 0.0 };
    let mut above = if freedom % 2 == 1 { libm::erfc(half.sqrt()) } else { 0.0 };
    while a < 0.5 * freedom as f64 - 0.25 {
        above += (a * half.ln() - half - libm::lgamma(a + 1.0)).exp();
        a += 1.0;
    }
    if half == 0.0 { 1.0 } else { above.min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::chi_squared_above;

    /// Quantiles of tables.
    #[test]
    fn chi_squared_is_that_of_tables() {
        for (freedom, x) in [(1, 3.841_459), (2, 5.991_465), (3, 7.814_728), (10, 18.307_038), (21, 32.670_573)] {
            assert!((chi_squared_above(x, freedom) - 0.05).abs() < 1e-7, "{freedom}");
        }
        assert_eq!(chi_squared_above(0.0, 4), 1.0);
    }
}
