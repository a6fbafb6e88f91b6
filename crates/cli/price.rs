//! What an attempt costs, per model: Eq. 13 in FLOPs or in money.

use clap::Args;
use retrial_spec::{Error, Result};
use retrial_theory::laws::Cost;

/// A number for one model, or for all that have none of their own.
type ForModel = (Option<String>, f64);

/// Tokens of a problem and what they cost. Every number may be MODEL=NUMBER, for each model that differs.
#[derive(Args, Clone)]
pub struct PriceArgs {
    /// Tokens of the prompt, paid once per problem; this and the following may be MODEL=N,MODEL=N,..
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = per_model, required = true)]
    prompt_tokens: Vec<ForModel>,
    /// Tokens decoded per attempt
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = per_model, required = true)]
    decode_tokens: Vec<ForModel>,
    /// FLOPs per token, about twice the parameters
    #[arg(long, value_name = "F", value_delimiter = ',', value_parser = per_model)]
    flops_per_token: Vec<ForModel>,
    /// Price of a prompt token, in any currency, in place of FLOPs
    #[arg(long, value_name = "P", value_delimiter = ',', value_parser = per_model)]
    prompt_price: Vec<ForModel>,
    /// Price of a decoded token
    #[arg(long, value_name = "P", value_delimiter = ',', value_parser = per_model)]
    decode_price: Vec<ForModel>,
}

impl PriceArgs {
    /// Refuses what is neither FLOPs nor prices, and a number with a comma in it, which is two.
    pub fn check(&self) -> Result<()> {
        for (flag, values) in self.flags() {
            let bare: Vec<String> =
                values.iter().filter(|(model, _)| model.is_none()).map(|(_, v)| v.to_string()).collect();
            if bare.len() > 1 {
                let limit = "commas part models: write one number, such as 1000 or 0.15, and MODEL=NUMBER for others";
                return Err(Error::input(
                    format!("--{flag}"),
                    format!("{} numbers, {}", bare.len(), bare.join(" and ")),
                    limit,
                ));
            }
        }
        let given = [&self.flops_per_token, &self.prompt_price, &self.decode_price].map(|values| !values.is_empty());
        match given {
            [true, false, false] | [false, true, true] => Ok(()),
            _ => {
                let names = ["--flops-per-token", "--prompt-price", "--decode-price"];
                let got: Vec<&str> =
                    names.into_iter().zip(given).filter(|(_, given)| *given).map(|(name, _)| name).collect();
                let got = if got.is_empty() { "none".into() } else { got.join(" and ") };
                Err(Error::input(
                    "cost of a token",
                    got,
                    "give --flops-per-token, or --prompt-price and --decode-price",
                ))
            }
        }
    }

    fn flags(&self) -> [(&'static str, &[ForModel]); 5] {
        [
            ("prompt-tokens", &self.prompt_tokens),
            ("decode-tokens", &self.decode_tokens),
            ("flops-per-token", &self.flops_per_token),
            ("prompt-price", &self.prompt_price),
            ("decode-price", &self.decode_price),
        ]
    }

    /// Refuses a price for a model that is not there: a slip of the pen would go unnoticed.
    pub fn check_models(&self, models: &[&str]) -> Result<()> {
        let named =
            self.flags().into_iter().flat_map(|(flag, values)| values.iter().map(move |(model, _)| (flag, model)));
        match named.filter_map(|(flag, model)| Some((flag, model.as_deref()?))).find(|(_, m)| !models.contains(m)) {
            Some((flag, model)) => Err(Error::input(flag, model, format!("the models are {}", models.join(", ")))),
            None => Ok(()),
        }
    }

    /// What costs are counted in.
    pub fn unit(&self) -> &'static str {
        if self.flops_per_token.is_empty() { "money" } else { "FLOPs" }
    }

    /// The cost of a model.
    pub fn of(&self, model: &str) -> Result<Cost> {
        let value = |flag: &str, values: &[ForModel]| {
            let named = values.iter().rev().find(|(of, _)| of.as_deref() == Some(model));
            let found = named.or_else(|| values.iter().rev().find(|(of, _)| of.is_none()));
            let limit = format!("add {model}=NUMBER, or a number for all models");
            found.map(|(_, value)| *value).ok_or_else(|| Error::input(flag, format!("nothing for {model}"), limit))
        };
        let prompt = value("prompt-tokens", &self.prompt_tokens)?;
        let decode = value("decode-tokens", &self.decode_tokens)?;
        if !self.flops_per_token.is_empty() {
            return Cost::new(value("flops-per-token", &self.flops_per_token)?, prompt, decode);
        }
        let (of_prompt, of_decode) =
            (value("prompt-price", &self.prompt_price)?, value("decode-price", &self.decode_price)?);
        if !(of_decode > 0.0 && of_decode.is_finite() && of_prompt >= 0.0 && of_prompt.is_finite()) {
            let got = format!("{of_prompt} and {of_decode}");
            return Err(Error::input("prices of prompt and decoded tokens", got, "must be finite, >= 0 and > 0"));
        }
        // Prompt tokens at their own price weigh as so many decoded ones.
        Cost::new(of_decode, prompt * of_prompt / of_decode, decode)
    }
}

/// `NUMBER` or `MODEL=NUMBER`.
fn per_model(text: &str) -> std::result::Result<ForModel, String> {
    let (model, number) = match text.rsplit_once('=') {
        Some((model, number)) => (Some(model.trim().to_string()), number),
        None => (None, text),
    };
    let number =
        number.trim().parse().map_err(|_| "must be NUMBER or MODEL=NUMBER, such as 1.6e10 or \"Llama 3=1.6e10\"")?;
    Ok((model, number))
}
