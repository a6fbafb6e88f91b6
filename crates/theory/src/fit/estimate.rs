//! The point estimate of every kind of law.

use super::{
    Kind, Law, NoFit,
    family::{Gain, Values},
};
use crate::Data;

/// For replicates of a bootstrap.
pub(crate) const ROUGH: Gain = Gain { nats: 1e-5, squares: 1e-10 };
/// To rounding, where the difference to another fit matters.
pub(crate) const EXACT: Gain = Gain { nats: 0.0, squares: 0.0 };

/// The law of this kind that describes the data best; `curve` is their [`fitting_curve`].
pub(crate) fn estimate(kind: Kind, data: &Data, curve: &[(f64, f64)]) -> Result<Law, NoFit> {
    if data.solved() == 0.0 {
        return Err(NoFit::NoSuccess);
    }
    if data.cells().iter().all(|(s, _)| s.failures() == 0) {
        return Err(NoFit::NoFailure);
    }
    kind.family().estimate(data, curve).map(|values| Law::of(kind, values))
}

/// The law that describes a replicate of the data for which `law` was the best.
pub(crate) fn again(law: &Law, data: &Data, gain: Gain) -> Result<Law, NoFit> {
    if data.solved() == 0.0 {
        return Err(NoFit::NoSuccess);
    }
    let values: Result<Values, NoFit> = law.family().again(law.values(), data, gain);
    values.map(|values| Law::of(law.kind(), values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Design, simulate};
    use crate::{
        fit::{
            minimise::bfgs,
            search::{negative_log_likelihood, nll_at},
        },
        laws::BetaLaw,
    };
    use retrial_spec::rng::Stream;

    /// Counts of easy, hard and impossible samples in several mixtures, as benchmarks have them.
    fn data_sets() -> Vec<Data> {
        let part = |law, samples, trials, seed| simulate(&Design { law, samples, trials, batch: None }, seed).unwrap();
        let beta = |a, b| Law::from(BetaLaw::new(a, b).unwrap());
        let point = |p| Law::new(Kind::POINT, &[("p", p)]).unwrap();
        let mixtures = [
            vec![part(beta(4.65, 0.361), 128, 10_000, 1)],
            vec![part(beta(50.0, 0.2), 120, 10_000, 2), part(beta(700.0, 60.0), 8, 10_000, 3)],
            vec![part(beta(1.0, 3.0), 60, 200, 4), part(point(1.0), 40, 200, 5)],
            vec![part(beta(2.0, 2.0), 150, 50, 6), part(beta(30.0, 0.5), 150, 50, 7)],
            vec![part(point(0.999), 60, 1000, 8), part(point(0.3), 5, 1000, 9)],
        ];
        mixtures.iter().map(|parts| Data::new(&parts.concat()).unwrap()).collect()
    }

    /// What is found is the best that there is, as far as 30 searches from random points can tell.
    #[test]
    fn no_random_start_finds_a_better_law() {
        for (set, data) in data_sets().iter().enumerate() {
            for kind in Kind::fitted().filter(|kind| kind.by_likelihood()) {
                let law = estimate(kind, data, &[]).unwrap();
                let found = negative_log_likelihood(&*law.mixing().unwrap(), data).0;
                let mut stream = Stream::new(set as u64, 77);
                for _ in 0..30 {
                    let mut spread = |low: f64, high: f64| low + (high - low) * stream.uniform();
                    let start = [spread(-3.0, 7.0), spread(-4.0, 5.0), spread(-3.0, 7.0), spread(-4.0, 5.0)];
                    let mut start = [start[0], start[1], start[2], start[3], spread(-4.0, 4.0)];
                    if [Kind::ZERO_INFLATED, Kind::SCALED_BETA].contains(&kind) {
                        start[2] = start[4];
                    }
                    let (end, nll) = bfgs(|x| nll_at(kind.family(), data, x), start, 1e-6);
                    assert!(nll > found - 2e-3, "set {set}, {kind:?}: {nll} at {end:?}, found {found}");
                }
            }
        }
    }
}
