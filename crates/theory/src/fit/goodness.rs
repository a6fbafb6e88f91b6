//! Goodness of fit from counts that the law itself made.

use super::{
    Fitted, Goodness, Settings,
    estimate::{ROUGH, again},
    family::Mixing,
    search::negative_log_likelihood,
};
use crate::{
    Data,
    npmle::{Npmle, Solver, Tilt, best_nll},
    parallel, simulate,
};
use retrial_spec::{Observer, Result, rng::Stream};

/// The random streams, one per replicate from here on, so that they share no number with other uses of the seed.
const SIMULATE: u32 = u32::from_be_bytes([b'g', b'f', 0, 0]);

/// The likelihood ratio against the NPMLE, beside what it is for counts that the law itself made; `None` for a law
/// without a likelihood. Replicates stop as the samples did; solved samples are taken to have had as many attempts at
/// most as the longest.
pub(super) fn goodness(
    fitted: &Fitted,
    data: &Data,
    npmle: &Npmle,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Option<Goodness>> {
    let (Some(nll), Some(mixing)) = (fitted.nll, fitted.law.mixing()) else { return Ok(None) };
    // Like is compared with like: the free law of the data too is found roughly.
    let ratio = nll - free_nll(data);
    let exceeds = |replicate: u64| {
        let mut stream = Stream::new(settings.seed, SIMULATE.wrapping_add(replicate as u32));
        let replicate = simulated(&*mixing, data, &mut stream)?;
        // Counts that no law of this kind fits are no evidence for or against this one.
        let law = again(&fitted.law, &replicate, ROUGH).ok()?.mixing()?;
        Some(negative_log_likelihood(&*law, &replicate).0 - free_nll(&replicate) >= ratio)
    };
    let replicates = parallel::map(settings.replicates.into(), ("goodness of fit", "replicates"), observer, exceeds)?;
    let valid = replicates.iter().flatten().count() as u32;
    let exceeding = replicates.into_iter().flatten().filter(|&exceeds| exceeds).count() as f64;
    let p_value = (exceeding + 1.0) / (f64::from(valid) + 1.0);
    Ok(Some(Goodness { nats: nll - npmle.nll, p_value, replicates: valid }))
}

/// Counts that the law makes, of as many samples with as many trials, and stopped by the same rule.
fn simulated(law: &dyn Mixing, data: &Data, stream: &mut Stream) -> Option<Data> {
    let mut counts = Vec::with_capacity(data.samples() as usize);
    for (s, weight) in data.cells() {
        let trials = if data.is_stopped() && s.successes() > 0 { data.reach() } else { s.trials() };
        for _ in 0..*weight as u64 {
            let (failure, success) = law.sample(stream);
            counts.push(simulate::sample(trials, data.batch(), success, failure, stream).ok()?);
        }
    }
    match data.batch() {
        Some(batch) => Data::batched(&counts, batch).ok(),
        None => Data::new(&counts).ok(),
    }
}

/// The negative log likelihood of the NPMLE to a twentieth of a nat.
fn free_nll(data: &Data) -> f64 {
    let mixing = Solver::new(data.cells(), 0.0).solve(Tilt::default(), &[], 0.05 / data.samples(), false);
    best_nll(data) - data.samples() * mixing.ln_likelihood
}
