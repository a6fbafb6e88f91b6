//! The laws, one file each.

pub mod beta_binomial;
pub mod eq12;
pub mod eq8;
pub mod kumaraswamy;
pub mod log_log;
pub mod logit_normal;
pub mod point;
pub mod power_law;
pub mod scaled_beta;
pub mod stretched;
pub mod two_betas;
pub mod zero_inflated;
pub mod zipf;
