//! The outcomes of one model on one benchmark.

use retrial_spec::text::visible;
use retrial_theory::coverage::Counts;
use std::{collections::HashMap, fmt};

/// What one model did on one benchmark. Problems are in the order in which they first appear.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Who was tried.
    pub model: String,
    /// On what; may be empty.
    pub benchmark: String,
    /// Names of the problems, distinct, at least one.
    pub problems: Vec<Box<str>>,
    /// Attempts and successes per problem, as long as `problems`.
    pub counts: Vec<Counts>,
    /// To what each problem belongs, as long as `problems`; empty where the input does not say.
    pub clusters: Vec<Box<str>>,
    /// What is known of single attempts.
    pub outcomes: Outcomes,
    /// What to know of the input, a line each.
    pub notes: Vec<String>,
}

/// Which attempts succeeded, as far as the input says; one entry per problem, attempts from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcomes {
    /// Only how many.
    Counted,
    /// The first one, if any.
    First(Vec<Option<u64>>),
    /// All of them, ascending.
    Listed(Vec<Vec<u64>>),
}

impl Group {
    /// The fewest attempts at a problem.
    pub fn least_trials(&self) -> u64 {
        self.counts.iter().map(Counts::trials).min().unwrap_or(0)
    }

    /// The most attempts at a problem.
    pub fn most_trials(&self) -> u64 {
        self.counts.iter().map(Counts::trials).max().unwrap_or(0)
    }

    /// The cluster of every problem, as a number from 0; `None` where the input does not say.
    pub fn cluster_numbers(&self) -> Option<Vec<usize>> {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut number = |cluster| {
            let next = numbers.len();
            *numbers.entry(cluster).or_insert(next)
        };
        (!self.clusters.is_empty()).then(|| self.clusters.iter().map(|cluster| number(cluster)).collect())
    }

    /// The first success of every problem, attempts from 0, where the input tells it.
    pub fn first_successes(&self) -> Option<Vec<Option<u64>>> {
        match &self.outcomes {
            Outcomes::Counted => None,
            Outcomes::First(first) => Some(first.clone()),
            Outcomes::Listed(attempts) => Some(attempts.iter().map(|a| a.first().copied()).collect()),
        }
    }
}

/// Model and benchmark, on one line: what a terminal would obey is [shown](visible).
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.model))?;
        if self.benchmark.is_empty() { Ok(()) } else { write!(f, ", {}", visible(&self.benchmark)) }
    }
}
