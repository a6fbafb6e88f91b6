//! The standard normal law.

use std::f64::consts::SQRT_2;

/// Its 0.975 quantile.
pub(crate) const Z: f64 = 1.959963984540054;

/// The probability of at most `z`.
pub(crate) fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// The value below which `share` lies, by bisection.
pub(crate) fn quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
