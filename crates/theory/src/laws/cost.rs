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
///
/// [`Cost::priced`] is the same in money, with a price of its own for either kind of token.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Cost {
    /// Paid once per sample.
    prompt: f64,
    /// Paid per trial.
    trial: f64,
}

impl Cost {
    /// `F` FLOPs per token, `N_p` prompt tokens paid once, `N_d` tokens decoded per trial. An error unless all are
    /// finite, `F` and `N_d` positive and `N_p` not negative.
    pub fn new(flops_per_token: f64, prompt_tokens: f64, decoded_tokens: f64) -> Result<Self> {
        positive("FLOPs per token", flops_per_token)?;
        Self::priced(flops_per_token, flops_per_token, prompt_tokens, decoded_tokens)
    }

    /// Prices per prompt token and per decoded token instead of `F`, in any unit. An error unless all are finite, what
    /// a trial costs is positive and nothing negative.
    pub fn priced(prompt_price: f64, decode_price: f64, prompt_tokens: f64, decoded_tokens: f64) -> Result<Self> {
        positive("decoded tokens per trial", decoded_tokens)?;
        positive("price per decoded token", decode_price)?;
        for (name, value) in [("prompt tokens", prompt_tokens), ("price per prompt token", prompt_price)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::input(name, value, "must be a finite number >= 0"));
            }
        }
        Ok(Self { prompt: prompt_price * prompt_tokens, trial: decode_price * decoded_tokens })
    }

    /// The cost of `k` trials on one sample, in FLOPs or in the unit of the prices.
    pub fn total(&self, k: f64) -> f64 {
        self.prompt + k * self.trial
    }

    /// The cost of one more trial.
    pub fn trial(&self) -> f64 {
        self.trial
    }

    /// Trials that `budget` buys on one sample, `(C/F - N_p) / N_d`. An error where the prompt alone costs more.
    pub fn trials(&self, budget: f64) -> Result<f64> {
        let k = (budget - self.prompt) / self.trial;
        if k >= 0.0 {
            Ok(k)
        } else {
            Err(Error::input("cost of a sample", budget, format!("the prompt alone costs {}", self.prompt)))
        }
    }
}

fn positive(name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::input(name, value, "must be a finite number > 0"))
}
