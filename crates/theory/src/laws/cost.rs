//! What trials cost: Eqs 13 to 15.

use retrial_spec::{Error, Result};

/// The cost of inference (Eq 13): `C(k) = F (N_p + k N_d)`.
///
/// Eqs 14 and 15, coverage and loss against cost, are Eqs 8 and 9 at the trials that a cost buys:
///
/// ```
/// use retrial_theory::laws::{BetaLaw, Cost};
/// # fn main() -> retrial_spec::Result<()> {
/// let cost = Cost::new(1.4e10, 500.0, 200.0)?; // a 7B model, 500 tokens of prompt, 200 per answer
/// let law = BetaLaw::new(4.65, 0.361)?;
/// let k = cost.trials(1e15)?;
/// assert!((cost.total(k) - 1e15).abs() < 1.0);
/// assert!((law.coverage(k, 1.0) + law.loss(k) - 1.0).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Cost {
    flops_per_token: f64,
    prompt_tokens: f64,
    decoded_tokens: f64,
}

impl Cost {
    /// `F` FLOPs per token, `N_p` prompt tokens paid once, `N_d` tokens decoded per trial. An error unless all are
    /// finite, `F` and `N_d` positive and `N_p` not negative.
    pub fn new(flops_per_token: f64, prompt_tokens: f64, decoded_tokens: f64) -> Result<Self> {
        for (name, value) in [("FLOPs per token", flops_per_token), ("decoded tokens per trial", decoded_tokens)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::input(name, value, "must be a finite number > 0"));
            }
        }
        if !(prompt_tokens >= 0.0 && prompt_tokens.is_finite()) {
            return Err(Error::input("prompt tokens", prompt_tokens, "must be a finite number >= 0"));
        }
        Ok(Self { flops_per_token, prompt_tokens, decoded_tokens })
    }

    /// FLOPs of `k` trials on one sample.
    pub fn total(&self, k: f64) -> f64 {
        self.flops_per_token * (self.prompt_tokens + k * self.decoded_tokens)
    }

    /// Trials that `flops` buy on one sample, `(C/F - N_p) / N_d`. An error where the prompt alone costs more.
    pub fn trials(&self, flops: f64) -> Result<f64> {
        let k = (flops / self.flops_per_token - self.prompt_tokens) / self.decoded_tokens;
        if k >= 0.0 {
            Ok(k)
        } else {
            Err(Error::input("cost in FLOPs", flops, format!("the prompt alone costs {}", self.total(0.0))))
        }
    }
}
