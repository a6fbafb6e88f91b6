//! Counts of a Retrial run: every threshold is a group, every sample a problem.

#[cfg(feature = "runs")]
use crate::Options;
use crate::{Group, Outcomes};
#[cfg(feature = "runs")]
use retrial_engine::{State, run};
use retrial_spec::{Error, Result, Tally};
use retrial_theory::coverage::Counts;
use std::path::Path;

/// Reads the directory of a run.
#[cfg(feature = "runs")]
pub(crate) fn read(path: &Path, options: &Options) -> Result<Vec<Group>> {
    let asked = [("stopped", options.stopped.is_some()), ("attempts", options.attempts.is_some())];
    if let Some((name, _)) = asked.iter().chain(&[("problems", options.problems.is_some())]).find(|(_, asked)| *asked) {
        return Err(Error::input(name, format!("given for the run {}", path.display()), "a run says this itself"));
    }
    let (_, State { tally, .. }) = run::read(path)?;
    if tally.trials().count() == 0 {
        return Err(Error::file(path.join("tally.bin"), "holds no trials", "sample with --resume to finish the run"));
    }
    let model = path.canonicalize().ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
    of_tally(&model.unwrap_or_else(|| "run".into()), &tally)
}

/// Says that this build reads no runs.
#[cfg(not(feature = "runs"))]
pub(crate) fn read(path: &Path, _: &crate::Options) -> Result<Vec<Group>> {
    let fix = "build with the feature runs of retrial-counts, or give successes as a table";
    Err(Error::file(path, "is the directory of a run, which this build does not read", fix))
}

/// The counts of a tally of at least one trial: every threshold is a group, every sample a problem.
///
/// # Errors
/// A tally without trials.
pub fn of_tally(model: &str, tally: &Tally) -> Result<Vec<Group>> {
    let (trials, rows) = (tally.trials().count(), tally.rows());
    let group = |(t, &threshold): (usize, &f32)| {
        Ok(Group {
            model: model.into(),
            benchmark: format!("error < {threshold}"),
            problems: (0..rows.len()).map(|sample| sample.to_string().into()).collect(),
            counts: rows.iter().map(|row| Counts::new(trials, row.successes()[t])).collect::<Result<_>>()?,
            // The first attempt is the first trial, unless that is of another shard.
            outcomes: match tally.trials().is_prefix() {
                true => Outcomes::First(rows.iter().map(|row| row.first_success(threshold)).collect()),
                false => Outcomes::Counted,
            },
            clusters: vec![],
            notes: vec![],
        })
    };
    tally.thresholds().iter().enumerate().map(group).collect()
}
