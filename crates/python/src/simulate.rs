//! Counts drawn from a law.

use crate::{counts::Counts, fault::Result, fit::Law, source::batches};
use pyo3::prelude::*;
use retrial_counts::{Group, MAX_PROBLEMS, Outcomes};
use retrial_spec::Error;
use retrial_theory::simulate::{self, Design};

/// Draws success counts from the memorising model: each problem draws its failure probability from the law, and its
/// attempts are independent. The same seed gives the same counts.
///
/// Parameters
/// ----------
/// law : Law
///     Of the failure probability; "zipf" and "point" too.
/// problems, attempts : int
///     Problems to draw, and attempts at each.
/// stopped : bool
///     End the attempts at a problem at its first success.
/// batch : int, optional
///     With stopped: try a problem by so many attempts at a time, and end with the batch that holds a success.
/// seed : int
///     Of the draws.
/// model : str
///     Who was tried.
///
/// Returns
/// -------
/// Counts
#[pyfunction(name = "simulate")]
#[pyo3(signature = (law, problems, attempts, *, stopped = false, batch = None, seed = 1, model = "simulated"))]
pub(crate) fn of_law(
    law: &Bound<'_, Law>,
    problems: u64,
    attempts: u64,
    stopped: bool,
    batch: Option<u64>,
    seed: u64,
    model: &str,
) -> Result<Counts> {
    if problems > MAX_PROBLEMS as u64 {
        let limit = format!("must be at most {MAX_PROBLEMS}, as in every table that is read");
        return Err(Error::input("problems", problems, limit).into());
    }
    let (py, law) = (law.py(), law.get().0);
    let batch = batches(stopped, batch)?;
    let design = Design { law, samples: problems, trials: attempts, batch };
    let counts = py.detach(|| simulate::simulate(&design, seed))?;
    let group = Group {
        model: model.into(),
        benchmark: law.to_string(),
        problems: (1..=problems).map(|problem| problem.to_string().into()).collect(),
        counts,
        clusters: vec![],
        outcomes: Outcomes::Counted,
        notes: vec![],
    };
    Counts::build(py, group, batch)
}
