//! Learning from ever rarer features: Eq 1.

use super::effective_trials;
use crate::special::{beta_cdf, ln_beta};
use retrial_spec::{Error, Result};

/// Hutter's model (Eq 1): feature `i = 1, 2, ...` turns up with probability `theta_i = i^-(1+alpha) / zeta(1+alpha)`,
/// and what has not turned up in `n` draws is lost.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct HutterLaw {
    alpha: f64,
    zeta: f64,
}

impl HutterLaw {
    /// Features summed one by one. Past them the summand varies so slowly that the first two Euler-Maclaurin terms
    /// leave a relative error below 1e-10 (for `alpha <= 4`).
    const HEAD: u32 = 1000;

    /// The law of this Zipf exponent. An error unless `alpha` is positive and finite.
    pub fn new(alpha: f64) -> Result<Self> {
        if !(alpha > 0.0 && alpha.is_finite()) {
            return Err(Error::input("alpha of Hutter's law", alpha, "must be a finite number > 0"));
        }
        Ok(Self { alpha, zeta: effective_trials(f64::INFINITY, 1.0 + alpha) })
    }

    /// `alpha`: the features' Zipf exponent is `1 + alpha`.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// `theta_i`, the probability of feature `i = 1, 2, ...`.
    pub fn probability(&self, i: f64) -> f64 {
        i.powf(-1.0 - self.alpha) / self.zeta
    }

    /// The exponent of the loss, `alpha / (1 + alpha)`.
    pub fn exponent(&self) -> f64 {
        self.alpha / (1.0 + self.alpha)
    }

    /// The expected loss `E_n = sum_i theta_i (1 - theta_i)^n` after `n >= 0` draws, over infinitely many features.
    ///
    /// Beyond the head the sum is an integral, and with `t = theta(x)` that integral is an incomplete Beta function:
    /// `zeta^(-1/s) / s int_0^theta t^(-1/s) (1-t)^n dt`, `s = 1 + alpha`.
    pub fn loss(&self, n: f64) -> f64 {
        let s = 1.0 + self.alpha;
        let theta = |x: f64| x.powf(-s) / self.zeta;
        let summand = |t: f64| t * (n * (-t).ln_1p()).exp();
        let head: f64 = (1..Self::HEAD).rev().map(|i| summand(theta(f64::from(i)))).sum();
        let from = f64::from(Self::HEAD);
        let t = theta(from);
        let slope = -s / from * (1.0 - n * t / (1.0 - t));
        let edge = summand(t) * (0.5 - slope / 12.0);
        let (a, b) = (self.exponent(), n + 1.0);
        let tail = (ln_beta(a, b) - self.zeta.ln() / s).exp() / s * beta_cdf(t, a, b);
        head + edge + tail
    }

    /// What the loss tends to at large `n`: `Gamma(alpha/(1+alpha)) zeta^(-1/(1+alpha)) / (1+alpha)
    /// n^(-alpha/(1+alpha))`.
    pub fn asymptote(&self, n: f64) -> f64 {
        let s = 1.0 + self.alpha;
        libm::tgamma(self.exponent()) * self.zeta.powf(-1.0 / s) / s * n.powf(-self.exponent())
    }
}
