//! More than one success among `k` trials: pass^k and G-Pass@k.

use super::ln_all_fail;
use crate::special::ln_binomial;

/// The unbiased estimate `C(c, k) / C(n, k)` that `k` trials of a sample all succeed (pass^k), from `c` successes in
/// `n` trials. `None`, not available, where `k > n` (or `c > n`).
pub fn all_succeed(n: u64, c: u64, k: u64) -> Option<f64> {
    ln_all_fail(n, n.checked_sub(c)?, k).map(f64::exp)
}

/// The unbiased estimate that at least `ceil(tau k)` of `k` trials of a sample succeed, and at least one (G-Pass@k): the
/// hypergeometric tail `sum_j C(c, j) C(n-c, k-j) / C(n, k)`. `None`, not available, where `k > n` (or `c > n`, or
/// `tau` is not in `[0, 1]`).
///
/// Constant memory, and time for as many terms as the hypergeometric law has standard deviations wide: about `sqrt k`.
pub fn most_succeed(n: u64, c: u64, k: u64, tau: f64) -> Option<f64> {
    if k > n || c > n || !(0.0..=1.0).contains(&tau) {
        return None;
    }
    // ceil, but not of a rounding error: 0.07 * 100 is 7.000000000000001.
    let least = (((tau * k as f64) * (1.0 - 4.0 * f64::EPSILON)).ceil() as u64).max(1);
    let (from, to) = (k.saturating_sub(n - c), c.min(k));
    if least <= from {
        return Some(1.0);
    }
    if least > to {
        return Some(0.0);
    }
    let [n, c, k, low, high] = [n, c, k, from, to].map(|count| count as f64);
    let least = least as f64;
    // C(c, x) C(n-c, k-x) / C(n, k) is a ratio of binomial probabilities, for any success rate: best k/n.
    let (rate, rest) = (k / n, (n - k) / n);
    let ln_term =
        |x: f64| ln_binomial(c, x, rate, rest) + ln_binomial(n - c, k - x, rate, rest) - ln_binomial(n, k, rate, rest);
    // Away from the mode, so that terms shrink.
    let mode = ((k + 1.0) * (c + 1.0) / (n + 2.0)).floor();
    let upwards = least > mode;
    let mut x = if upwards { least } else { least - 1.0 };
    // Relative to the first, so that none underflows before it is nothing beside the sum. The law is narrower than a
    // normal one of its variance: ten standard deviations on, terms are, and no later than at its end.
    let (first, mut term, mut sum) = (ln_term(x), 1.0, 0.0);
    let steps = if upwards { high - x } else { x - low };
    let deviations = 10.0 * (k * (c / n) * ((n - c) / n)).sqrt() + 100.0;
    for _ in 0..=steps.min(deviations) as u64 {
        sum += term;
        if term <= sum * 1e-17 {
            break;
        }
        if upwards {
            term *= (c - x) / (x + 1.0) * ((k - x) / (n - c - k + x + 1.0));
            x += 1.0;
        } else {
            term *= x / (c - x + 1.0) * ((n - c - k + x) / (k - x + 1.0));
            x -= 1.0;
        }
    }
    let sum = (first + sum.ln()).exp();
    Some(if upwards { sum.min(1.0) } else { (1.0 - sum).max(0.0) })
}
