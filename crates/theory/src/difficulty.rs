//! How hard samples are: the density of Eq 10 and what is known of each sample.

use crate::{
    Data,
    coverage::{Counts, point},
    npmle::{Atom, Npmle},
};

/// The shares of samples by difficulty `s = -ln p`, from an [`Npmle`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Spectrum {
    /// `1 / n`: samples with a difficulty below it are indistinguishable from ones that cannot be solved.
    pub resolution: f64,
    /// `3 / N`: the resolution in share. The NPMLE puts what shares it finds into few atoms, and which bin an atom falls
    /// into is chance: a smaller share of a bin, none included, is noise.
    pub least_share: f64,
    /// The share of samples with a difficulty below the resolution.
    pub unresolved: f64,
    /// Bins of equal width in `ln s`, increasing: `(from, to, density f(s))`, the share per unit of `s`. The last
    /// bin holds all that is easier too.
    pub bins: Vec<(f64, f64, f64)>,
}

/// The density `f(s)` of Eq 10 above the resolution of `data`, in `per_decade` bins (at least 1) per factor of ten.
/// (A law's own is [`crate::fit::Law::difficulty_density`].)
///
/// ```
/// use retrial_theory::{Data, coverage::Counts, difficulty::spectrum, npmle::npmle};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let counts: Vec<Counts> = (0..40).map(|i| Counts::new(200, if i < 10 { 0 } else { 160 })).collect::<Result<_, _>>()?;
/// let data = Data::new(&counts)?;
/// let found = spectrum(&npmle(&data), &data, 4);
/// assert!((found.unresolved - 0.25).abs() < 1e-6, "a quarter of the samples were never solved");
/// # Ok(())
/// # }
/// ```
pub fn spectrum(npmle: &Npmle, data: &Data, per_decade: u32) -> Spectrum {
    let resolution = 1.0 / data.reach().max(1) as f64;
    let difficulty = |atom: &Atom| -atom.ln_failure();
    let share = |keep: &dyn Fn(f64) -> bool| {
        npmle.atoms.iter().filter(|atom| keep(difficulty(atom))).map(|atom| atom.weight).sum::<f64>()
    };
    // At the other end, what fails less often than once in all trials cannot be told from what never fails.
    let top = (1.0 / resolution).ln().max(10.0 * resolution);
    let step = 10f64.powf(1.0 / f64::from(per_decade.clamp(1, 10_000)));
    let count = ((top / resolution).ln() / step.ln()).ceil() as i32;
    let bins = (0..count).map(|i| {
        let (from, to) = (resolution * step.powi(i), resolution * step.powi(i + 1));
        let last = i + 1 == count;
        (from, to, share(&|s| s >= from && (s < to || last)) / (to - from))
    });
    let least_share = (3.0 / data.samples()).min(1.0);
    Spectrum { resolution, least_share, unresolved: share(&|s| s < resolution), bins: bins.collect() }
}

impl Spectrum {
    /// A share, if it is above the noise.
    pub fn resolved(&self, share: f64) -> Option<f64> {
        // Sums of weights are a rounding error off.
        (share >= self.least_share * (1.0 - 1e-9)).then_some(share)
    }
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

/// What a sample's counts say of it, with the NPMLE as prior where the counts alone say little (empirical Bayes).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Posterior {
    /// Which sort it is.
    pub class: Class,
    /// Mean success probability of a trial.
    pub success: f64,
    /// Lower end of Clopper and Pearson's 95 % interval of the success probability, from this sample's counts alone: the
    /// prior's few atoms would make it far too narrow.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Probability that as many trials again would hold a success.
    pub next: f64,
}

/// The posterior of a sample.
pub fn posterior(npmle: &Npmle, counts: Counts) -> Posterior {
    let (n, c) = (counts.trials(), counts.successes());
    let weights = npmle.posterior(n, c);
    let mean = |of: &dyn Fn(&Atom) -> f64| npmle.atoms.iter().zip(&weights).map(|(atom, w)| w * of(atom)).sum::<f64>();
    let interval = point(1, c as f64 / n as f64, n as f64);
    let class = match c {
        0 => Class::Unsolved,
        c if 2 * u128::from(c) > u128::from(n) => Class::Easy,
        _ => Class::Hard,
    };
    Posterior {
        class,
        success: mean(&|atom| atom.success),
        low: interval.low,
        high: interval.high,
        next: mean(&|atom| atom.solved(n as f64)).min(1.0), // weights sum to 1 but for rounding
    }
}
