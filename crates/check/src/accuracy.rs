//! How far the errors of an implementation are from the right ones on a model, and what that does to counts.

use crate::prove::{Truth, right};
use retrial_spec::{Backend, Noise, Problem, Result, Variant, rng::trial_normals};

/// Values of pass@1 at whose thresholds the bias of counts is told.
pub const QUANTILES: [f64; 4] = [1e-3, 1e-2, 0.1, 0.5];

/// Trials held against f64; and trials, fewer of more samples, held against f32, of which there must be many for counts.
const FEW: usize = 512;
const MANY: usize = 1 << 16;

/// What a precision costs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Accuracy {
    /// The implementation.
    #[serde(flatten)]
    pub variant: Variant,
    /// Trials held against f64.
    pub trials: usize,
    /// Mean of what their errors are off by.
    pub mean: f64,
    /// Standard deviation of it.
    pub deviation: f64,
    /// Largest magnitude of it.
    pub largest: f64,
    /// Largest magnitude of it, relative to the error.
    pub largest_relative: f64,
    /// What it does to counts, at thresholds of increasing pass@1.
    pub counts: Vec<CountBias>,
}

/// The bias of a success count.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct CountBias {
    /// The threshold: the quantile of the errors of all samples together.
    pub threshold: f32,
    /// Share of trials below it.
    pub pass_at_1: f64,
    /// Relative bias of the count that the errors near the threshold imply: their mean displacement times their density,
    /// over the share below.
    pub relative: f64,
    /// Standard error of that, by the number of trials that were looked at.
    pub standard_error: f64,
}

/// Measures it on a problem: at most 512 trials against f64, at most 65,536 against `f32`, a backend's, and no more than
/// the device does in a fraction of a second.
pub fn accuracy(backend: &dyn Backend, problem: &Problem, variant: &Variant, f32: &dyn Backend) -> Result<Accuracy> {
    let (off, want) = difference(backend, problem, variant, Truth::Reference, FEW)?;
    let mean = off.iter().sum::<f64>() / off.len() as f64;
    let variance = off.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / off.len() as f64;
    let largest = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(0.0, f64::max);
    let (many, errors) = difference(backend, problem, variant, Truth::Backend(f32), MANY)?;
    Ok(Accuracy {
        variant: variant.clone(),
        trials: off.len(),
        mean,
        deviation: variance.sqrt(),
        largest: largest(&mut off.iter().copied()),
        largest_relative: largest(&mut off.iter().zip(&want).map(|(d, want)| d / want)),
        counts: biases(&many, &errors),
    })
}

/// What `most` errors are off by, and what they should be.
fn difference(
    backend: &dyn Backend,
    problem: &Problem,
    variant: &Variant,
    truth: Truth<'_>,
    most: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let samples: Vec<usize> = (0..problem.samples().min(16)).collect();
    let (some, latent) = (problem.subset(&samples), problem.shape().latent);
    let mut scorer = backend.load_variant(&some, variant)?;
    let trials = ((most / samples.len()) as u64).min(scorer.window());
    let mut normals = vec![0.0; samples.len() * trials as usize * latent];
    let places = samples.iter().flat_map(|&sample| (0..trials).map(move |trial| (sample, trial)));
    for (out, (sample, trial)) in normals.chunks_mut(latent).zip(places) {
        trial_normals(problem.seed(), sample as u32, trial, out);
    }
    let want = right(&some, &normals, truth)?;
    let got = scorer.errors(Noise::Trials(0..trials))?;
    Ok((got.iter().zip(&want).map(|(&got, want)| f64::from(got) - want).collect(), want))
}

/// At each threshold, from the displacements of the twentieth of all errors that are nearest.
fn biases(off: &[f64], errors: &[f64]) -> Vec<CountBias> {
    let mut sorted: Vec<(f64, f64)> = errors.iter().copied().zip(off.iter().copied()).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let n = sorted.len();
    let bias = |q: f64| {
        let at = ((n as f64 * q) as usize).clamp(1, n - 1);
        let threshold = sorted[at].0;
        let reach = (n / 40).max(1).min(at); // as far up as down
        let near = &sorted[at - reach..(at + reach).min(n)];
        let width = near[near.len() - 1].0 - near[0].0;
        let (count, share) = (near.len() as f64, at as f64 / n as f64);
        let mean = near.iter().map(|(_, off)| off).sum::<f64>() / count;
        let variance = near.iter().map(|(_, off)| (off - mean).powi(2)).sum::<f64>() / count;
        // An error that comes out larger is a success less.
        let slope = if width > 0.0 { count / n as f64 / width / share } else { 0.0 };
        CountBias {
            threshold: threshold as f32,
            pass_at_1: share,
            relative: 0.0 - mean * slope,
            standard_error: (variance / count).sqrt() * slope,
        }
    };
    QUANTILES.map(bias).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors uniform on (1, 2), all 0.001 too large: at pass@1 = q the count is short by 0.001 / q.
    #[test]
    fn a_shift_biases_counts_by_its_density() {
        let errors: Vec<f64> = (0..40_000).map(|i| 1.0 + f64::from(i) / 40_000.0).collect();
        let off = vec![1e-3; errors.len()];
        for (bias, q) in biases(&off, &errors).iter().zip(QUANTILES) {
            assert!((bias.relative + 1e-3 / q).abs() < 0.03 * 1e-3 / q, "{bias:?}");
            assert!((f64::from(bias.threshold) - 1.0 - q).abs() < 1e-4 && bias.standard_error < 1e-9);
        }
    }
}
