use crate::{
    Error, Problem, Result,
    values::{outside, rows},
};
use std::ops::Range;

/// Where the noise of a call comes from.
#[derive(Clone, Debug)]
pub enum Noise<'a> {
    /// The normals of these trials by the [`rng`](crate::rng) contract.
    Trials(Range<u64>),
    /// Given normals, `[N, W, latent]`.
    Given(&'a [f32]),
}

impl Noise<'_> {
    /// Largest magnitude of a given normal.
    pub const LIMIT: f32 = 1e6;
    /// Most trials per sample of one call that returns or takes a value for each, 2^31.
    pub const MAX_TRIALS: usize = 1 << 31;

    /// Checks noise for `samples` samples of `latent` dimensions and returns `W`, its trials per sample.
    ///
    /// # Errors
    /// [`Error::Input`] where a range of trials is empty or reversed, where given noise is not `[samples, W, latent]`,
    /// or holds a number that is not finite and within [`Noise::LIMIT`], and where `W` is not 1 to [`Noise::MAX_TRIALS`].
    pub fn check(&self, samples: usize, latent: usize) -> Result<usize> {
        let trials = match self {
            Self::Trials(range) => span(range)?,
            Self::Given(noise) => {
                let shape = format!("{samples} samples x W >= 1 trials x {latent} dimensions");
                let trials = rows("noise", noise.len(), samples.saturating_mul(latent), shape)?;
                if let Some(at) = outside(noise, &(-Self::LIMIT..=Self::LIMIT)) {
                    let limit = "must be finite and within +-1e6";
                    return Err(Error::input(format!("noise value {at}"), noise[at], limit));
                }
                trials as u64
            }
        };
        window(trials)
    }

    /// Trials per sample of noise that [`check`](Self::check) accepts for a problem; 0 of a range without any.
    pub fn trials(&self, problem: &Problem) -> usize {
        match self {
            Self::Trials(range) => range.end.saturating_sub(range.start) as usize,
            Self::Given(noise) => noise.len() / (problem.samples() * problem.shape().latent),
        }
    }
}

/// Length of a range of trials, which must have one.
pub(crate) fn span(trials: &Range<u64>) -> Result<u64> {
    match trials.end.checked_sub(trials.start) {
        None | Some(0) => Err(Error::input("trials", format!("{trials:?}"), "the end must lie above the start")),
        Some(length) => Ok(length),
    }
}

/// Refuses more trials per sample than one call takes.
pub(crate) fn window(trials: u64) -> Result<usize> {
    match usize::try_from(trials) {
        Ok(trials) if trials <= Noise::MAX_TRIALS => Ok(trials),
        _ => Err(Error::input("trials of one call", trials, "must be at most 2^31; take them in windows")),
    }
}
