//! How hard samples are: the density of Eq 10 and what is known of each sample.

use crate::{Data, coverage::Counts, npmle::Npmle};

/// The shares of samples by difficulty `s = -ln p`, from an [`Npmle`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Spectrum {
    /// `1 / n`: samples with a difficulty below it are indistinguishable from ones that cannot be solved.
    pub resolution: f64,
    /// The share of samples with a difficulty below the resolution.
    pub unresolved: f64,
    /// Bins of equal width in `ln s`, increasing: `(from, to, density f(s))`, the share per unit of `s`.
    pub bins: Vec<(f64, f64, f64)>,
}

/// The density `f(s)` of Eq 10 above the resolution of `data`, in `per_decade` bins (at least 1) per factor of ten.
/// (A law's own is [`crate::fit::Law::difficulty_density`].)
pub fn spectrum(npmle: &Npmle, data: &Data, per_decade: u32) -> Spectrum {
    let _ = (npmle, data, per_decade);
    todo!()
}

/// Sorts of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Class {
    /// A trial is more likely to succeed than not.
    Easy,
    /// Solved, but by a minority of trials.
    Hard,
    /// Never solved.
    Unsolved,
}

/// What the NPMLE as prior and a sample's counts say of it (empirical Bayes).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Posterior {
    /// Which sort it is.
    pub class: Class,
    /// Mean success probability of a trial.
    pub success: f64,
    /// 2.5 % quantile of the success probability.
    pub low: f64,
    /// 97.5 % quantile.
    pub high: f64,
    /// Probability that as many trials again would hold a success.
    pub next: f64,
}

/// The posterior of a sample.
pub fn posterior(npmle: &Npmle, counts: Counts) -> Posterior {
    let _ = (npmle, counts);
    todo!()
}
