//! The closed forms. `k`, a number of trials, is real everywhere: the laws are continuous in it, and an `f64` holds
//! every integer up to 9e15.

mod beta;
mod cost;
mod effective;
mod hutter;

pub use beta::BetaLaw;
pub use cost::Cost;
pub use effective::{coverage, effective_trials};
pub use hutter::HutterLaw;
