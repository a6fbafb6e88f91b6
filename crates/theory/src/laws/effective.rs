//! Trials that count for less and less: Eqs 6, 11 and 12.

use crate::special::one_minus_exp;

/// Coverage of samples with failure probabilities `failure` after `trials` independent trials (Eq 6):
/// `1/N sum_i (1 - p_i^k)`; NaN without samples.
///
/// Given [`effective_trials`] for `trials` it is Eq 12 per sample, and with the one-element slice of the mean failure
/// probability, Eq 12 as the paper plots it. A factor `A` multiplies outside.
pub fn coverage(failure: &[f64], trials: f64) -> f64 {
    // p^0 = 1 also for p = 0, where the logarithm would yield NaN.
    let solved = |p: &f64| if trials == 0.0 { 0.0 } else { one_minus_exp(trials * p.ln()) };
    failure.iter().map(solved).sum::<f64>() / failure.len() as f64
}

/// The effective number of independent trials among `k >= 0` correlated ones (Eq 11), the generalised harmonic number
/// `H_k^(a) = sum_{i=1..k} i^-a` for `a >= 0`, continued to real `k`.
///
/// It is `k` for `a = 0`, `ln k + gamma` for `a = 1`, and saturates at `zeta(a)` for `a > 1`; `k` may be infinite.
/// Relative error below 1e-13 for `k` to 1e15, by Euler-Maclaurin summation.
pub fn effective_trials(k: f64, a: f64) -> f64 {
    // From here on the summation formula is exact to rounding: its terms shrink by ((a + 2j) / (2 pi 32))^2.
    const FROM: u32 = 32;
    // i^-a is below 1e-19 for every i > 1, and stays so: only the first trial counts. A larger exponent would only
    // overflow the formula.
    const LARGEST: f64 = 64.0;

    if a == 0.0 {
        return k;
    }
    let a = if a > LARGEST { LARGEST } else { a };
    let power = |i: f64| i.powf(-a);
    let terms = |from: f64, count: u32| (0..count).rev().map(|i| power(from + f64::from(i))).sum::<f64>();
    let start = f64::from(FROM);
    // H_k = H_{k+32} - sum_{j=1..32} (k+j)^-a where k itself is too small for the formula.
    let (end, excess) = if k < start { (k + start, terms(k + 1.0, FROM)) } else { (k, 0.0) };
    terms(1.0, FROM) + between(start, end, a) - excess
}

/// `H_end - H_start` for `32 <= start <= end` by Euler-Maclaurin.
fn between(start: f64, end: f64, a: f64) -> f64 {
    /// `B_2j / (2j)!`
    const C: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30240.0,
        -1.0 / 1209600.0,
        1.0 / 47900160.0,
        -691.0 / 1307674368000.0,
        1.0 / 74724249600.0,
    ];
    let span = (end / start).ln();
    // int x^-a dx, in a form without cancellation near a = 1.
    let growth = if a == 1.0 { span } else { ((1.0 - a) * span).exp_m1() / (1.0 - a) };
    let integral = start.powf(1.0 - a) * growth;
    let corrections = |x: f64| {
        let mut derivative = -a * x.powf(-a - 1.0);
        let mut sum = 0.0;
        for (j, c) in (1u32..).zip(C) {
            sum += c * derivative;
            let order = a + f64::from(2 * j);
            derivative *= (order - 1.0) * order / (x * x);
        }
        sum
    };
    let ends = 0.5 * (end.powf(-a) - start.powf(-a));
    integral + ends + if end.is_finite() { corrections(end) } else { 0.0 } - corrections(start)
}
