//! From a tally to what the paper asks of it: coverage curves, fits with their misfit, and the correlation spectrum
//! beside its null.

use ndarray::{ArrayView2, s};
use retrial_spec::{Backend, Gram, Result, Tally, tally::Histogram};
use retrial_theory::{
    coverage::{Counts, Point, Scope, first_success_curve, log_grid, unbiased_curve},
    fit::{self, Misfit},
    spectrum::{self, Null, PowerLaw, Standardised},
};
use serde::Serialize;
use std::fmt;

/// Shuffles of the permutation null.
pub const NULL_REPEATS: usize = 8;
/// Points of a coverage curve per factor of ten.
pub const PER_DECADE: u32 = 8;

/// Everything a report says of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Analysis {
    /// Quantiles of all errors, `(share, error)`, to the width of a histogram bin. Empty where only counts were kept.
    pub quantiles: Vec<(f64, f64)>,
    /// One entry per threshold, increasing.
    pub thresholds: Vec<Coverage>,
    /// Correlation of trials; `None` with fewer than six trials or seven samples, which have no spectrum to speak of.
    pub correlation: Option<Correlation>,
}

/// pass@k at one threshold.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// Errors below it are successes.
    pub threshold: f32,
    /// The paper's estimator, with intervals for other samples of the same kind.
    pub first_success: Vec<Point>,
    /// The unbiased estimator, with intervals for other samples of the same kind.
    pub unbiased: Vec<Point>,
    /// The unbiased estimator, with intervals for these samples tried again.
    pub unbiased_benchmark: Vec<Point>,
    /// Eq 12 with `A = 1`, in each way in which it can be read.
    pub eq12: Vec<Eq12>,
}

/// Which failure probabilities Eq 12 is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Their mean, as the paper plots it.
    Mean,
    /// One per sample.
    PerSample,
}

/// Where the exponent of Eq 11 is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exponent {
    /// The power law of the spectrum of the first trials.
    Spectrum,
    /// Least squares on the coverage curve.
    Curve,
}

/// Eq 12 with `A = 1` on one coverage curve.
#[derive(Clone, Debug, Serialize)]
pub struct Eq12 {
    /// The failure probabilities.
    pub failure: Failure,
    /// Where its exponent is from.
    pub exponent_from: Exponent,
    /// The exponent of the effective number of trials (Eq 11).
    pub exponent: f64,
    /// Distance from the unbiased curve.
    pub misfit: Misfit,
    /// The law's curve, `(k, pass@k)`, two decades beyond what was measured.
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
}

/// The correlation of trials across samples (Eq 17).
#[derive(Clone, Debug, Serialize)]
pub struct Correlation {
    /// Samples correlated over, the first of the run.
    pub samples: usize,
    /// Trials correlated, the first of the run.
    pub trials: usize,
    /// Mean correlation of two trials.
    pub rho: f64,
    /// Number of independent trials that carry as much, `K / (1 + (K-1) rho)`.
    pub independent_trials: f64,
    /// Eigenvalues of the trial-correlation matrix, descending.
    pub eigenvalues: Vec<f64>,
    /// First and last rank of the power laws.
    pub ranks: (usize, usize),
    /// The power law of the data.
    pub power_law: PowerLaw,
    /// The same of errors shuffled within each sample.
    pub null: Null,
}

impl Analysis {
    /// Analyses a tally. `errors` are the run's first trials, `[N, K]`; `seed` shuffles the null.
    pub fn new(tally: &Tally, errors: ArrayView2<'_, f32>, backend: &dyn Backend, seed: u64) -> Result<Self> {
        let correlation = Correlation::new(errors, backend, seed)?;
        let exponent = correlation.as_ref().map(|c| c.power_law.exponent);
        let thresholds = (0..tally.thresholds().len()).map(|t| Coverage::new(tally, t, exponent));
        let (edges, counts) = histogram(tally);
        let shares = [0.01, 0.1, 0.5, 0.9, 0.99].into_iter().filter(|_| !tally.is_counts_only());
        Ok(Self {
            quantiles: shares.map(|q| (q, quantile(&edges, &counts, q))).collect(),
            thresholds: thresholds.collect::<Result<_>>()?,
            correlation,
        })
    }

    /// `pass_at_k.csv`.
    pub fn pass_at_k_csv(&self) -> String {
        let mut csv = String::from("threshold,estimator,interval,k,value,low,high\n");
        for c in &self.thresholds {
            let curves = [
                ("first-success", "population", &c.first_success),
                ("unbiased", "population", &c.unbiased),
                ("unbiased", "benchmark", &c.unbiased_benchmark),
            ];
            for (estimator, interval, points) in curves {
                for Point { k, value, low, high } in points {
                    csv += &format!("{},{estimator},{interval},{k},{value},{low},{high}\n", c.threshold);
                }
            }
        }
        csv
    }

    /// `eq12.csv`.
    pub fn eq12_csv(&self) -> String {
        let mut csv = String::from("threshold,failure,exponent_from,exponent,rmse,worst\n");
        for (c, law) in self.thresholds.iter().flat_map(|c| c.eq12.iter().map(move |law| (c, law))) {
            let Eq12 { failure, exponent_from, exponent, misfit: Misfit { rmse, max }, .. } = law;
            csv += &format!("{},{failure},{exponent_from},{exponent},{rmse},{max}\n", c.threshold);
        }
        csv
    }

    /// `spectrum.csv`.
    pub fn spectrum_csv(&self) -> String {
        let mut csv = String::from("rank,eigenvalue,null_mean,null_min,null_max\n");
        if let Some(c) = &self.correlation {
            for (rank, (value, null)) in c.eigenvalues.iter().zip(&c.null.eigenvalues).enumerate() {
                csv += &format!("{},{value},{},{},{}\n", rank + 1, null.mean, null.min, null.max);
            }
        }
        csv
    }
}

/// All errors of a run: edges of the occupied bins, and counts. Empty where only successes were counted.
pub fn histogram(tally: &Tally) -> (Vec<f64>, Vec<u64>) {
    let bins = tally.bins();
    let count = |bin| tally.rows().iter().map(|row| row.histogram().count(bin)).sum();
    ((bins.start..=bins.end).map(|bin| Histogram::edge(bin).into()).collect(), bins.map(count).collect())
}

/// The same of some errors.
pub fn histogram_of(errors: impl IntoIterator<Item = f32>) -> (Vec<f64>, Vec<u64>) {
    let mut histogram = Histogram::default();
    errors.into_iter().for_each(|e| histogram.add(Histogram::bin(e), 1));
    let bins = histogram.bins();
    (
        (bins.start..=bins.end).map(|bin| Histogram::edge(bin).into()).collect(),
        bins.map(|bin| histogram.count(bin)).collect(),
    )
}

/// The error below which a share `q` of a histogram lies, interpolated within its bin. NaN where it is empty.
fn quantile(edges: &[f64], counts: &[u64], q: f64) -> f64 {
    let mut left = q * counts.iter().sum::<u64>() as f64;
    for (edge, &count) in edges.windows(2).zip(counts) {
        if left <= count as f64 && count > 0 {
            return edge[0] + (edge[1] - edge[0]) * left / count as f64;
        }
        left -= count as f64;
    }
    f64::NAN
}

impl Coverage {
    fn new(tally: &Tally, index: usize, exponent: Option<f64>) -> Result<Self> {
        let (threshold, trials) = (tally.thresholds()[index], tally.trials().count());
        let successes = tally.successes(index);
        let counts = successes.iter().map(|&c| Counts::new(trials, c)).collect::<Result<Vec<_>>>()?;
        let ks = log_grid(trials, PER_DECADE);
        let unbiased = unbiased_curve(&counts, &ks, Scope::Population)?;
        let curve = fit::pairs(&unbiased);
        let drawn: Vec<f64> = log_grid(trials.saturating_mul(100), PER_DECADE).into_iter().map(|k| k as f64).collect();
        let each: Vec<f64> = successes.iter().map(|&c| 1.0 - c as f64 / trials as f64).collect();
        let mean = [each.iter().sum::<f64>() / each.len() as f64];
        // The exponent of a spectrum can come out negative from few noisy ranks; more than k trials it cannot mean.
        let spectral = exponent.map(|a| a.max(0.0));
        let from = [(Exponent::Spectrum, spectral), (Exponent::Curve, None)];
        let from = from.into_iter().filter(|(from, given)| *from == Exponent::Curve || given.is_some());
        let readings = [(Failure::Mean, &mean[..]), (Failure::PerSample, &each)];
        let readings = readings.into_iter().flat_map(|of| from.clone().map(move |from| (of, from)));
        let eq12 = readings.map(|((failure, p), (exponent_from, given))| {
            let law = fit::eq12_least_squares(p, &curve, given, Some(1.0))?;
            let curve = drawn.iter().map(|&k| (k, law.coverage(p, k))).collect();
            Ok(Eq12 { failure, exponent_from, exponent: law.exponent, misfit: law.misfit, curve })
        });
        let eq12 = eq12.collect::<Result<_>>()?;
        Ok(Self {
            threshold,
            first_success: first_success_curve(&tally.first_successes(threshold), trials, &ks)?,
            unbiased,
            unbiased_benchmark: unbiased_curve(&counts, &ks, Scope::Benchmark)?,
            eq12,
        })
    }

    /// Eq 12 as the paper plots it, if there is a spectrum.
    pub fn paper(&self) -> Option<&Eq12> {
        self.eq12.iter().find(|law| law.failure == Failure::Mean && law.exponent_from == Exponent::Spectrum)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean p",
            Self::PerSample => "p per sample",
        })
    }
}

impl fmt::Display for Exponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spectrum => "spectrum",
            Self::Curve => "curve",
        })
    }
}

impl Eq12 {
    /// What the exponent says where it is 0.
    pub fn says(&self) -> Option<&'static str> {
        let full = self.exponent < 1e-6;
        full.then_some(match self.failure {
            Failure::PerSample => {
                "a = 0: given its sample every trial counts in full, trials of a sample are independent"
            }
            Failure::Mean => "a = 0: every trial counts in full",
        })
    }
}

impl Correlation {
    fn new(errors: ArrayView2<'_, f32>, backend: &dyn Backend, seed: u64) -> Result<Option<Self>> {
        let samples = errors.nrows().min(Gram::MAX_SAMPLES);
        let trials = errors.ncols();
        let Some(last) = last_rank(samples.saturating_sub(1).min(trials)) else { return Ok(None) };
        let errors: Vec<f32> = errors.slice(s![..samples, ..]).iter().copied().collect();
        let standardised = Standardised::new(&errors, samples)?;
        let eigenvalues = spectrum::eigenvalues(&backend.correlation(&errors, samples)?, samples)?;
        // Without noise every trial is the same, there is one eigenvalue, and nothing to fit.
        let Ok(power_law) = spectrum::power_law(&eigenvalues, 2..=last) else { return Ok(None) };
        let rho = standardised.mean_correlation();
        Ok(Some(Self {
            samples,
            trials,
            rho,
            independent_trials: spectrum::independent_trials(trials as u64, rho),
            eigenvalues,
            ranks: (2, last),
            power_law,
            null: spectrum::permutation_null(&errors, samples, 2..=last, NULL_REPEATS, seed)?,
        }))
    }
}

/// The trial-correlation matrix (Eq 17) of errors `[N, K]`, `[K, K]`.
pub fn trial_correlation(errors: ArrayView2<'_, f32>) -> Result<Vec<f64>> {
    let values: Vec<f32> = errors.iter().copied().collect();
    Ok(Standardised::new(&values, errors.nrows())?.correlation())
}

/// The last rank of a power law that begins at the second, of so many eigenvalues that are not 0 of themselves: half of
/// them, since the smallest bend away from any law; `None` where less than two ranks remain.
pub(crate) fn last_rank(eigenvalues: usize) -> Option<usize> {
    Some((eigenvalues / 2).min(200)).filter(|&last| last >= 3)
}
