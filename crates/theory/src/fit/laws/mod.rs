//! The laws, one file each.

pub(super) mod beta_binomial;
pub(super) mod eq12;
pub(super) mod eq8;
pub(super) mod kumaraswamy;
pub(super) mod log_log;
pub(super) mod logit_normal;
pub(super) mod point;
pub(super) mod power_law;
pub(super) mod scaled_beta;
pub(super) mod stretched;
pub(super) mod two_betas;
pub(super) mod zero_inflated;
pub(super) mod zipf;
