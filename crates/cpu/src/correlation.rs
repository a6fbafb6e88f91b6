//! The Gram matrix of errors standardised per trial, in f64 and in one fixed order.

use crate::pool::Pool;
use retrial_spec::Result;

/// `G = U U^T / N`, `[N, N]`, of errors `[N, K]`.
pub(crate) fn correlation(pool: &Pool, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
    let trials = errors.len() / samples;
    let u = standardise(errors, samples, trials);
    let mut gram = vec![0.0; samples * samples];
    pool.for_each(
        gram.chunks_mut(samples).enumerate(),
        || (),
        |(), (a, row)| {
            for (b, value) in row.iter_mut().enumerate().take(a + 1) {
                *value = dot(&u[a * trials..][..trials], &u[b * trials..][..trials]) / samples as f64;
            }
            Ok(())
        },
    )?;
    for a in 0..samples {
        for b in a + 1..samples {
            gram[a * samples + b] = gram[b * samples + a];
        }
    }
    Ok(gram)
}

/// `u_ij = (e_ij - m_j) / s_j`, two-pass; a trial that does not vary becomes zero.
fn standardise(errors: &[f32], samples: usize, trials: usize) -> Vec<f64> {
    let mut mean = vec![0.0; trials];
    let mut variance = vec![0.0; trials];
    for row in errors.chunks(trials) {
        mean.iter_mut().zip(row).for_each(|(m, &e)| *m += f64::from(e));
    }
    mean.iter_mut().for_each(|m| *m /= samples as f64);
    for row in errors.chunks(trials) {
        variance.iter_mut().zip(&mean).zip(row).for_each(|((v, m), &e)| *v += (f64::from(e) - m).powi(2));
    }
    let inverse: Vec<f64> = variance.iter().map(|v| if *v > 0.0 { (samples as f64 / v).sqrt() } else { 0.0 }).collect();
    let u = errors
        .chunks(trials)
        .flat_map(|row| row.iter().zip(&mean).zip(&inverse).map(|((&e, m), s)| (f64::from(e) - m) * s));
    u.collect()
}

/// Eight partial sums, so that the compiler may vectorise without reordering.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, a1) = a.as_chunks::<8>();
    let (b8, b1) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a1.iter().zip(b1).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}
