//! Resampling: intervals from other samples of the same kind, and goodness of fit from counts that the law made.

use super::{
    Fitted, Goodness, Interval, Law, Settings,
    estimate::again,
    mixing::{Mixing, negative_log_likelihood},
};
use crate::{
    Data,
    npmle::{Npmle, Solver, Tilt, best_nll},
    parallel,
    sampling::binomial,
    simulate,
};
use retrial_spec::{Observer, Result, rng::Stream};

/// The random streams, one per replicate from here on, so that they share no number with other uses of the seed.
const RESAMPLE: u32 = u32::from_be_bytes([b'b', b's', 0, 0]);
const SIMULATE: u32 = u32::from_be_bytes([b'g', b'f', 0, 0]);

/// The law refitted to replicates of the data: samples drawn with replacement. Replicates that no law of this kind
/// fits are left out.
pub fn refits(law: &Law, data: &Data, settings: &Settings, observer: &dyn Observer) -> Result<Vec<Law>> {
    let refit = |replicate: u64| {
        let mut stream = Stream::new(settings.seed, RESAMPLE.wrapping_add(replicate as u32));
        again(law, &resample(data, &mut stream)?).ok()
    };
    let laws =
        parallel::map(settings.replicates.into(), settings.threads, ("bootstrap", "replicates"), observer, refit)?;
    Ok(laws.into_iter().flatten().collect())
}

/// As many samples as there are, drawn with replacement.
fn resample(data: &Data, stream: &mut Stream) -> Option<Data> {
    let (mut left, mut weight_left) = (data.samples(), data.samples());
    let mut cells = Vec::with_capacity(data.cells().len());
    for &(s, weight) in data.cells() {
        let rest = weight_left - weight;
        let drawn = binomial(left as u64, weight / weight_left, (rest / weight_left).max(0.0), stream) as f64;
        if drawn > 0.0 {
            cells.push((s, drawn));
        }
        (left, weight_left) = (left - drawn, rest);
    }
    Data::of_cells(cells, data.batch()).ok()
}

/// Percentile intervals of all parameters.
pub fn parameters(law: &Law, laws: &[Law]) -> Vec<Interval> {
    let interval = |(i, (parameter, _)): (usize, &(&'static str, f64))| {
        let [low, high] = percentiles(laws.iter().map(|law| law.parameters()[i].1))?;
        Some(Interval { parameter, method: "bootstrap", low, high })
    };
    law.parameters().iter().enumerate().filter_map(interval).collect()
}

/// The 2.5 and 97.5 percentiles of values, interpolated; `None` for fewer than 20.
pub fn percentiles(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    if values.len() < 20 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * (values.len() + 1) as f64 - 1.0).clamp(0.0, (values.len() - 1) as f64);
        let (floor, part) = (place.floor() as usize, place.fract());
        let next = values[(floor + 1).min(values.len() - 1)];
        if part == 0.0 { values[floor] } else { values[floor] + part * (next - values[floor]) }
    };
    Some([at(0.025), at(0.975)])
}

/// The likelihood ratio against the NPMLE, beside what it is for counts that the law itself made; `None` for a law
/// without a likelihood. Stopped samples are taken to have had as many attempts at most as the longest.
pub fn goodness(
    fitted: &Fitted,
    data: &Data,
    npmle: &Npmle,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Option<Goodness>> {
    let (Some(nll), Some(mixing)) = (fitted.nll, Mixing::of(&fitted.law)) else { return Ok(None) };
    // Like is compared with like: the free law of the data too is found roughly.
    let ratio = nll - free_nll(data);
    let exceeds = |replicate: u64| {
        let mut stream = Stream::new(settings.seed, SIMULATE.wrapping_add(replicate as u32));
        let replicate = simulated(&mixing, data, &mut stream)?;
        // Counts that no law of this kind fits are no evidence for or against this one.
        let law = Mixing::of(&again(&fitted.law, &replicate).ok()?)?;
        Some(negative_log_likelihood(&law, &replicate).0 - free_nll(&replicate) >= ratio)
    };
    let replicates = parallel::map(
        settings.replicates.into(),
        settings.threads,
        ("goodness of fit", "replicates"),
        observer,
        exceeds,
    )?;
    let valid = replicates.iter().flatten().count() as u32;
    let exceeding = replicates.into_iter().flatten().filter(|&exceeds| exceeds).count() as f64;
    let p_value = (exceeding + 1.0) / (f64::from(valid) + 1.0);
    Ok(Some(Goodness { nats: nll - npmle.nll, p_value, replicates: valid }))
}

/// Counts that the law makes, of as many samples with as many trials.
fn simulated(law: &Mixing, data: &Data, stream: &mut Stream) -> Option<Data> {
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
