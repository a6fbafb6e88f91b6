//! Retrial as a Python package: the functions and classes of `retrial`, thin over the other crates.
//!
//! Arrays are NumPy's; what computes holds no lock of the interpreter, and is interrupted by Ctrl-C. The package around
//! this module, with its types for checkers, is in `python/retrial`; the tests are in `tests`.
//!
//! Without feature `python` the crate is empty.

#[cfg(feature = "python")]
mod arrays;
#[cfg(feature = "python")]
mod compare;
#[cfg(feature = "python")]
mod cost;
#[cfg(feature = "python")]
mod counts;
#[cfg(feature = "python")]
mod curve;
#[cfg(feature = "python")]
mod devices;
#[cfg(feature = "python")]
mod difficulty;
#[cfg(feature = "python")]
mod estimate;
#[cfg(feature = "python")]
mod fault;
#[cfg(feature = "python")]
mod fit;
#[cfg(feature = "python")]
mod forecast;
#[cfg(feature = "python")]
mod model;
#[cfg(feature = "python")]
mod samples;
#[cfg(feature = "python")]
mod simulate;
#[cfg(feature = "python")]
mod source;
#[cfg(feature = "python")]
mod watch;

#[cfg(feature = "python")]
#[pyo3::pymodule(name = "_retrial")]
mod module {
    #[pymodule_export]
    use crate::{
        compare::{Comparison, Pair, of_counts as compare},
        cost::{Cost, of_counts as cost},
        counts::Counts,
        curve::Curve,
        devices::{Device, devices},
        difficulty::{Difficulty, of_counts as difficulty},
        estimate::{g_pass_at_k, pass_at_k, pass_hat_k, per_problem},
        fault::RetrialError,
        fit::{Fit, Law, LawFit, of_counts as fit},
        forecast::{Forecast, bounds, of_counts as forecast},
        model::Model,
        samples::Samples,
        simulate::of_law as simulate,
    };
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's own name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
