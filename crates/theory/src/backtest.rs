//! Which method would have foretold what was measured: hides all but the first attempts and forecasts the rest.

use retrial_spec::{Observer, Result};

/// Every attempt at every sample: all samples were tried equally often, and successes are listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempts {
    trials: u64,
    /// Per sample, the trials that succeeded, from 0, increasing.
    successes: Vec<Vec<u64>>,
}

impl Attempts {
    /// `successes` holds the indices of each sample's successes, from 0, in any order. An error without samples or
    /// trials, for an index `>= trials`, or for an index named twice.
    pub fn new(trials: u64, successes: Vec<Vec<u64>>) -> Result<Self> {
        let _ = (trials, successes);
        todo!()
    }
}

/// How one method did.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Score {
    /// Attempts shown.
    pub shown: u64,
    /// The method: a name of [`crate::fit::Kind`], or "NPMLE", "bounds", "Good-Toulmin", "Chao".
    pub method: &'static str,
    /// Its forecast of coverage at all trials; `None` where it has no answer.
    pub forecast: Option<f64>,
    /// Lower end of its 95 % interval, where it gives one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The coverage that was measured at all trials.
    pub truth: f64,
}

impl Score {
    /// The absolute error, where there is a forecast.
    pub fn error(&self) -> Option<f64> {
        self.forecast.map(|forecast| (forecast - self.truth).abs())
    }
}

/// Scores every method at each number of attempts `shown`, forecasting coverage at all trials. An error where `shown`
/// is 0 or not below the number of trials.
pub fn backtest(attempts: &Attempts, shown: &[u64], observer: &dyn Observer) -> Result<Vec<Score>> {
    let _ = (attempts, shown, observer);
    todo!()
}
