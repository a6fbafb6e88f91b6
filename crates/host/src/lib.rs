//! What the host sides of the backends share: weights in the order of kernels ([`tiled`]), errors that were read back folded
//! into rows ([`fold`](fn@fold)), and what a device counted held against the host's count ([`recount`]).

mod fold;
mod pack;
pub mod recount;

pub use fold::{fold, no_error};
pub use pack::{DARK, tiled};
