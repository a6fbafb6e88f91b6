//! `correlation`: a Gram matrix, from whose eigenvalues the correlation of trials (Eq. 17) is read.

use crate::rows;

/// Errors `[N, K]` standardised trial by trial over the samples: `u_ij = (e_ij - m_j) / s_j`, two-pass, population
/// standard deviation. A trial that does not vary becomes zero.
fn standardise(errors: &[f64], samples: usize) -> Vec<f64> {
    let trials = rows(errors.len(), samples);
    let mut u = vec![0.0; errors.len()];
    for j in 0..trials {
        let mut mean = 0.0;
        for i in 0..samples {
            mean += errors[i * trials + j];
        }
        mean /= samples as f64;
        let mut variance = 0.0;
        for i in 0..samples {
            variance += (errors[i * trials + j] - mean).powi(2);
        }
        variance /= samples as f64;
        if variance > 0.0 {
            for i in 0..samples {
                u[i * trials + j] = (errors[i * trials + j] - mean) / variance.sqrt();
            }
        }
    }
    u
}

/// Gram matrix of the samples, `G = U U^T / N`, `[N, N]`, of errors `[N, K]`.
pub fn correlation(errors: &[f64], samples: usize) -> Vec<f64> {
    let trials = rows(errors.len(), samples);
    let u = standardise(errors, samples);
    let mut gram = vec![0.0; samples * samples];
    for a in 0..samples {
        for b in 0..samples {
            for j in 0..trials {
                gram[a * samples + b] += u[a * trials + j] * u[b * trials + j];
            }
            gram[a * samples + b] /= samples as f64;
        }
    }
    gram
}

/// Trial-correlation matrix (Eq. 17), `C = U^T U / N`, `[K, K]`, of errors `[N, K]`.
pub fn trial_correlation(errors: &[f64], samples: usize) -> Vec<f64> {
    let trials = rows(errors.len(), samples);
    let u = standardise(errors, samples);
    let mut matrix = vec![0.0; trials * trials];
    for a in 0..trials {
        for b in 0..trials {
            for i in 0..samples {
                matrix[a * trials + b] += u[i * trials + a] * u[i * trials + b];
            }
            matrix[a * trials + b] /= samples as f64;
        }
    }
    matrix
}
