//! Holds a backend against the reference.
//!
//! A [`Case`] is one kernel at one shape with everything that determines its numbers; it knows its tolerance, its
//! FLOPs and bytes, and the command that reruns it. Tests, benchmarks and `retrial validate` share the same cases.
//! [`compare`] and [`Band`] judge; they have failing tests of their own, because a comparator that cannot fail is
//! worse than none.

mod case;
mod compare;
mod model;

pub use case::{Case, Kernel, cases, cases_of, thresholds};
pub use compare::{Agreement, Band, Tolerance, compare};
pub use model::{images, weights};
