//! Exact random variates from a [`Stream`].

use crate::special::one_minus_exp;
use retrial_spec::rng::Stream;

/// Uniform on `(0, 1]`, so that it has a logarithm.
fn positive(stream: &mut Stream) -> f64 {
    1.0 - stream.uniform()
}

/// A standard normal variable with 53-bit uniforms (Box and Muller 1958).
pub(crate) fn normal(stream: &mut Stream) -> f64 {
    let radius = (-2.0 * positive(stream).ln()).sqrt();
    radius * (std::f64::consts::TAU * stream.uniform()).cos()
}

/// The logarithm of a standard Gamma variable (Marsaglia and Tsang 2000, with their boost for shapes below 1), which
/// does not underflow however small the shape.
fn ln_gamma_variable(shape: f64, stream: &mut Stream) -> f64 {
    if shape < 1.0 {
        return ln_gamma_variable(shape + 1.0, stream) + positive(stream).ln() / shape;
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let x = normal(stream);
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && positive(stream).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return (d * v).ln();
        }
    }
}

/// `(x, 1-x)` for a Beta(a, b) variable `x`, either of them to its own last digits.
pub(crate) fn beta(a: f64, b: f64, stream: &mut Stream) -> (f64, f64) {
    let ln_odds = ln_gamma_variable(a, stream) - ln_gamma_variable(b, stream);
    (1.0 / (1.0 + (-ln_odds).exp()), 1.0 / (1.0 + ln_odds.exp()))
}

/// The number of successes in `n` trials of probability `success = 1 - failure`, exact for any `n`, in time `O(log n)`.
///
/// Of `n` uniform variables the `i`-th smallest is Beta(i, n+1-i). It tells whether at least `i` of them are below
/// `success`, and leaves the same question about the others (Devroye 1986, X.4.3).
pub(crate) fn binomial(n: u64, success: f64, failure: f64, stream: &mut Stream) -> u64 {
    /// So few expected successes are counted by the gaps between them.
    const FEW: f64 = 8.0;
    let (mut n, mut q, mut p, mut below) = (n, success, failure, 0);
    loop {
        if q <= 0.0 || n == 0 {
            return below;
        }
        if p <= 0.0 {
            return below + n;
        }
        if n as f64 * q.min(p) <= FEW {
            return below + if q <= p { by_gaps(n, q, stream) } else { n - by_gaps(n, p, stream) };
        }
        let i = n / 2 + 1;
        let (x, rest) = beta(i as f64, (n + 1 - i) as f64, stream);
        if x <= q {
            below += i;
            n -= i;
            q = (q - x) / rest;
            p /= rest;
        } else {
            n = i - 1;
            p = (x - q) / x;
            q /= x;
        }
    }
}

/// The number of successes among `n` trials of a small probability: gaps between successes are geometric.
fn by_gaps(n: u64, q: f64, stream: &mut Stream) -> u64 {
    let (mut at, mut count) = (first_success(q, stream), 0);
    while at <= n as f64 {
        count += 1;
        at += first_success(q, stream);
    }
    count
}

/// The trial, from 1, of the first success of probability `q`; infinite for `q = 0`.
pub(crate) fn first_success(q: f64, stream: &mut Stream) -> f64 {
    let u = positive(stream);
    if q >= 1.0 { 1.0 } else { (u.ln() / (-q).ln_1p()).floor() + 1.0 }
}

/// A Zipf variable: `i = 1, 2, ...` with probability proportional to `i^-s`, `s > 1`, by rejection (Devroye 1986,
/// X.6.1): at least half of the proposals are accepted. It may be infinite where `s` is barely above 1.
pub(crate) fn zipf(s: f64, stream: &mut Stream) -> f64 {
    let power = s - 1.0;
    // 1 - 1/t and 1 - 1/b: t and b themselves overflow for large s.
    let loss = |ratio: f64| one_minus_exp(-power * ratio.ln_1p());
    loop {
        let x = positive(stream).powf(-1.0 / power).floor();
        if stream.uniform() * x * loss(1.0 / x) <= loss(1.0) || x.is_infinite() {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of `draws` values, each within five standard errors of what they should be.
    fn moments(draws: u32, mean: f64, variance: f64, mut draw: impl FnMut() -> f64) {
        let values: Vec<f64> = (0..draws).map(|_| draw()).collect();
        let count = f64::from(draws);
        let got = values.iter().sum::<f64>() / count;
        let deviations = || values.iter().map(|v| v - mean);
        let spread = deviations().map(|d| d * d).sum::<f64>() / count;
        let fourth = deviations().map(|d| d.powi(4)).sum::<f64>() / count;
        assert!((got - mean).abs() < 5.0 * (variance / count).sqrt(), "mean {got}, not {mean}");
        let error = ((fourth - spread * spread) / count).sqrt();
        assert!((spread - variance).abs() < 5.0 * error, "variance {spread}, not {variance}");
    }

    #[test]
    fn beta_variables_have_their_moments() {
        let mut stream = Stream::new(1, 0);
        for (a, b) in [(0.5f64, 0.5), (0.05, 3.0), (4.65, 0.36), (1e6, 2e6)] {
            let mean = a / (a + b);
            moments(20_000, mean, mean * (1.0 - mean) / (a + b + 1.0), || beta(a, b, &mut stream).0);
        }
    }

    /// Also where the recursion is a dozen Beta draws deep.
    #[test]
    fn binomial_variables_have_their_moments() {
        let mut stream = Stream::new(2, 0);
        for (n, q) in [(10, 0.3), (1000, 0.001), (1000, 0.5), (1000, 0.995), (1_000_000_000_000, 0.2), (1 << 40, 1e-11)]
        {
            let mean = n as f64 * q;
            moments(20_000, mean, mean * (1.0 - q), || binomial(n, q, 1.0 - q, &mut stream) as f64);
        }
        assert_eq!(binomial(7, 0.0, 1.0, &mut stream), 0);
        assert_eq!(binomial(7, 1.0, 0.0, &mut stream), 7);
    }

    /// The whole law of a small case, by chi squared with 12 degrees of freedom.
    #[test]
    fn binomial_variables_have_their_law() {
        let mut stream = Stream::new(3, 0);
        let mut seen = [0.0; 25];
        (0..100_000).for_each(|_| seen[binomial(24, 0.45, 0.55, &mut stream) as usize] += 1.0);
        let law = |x: usize| crate::special::ln_binomial(24.0, x as f64, 0.45, 0.55).exp() * 1e5;
        let chi2: f64 = (5..=17).map(|x| (seen[x] - law(x)).powi(2) / law(x)).sum();
        assert!(chi2 < 38.0, "{chi2}");
    }

    #[test]
    fn zipf_variables_have_their_law() {
        let mut stream = Stream::new(4, 0);
        // Exponents whose powers overflow, where only the first is ever drawn, and hardly any, where all are huge.
        assert!([40.0, 2e3, 1e300].iter().all(|&s| (0..100).all(|_| zipf(s, &mut stream) == 1.0)));
        assert!((0..100).all(|_| zipf(1.0 + 1e-12, &mut stream) > 1e100));
        let mut seen = [0.0; 4];
        for _ in 0..100_000 {
            let i = zipf(1.7, &mut stream);
            if i <= 4.0 {
                seen[i as usize - 1] += 1e-5;
            }
        }
        let zeta = crate::laws::effective_trials(f64::INFINITY, 1.7);
        for (i, share) in (1u8..).zip(seen) {
            let want = f64::from(i).powf(-1.7) / zeta;
            assert!((share - want).abs() < 5.0 * (want / 1e5).sqrt(), "{i}: {share}, not {want}");
        }
    }
}
