//! Special functions, for the sizes that repeated trials reach: arguments from 1e-300 to 1e15 and beyond.
//!
//! Differences of `ln Gamma` fail there: at `k = 1e12` they leave two correct digits of `<p^k>`. Everything here is
//! therefore built on the *ratio* of Gamma functions, whose large parts cancel on paper instead of in floating point.

/// `1 - e^x`, exact also near `x = 0`. (`0 - y` rather than `-y`, so that it is never a negative zero.)
pub fn one_minus_exp(x: f64) -> f64 {
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
pub fn ln_gamma_ratio(x: f64, d: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < STIRLING {
        sum -= (d / x).ln_1p();
        x += 1.0;
    }
    sum + d * (x + d).ln() + gamma_ratio_exponent(x, d)
}

/// `ln B(a, b)`, the logarithm of the Beta function, for `a, b > 0`.
pub fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a.min(b)) - ln_gamma_ratio(a.max(b), a.min(b))
}

/// `ln R` for the ratio of rising factorials
///
/// ```text
/// R(a; d, m) = (a)_m / (a+d)_m = Gamma(a+m) Gamma(a+d) / (Gamma(a) Gamma(a+d+m)),    a > 0, d >= 0, m >= 0
/// ```
///
/// which is symmetric in `d` and `m`. Its relative error is a few roundings even where `R` is within 1e-12 of 1 (for
/// `d, m >= 1e-6`). `<p^k>` of a Beta law, `C(n-c, k) / C(n, k)` and the beta-binomial probabilities are all values of
/// `R`.
pub fn ln_rising_ratio(a: f64, d: f64, m: f64) -> f64 {
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
pub fn rising_ratio(a: f64, d: f64, m: f64) -> f64 {
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
pub fn ln_likelihood_ratio(successes: f64, failures: f64, success: f64, failure: f64) -> f64 {
    // Here the two terms would be n (ln(1-q) + q) - nq, which does cancel.
    if successes == 0.0 || failures == 0.0 {
        let miss = if successes == 0.0 { success } else { failure };
        return (successes + failures) * (-miss).ln_1p();
    }
    let n = successes + failures;
    let part = |count: f64, rate: f64| count * ln_1p_minus((n * rate - count) / count);
    part(successes, success) + part(failures, failure)
}

/// `ln C(n, x)` less its value at the maximum of the binomial likelihood: `ln` of the largest probability that any
/// success rate gives `x` successes in `n` trials.
pub fn ln_largest_binomial(n: f64, x: f64) -> f64 {
    let rest = n - x;
    if x == 0.0 || rest == 0.0 {
        return 0.0;
    }
    // Stirling: sqrt(n / (2 pi x (n-x))), with the corrections of small counts.
    stirling_error(n) - stirling_error(x) - stirling_error(rest) - 0.5 * (std::f64::consts::TAU * x * (rest / n)).ln()
}

/// `ln` of the binomial probability `C(n, x) success^x failure^(n-x)` (after Loader 2000).
pub fn ln_binomial(n: f64, x: f64, success: f64, failure: f64) -> f64 {
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

/// The digamma function, the derivative of `ln Gamma`, for `x > 0`; absolute error about 1e-15 for `x >= 1`.
pub fn digamma(x: f64) -> f64 {
    const C: [f64; 7] =
        [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32760.0, 1.0 / 12.0];
    let (mut x, mut sum) = (x, 0.0);
    while x < STIRLING {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    sum + x.ln() - 0.5 / x - C.iter().rev().fold(0.0, |s, c| s * square + c) * square
}

/// The regularised incomplete Beta function `I_x(a, b)`: the probability that a Beta(a, b) variable is below `x`.
pub fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    beta_cdf_odds(x, 1.0 - x, a, b)
}

/// [`beta_cdf`] of `x`, given `y = 1 - x` as well so that either may be tiny.
fn beta_cdf_odds(x: f64, y: f64, a: f64, b: f64) -> f64 {
    if x > 0.5 { 1.0 - beta_series(y, b, a) } else { beta_series(x, a, b) }
}

/// `I_x(a, b)` for `x <= 1/2` by DLMF 8.17.8, a hypergeometric series whose terms are all positive. It stays exact
/// above the mean, where the usual continued fraction loses everything once `b` exceeds 1e10.
fn beta_series(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let ln_density = a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b);
    if ln_density < -700.0 {
        // So far from the mean nothing is left on the outer side, and the series would overflow.
        return if x * (a + b) > a { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut n) = (ln_density.exp() / a, 0.0, 0.0);
    while term > sum * 1e-17 || (a + b + n) * x > a + 1.0 + n {
        sum += term;
        term *= (a + b + n) * x / (a + 1.0 + n);
        n += 1.0;
    }
    sum.min(1.0)
}

/// The `q` quantile of a Beta(a, b) variable, `0 < q < 1` with standard normal quantile `z`.
///
/// By bisection of [`beta_cdf`] on the scale of log odds, to the last bit; where both `a` and `b` exceed 1e4, by
/// Abramowitz and Stegun 26.5.22, which is then within 1e-5 of a standard deviation.
pub fn beta_quantile(q: f64, z: f64, a: f64, b: f64) -> f64 {
    if a.min(b) > 1e4 {
        let (u, v) = (1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0));
        let (h, l) = (2.0 / (u + v), (z * z - 3.0) / 6.0);
        let w = -z * (h + l).sqrt() / h - (v - u) * (l + 5.0 / 6.0 - 2.0 / (3.0 * h));
        return a / (a + b * (2.0 * w).exp());
    }
    let probability = |odds: f64| 1.0 / (1.0 + (-odds).exp());
    let (mut low, mut high) = (-700.0, 700.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return probability(middle);
        }
        if beta_cdf_odds(probability(middle), probability(-middle), a, b) < q { low = middle } else { high = middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, relative: f64) {
        assert!((got - want).abs() <= relative * want.abs(), "{got:e}, not {want:e}");
    }

    /// mpmath, 40 digits.
    #[test]
    fn digamma_and_ln_beta() {
        for (x, want) in [
            (1e-8, -100_000_000.577_215_65),
            (0.1, -10.423_754_940_411_076),
            (1.0, -0.577_215_664_901_532_9),
            (3.3, 1.034_822_489_059_621_7),
            (20000.5, 9.903_487_552_640_295),
            (1e12, 27.631_021_115_928_048),
        ] {
            close(digamma(x), want, 3e-15);
        }
        for (a, b, want) in [
            (2.5, 3.5, -3.301_835_269_962_053),
            (1e-10, 4.0, 23.025_850_929_757_123),
            (1e15, 0.5, -16.697_023_254_530_64),
            (100.0, 1e12, -2_403.967_906_228_229_4),
            (0.3, 0.4, 1.631_608_565_988_192_8),
        ] {
            close(ln_beta(a, b), want, 3e-15);
            close(ln_beta(b, a), want, 3e-15);
        }
    }

    #[test]
    fn rising_ratio_is_symmetric_and_one_at_zero() {
        for (a, d, m) in [(0.1, 3.0, 50.0), (1e12, 1e6, 2.0), (7.0, 1e-9, 1e9)] {
            assert_eq!(rising_ratio(a, d, m), rising_ratio(a, m, d));
            assert_eq!(rising_ratio(a, d, 0.0), 1.0);
            close(ln_rising_ratio(a, d, m).exp(), rising_ratio(a, d, m), 1e-13);
        }
    }

    /// Closed forms: `I_x(1, b)`, `I_x(a, 1)`, the arcsine law, and the binomial tail at `x = 1e-12`.
    #[test]
    fn beta_cdf_closed_forms() {
        for x in [1e-9f64, 0.01, 0.3, 0.5, 0.77, 0.999] {
            close(beta_cdf(x, 1.0, 37.5), one_minus_exp(37.5 * (-x).ln_1p()), 1e-13);
            close(beta_cdf(x, 4.2, 1.0), x.powf(4.2), 1e-13);
            close(beta_cdf(x, 0.5, 0.5), 2.0 / std::f64::consts::PI * x.sqrt().asin(), 1e-13);
        }
        close(beta_cdf(1e-12, 2.0, 1e12), 1.0 - 2.0 * (-1f64).exp(), 1e-11);
        assert_eq!((beta_cdf(0.3, 10.0, 1e12), beta_cdf(0.3, 1e12, 10.0)), (1.0, 0.0));
        assert_eq!((beta_cdf(0.0, 2.0, 2.0), beta_cdf(1.0, 2.0, 2.0)), (0.0, 1.0));
    }

    /// Boost's `ibeta_inv` (through scipy); the last three take the asymptotic expansion.
    #[test]
    fn beta_quantiles() {
        const Z: f64 = 1.959_963_984_540_054;
        for (q, a, b, want) in [
            (0.025, 1.0, 400.0, 6.329_251_690_485_72e-5),
            (0.975, 1.0, 400.0, 0.009_179_804_583_665_261),
            (0.025, 14.0, 387.0, 0.019_264_466_585_879_92),
            (0.975, 15.0, 386.0, 0.058_027_261_682_416_13),
            (0.975, 1.0, 1e12, 3.688_879_454_107_131e-12),
            (0.025, 3.0, 999_999_999_998.0, 6.186_721_228_960_286e-13),
            (0.025, 120.5, 279.5, 0.257_316_760_643_263_3),
            (0.975, 0.3, 7.0, 0.248_102_412_258_881_2),
            (0.025, 399.5, 1.5, 0.988_375_271_942_729_1),
            (0.975, 5e3, 1e10, 5.139_532_484_577_268e-7),
            (0.05, 199.5, 0.5, 0.990_406_534_748_06),
            (0.025, 2e4, 3e4, 0.395_709_784_933_208_5),
            (0.975, 1e5, 1e9, 1.006_106_493_987_451_2e-4),
            (0.975, 1e5, 1e5, 0.502_191_298_568_307_9),
        ] {
            let z = if q < 0.5 { -Z } else { Z };
            close(beta_quantile(q, z, a, b), want, if a.min(b) > 1e4 { 1e-7 } else { 1e-10 });
        }
    }
}
