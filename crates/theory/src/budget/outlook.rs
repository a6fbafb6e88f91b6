//! What trials come to, measured or not: Eqs 13 to 15 on counts.

use super::{Allocation, Sequential, allocate, interval_to_reach, sequential, trials_to_reach};
use crate::{
    Data,
    coverage::{Counts, Scope},
    fit::{Fitted, Settings},
    forecast::interval_by_law,
    laws::Cost,
    npmle::{Npmle, npmle},
};
use retrial_spec::{Error, Observer, Result};

/// Trials are not foretold beyond this.
const MAX_TRIALS: f64 = 1e15;

/// Coverage at any number of trials: measured as far as trials were made, then by a law, but never below what was
/// measured.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// What was measured.
    pub data: Data,
    /// The law beyond it, if one fits.
    pub fitted: Option<Fitted>,
    /// Coverage at all trials that were made.
    last: f64,
}

/// What a coverage takes.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Reached {
    /// Trials per sample, a whole number; `None` where none reach it.
    pub trials: Option<u64>,
    /// The fewest and the most, 95 %, for other samples of the same kind; `None` in place of an end that is out of reach.
    /// `None` as a whole where the law has no interval.
    pub interval: Option<[Option<u64>; 2]>,
    /// Whether it lies beyond the trials that were made.
    pub forecast: bool,
}

/// What a budget per sample buys.
#[derive(Clone, Debug, PartialEq)]
pub struct Bought {
    /// Trials per sample; 0 where not even the prompt is paid.
    pub trials: u64,
    /// Their coverage; `None` where it would take a law and none fits.
    pub coverage: Option<f64>,
    /// Whether they are more than were made.
    pub forecast: bool,
    /// The same budget for trials on top of those that were made, where they help most; `None` where it pays for none.
    pub allocation: Option<Allocation>,
    /// The same budget, spent one trial after the other.
    pub sequential: Option<Sequential>,
    /// What both go by.
    pub npmle: Npmle,
}

impl Outlook {
    /// Of counts, and of a law of them where one fits.
    pub fn new(data: Data, fitted: Option<Fitted>) -> Self {
        let last = data.curve(&[data.reach()], Scope::Benchmark).first().map_or(0.0, |p| p.value);
        Self { data, fitted, last }
    }

    /// Coverage of `k` trials. Without a law it stays at the last measured one.
    pub fn coverage(&self, k: f64) -> f64 {
        let reach = self.data.reach();
        if k < 1.0 {
            0.0
        } else if k <= reach as f64 {
            self.data.curve(&[k as u64], Scope::Benchmark).first().map_or(0.0, |p| p.value)
        } else {
            self.fitted.as_ref().map_or(self.last, |fitted| fitted.coverage(k).max(self.last))
        }
    }

    /// Coverage of `k` trials, if it was measured or a law fits.
    pub fn known(&self, k: f64) -> Option<f64> {
        (self.fitted.is_some() || k <= self.data.reach() as f64).then(|| self.coverage(k))
    }

    /// The trials that a coverage takes, with their interval: of measured coverage as far as it was measured, then of the
    /// law. Cancelled by the observer.
    ///
    /// # Errors
    /// A coverage that is not above 0 and at most 1; [`Error::Cancelled`].
    pub fn reach(&self, coverage: f64, settings: &Settings, observer: &dyn Observer) -> Result<Reached> {
        if !(coverage > 0.0 && coverage <= 1.0) {
            return Err(Error::input("target", coverage, "must be above 0 and at most 1"));
        }
        let Self { data, fitted, .. } = self;
        let reach = data.reach() as f64;
        let most = if fitted.is_some() { MAX_TRIALS } else { reach };
        let trials = trials_to_reach(|k| self.coverage(k), coverage, most).map(f64::ceil);
        let measured = |k: f64| data.curve(&[k as u64], Scope::Population).first().map(|at| [at.low, at.high]);
        let law = fitted.as_ref().map(|fitted| interval_by_law(fitted, data, settings, observer)).transpose()?;
        let ends = |k: f64| {
            let [low, high] = measured(k.min(reach))?;
            match &law {
                Some(law) if k > reach => law(k).map(|[a, b]| [a.max(low), b.max(high)]),
                _ => Some([low, high]),
            }
        };
        let whole = |k: f64| k.ceil() as u64;
        // The point is one of the numbers of trials that the interval allows.
        let around = |[from, to]: [Option<f64>; 2]| {
            [from.map(|k| trials.map_or(k, |at| k.min(at))), to.and_then(|k| Some(k.max(trials?)))]
                .map(|k| k.map(whole))
        };
        Ok(Reached {
            trials: trials.map(whole),
            interval: interval_to_reach(ends, coverage, most).map(around),
            forecast: trials.is_none_or(|k| k > reach),
        })
    }

    /// What `budget` per sample buys at a price: trials from the first on, and trials on top of those that were made, by
    /// `counts` in any order.
    ///
    /// # Errors
    /// A budget that is not a finite number above 0.
    pub fn buy(&self, price: &Cost, budget: f64, counts: &[Counts]) -> Result<Bought> {
        if !(budget > 0.0 && budget.is_finite()) {
            return Err(Error::input("budget", budget, "must be a finite number > 0"));
        }
        let trials = price.trials(budget).map_or(0.0, |k| k.floor().min(MAX_TRIALS));
        // Prompts are paid already; what is left goes into trials.
        let more = (budget / (price.total(1.0) - price.total(0.0)) * self.data.samples()).floor().min(MAX_TRIALS);
        let npmle = npmle(&self.data);
        Ok(Bought {
            trials: trials as u64,
            coverage: self.known(trials),
            forecast: trials > self.data.reach() as f64,
            allocation: (more >= 1.0).then(|| allocate(&npmle, counts, more as u64)).transpose()?,
            sequential: (more >= 1.0).then(|| sequential(&npmle, counts, more)).transpose()?,
            npmle,
        })
    }
}
