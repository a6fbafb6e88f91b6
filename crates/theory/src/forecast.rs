//! Coverage beyond the trials that were made.

use crate::{
    Data,
    fit::{Fitted, Settings},
};
use retrial_spec::{Observer, Result};

/// Coverage at a `k` that was not measured. 95 % intervals.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// Trials per sample.
    pub k: f64,
    /// The forecast.
    pub value: f64,
    /// Lower end of the interval; `None` where the method has none.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
}

/// The coverage of a fitted law at each of `ks`, with bootstrap intervals over the samples (for samples drawn from a
/// population; [`Settings::replicates`] 0 gives none). The interval speaks of the law's parameters and takes the law
/// itself for granted: [`bounds`] does not. Cancelled by the observer.
pub fn by_law(
    fitted: &Fitted,
    data: &Data,
    ks: &[f64],
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Vec<Forecast>> {
    let _ = (fitted, data, ks, settings, observer);
    todo!()
}

/// The least and the greatest coverage that any law of the failure probability which fits the counts gives.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Bounds {
    /// Trials per sample.
    pub k: f64,
    /// The least coverage.
    pub low: f64,
    /// The greatest coverage.
    pub high: f64,
}

/// Worst-case bounds of coverage at each of `ks`.
pub fn bounds(data: &Data, ks: &[f64]) -> Vec<Bounds> {
    let _ = (data, ks);
    todo!()
}

/// The smoothed Good-Toulmin forecast at each of `ks` beyond `n`. An error for unequal or stopped trials.
pub fn good_toulmin(data: &Data, ks: &[f64]) -> Result<Vec<Forecast>> {
    let _ = (data, ks);
    todo!()
}

/// Chao's forecast at each of `ks` beyond `n`, a lower bound in expectation, without interval. `k` may be infinite. An
/// error for unequal or stopped trials.
pub fn chao(data: &Data, ks: &[f64]) -> Result<Vec<Forecast>> {
    let _ = (data, ks);
    todo!()
}
