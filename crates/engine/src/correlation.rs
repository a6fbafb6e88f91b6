//! The correlation of all trials of a run, at every `k` at which its [`Gram`] matrix can be taken.
//!
//! With the trials the spectrum moves. Below `k = N` it is the noise of a finite number of trials (Marchenko and Pastur).
//! Far beyond, noise averages out, and what remains beside the largest eigenvalue is `k/N` times the variance that each
//! sample's own trials have: a property of the samples, which shuffling their trials keeps. In either case the null
//! shows what part of a power law owes nothing to the order of trials.

use crate::analysis::{PER_DECADE, last_rank};
use rayon::prelude::*;
use retrial_spec::{
    Gram, Result, Tally,
    gram::{Band, Sums},
};
use retrial_theory::{
    coverage::{Counts, Scope, log_grid, unbiased_curve},
    fit::{self, Misfit},
    laws::effective_trials,
    spectrum::{self, Exchangeable, Null, PowerLaw},
};
use serde::Serialize;

/// How the correlation of trials moves with their number.
#[derive(Clone, Debug, Serialize)]
pub struct Drift {
    /// Samples correlated over, the first of the run.
    pub samples: usize,
    /// Trials per sample that the largest `k` covers.
    pub trials: u64,
    /// One entry for each `k`, growing.
    pub points: Vec<Point>,
}

/// The correlation of the first `k` trials.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Trials correlated.
    pub k: u64,
    /// Trials left out, since their errors are equal in all samples, or not finite.
    pub left_out: u64,
    /// Mean correlation of two trials.
    pub rho: f64,
    /// Number of independent trials that carry as much, `k / (1 + (k-1) rho)`.
    pub independent_trials: f64,
    /// Eigenvalues of the trial-correlation matrix, descending: the `min(k, N-1)` that are not 0 of themselves.
    pub eigenvalues: Vec<f64>,
    /// What exchangeable trials of this `rho` would have, with the same noise in every sample.
    pub exchangeable: Exchangeable,
    /// What the ranks say; `None` of trials without noise, and of less than seven samples.
    pub ranks: Option<Ranks>,
}

/// The power law of a spectrum, beside what shuffles leave of it.
#[derive(Clone, Debug, Serialize)]
pub struct Ranks {
    /// First rank of the power law.
    pub first: usize,
    /// Its last rank.
    pub last: usize,
    /// The power law of the data.
    pub power_law: PowerLaw,
    /// The same of errors shuffled within each sample, and their eigenvalues.
    pub null: Null,
    /// Eqs 11 and 12 with the exponent of the data, one entry per threshold.
    pub laws: Vec<Law>,
}

/// Coverage up to `k` by Eq 12, with failure probabilities measured in all trials and the exponent of the spectrum at `k`.
#[derive(Clone, Debug, Serialize)]
pub struct Law {
    /// Errors below it are successes.
    pub threshold: f32,
    /// The effective number of trials of `k` (Eq 11).
    pub effective_trials: f64,
    /// How far Eq 12 with the mean failure probability misses the unbiased curve.
    pub mean: Misfit,
    /// How far Eq 12 with a failure probability per sample misses it.
    pub per_sample: Misfit,
}

impl Drift {
    /// The spectrum at every `k` of a Gram matrix. `tally` is that of the same run, with as many trials or more.
    pub fn new(gram: &Gram, tally: &Tally) -> Result<Self> {
        let curves = (0..tally.thresholds().len()).map(|t| Curve::new(tally, t)).collect::<Result<Vec<_>>>()?;
        let points = gram.prefixes().map(|band| Point::new(&band, gram.samples(), &curves));
        let points = points.collect::<Result<Vec<_>>>()?;
        Ok(Self { samples: gram.samples(), trials: points.last().map_or(0, |p| p.k + p.left_out), points })
    }

    /// `correlation.csv`: a line for each `k` and threshold.
    pub fn csv(&self) -> String {
        let mut csv = String::from(
            "k,left_out,rho,independent_trials,largest,exchangeable_largest,second,null_second_mean,exchangeable_low,\
             exchangeable_high,first_rank,last_rank,exponent,null_exponent_mean,null_exponent_min,null_exponent_max,\
             threshold,effective_trials,eq12_mean_rmse,eq12_mean_max,eq12_samples_rmse,eq12_samples_max\n",
        );
        for p in &self.points {
            let Point { k, left_out, rho, independent_trials, exchangeable: Exchangeable { largest, others }, .. } = p;
            let value = |rank: usize| p.eigenvalues.get(rank).copied().unwrap_or_default();
            let head = format!("{k},{left_out},{rho},{independent_trials},{},{largest},{}", value(0), value(1));
            let Some(Ranks { first, last, power_law, null, laws }) = &p.ranks else {
                csv += &format!("{head},,{},{}{}\n", others.0, others.1, ",".repeat(12));
                continue;
            };
            let (second, exponent) = (null.eigenvalues[1].mean, null.exponent);
            let head = format!(
                "{head},{second},{},{},{first},{last},{},{},{},{}",
                others.0, others.1, power_law.exponent, exponent.mean, exponent.min, exponent.max
            );
            for Law { threshold, effective_trials, mean, per_sample } in laws {
                csv += &format!(
                    "{head},{threshold},{effective_trials},{},{},{},{}\n",
                    mean.rmse, mean.max, per_sample.rmse, per_sample.max
                );
            }
            if laws.is_empty() {
                csv += &format!("{head}{}\n", ",".repeat(6));
            }
        }
        csv
    }

    /// `eigenvalues.csv`: a line for each `k` and rank.
    pub fn eigenvalues_csv(&self) -> String {
        let mut csv = String::from("k,rank,eigenvalue,null_mean,null_min,null_max\n");
        for p in &self.points {
            for (at, value) in p.eigenvalues.iter().enumerate() {
                let null = p.ranks.as_ref().map(|r| r.null.eigenvalues[at]);
                let null = null.map_or(",,".into(), |n| format!("{},{},{}", n.mean, n.min, n.max));
                csv += &format!("{},{},{value},{null}\n", p.k, at + 1);
            }
        }
        csv
    }
}

impl Point {
    fn new(band: &Band, samples: usize, curves: &[Curve]) -> Result<Self> {
        let k = band.data().trials();
        // No eigenvalue moved further when the sums were rounded (Weyl): what lies below is zero for all one knows.
        let rounding = band.trials() as f64 / Gram::BLOCK as f64 * Gram::QUANTUM / 2.0;
        let spectrum = |sums: &Sums| {
            let mut values = spectrum::eigenvalues(&sums.gram(), samples)?;
            values.truncate((samples - 1).min(usize::try_from(k).unwrap_or(usize::MAX)));
            values.iter_mut().filter(|value| **value <= rounding).for_each(|value| *value = 0.0);
            Ok(values)
        };
        // A spectrum of two thousand samples takes seconds: the data's and the shuffles' are taken side by side.
        let (eigenvalues, shuffled) = rayon::join(
            || spectrum(band.data()),
            || band.shuffled().par_iter().map(spectrum).collect::<Result<Vec<_>>>(),
        );
        let (eigenvalues, shuffled) = (eigenvalues?, shuffled?);
        let sums: Vec<f64> = band.data().u().collect();
        let rho = spectrum::mean_correlation(&sums, k);
        Ok(Self {
            k,
            left_out: band.trials() - k,
            rho,
            independent_trials: spectrum::independent_trials(k, rho),
            exchangeable: Exchangeable::new(k, samples, rho),
            ranks: Ranks::new(k, &eigenvalues, &shuffled, curves)?,
            eigenvalues,
        })
    }
}

impl Ranks {
    fn new(k: u64, eigenvalues: &[f64], shuffled: &[Vec<f64>], curves: &[Curve]) -> Result<Option<Self>> {
        let Some(last) = last_rank(eigenvalues.len()) else { return Ok(None) };
        // Without noise every trial is the same, there is one eigenvalue, and nothing to fit.
        let Ok(power_law) = spectrum::power_law(eigenvalues, 2..=last) else { return Ok(None) };
        let Ok(null) = Null::of(shuffled, 2..=last) else { return Ok(None) };
        let laws = curves.iter().map(|curve| curve.law(k, power_law.exponent)).collect::<Result<_>>()?;
        Ok(Some(Self { first: 2, last, power_law, null, laws }))
    }
}

/// What Eq 12 is held against at one threshold.
struct Curve {
    threshold: f32,
    trials: u64,
    counts: Vec<Counts>,
    /// Failure probabilities.
    failure: Vec<f64>,
}

impl Curve {
    fn new(tally: &Tally, index: usize) -> Result<Self> {
        let (trials, successes) = (tally.trials().count(), tally.successes(index));
        Ok(Self {
            threshold: tally.thresholds()[index],
            trials,
            counts: successes.iter().map(|&c| Counts::new(trials, c)).collect::<Result<_>>()?,
            failure: successes.iter().map(|&c| 1.0 - c as f64 / trials as f64).collect(),
        })
    }

    fn law(&self, k: u64, exponent: f64) -> Result<Law> {
        let measured = unbiased_curve(&self.counts, &log_grid(k.min(self.trials), PER_DECADE), Scope::Benchmark)?;
        let measured = fit::pairs(&measured);
        // The exponent of a spectrum can come out negative from few noisy ranks; more than k trials it cannot mean.
        let exponent = exponent.max(0.0);
        let misfit = |failure: &[f64]| {
            fit::eq12_least_squares(failure, &measured, Some(exponent), Some(1.0)).map(|law| law.misfit)
        };
        let mean = self.failure.iter().sum::<f64>() / self.failure.len() as f64;
        Ok(Law {
            threshold: self.threshold,
            effective_trials: effective_trials(k as f64, exponent),
            mean: misfit(&[mean])?,
            per_sample: misfit(&self.failure)?,
        })
    }
}
