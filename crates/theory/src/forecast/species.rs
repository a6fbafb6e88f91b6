//! New solves from frequencies of frequencies: a sample is a species, a success a sighting. `Phi_j` is the number of
//! samples with exactly `j` successes.

use super::Forecast;
use crate::{Data, normal::Z, special::ln_binomial};
use retrial_spec::{Error, Result};

/// The equal number of trials, and `(j, Phi_j)` for `j >= 1`.
fn frequencies(data: &Data) -> Result<(f64, Vec<(f64, f64)>)> {
    let Some(n) = data.equal_trials() else {
        let got = if data.is_stopped() { "trials stopped at a success" } else { "different numbers of trials" };
        return Err(Error::input(
            "samples",
            got,
            "frequencies of frequencies need equally many trials of every sample",
        ));
    };
    let solved = data.cells().iter().filter(|(s, _)| s.successes() > 0);
    Ok((n as f64, solved.map(|(s, weight)| (s.successes() as f64, *weight)).collect()))
}

/// The smoothed Good-Toulmin forecast at each of `ks` from `n` on (others are left out, they were measured): `U = -sum_j (-t)^j Phi_j P(L >= j)` samples more than
/// now for `t = (k-n)/n`. Up to `t = 1` it is the plain series (Good and Toulmin 1956); beyond, `L` is binomial with
/// `floor(log2(S t^2 / (t-1)) / 2)` trials of probability `2 / (2+t)`, `S` being all successes (Orlitsky, Suresh and Wu
/// 2016), which is reliable to `t` of about `ln S` and no further: a `k` past it is left out, and so is one whose whole
/// interval lies below what is solved already.
///
/// Successes are taken as Poisson, so samples solved by most trials add noise but no bias. As the forecast is a mean over
/// the samples, its interval is that of a mean, for samples drawn from a population; it has no share for the bias of
/// smoothing. No forecast is below what is solved already. An error for unequal or stopped trials.
pub fn good_toulmin(data: &Data, ks: &[f64]) -> Result<Vec<Forecast>> {
    let (n, frequencies) = frequencies(data)?;
    let samples = data.samples();
    let sightings: f64 = frequencies.iter().map(|(j, phi)| j * phi).sum();
    let forecast = |&k: &f64| {
        let t = (k - n) / n;
        if !(0.0..=sightings.ln().max(1.0)).contains(&t) {
            return None;
        }
        let trials = if t > 1.0 { (0.5 * (sightings * t * t / (t - 1.0)).log2()).floor().max(1.0) } else { 0.0 };
        // What a sample with j successes counts for, now and later.
        let worth = |j: f64| {
            let kept = if t > 1.0 { tail(trials, 2.0 / (2.0 + t), j) } else { 1.0 };
            1.0 + if kept > 0.0 { kept * t.powf(j) * if j % 2.0 == 1.0 { 1.0 } else { -1.0 } } else { 0.0 }
        };
        let moment = |power| frequencies.iter().map(|&(j, phi)| phi * worth(j).powi(power)).sum::<f64>() / samples;
        let (now, mean) = (data.solved() / samples, moment(1));
        let wide = Z * ((moment(2) - mean * mean) / samples).sqrt();
        if mean + wide < now {
            return None; // the series has lost itself: coverage does not fall
        }
        let [low, high] = [mean - wide, mean + wide].map(|coverage| coverage.clamp(0.0, 1.0));
        Some(Forecast { k, value: mean.clamp(now, 1.0), low: Some(low), high: Some(high) })
    };
    Ok(ks.iter().filter_map(forecast).collect())
}

/// `P(L >= j)` for `L` binomial.
fn tail(trials: f64, rate: f64, j: f64) -> f64 {
    let mut sum = 0.0;
    let mut x = j;
    while x <= trials {
        sum += ln_binomial(trials, x, rate, 1.0 - rate).exp();
        x += 1.0;
    }
    sum
}

/// Chao's forecast at each of `ks` from `n` on (others are left out, they were measured): with `f = (n-1)/n Phi_1^2 / (2 Phi_2)` solvable but unsolved samples
/// (Chao 1987; `(n-1)/n Phi_1 (Phi_1 - 1) / 2` without a `Phi_2`), never more than there are, `f (1 - (1 - Phi_1 / (n f
/// + Phi_1))^(k-n))` of them are solved by `k` trials (Chao et al. 2014). In expectation a lower bound, hence without
/// interval. `k` may be infinite. An error for unequal or stopped trials.
pub fn chao(data: &Data, ks: &[f64]) -> Result<Vec<Forecast>> {
    let (n, frequencies) = frequencies(data)?;
    let phi = |j: f64| frequencies.iter().find(|(of, _)| *of == j).map_or(0.0, |(_, phi)| *phi);
    let (one, two) = (phi(1.0), phi(2.0));
    let unseen = (n - 1.0) / n * if two > 0.0 { one * one / (2.0 * two) } else { one * (one - 1.0) / 2.0 };
    let (samples, now) = (data.samples(), data.solved());
    let unseen = unseen.clamp(0.0, samples - now);
    let forecast = |&k: &f64| {
        let left = if unseen > 0.0 { ((k - n) * (-one / (n * unseen + one)).ln_1p()).exp() } else { 1.0 };
        Forecast { k, value: (now + unseen * (1.0 - left)) / samples, low: None, high: None }
    };
    Ok(ks.iter().filter(|k| **k >= n).map(forecast).collect())
}
