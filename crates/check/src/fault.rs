use std::ops::RangeInclusive;

/// The verdict of a comparison that passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Largest difference as a share of its bound, 0 to 1.
    pub used: f64,
    /// Largest absolute difference.
    pub max_error: f64,
}

/// What a case found.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every number agrees with the reference.
    Agrees(Agreement),
    /// One does not: the first.
    Differs(Fault),
}

impl Verdict {
    /// How well the numbers agree, if they do.
    pub fn agreement(&self) -> Option<Agreement> {
        match self {
            Self::Agrees(agreement) => Some(*agreement),
            Self::Differs(_) => None,
        }
    }

    /// How they differ, if they do.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Agrees(_) => None,
            Self::Differs(fault) => Some(fault),
        }
    }
}

impl From<Result<Agreement, Fault>> for Verdict {
    fn from(result: Result<Agreement, Fault>) -> Self {
        result.map_or_else(Self::Differs, Self::Agrees)
    }
}

/// How a result differs from the reference, in one line. Trials count from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// More or fewer values.
    #[error("{got} values where the reference has {want}")]
    Length {
        /// Values of the result.
        got: usize,
        /// Values of the reference.
        want: usize,
    },
    /// A value that is not finite or too far off.
    #[error("value {at} is {got}, the reference {want}: off by {:.3e}, allowed {allowed:.3e}", (got - want).abs())]
    Value {
        /// Its place.
        at: usize,
        /// The value.
        got: f64,
        /// The reference's.
        want: f64,
        /// How far apart they may be.
        allowed: f64,
    },
    /// Values within their bounds, but too many too far off.
    #[error("root mean square error {got:.3e}, allowed {allowed:.3e}: a bias, not rounding")]
    Bias {
        /// The root mean square error.
        got: f64,
        /// What it may be.
        allowed: f64,
    },
    /// A tally of other than all trials.
    #[error("{got} trials tallied of {want}")]
    Trials {
        /// Trials tallied.
        got: u64,
        /// Trials there were.
        want: u64,
    },
    /// A wrong success count.
    #[error("{}: {got} successes, the reference allows {} to {}", place(*sample, *threshold), allowed.start(), allowed.end())]
    Successes {
        /// The sample.
        sample: usize,
        /// The threshold.
        threshold: f32,
        /// The count.
        got: u64,
        /// What it may be.
        allowed: RangeInclusive<u64>,
    },
    /// A wrong first success.
    #[error("{}: first success {got:?}, the reference allows {:?} to {:?}", place(*sample, *threshold), allowed.0, allowed.1)]
    FirstSuccess {
        /// The sample.
        sample: usize,
        /// The threshold.
        threshold: f32,
        /// The trial; `None` is never.
        got: Option<u64>,
        /// The earliest and the latest that it may be.
        allowed: (Option<u64>, Option<u64>),
    },
    /// Wrong running minima.
    #[error("sample {sample}: records {got:?}, the reference {want:?}")]
    Records {
        /// The sample.
        sample: usize,
        /// Trials and their errors.
        got: Vec<(u64, f32)>,
        /// The reference's.
        want: Vec<(u64, f32)>,
    },
    /// A wrong best or worst trial.
    #[error("sample {sample}: {name} trial {got:?}, the reference {want}")]
    Extreme {
        /// The sample.
        sample: usize,
        /// "best" or "worst".
        name: &'static str,
        /// The trial and its error.
        got: Option<(u64, f32)>,
        /// The reference's error.
        want: f64,
    },
    /// A bin of a histogram with a wrong count.
    #[error("sample {sample}: bin {bin} of the histogram counts {got}, the reference {want}")]
    Histogram {
        /// The sample.
        sample: usize,
        /// The bin.
        bin: usize,
        /// Its count.
        got: u64,
        /// The reference's.
        want: u64,
    },
    /// A tally that its own errors do not give.
    #[error("sample {sample}: the tally of a range is not the one that its errors give")]
    Tally {
        /// The sample.
        sample: usize,
    },
    /// A histogram of other than all trials.
    #[error("sample {sample}: the histogram counts {got} of {want} trials")]
    Counted {
        /// The sample.
        sample: usize,
        /// Trials counted.
        got: u64,
        /// Trials there were.
        want: u64,
    },
}

fn place(sample: usize, threshold: f32) -> String {
    format!("sample {sample}, threshold {threshold}")
}
