//! Failure probabilities spread by a Beta law: Eqs 7 to 10.

use crate::special::{digamma_rise, ln_beta_density, ln_gamma_ratio, ln_rising_ratio, one_minus_exp, rising_ratio};
use retrial_spec::{Error, Result};

/// The failure probability of a sample, drawn from Beta(alpha, beta) (Eq 7).
///
/// `beta` is the exponent of the tail: few samples are nearly hopeless where it is large, and the loss falls as
/// `k^-beta`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct BetaLaw {
    alpha: f64,
    beta: f64,
}

impl BetaLaw {
    /// The law of these parameters. An error unless both are positive and finite.
    pub fn new(alpha: f64, beta: f64) -> Result<Self> {
        for (name, value) in [("alpha", alpha), ("beta", beta)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::input(format!("{name} of a Beta law"), value, "must be a finite number > 0"));
            }
        }
        Ok(Self { alpha, beta })
    }

    /// The exponent of the density at `p = 0`, plus 1.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The exponent of the density at `p = 1`, plus 1.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The mean failure probability, `alpha / (alpha + beta)`.
    pub fn mean(&self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// The density at a failure probability `p` (Eq 7); 0 outside `(0, 1)`.
    pub fn density(&self, p: f64) -> f64 {
        if p <= 0.0 || p >= 1.0 {
            return 0.0;
        }
        ln_beta_density(p, 1.0 - p, self.alpha, self.beta).exp()
    }

    /// The density of the difficulty `s = -ln p` (Eq 10), `e^-s P(e^-s)`: its Laplace transform is [`Self::loss`].
    /// 0 for `s <= 0`.
    pub fn difficulty_density(&self, s: f64) -> f64 {
        if s <= 0.0 {
            return 0.0;
        }
        let (failure, success) = ((-s).exp(), one_minus_exp(-s));
        // Far out the failure probability underflows, and the density with it.
        if failure > 0.0 { (ln_beta_density(failure, success, self.alpha, self.beta) - s).exp() } else { 0.0 }
    }

    /// The inference loss `<p^k>`: the share of samples that `k >= 0` trials leave unsolved (Eq 9).
    ///
    /// ```text
    /// <p^k> = Gamma(alpha + k) Gamma(alpha + beta) / (Gamma(alpha) Gamma(alpha + beta + k))
    /// ```
    ///
    /// Relative error below 1e-13 for `k` to 1e15 (`beta` to 500; beyond, the power itself is that ill-conditioned).
    pub fn loss(&self, k: f64) -> f64 {
        rising_ratio(self.alpha, self.beta, k)
    }

    /// What the loss tends to at large `k` (Eq 9): `Gamma(alpha + beta) / Gamma(alpha) k^-beta`.
    pub fn loss_asymptote(&self, k: f64) -> f64 {
        (ln_gamma_ratio(self.alpha, self.beta) - self.beta * k.ln()).exp()
    }

    /// Coverage (pass@k) when a share `max_coverage` of the samples can be solved at all (Eq 8): `A (1 - <p^k>)`.
    /// Relative error below 1e-12 also where hardly anything is solved (for `beta >= 1e-6`).
    pub fn coverage(&self, k: f64, max_coverage: f64) -> f64 {
        max_coverage * one_minus_exp(self.ln_loss(k))
    }

    /// `ln <p^k>`, also where the loss itself would underflow.
    pub(crate) fn ln_loss(&self, k: f64) -> f64 {
        ln_rising_ratio(self.alpha, self.beta, k)
    }

    /// The derivatives of `ln <p^k>` by alpha and beta.
    pub(crate) fn ln_loss_gradient(&self, k: f64) -> [f64; 2] {
        let sum = self.alpha + self.beta;
        let by_beta = -digamma_rise(sum, k);
        [digamma_rise(self.alpha, k) + by_beta, by_beta]
    }
}
