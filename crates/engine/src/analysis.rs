//! From a tally to what the paper asks of it: coverage curves, fits with their misfit, and the correlation spectrum
//! beside its null.

use crate::correlation::last_rank;
use ndarray::{ArrayView2, s};
use retrial_spec::{Backend, Gram, Result, Tally, tally::Histogram};
use retrial_theory::{
    coverage::{Counts, Point, Scope, first_success_curve, log_grid, unbiased_curve},
    fit::{self, BetaFit, Misfit, Outcome},
    spectrum::{self, Null, PowerLaw, Standardised},
};
use serde::Serialize;

/// Shuffles of the permutation null.
pub const NULL_REPEATS: usize = 8;
/// Points of a coverage curve per factor of ten.
pub(crate) const PER_DECADE: u32 = 8;

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
    /// Laws, with what they miss.
    pub fits: Vec<Fit>,
    /// Probability of the gain in likelihood that a free maximal coverage brings, were it 1.
    pub full_coverage_p_value: Option<f64>,
}

/// A law on one coverage curve. Parameters that a law does not have are absent; alpha and beta are of the *failure*
/// probability.
#[derive(Clone, Debug, Serialize)]
pub struct Fit {
    /// "Eq 8" or "Eq 12".
    pub law: &'static str,
    /// How its parameters were found.
    pub method: &'static str,
    /// `A`, the maximal coverage.
    pub max_coverage: Option<f64>,
    /// Exponent of small failure probabilities.
    pub alpha: Option<f64>,
    /// Exponent of small success probabilities: coverage approaches `A` as `k^-beta`.
    pub beta: Option<f64>,
    /// Exponent of the effective number of trials (Eq 11).
    pub exponent: Option<f64>,
    /// Negative log likelihood in nats, binomial coefficients included.
    pub nll: Option<f64>,
    /// Distance from the unbiased curve.
    pub misfit: Option<Misfit>,
    /// Why there is no fit.
    pub note: Option<&'static str>,
    /// The law's curve, `(k, pass@k)`.
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

    /// `fits.csv`.
    pub fn fits_csv(&self) -> String {
        let cell = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
        let mut csv = String::from("threshold,law,method,A,alpha,beta,exponent,nll,rmse,max_deviation,note\n");
        for c in &self.thresholds {
            for f in &c.fits {
                let numbers = [
                    f.max_coverage,
                    f.alpha,
                    f.beta,
                    f.exponent,
                    f.nll,
                    f.misfit.map(|m| m.rmse),
                    f.misfit.map(|m| m.max),
                ];
                let numbers = numbers.map(cell).join(",");
                csv += &format!("{},{},{},{numbers},{}\n", c.threshold, f.law, f.method, f.note.unwrap_or_default());
            }
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
        // Drawn two decades beyond what was measured.
        let drawn: Vec<f64> = log_grid(trials.saturating_mul(100), PER_DECADE).into_iter().map(|k| k as f64).collect();

        let plain = fit::beta_binomial(&counts, &curve)?;
        let inflated = fit::zero_inflated(&counts, &curve)?;
        let test = plain.fitted().zip(inflated.fitted()).map(|(p, i)| fit::zero_inflation_test(p, i).p_value);
        let mut fits = vec![
            Fit::likelihood("maximum likelihood with A = 1", &plain, &drawn),
            Fit::likelihood("maximum likelihood", &inflated, &drawn),
        ];
        if curve.len() >= 3 {
            let f = fit::eq8_least_squares(&curve)?;
            let curve = drawn.iter().map(|&k| (k, f.coverage(k))).collect();
            fits.push(Fit {
                max_coverage: Some(f.max_coverage),
                alpha: Some(f.law.alpha()),
                beta: Some(f.law.beta()),
                misfit: Some(f.misfit),
                curve,
                ..Fit::new("Eq 8", "least squares")
            });
        }
        let failure: Vec<f64> = successes.iter().map(|&c| 1.0 - c as f64 / trials as f64).collect();
        let mean = [failure.iter().sum::<f64>() / failure.len() as f64];
        let eq12 = [
            ("mean p with the spectral exponent", &mean[..], exponent),
            ("mean p with a fitted exponent", &mean[..], None),
            ("p per sample with the spectral exponent", &failure[..], exponent),
            ("p per sample with a fitted exponent", &failure[..], None),
        ];
        for (method, failure, given) in eq12 {
            if method.ends_with("spectral exponent") && given.is_none() {
                continue;
            }
            // The exponent of a spectrum can come out negative from few noisy ranks; more than k trials it cannot mean.
            let f = fit::eq12_least_squares(failure, &curve, given.map(|a| a.max(0.0)), Some(1.0))?;
            fits.push(Fit {
                max_coverage: Some(f.max_coverage),
                exponent: Some(f.exponent),
                misfit: Some(f.misfit),
                curve: drawn.iter().map(|&k| (k, f.coverage(failure, k))).collect(),
                ..Fit::new("Eq 12", method)
            });
        }
        Ok(Self {
            threshold,
            first_success: first_success_curve(&tally.first_successes(threshold), trials, &ks)?,
            unbiased,
            unbiased_benchmark: unbiased_curve(&counts, &ks, Scope::Benchmark)?,
            fits,
            full_coverage_p_value: test,
        })
    }

    /// The fit of a method, if it was made.
    pub fn fit(&self, law: &str, method: &str) -> Option<&Fit> {
        self.fits.iter().find(|f| f.law == law && f.method == method)
    }
}

impl Fit {
    fn new(law: &'static str, method: &'static str) -> Self {
        Self {
            law,
            method,
            max_coverage: None,
            alpha: None,
            beta: None,
            exponent: None,
            nll: None,
            misfit: None,
            note: None,
            curve: vec![],
        }
    }

    fn likelihood(method: &'static str, outcome: &Outcome, drawn: &[f64]) -> Self {
        let empty = Self::new("Eq 8", method);
        let note = match outcome {
            Outcome::Fitted(f) => {
                let BetaFit { max_coverage, law, nll, misfit } = f;
                return Self {
                    max_coverage: Some(*max_coverage),
                    alpha: Some(law.alpha()),
                    beta: Some(law.beta()),
                    nll: Some(*nll),
                    misfit: Some(*misfit),
                    curve: drawn.iter().map(|&k| (k, f.coverage(k))).collect(),
                    ..empty
                };
            }
            Outcome::NoSuccess => "no trial succeeded",
            Outcome::NoFailure => "no trial failed",
            Outcome::NoSpread => "samples differ no more than chance allows",
            Outcome::AllOrNothing => "each sample was solved always or never",
        };
        Self { note: Some(note), ..empty }
    }
}

impl Correlation {
    fn new(errors: ArrayView2<'_, f32>, backend: &dyn Backend, seed: u64) -> Result<Option<Self>> {
        let samples = errors.nrows().min(Gram::MOST_SAMPLES);
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
