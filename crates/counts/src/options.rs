//! What the input does not say itself.

use crate::Columns;

/// What an attempt without an outcome is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// A fault of the file.
    #[default]
    Error,
    /// No attempt.
    Drop,
    /// A failure.
    Fail,
}

/// What the input does not say itself.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names of the columns.
    pub columns: Columns,
    /// Attempts per problem, where only successes are listed or a table of counts has no `num_samples`.
    pub attempts: Option<u64>,
    /// Problems per group, where only successes are listed: the others were never solved.
    pub problems: Option<usize>,
    /// Attempts at a problem came by so many and ended with the first batch that held a success, or were cut short at the
    /// most there are of its group; by 1, they ended at the first success.
    pub stopped: Option<u64>,
    /// What an attempt without an outcome is.
    pub missing: Missing,
    /// The outcome that is a success; all others are failures.
    pub truth: Option<String>,
    /// Outcomes are scores, and a success is one of at least this.
    pub threshold: Option<f64>,
}

impl Options {
    /// Whether an outcome is a success; `None` where there is none, and what it must be where it cannot be told.
    pub(crate) fn outcome(&self, text: &str) -> Option<Result<bool, &'static str>> {
        let text = text.trim();
        if ["", "null", "none", "nan", "na", "n/a"].iter().any(|none| text.eq_ignore_ascii_case(none)) {
            return None;
        }
        if let Some(truth) = &self.truth {
            return Some(Ok(text.eq_ignore_ascii_case(truth.trim())));
        }
        let known = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        let score = text.parse::<f64>().ok();
        Some(match (score, self.threshold) {
            (Some(score), Some(threshold)) => Ok(score >= threshold),
            (Some(1.0), None) => Ok(true),
            (Some(0.0), None) => Ok(false),
            (Some(_), None) => Err("must be 0, 1, true or false; --threshold X makes scores of at least X successes"),
            // C and I are inspect_ai's correct and incorrect.
            (None, _) if known(&["true", "pass", "passed", "c", "correct", "yes", "resolved"]) => Ok(true),
            (None, _) if known(&["false", "fail", "failed", "i", "incorrect", "no", "timeout", "unresolved"]) => {
                Ok(false)
            }
            (None, _) => Err("must be 0, 1, true or false; --true TEXT says what is a success"),
        })
    }
}
