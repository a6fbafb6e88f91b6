//! Exact probabilities for tests: the lower tail of the noncentral chi-squared law, by Poisson's mixture of incomplete
//! Gamma functions.

/// `ln` of the regularised incomplete Gamma function `P(a, x)`, by its series; for `x` up to a few times `a`.
fn ln_gamma_cdf(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    while term > 1e-17 * sum {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    a * x.ln() - x - libm::lgamma(a + 1.0) + f64::ln(sum)
}

/// The probability that a chi-squared variable of `d` degrees of freedom and noncentrality `nc` is below `x`.
pub(super) fn chi_squared_cdf(d: f64, nc: f64, x: f64) -> f64 {
    let term = |j: f64| {
        let poisson = if nc > 0.0 { j * (0.5 * nc).ln() - 0.5 * nc - libm::lgamma(j + 1.0) } else { 0.0 };
        (poisson + ln_gamma_cdf(0.5 * d + j, 0.5 * x)).exp()
    };
    let terms = if nc > 0.0 { 40.0 + nc + 10.0 * nc.sqrt() } else { 1.0 };
    (0..terms as u32).map(|j| term(f64::from(j))).sum()
}

/// Values of scipy 1.16 (`chi2.cdf`, `ncx2.cdf`), the noncentral ones also of mpmath to 15 digits.
#[test]
fn it_is_what_scipy_says() {
    for (d, nc, x, want) in [
        (20.0, 0.0, 30.0, 0.9301463393005901),
        (20.0, 0.0, 5.0, 0.0002773520946208362),
        (20.0, 0.0, 0.5, 2.0942485399973623e-13),
        (20.0, 0.0, 0.25, 2.2909148211916287e-16),
        (5.0, 0.0, 1e-5, 1.6820823405667323e-14),
        (8.0, 30.0, 4.0, 3.148943724069896e-06),
        (8.0, 30.0, 0.2, 1.575749225603496e-12),
        (12.0, 100.0, 20.0, 1.1925432698901731e-10),
        (20.0, 50.0, 8.0, 1.2361276716717375e-10),
        (3.0, 60.0, 2.0, 1.976630581568248e-11),
    ] {
        let got = chi_squared_cdf(d, nc, x);
        assert!((got / want - 1.0).abs() < 1e-12, "{d} {nc} {x}: {got:e}, not {want:e}");
    }
}
