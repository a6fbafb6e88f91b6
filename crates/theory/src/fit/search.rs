//! Maximum likelihood of a law that mixes binomial ones, by descent in its coordinates.

use super::{
    NoFit,
    family::{Family, Gain, Gradient, Mixing, NONE, Point, Values, mixing_at, point, values},
    likelihood::{all_solvable, likeliest, success_rate},
    minimise::bfgs,
};
use crate::{Data, laws::BetaLaw};

/// The likeliest parameters, from points that suit the likeliest Beta law: roughly from everywhere, then to the end from
/// where the three best are.
pub(super) fn from_beta(
    family: &dyn Family,
    data: &Data,
    starts: impl FnOnce(&BetaLaw) -> Vec<Point>,
) -> Result<Values, NoFit> {
    let (_, law) = likeliest(data.cells(), all_solvable, None, 0.0).into_law()?;
    let descend = |start, gain| bfgs(|x| nll_at(family, data, x), start, gain);
    let mut ends: Vec<_> = starts(&law).into_iter().map(|start| descend(start, 1e-2)).collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ends = ends.into_iter().take(3).map(|(near, _)| descend(near, 1e-9));
    let best = ends.min_by(|a, b| a.1.total_cmp(&b.1)).ok_or(NoFit::NoSpread)?;
    mixing_at(family, best.0).map(|_| values(family, best.0)).ok_or(NoFit::NoSpread)
}

/// The likeliest parameters of a replicate of data that `near` described best.
pub(super) fn again(family: &dyn Family, near: &Values, data: &Data, gain: Gain) -> Result<Values, NoFit> {
    success_rate(data.cells()).map_err(|none| none.no_fit())?;
    let (end, _) = bfgs(|x| nll_at(family, data, x), point(family, near), gain.nats);
    mixing_at(family, end).map(|_| values(family, end)).ok_or(NoFit::NoSpread)
}

/// The negative log likelihood at a point, and its gradient; infinite where there is no law.
pub(super) fn nll_at(family: &dyn Family, data: &Data, point: Point) -> (f64, Gradient) {
    mixing_at(family, point).map_or((f64::INFINITY, NONE), |law| negative_log_likelihood(&*law, data))
}

/// The negative log likelihood in nats, binomial coefficients included, and its gradient.
pub(super) fn negative_log_likelihood(law: &dyn Mixing, data: &Data) -> (f64, Gradient) {
    let (mut sum, mut gradient) = (data.orders(), NONE);
    for (s, weight) in data.cells() {
        let (ln, by) = law.ln_probability(s.trials() as f64, s.successes() as f64);
        sum -= weight * ln;
        gradient.iter_mut().zip(by).for_each(|(sum, by)| *sum -= weight * by);
    }
    if sum.is_nan() || gradient.iter().any(|g| !g.is_finite()) { (f64::INFINITY, NONE) } else { (sum, gradient) }
}
