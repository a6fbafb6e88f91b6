//! What the host sides of the backends share: weights in the order of kernels ([`tiled`]), errors that were read back folded
//! into rows ([`fold`](fn@fold)), what a device counted held against the host's count ([`recount`]), and sizes read from the
//! kernels' own text ([`constant`](fn@constant)).

mod constant;
mod fold;
mod pack;
pub mod recount;

pub use constant::constant;
pub use fold::{fold, no_error};
pub use pack::{DARK, tiled};
