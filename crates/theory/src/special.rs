//! Special functions, for the sizes that repeated trials reach: arguments from 1e-300 to 1e15 and beyond.
//!
//! Differences of `ln Gamma` fail there: at `k = 1e12` they leave two correct digits of `<p^k>`. Everything here is
//! therefore built on the *ratio* of Gamma functions, whose large parts cancel on paper instead of in floating point.

mod incomplete;

pub(crate) use incomplete::{beta_cdf, beta_quantile};

/// `1 - e^x`, exact also near `x = 0`. (`0 - y` rather than `-y`, so that it is never a negative zero.)
pub(crate) fn one_minus_exp(x: f64) -> f64 {
    0.0 - x.exp_m1()
}

/// Above this argument seven terms of Stirling's series are exact to rounding.
const STIRLING: f64 = 10.0;

/// `S(x) = ln Gamma(x) - (x - 1/2) ln x + x - ln(2 pi)/2` for `x >= 10`.
fn stirling(x: f64) -> f64 {
    const C: [f64; 7] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360360.0, 1.0 / 156.0];
    let square = 1.0 / (x * x);
    C.iter().rev().fold(0.0, |sum, c| sum * square + c) / x
}

/// `ln(1 + u) - u` for `u > -1`, with a small relative error also where the two terms nearly cancel.
fn ln_1p_minus(u: f64) -> f64 {
    if !(-0.5..1.0).contains(&u) {
        return u.ln_1p() - u;
    }
    // ln(1+u) = 2 atanh z with z = u/(2+u), and 2z - u = -uz.
    let z = u / (2.0 + u);
    let square = z * z;
    let series = (1..=16).rev().fold(0.0, |sum, j| sum * square + 1.0 / f64::from(2 * j + 1));
    2.0 * z * square * series - u * z
}

/// `g` in `Gamma(x+d) / Gamma(x) = (x+d)^d e^g`, for `x >= 10` and `d >= 0`.
fn gamma_ratio_exponent(x: f64, d: f64) -> f64 {
    let u = d / x;
    x * ln_1p_minus(u) - 0.5 * u.ln_1p() + (stirling(x + d) - stirling(x))
}

/// `ln(Gamma(x+d) / Gamma(x))` for `x > 0` and `d >= 0`.
pub(crate) fn ln_gamma_ratio(x: f64, d: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < STIRLING {
        sum -= (d / x).ln_1p();
        x += 1.0;
    }
    sum + d * (x + d).ln() + gamma_ratio_exponent(x, d)
}

/// `ln B(a, b)`, the logarithm of the Beta function, for `a, b > 0`.
pub(crate) fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a.min(b)) - ln_gamma_ratio(a.max(b), a.min(b))
}

/// `ln R` for the ratio of rising factorials
///
/// ```text
/// R(a; d, m) = (a)_m / (a+d)_m = Gamma(a+m) Gamma(a+d) / (Gamma(a) Gamma(a+d+m)),    a > 0, d >= 0, m >= 0
/// ```
///
/// which is symmetric in `d` and `m`. Its error is a few roundings, or below 1e-17 where `R` is that close to 1. `<p^k>` of a Beta law, `C(n-c, k) / C(n, k)` and the beta-binomial probabilities are all values of
/// `R`.
pub(crate) fn ln_rising_ratio(a: f64, d: f64, m: f64) -> f64 {
    let (d, m) = (d.min(m), d.max(m));
    let (mut a, mut sum) = (a, 0.0);
    while a < STIRLING {
        let lost = d / (a + d) * (m / (a + m));
        sum += if lost < 0.5 { (-lost).ln_1p() } else { (a / (a + d) * ((a + d + m) / (a + m))).ln() };
        a += 1.0;
    }
    sum + (gamma_ratio_exponent(a, d) - gamma_ratio_exponent(a + m, d)) - d * (m / (a + d)).ln_1p()
}

/// `R` of [`ln_rising_ratio`] with a relative error below 1e-13 wherever `min(d, m) < 500`, however small `R` is.
pub(crate) fn rising_ratio(a: f64, d: f64, m: f64) -> f64 {
    let (d, m) = (d.min(m), d.max(m));
    let (mut a, mut product) = (a, 1.0);
    while a < STIRLING {
        product *= a / (a + d) * ((a + d + m) / (a + m));
        a += 1.0;
    }
    // A power is exact to one rounding where the exponential of its logarithm would magnify the logarithm's error.
    let q = m / (a + d);
    let power = if q > 1.0 { (1.0 + q).powf(-d) } else { (-d * q.ln_1p()).exp() };
    product * (gamma_ratio_exponent(a, d) - gamma_ratio_exponent(a + m, d)).exp() * power
}

/// `ln` of a binomial likelihood relative to its maximum, `(x/c)^c (y/f)^f` with `c = successes / n` and so on: 0 at
/// `success = successes / n`, else negative. `success + failure = 1`, both given so that either may be tiny. No large
/// terms cancel: since `c u + f v = 0` for the relative differences `u` and `v`, it is `c (ln(1+u) - u) + f (...)`.
pub(crate) fn ln_likelihood_ratio(successes: f64, failures: f64, success: f64, failure: f64) -> f64 {
    // Here the two terms would be n (ln(1-q) + q) - nq, which does cancel.
    if successes == 0.0 || failures == 0.0 {
        let miss = if successes == 0.0 { success } else { failure };
        return (successes + failures) * (-miss).ln_1p();
    }
    let n = successes + failures;
    let part = |count: f64, rate: f64| {
        let ratio = n * (rate / count);
        // Far below 1 its difference from 1 would lose it.
        count * if ratio < 0.5 { ratio.ln() - (ratio - 1.0) } else { ln_1p_minus((n * rate - count) / count) }
    };
    part(successes, success) + part(failures, failure)
}

/// `ln C(n, x)` less its value at the maximum of the binomial likelihood: `ln` of the largest probability that any
/// success rate gives `x` successes in `n` trials.
pub(crate) fn ln_largest_binomial(n: f64, x: f64) -> f64 {
    let rest = n - x;
    if x == 0.0 || rest == 0.0 {
        return 0.0;
    }
    // Stirling: sqrt(n / (2 pi x (n-x))), with the corrections of small counts.
    stirling_error(n) - stirling_error(x) - stirling_error(rest) - 0.5 * (std::f64::consts::TAU * x * (rest / n)).ln()
}

/// `ln` of the binomial probability `C(n, x) success^x failure^(n-x)` (after Loader 2000).
pub(crate) fn ln_binomial(n: f64, x: f64, success: f64, failure: f64) -> f64 {
    ln_largest_binomial(n, x) + ln_likelihood_ratio(x, n - x, success, failure)
}

/// `ln n! - (n + 1/2) ln n + n - ln(2 pi)/2` for `n > 0`.
fn stirling_error(n: f64) -> f64 {
    if n >= STIRLING {
        stirling(n)
    } else {
        libm::lgamma(n + 1.0) - (n + 0.5) * n.ln() + n - 0.5 * std::f64::consts::TAU.ln()
    }
}

/// `ln` of the largest density of the log odds of a Beta(a, b) variable, `p^a q^b / B(a, b)` with `p = a / (a + b)`.
fn ln_beta_peak(a: f64, b: f64) -> f64 {
    let ratio = a.min(b) * (a.max(b) / (a + b)) / std::f64::consts::TAU;
    stirling_error(a + b) - stirling_error(a) - stirling_error(b) + 0.5 * ratio.ln()
}

/// `ln` of the density of a Beta(a, b) variable at `x`, given `y = 1 - x` as well so that either may be tiny. Its large
/// terms cancel on paper.
pub(crate) fn ln_beta_density(x: f64, y: f64, a: f64, b: f64) -> f64 {
    ln_beta_peak(a, b) + ln_likelihood_ratio(a, b, x, y) - x.ln() - y.ln()
}

/// `psi(x + d) - psi(x)` for `x > 0` and `d >= 0`, `psi` being the derivative of `ln Gamma`, with a small relative error
/// also where the two agree in most digits.
pub(crate) fn digamma_rise(x: f64, d: f64) -> f64 {
    const C: [f64; 7] =
        [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32760.0, 1.0 / 12.0];
    let (mut x, mut sum) = (x, 0.0);
    while x < STIRLING {
        sum += d / (x + d) / x;
        x += 1.0;
    }
    // The series is u C(u) at u = 1/x^2, v = 1/(x+d)^2: by Horner's scheme with its divided difference.
    let [u, v] = [x, x + d].map(|x| 1.0 / (x * x));
    let (_, divided) = C.iter().rev().chain(&[0.0]).fold((0.0, 0.0), |(p, dp), c| (p * u + c, dp * v + p));
    let fall = d * (2.0 * x + d) * u * v;
    sum + (d / x).ln_1p() + 0.5 * (d / (x + d)) / x + divided * fall
}

#[cfg(test)]
mod tests;
