//! How trials correlate across samples: Eq 17, its spectrum, and what mere noise would show.
//!
//! Given its sample, trials are independent and identically distributed. The correlation matrix of infinitely many
//! samples is therefore `(1-rho) I + rho 11^T` exactly: one eigenvalue `1 + (K-1) rho`, all others equal. Whatever else
//! a measured spectrum shows, a power law included, is the noise of finitely many samples. [`permutation_null`]
//! computes that noise: it shuffles the trials within each sample, which changes nothing but chance. Print it beside
//! every spectrum.

use crate::parallel;
use nalgebra::DMatrix;
use retrial_spec::{Error, Result, Silent, rng::Stream};
use std::ops::RangeInclusive;

/// The random stream of the null, so that it shares no number with any other use of the same seed.
const STREAM: u32 = u32::from_be_bytes(*b"null");

/// Errors standardised per trial across the samples: `u_ij = (e_ij - m_j) / s_j`, with population standard deviations.
#[derive(Clone, Debug)]
pub struct Standardised {
    /// `N x K`, one row per sample.
    u: DMatrix<f64>,
}

impl Standardised {
    /// Standardises `errors`, `[N, K]` row-major with `N = samples`. An error unless there are at least two samples,
    /// the length is a multiple of their number, and every trial's errors are finite and not all equal.
    pub fn new(errors: &[f32], samples: usize) -> Result<Self> {
        if samples < 2 || errors.is_empty() || !errors.len().is_multiple_of(samples) {
            let got = format!("{} errors of {samples} samples", errors.len());
            return Err(Error::input("errors", got, "need at least two samples with equally many trials each"));
        }
        let trials = errors.len() / samples;
        let mut u = DMatrix::from_row_iterator(samples, trials, errors.iter().map(|&e| f64::from(e)));
        for (trial, mut column) in u.column_iter_mut().enumerate() {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
            let deviation = (column.norm_squared() / samples as f64).sqrt();
            if !(deviation > 0.0 && deviation.is_finite()) {
                let limit = "errors of a trial must be finite and differ between samples";
                return Err(Error::input(format!("trial {}", trial + 1), format!("deviation {deviation}"), limit));
            }
            column.unscale_mut(deviation);
        }
        Ok(Self { u })
    }

    /// The Gram matrix `U U^T / N`, `N x N`: its nonzero eigenvalues are those of [`Self::correlation`], however many
    /// trials there are.
    pub fn gram(&self) -> Vec<f64> {
        let samples = self.u.nrows() as f64;
        (&self.u * self.u.transpose() / samples).as_slice().to_vec()
    }

    /// The trial-correlation matrix `C = U^T U / N`, `K x K` (Eq 17).
    pub fn correlation(&self) -> Vec<f64> {
        let samples = self.u.nrows() as f64;
        (self.u.transpose() * &self.u / samples).as_slice().to_vec()
    }

    /// [`mean_correlation`] of these errors.
    pub fn mean_correlation(&self) -> f64 {
        mean_correlation(self.u.column_sum().as_slice(), self.u.ncols() as u64)
    }
}

/// `rho`, the mean correlation of two different trials, from `sum_j u_ij` of every sample, `[N]`: the sum of all of `C` is
/// `1/N sum_i (sum_j u_ij)^2`. 0 for less than two trials.
pub fn mean_correlation(sums: &[f64], trials: u64) -> f64 {
    let trials = trials as f64;
    let sum = sums.iter().map(|sum| sum * sum).sum::<f64>() / sums.len() as f64;
    if trials > 1.0 { (sum - trials) / (trials * (trials - 1.0)) } else { 0.0 }
}

/// The number of independent trials whose mean is as noisy as that of `trials` trials with mean correlation `rho`:
/// `K / (1 + (K-1) rho)`.
pub fn independent_trials(trials: u64, rho: f64) -> f64 {
    let trials = trials as f64;
    trials / (1.0 + (trials - 1.0) * rho)
}

/// The eigenvalues of a Gram or correlation matrix, `n x n`, descending. Those that are 0 to rounding are 0. An error
/// where the matrix is not `n x n`, not finite, or has an eigenvalue that is clearly negative.
///
/// ```
/// use retrial_theory::spectrum::{Standardised, eigenvalues};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let errors = [1.0, 2.0, 1.5, 2.0, 3.5, 2.5, 3.0, 3.0, 4.5]; // [samples, trials]
/// let values = eigenvalues(&Standardised::new(&errors, 3)?.gram(), 3)?;
/// assert!(values[0] > values[1] && values[1] > 0.0);
/// # Ok(())
/// # }
/// ```
pub fn eigenvalues(gram: &[f64], n: usize) -> Result<Vec<f64>> {
    if n == 0 || n.checked_mul(n) != Some(gram.len()) {
        let got = format!("{} numbers", gram.len());
        return Err(Error::input("Gram matrix", got, format!("must be {n} x {n} with at least one row")));
    }
    if let Some(at) = gram.iter().position(|g| !g.is_finite()) {
        let object = format!("Gram matrix, row {}, column {}", at / n + 1, at % n + 1);
        return Err(Error::input(object, gram[at], "must be finite"));
    }
    let mut values: Vec<f64> = DMatrix::from_row_slice(n, n, gram).symmetric_eigenvalues().iter().copied().collect();
    values.sort_by(|a, b| b.total_cmp(a));
    let (largest, smallest) = (values[0], values[n - 1]);
    // Generous, for matrices that a backend summed in f32.
    if smallest < -1e-3 * largest.abs() {
        return Err(Error::input(
            "Gram matrix",
            format!("eigenvalue {smallest}"),
            "must not have negative eigenvalues",
        ));
    }
    let rounding = n as f64 * f64::EPSILON * largest;
    values.iter_mut().filter(|value| **value <= rounding).for_each(|value| *value = 0.0);
    Ok(values)
}

/// The spectrum of exchangeable trials with the same noise in every sample, of which only `rho` is known.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Exchangeable {
    /// The largest eigenvalue, `1 + (k-1) rho`.
    pub largest: f64,
    /// Ends of the others but zeros, which `N` samples spread around `1 - rho`:
    /// `(1-rho) (1 -+ sqrt((k-1)/(N-1)))^2` (Marchenko and Pastur 1967), to `N^(-2/3)` at either end.
    pub others: (f64, f64),
}

impl Exchangeable {
    /// Of the correlation matrix of `trials` trials over `samples` samples, at least two.
    pub fn new(trials: u64, samples: usize, rho: f64) -> Self {
        let more = trials as f64 - 1.0;
        let root = (more / (samples as f64 - 1.0)).sqrt();
        let end = |root: f64| (1.0 - rho) * root * root;
        Self { largest: 1.0 + more * rho, others: (end(1.0 - root), end(1.0 + root)) }
    }
}

/// A power law of eigenvalues: `lambda_rank = scale * rank^-exponent`, ranks from 1.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct PowerLaw {
    /// The exponent, positive for a falling spectrum.
    pub exponent: f64,
    /// The eigenvalue at rank 1 of the fitted line.
    pub scale: f64,
}

/// The least-squares line through `(ln rank, ln eigenvalue)` over `ranks`, from 1, of a descending spectrum. An error
/// unless these are at least two ranks with positive eigenvalues (at most `min(N-1, K)` are positive).
pub fn power_law(eigenvalues: &[f64], ranks: RangeInclusive<usize>) -> Result<PowerLaw> {
    let (first, last) = (*ranks.start(), *ranks.end());
    let positive = eigenvalues.partition_point(|&value| value > 0.0);
    if first == 0 || first >= last || last > positive {
        let limit = format!("must be at least two ranks from 1 to {positive}, the number of positive eigenvalues");
        return Err(Error::input("ranks of the power law", format!("{first} to {last}"), limit));
    }
    let points = || ranks.clone().map(|rank| ((rank as f64).ln(), eigenvalues[rank - 1].ln()));
    let count = (last - first + 1) as f64;
    let (x, y) = points().fold((0.0, 0.0), |sum, p| (sum.0 + p.0 / count, sum.1 + p.1 / count));
    let (xy, xx) = points().fold((0.0, 0.0), |sum, p| (sum.0 + (p.0 - x) * (p.1 - y), sum.1 + (p.0 - x).powi(2)));
    let exponent = -xy / xx;
    Ok(PowerLaw { exponent, scale: (y + exponent * x).exp() })
}

/// Mean and range over the repeats of a null.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Band {
    /// The mean.
    pub mean: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Band {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (min, max) =
            (values.clone().fold(f64::INFINITY, f64::min), values.clone().fold(f64::NEG_INFINITY, f64::max));
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        Self { mean: sum / count, min, max }
    }
}

/// The spectrum that remains when trials are told apart by nothing but chance.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Null {
    /// The eigenvalue at each rank, descending.
    pub eigenvalues: Vec<Band>,
    /// The exponent of [`power_law`].
    pub exponent: Band,
}

impl Null {
    /// Of the spectra of shuffled errors, each descending and all of the same length. The errors are [`power_law`]'s.
    pub fn of(spectra: &[Vec<f64>], ranks: RangeInclusive<usize>) -> Result<Self> {
        let exponent = |spectrum: &Vec<f64>| power_law(spectrum, ranks.clone()).map(|law| law.exponent);
        let exponents = spectra.iter().map(exponent).collect::<Result<Vec<_>>>()?;
        let lengths = spectra.iter().map(Vec::len).min().unwrap_or(0);
        let band = |rank: usize| Band::of(spectra.iter().map(move |spectrum| spectrum[rank]));
        Ok(Self { eigenvalues: (0..lengths).map(band).collect(), exponent: Band::of(exponents.iter().copied()) })
    }
}

/// The within-sample permutation null of a spectrum: shuffles each sample's trials on its own, `repeats` times (at
/// least once), and takes the spectrum and its exponent over `ranks` each time. `errors` is as in
/// [`Standardised::new`], whose and [`power_law`]'s errors it shares. The same seed gives the same null.
pub fn permutation_null(
    errors: &[f32],
    samples: usize,
    ranks: RangeInclusive<usize>,
    repeats: usize,
    seed: u64,
) -> Result<Null> {
    Standardised::new(errors, samples)?; // before anything is divided by the number of samples
    let mut stream = Stream::new(seed, STREAM);
    let mut shuffled = errors.to_vec();
    let mut grams = Vec::new();
    for _ in 0..repeats.max(1) {
        shuffled.chunks_mut(errors.len() / samples).for_each(|trials| stream.shuffle(trials));
        grams.push(Standardised::new(&shuffled, samples)?.gram());
    }
    // Most of the time goes here: a spectrum of two thousand samples takes seconds.
    let spectrum = |repeat: u64| eigenvalues(&grams[repeat as usize], samples);
    let spectra = parallel::map(grams.len() as u64, ("null", "spectra"), &Silent, spectrum)?;
    Null::of(&spectra.into_iter().collect::<Result<Vec<_>>>()?, ranks)
}
