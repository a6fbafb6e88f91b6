//! The point estimate of every kind of law.

use super::{
    Kind, Law, NoFit, Outcome,
    least_squares::{eq8_from, eq8_least_squares, eq12_least_squares, line, stretched_from},
    likelihood::{all_solvable, likeliest, likeliest_share, success_rate},
    minimise::bfgs,
    mixing::{Mixing, Point, nll_at},
};
use crate::{
    Data,
    coverage::Counts,
    laws::BetaLaw,
    npmle::{Solver, Tilt},
    special::ln_beta,
};

/// How far a search goes on: until a step promises less than so many nats, or so much of a sum of squares of a curve.
#[derive(Clone, Copy)]
pub struct Gain {
    nats: f64,
    squares: f64,
}

/// For replicates of a bootstrap.
pub const ROUGH: Gain = Gain { nats: 1e-5, squares: 1e-10 };
/// To rounding, where the difference to another fit matters.
pub const EXACT: Gain = Gain { nats: 0.0, squares: 0.0 };

/// The curve that laws are fitted to by least squares and compared with: up to 20 different `k` at equal steps of `ln
/// k` from 1 to [`Data::reach`].
pub fn fitting_curve(data: &Data) -> Vec<(f64, f64)> {
    const POINTS: u32 = 20;
    let end = (data.reach() as f64).ln();
    let k = |i: u32| (end * f64::from(i) / f64::from(POINTS - 1)).exp().round() as u64;
    let mut ks: Vec<u64> = (0..POINTS).map(k).collect();
    ks.dedup();
    data.values(&ks)
}

/// The law of this kind that describes the data best; `curve` is their [`fitting_curve`].
pub fn estimate(kind: Kind, data: &Data, curve: &[(f64, f64)]) -> Result<Law, NoFit> {
    if data.solved() == 0.0 {
        return Err(NoFit::NoSuccess);
    }
    if data.cells().iter().all(|(s, _)| s.failures() == 0) {
        return Err(NoFit::NoFailure);
    }
    let beta = |share| BetaLaw::from_outcome(likeliest(data.cells(), share, None, 0.0));
    match kind {
        Kind::Beta => beta(all_solvable).map(|(_, law)| Law::Beta(law)),
        Kind::ZeroInflated => beta(likeliest_share).map(|(share, law)| Law::ZeroInflated(share, law)),
        Kind::ScaledBeta | Kind::Kumaraswamy | Kind::TwoBetas => {
            let (_, law) = beta(all_solvable)?;
            // Roughly from everywhere, then to the end from where the three best are.
            let descend = |start, gain| bfgs(|x| nll_at(kind, data, x), start, gain);
            let mut ends: Vec<_> = starts(kind, data, &law).into_iter().map(|start| descend(start, 1e-2)).collect();
            ends.sort_by(|a, b| a.1.total_cmp(&b.1));
            let ends = ends.into_iter().take(3).map(|(near, _)| descend(near, 1e-9));
            let best = ends.min_by(|a, b| a.1.total_cmp(&b.1)).ok_or(NoFit::NoSpread)?;
            Mixing::at(kind, best.0).map(|mixing| mixing.law()).ok_or(NoFit::NoSpread)
        }
        _ => on_curve(kind, data, curve, None, EXACT),
    }
}

/// The law that describes a replicate of the data for which `law` was the best.
pub fn again(law: &Law, data: &Data, gain: Gain) -> Result<Law, NoFit> {
    if data.solved() == 0.0 {
        return Err(NoFit::NoSuccess);
    }
    let beta = |share, start: &BetaLaw| BetaLaw::from_outcome(likeliest(data.cells(), share, Some(*start), gain.nats));
    match law {
        Law::Beta(start) => beta(all_solvable, start).map(|(_, law)| Law::Beta(law)),
        Law::ZeroInflated(_, start) => beta(likeliest_share, start).map(|(share, law)| Law::ZeroInflated(share, law)),
        _ => match Mixing::point(law) {
            Some((kind, start)) => {
                success_rate(data.cells()).map_err(|none| no_fit(&none))?;
                let (end, _) = bfgs(|x| nll_at(kind, data, x), start, gain.nats);
                Mixing::at(kind, end).map(|mixing| mixing.law()).ok_or(NoFit::NoSpread)
            }
            None => on_curve(law.kind(), data, &fitting_curve(data), Some(law), gain),
        },
    }
}

/// The laws fitted by least squares, `start` being near where there is one.
fn on_curve(kind: Kind, data: &Data, curve: &[(f64, f64)], start: Option<&Law>, gain: Gain) -> Result<Law, NoFit> {
    let few = NoFit::FewPoints;
    // ln a and b of a line through transformed coverages, where they are finite.
    let power = |ordinate: fn(f64) -> f64| {
        let points: Vec<_> = curve.iter().map(|&(k, value)| (k.ln(), ordinate(value))).collect();
        let points: Vec<_> = points.into_iter().filter(|(_, y)| y.is_finite()).collect();
        line(&points).map(|(intercept, slope)| [intercept.exp(), -slope]).ok_or(few)
    };
    let log_log = || power(|value| (-value.ln()).ln());
    match kind {
        Kind::Eq8 => {
            let fit = match start {
                Some(Law::Eq8(_, law)) => eq8_from(curve, [[law.alpha(), law.beta()]], gain.squares),
                _ => eq8_least_squares(curve),
            };
            fit.map(|fit| Law::Eq8(fit.max_coverage, fit.law)).map_err(|_| few)
        }
        Kind::Stretched => {
            let start = match start {
                Some(&Law::Stretched(a, b)) => [a, b],
                _ => log_log()?,
            };
            let [a, b] = stretched_from(curve, start.map(|x| x.max(1e-6)), gain.squares);
            Ok(Law::Stretched(a, b))
        }
        Kind::LogLog => log_log().map(|[a, b]| Law::LogLog(a, b)),
        Kind::PowerLaw => power(|value| (1.0 - value).ln()).map(|[a, b]| Law::PowerLaw(a, b)),
        _ => {
            let failure = data.failure();
            let fit = eq12_least_squares(&[failure], curve, None, None).map_err(|_| few)?;
            Ok(Law::Eq12(fit.max_coverage, failure, fit.exponent))
        }
    }
}

/// Where searches start, given the likeliest Beta law.
fn starts(kind: Kind, data: &Data, law: &BetaLaw) -> Vec<Point> {
    let (alpha, beta) = (law.alpha(), law.beta());
    match kind {
        // The density of small success probabilities and of small failure probabilities, each as it is.
        Kind::Kumaraswamy => {
            let tail = -(beta.ln() + ln_beta(alpha, beta));
            vec![[tail, beta.ln(), 0.0, 0.0, 0.0], [alpha.ln(), beta.ln(), 0.0, 0.0, 0.0]]
        }
        // Scales from hardly any to as small as the largest success rate allows, with the mean as it is.
        Kind::ScaledBeta => {
            let rate = |s: &Counts| s.successes() as f64 / s.trials() as f64;
            let largest = data.cells().iter().map(|(s, _)| rate(s)).fold(0.0, f64::max);
            let scale = |share: f64| {
                let scale = (largest * (1.0 - share) + share).clamp(1e-12, 0.999);
                let alpha = beta * (scale * (alpha + beta) / beta - 1.0);
                [alpha.max(0.1).ln(), beta.ln(), (scale / (1.0 - scale)).ln(), 0.0, 0.0]
            };
            [0.95, 0.4, 0.02].map(scale).to_vec()
        }
        // Two parts of the samples, by success rate: halves, the easiest few, and between any two clusters of the NPMLE.
        _ => {
            let shares = [0.3, 0.5, 0.7, 0.9, 0.95, 0.98].map(|share| split(&rates(data), share));
            let clusters = clusters(data);
            let mut below = 0.0;
            let between = clusters.iter().map(|(_, weight)| {
                below += weight;
                split(&clusters, below)
            });
            shares.into_iter().chain(between).flatten().collect()
        }
    }
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

impl BetaLaw {
    /// `A` and the law of a fit.
    fn from_outcome(outcome: Outcome) -> Result<(f64, Self), NoFit> {
        outcome.fitted().map(|fit| (fit.max_coverage, fit.law)).ok_or_else(|| no_fit(&outcome))
    }
}

fn no_fit(outcome: &Outcome) -> NoFit {
    match outcome {
        Outcome::NoSuccess => NoFit::NoSuccess,
        Outcome::NoFailure => NoFit::NoFailure,
        Outcome::AllOrNothing => NoFit::AllOrNothing,
        Outcome::Fitted(_) | Outcome::NoSpread => NoFit::NoSpread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::mixing::negative_log_likelihood;
    use crate::simulate::{Design, Difficulty, simulate};
    use retrial_spec::rng::Stream;

    /// Counts of easy, hard and impossible samples in several mixtures, as benchmarks have them.
    fn data_sets() -> Vec<Data> {
        let part = |difficulty, samples, trials, seed| {
            simulate(&Design { difficulty, samples, trials, batch: None }, seed).unwrap()
        };
        let beta = |a, b| Difficulty::Beta(BetaLaw::new(a, b).unwrap());
        let mixtures = [
            vec![part(beta(4.65, 0.361), 128, 10_000, 1)],
            vec![part(beta(50.0, 0.2), 120, 10_000, 2), part(beta(700.0, 60.0), 8, 10_000, 3)],
            vec![part(beta(1.0, 3.0), 60, 200, 4), part(Difficulty::Point(1.0), 40, 200, 5)],
            vec![part(beta(2.0, 2.0), 150, 50, 6), part(beta(30.0, 0.5), 150, 50, 7)],
            vec![part(Difficulty::Point(0.999), 60, 1000, 8), part(Difficulty::Point(0.3), 5, 1000, 9)],
        ];
        mixtures.iter().map(|parts| Data::new(&parts.concat()).unwrap()).collect()
    }

    /// What is found is the best that there is, as far as 30 searches from random points can tell.
    #[test]
    fn no_random_start_finds_a_better_law() {
        for (set, data) in data_sets().iter().enumerate() {
            for kind in [Kind::Beta, Kind::ZeroInflated, Kind::ScaledBeta, Kind::Kumaraswamy, Kind::TwoBetas] {
                let law = estimate(kind, data, &[]).unwrap();
                let found = negative_log_likelihood(&Mixing::of(&law).unwrap(), data).0;
                let mut stream = Stream::new(set as u64, 77);
                for _ in 0..30 {
                    let mut spread = |low: f64, high: f64| low + (high - low) * stream.uniform();
                    let start = [spread(-3.0, 7.0), spread(-4.0, 5.0), spread(-3.0, 7.0), spread(-4.0, 5.0)];
                    let mut start = [start[0], start[1], start[2], start[3], spread(-4.0, 4.0)];
                    if matches!(kind, Kind::ZeroInflated | Kind::ScaledBeta) {
                        start[2] = start[4];
                    }
                    let (end, nll) = bfgs(|x| nll_at(kind, data, x), start, 1e-6);
                    assert!(nll > found - 2e-3, "set {set}, {kind:?}: {nll} at {end:?}, found {found}");
                }
            }
        }
    }
}
