//! Profile-likelihood intervals, of parameters and of whatever follows from them.

use super::{
    Fitted, Interval, Method,
    family::{Gradient, NONE, Parameter, Point, Range, mixing_at, point},
    minimise::bfgs,
    search::nll_at,
};
use crate::Data;

/// Half the 0.95 quantile of chi squared with one degree of freedom: nats that the ends of an interval lie below the
/// best law.
pub(crate) const DROP: f64 = 1.920_729_410_347_062;

/// Profile-likelihood intervals of all parameters; none for a law without a likelihood.
pub(crate) fn parameters(fitted: &Fitted, data: &Data) -> Vec<Interval> {
    let kind = fitted.law.kind();
    let parameters = if kind.by_likelihood() { kind.parameters() } else { &[] };
    let interval = |(i, parameter): (usize, &Parameter)| {
        let coordinate = |point: Point| {
            let mut by = NONE;
            by[i] = 1.0;
            (point[i], by)
        };
        let [low, high] = ends(fitted, data, coordinate)?.map(|end| parameter.range.value(end));
        // A share next to 0 or 1 is moved inwards before the search: its interval holds what was found all the same.
        let found = fitted.law.parameter(parameter.name)?;
        Some(Interval {
            parameter: parameter.name,
            method: Method::Profile,
            low: low.min(found),
            high: high.max(found),
        })
    };
    parameters.iter().enumerate().filter_map(interval).collect()
}

/// The profile-likelihood interval of the coverage of `k` trials.
pub(crate) fn coverage(fitted: &Fitted, data: &Data, k: f64) -> Option<[f64; 2]> {
    let family = fitted.law.family();
    let odds = |point: Point| {
        let (value, by) = mixing_at(family, point).map_or((f64::NAN, NONE), |law| law.coverage(k));
        let spread = value * (1.0 - value);
        ((value / (1.0 - value)).ln(), by.map(|d| d / spread))
    };
    ends(fitted, data, odds).map(|ends| ends.map(|end| Range::Share.value(end)))
}

/// The ends of the interval of `of`, a function of the point with its derivatives, which may be infinite: the values
/// where the best likelihood left is [`DROP`] nats below the best of all.
///
/// The minimum of `nll + (of - t)^2 STIFF/2` lies on the profile at whatever value `of` has there, for any `t`: `t` is
/// moved outwards until the profile has dropped far enough.
fn ends(fitted: &Fitted, data: &Data, of: impl Fn(Point) -> (f64, Gradient)) -> Option<[f64; 2]> {
    const STIFF: f64 = 100.0;
    /// So far out, nothing stops it any more.
    const FAR: f64 = 40.0;
    const STEPS: u32 = 8;
    let best = fitted.nll?;
    let family = fitted.law.family();
    let start = point(family, fitted.law.values());
    let on_profile = |t: f64, from: Point| {
        let objective = |x: Point| {
            let (nll, gradient) = nll_at(family, data, x);
            let (value, by) = of(x);
            let pull = STIFF * (value - t);
            let mut total = gradient;
            total.iter_mut().zip(by).for_each(|(sum, by)| *sum += pull * by);
            let sum = nll + 0.5 * pull * (value - t);
            if sum.is_nan() { (f64::INFINITY, NONE) } else { (sum, total) }
        };
        let (at, _) = bfgs(objective, from, 1e-4);
        (at, of(at).0, nll_at(family, data, at).0 - best)
    };
    let centre = of(start).0;
    if !centre.is_finite() {
        return None; // at the edge of what floats can tell, such as a coverage of 1
    }
    let end = |direction: f64| {
        // The root of the drop is nearly linear in the value.
        let root = |drop: f64| drop.max(0.0).sqrt();
        let (mut inside, mut step) = ((start, centre, 0.0), 0.25);
        let mut t_inside = centre;
        let (mut t_outside, mut outside) = loop {
            let t = t_inside + direction * step;
            let next = on_profile(t, inside.0);
            if next.1.is_nan() || next.2.is_nan() {
                return direction * f64::INFINITY;
            }
            if next.2 > DROP {
                break (t, next);
            }
            if (t - centre).abs() > FAR * 50.0 || (next.1 - centre).abs() > FAR {
                return direction * f64::INFINITY;
            }
            (t_inside, inside) = (t, next);
            step *= 2.0;
        };
        for _ in 0..STEPS {
            let share = (root(DROP) - root(inside.2)) / (root(outside.2) - root(inside.2));
            let t = t_inside + share.clamp(0.1, 0.9) * (t_outside - t_inside);
            let next = on_profile(t, inside.0);
            if (next.2 - DROP).abs() < 0.01 {
                return next.1;
            }
            if next.2 > DROP { (t_outside, outside) = (t, next) } else { (t_inside, inside) = (t, next) }
        }
        let share = (root(DROP) - root(inside.2)) / (root(outside.2) - root(inside.2));
        inside.1 + share * (outside.1 - inside.1)
    };
    // Where the best law lies on an edge, the search on that side ends beside it.
    Some([end(-1.0).min(centre), end(1.0).max(centre)])
}
