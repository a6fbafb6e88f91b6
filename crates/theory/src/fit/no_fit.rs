//! Why there is no fit.

use std::fmt;

/// Why there is no fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum NoFit {
    /// No trial succeeded.
    NoSuccess,
    /// No trial failed.
    NoFailure,
    /// Success rates differ no more than equal ones would by chance.
    NoSpread,
    /// Each sample was solved always or never.
    AllOrNothing,
    /// The curve has fewer points than the law has parameters.
    FewPoints,
    /// The law is drawn from and never fitted.
    Given,
}

impl fmt::Display for NoFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuccess => "no trial succeeded",
            Self::NoFailure => "no trial failed",
            Self::NoSpread => "success rates differ no more than equal ones would by chance",
            Self::AllOrNothing => "each sample was solved always or never",
            Self::FewPoints => "the curve has fewer points than the law has parameters",
            Self::Given => "the law is drawn from and never fitted",
        })
    }
}
