//! Counts drawn from the memorising model (Eqs 1 and 4 to 8): a sample has a success probability from a difficulty law,
//! and its trials are independent.

use crate::{coverage::Counts, fit::Law, sampling};
use retrial_spec::{Error, Result, rng::Stream};

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Design {
    /// Law of the samples' failure probability.
    pub law: Law,
    /// Number of samples.
    pub samples: u64,
    /// Trials per sample, at most 2^53.
    pub trials: u64,
    /// Tries a sample by so many trials at a time until a batch holds a success; 1 stops it at its first success.
    pub batch: Option<u64>,
}

/// The random stream of simulations, so that it shares no number with any other use of the same seed.
const STREAM: u32 = u32::from_be_bytes(*b"simu");

/// Draws the counts of `design`; the same seed gives the same counts. Exact binomial draws in time `O(log trials)`.
/// An error without samples, trials or a trial per batch, and for a law of the curve alone.
///
/// ```
/// use retrial_theory::{laws::BetaLaw, simulate::{Design, simulate}};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let law = BetaLaw::new(2.0, 0.5)?.into();
/// let counts = simulate(&Design { law, samples: 100, trials: 1000, batch: None }, 1)?;
/// assert_eq!(counts.len(), 100);
/// assert!(counts.iter().all(|counts| counts.trials() == 1000));
/// # Ok(())
/// # }
/// ```
pub fn simulate(design: &Design, seed: u64) -> Result<Vec<Counts>> {
    if design.samples == 0 {
        return Err(Error::input("samples to simulate", 0, "need at least one"));
    }
    if !(1..=1 << 53).contains(&design.trials) {
        return Err(Error::input("trials to simulate", design.trials, "must be from 1 to 2^53"));
    }
    if design.batch == Some(0) {
        return Err(Error::input("trials of a batch", 0, "must be at least 1"));
    }
    let draw = design.law.sampler()?;
    let mut stream = Stream::new(seed, STREAM);
    let mut one = || {
        let (failure, success) = draw(&mut stream);
        sample(design.trials, design.batch, success, failure, &mut stream)
    };
    (0..design.samples).map(|_| one()).collect()
}

/// The counts of one sample with this success probability.
pub(crate) fn sample(
    trials: u64,
    batch: Option<u64>,
    success: f64,
    failure: f64,
    stream: &mut Stream,
) -> Result<Counts> {
    let Some(batch) = batch else {
        return Counts::new(trials, sampling::binomial(trials, success, failure, stream));
    };
    let first = sampling::first_success(success, stream);
    if first > trials as f64 {
        return Counts::new(trials, 0);
    }
    // The rest of its batch, which `trials` may cut short, is tried all the same.
    let first = first as u64;
    let end = first.div_ceil(batch).saturating_mul(batch).min(trials);
    Counts::new(end, 1 + sampling::binomial(end - first, success, failure, stream))
}
