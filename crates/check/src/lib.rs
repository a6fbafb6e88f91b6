//! Holds a backend against the reference.
//!
//! A [`Case`] is one kernel at one shape with everything that determines its numbers; it knows its tolerance, its
//! FLOPs and bytes, and the command that reruns it. Tests, benchmarks and `retrial validate` share the same cases.
//! It computes what is right with the twins of `retrial_reference` alone, from the posterior and the seed on: of the
//! [`Problem`](retrial_spec::Problem) that a backend is given it uses nothing, so a wrong one is found too.
//! [`conformance`] runs them all on any backend (`examples/own_backend.rs` has one), [`exchange`] hands them to kernels of other
//! languages. [`compare`] and [`Band`] judge; they have failing tests of their own, because a comparator that cannot fail is
//! worse than none.

mod accuracy;
mod case;
mod compare;
mod condition;
mod conformance;
pub mod exchange;
mod fault;
mod inputs;
mod kernel;
mod model;
pub mod prove;

pub use accuracy::{Accuracy, CountBias, QUANTILES, accuracy};
pub use case::{Case, by_variants, cases, cases_of, random};
pub use compare::{Band, Tolerance, compare};
pub use conformance::{Report, conformance};
pub use fault::{Agreement, Fault, Verdict};
pub use inputs::{Inputs, Output};
pub use kernel::Kernel;
pub use model::{images, thresholds, weights};
