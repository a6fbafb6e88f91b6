//! Several models on the same problems.

use crate::Group;
use retrial_spec::{Error, Result, text::visible};
use retrial_theory::coverage::Counts;
use std::collections::HashMap;

/// What several groups did on the problems that they have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Aligned {
    /// Names of the problems, in the order of the first group.
    pub problems: Vec<Box<str>>,
    /// Counts of every group, in the order of `problems`.
    pub counts: Vec<Vec<Counts>>,
    /// Problems of every group that others have not.
    pub left_out: Vec<usize>,
}

impl Aligned {
    /// Finds the problems by their names. An error where no problem is common to all.
    pub fn new(groups: &[&Group]) -> Result<Self> {
        let index = |group: &&Group| -> HashMap<Box<str>, usize> { group.problems.iter().cloned().zip(0..).collect() };
        let others: Vec<HashMap<Box<str>, usize>> = groups.iter().skip(1).map(index).collect();
        let first = groups.first().map(|group| group.problems.as_slice()).unwrap_or_default();
        let (mut problems, mut counts) = (vec![], vec![vec![]; groups.len()]);
        for (at, problem) in first.iter().enumerate() {
            let places = others.iter().map(|index| index.get(problem).copied());
            let Some(places) = [Some(at)].into_iter().chain(places).collect::<Option<Vec<usize>>>() else { continue };
            problems.push(problem.clone());
            for ((counts, place), group) in counts.iter_mut().zip(places).zip(groups) {
                counts.push(group.counts[place]);
            }
        }
        if problems.is_empty() {
            let example = |group: &&Group| {
                let problem = group.problems.first().map(|problem| visible(problem)).unwrap_or_default();
                format!("{group} has {} ({problem}, ..)", group.problems.len())
            };
            let got = format!("none in common: {}", groups.iter().map(example).collect::<Vec<_>>().join("; "));
            return Err(Error::input("problems", got, "name them alike in all files: they are matched by problem_id"));
        }
        let left_out = groups.iter().map(|group| group.problems.len() - problems.len()).collect();
        Ok(Self { problems, counts, left_out })
    }
}
