//! Slow, obvious f64 twins of every kernel.
//!
//! One module per kernel, under the kernel's name. Each is a scalar loop in the paper's order, accumulates in double
//! precision, and shares no code with the backends it judges: where a backend and its twin agree, two independent
//! readings of the contract agree. Of `retrial_spec` they use the containers of weights, nothing that computes. Slices are
//! row-major; shapes are in each function's documentation, and a length that does not fit them panics.
#![allow(clippy::needless_range_loop, reason = "the loops follow the formulas index by index")]

mod correlation;
mod decode;
mod encode;
mod l2_error;
mod pass_at_k;
mod sample_latent;
mod score;

pub use correlation::{correlation, trial_correlation};
pub use decode::{decode, hidden};
pub use encode::encode;
pub use l2_error::l2_error;
pub use pass_at_k::{Outcome, histogram, pass_at_k, records, worst};
pub use sample_latent::{normals, philox_words, sample_latent};
pub use score::score;

use retrial_spec::Linear;

/// How many rows of `width` values there are, without a remainder.
#[track_caller]
fn rows(values: usize, width: usize) -> usize {
    assert!(width > 0 && values.is_multiple_of(width), "{values} values are no rows of {width}");
    values / width
}

/// `W x + b`.
fn linear(layer: &Linear, x: &[f64]) -> Vec<f64> {
    assert_eq!(x.len(), layer.inputs, "inputs of a layer");
    let mut y = vec![0.0; layer.outputs];
    for o in 0..layer.outputs {
        let mut sum = 0.0;
        for i in 0..layer.inputs {
            sum += f64::from(layer.weight[o * layer.inputs + i]) * x[i];
        }
        y[o] = sum + f64::from(layer.bias[o]);
    }
    y
}

fn relu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|v| v.max(0.0)).collect()
}
