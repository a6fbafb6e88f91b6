//! Outcomes as a matrix, a row a problem and a column an attempt: a wide CSV, or an array.

use crate::{Group, Options, attempts::Attempts, builder::stem};
use csv::StringRecord;
use retrial_files::Array;
use retrial_spec::{Error, Result};
use std::path::Path;

/// Whether every cell of a table's first row, but perhaps the first, is an outcome, and there are two or more.
pub(crate) fn is_row(header: &StringRecord, row: &StringRecord, options: &Options) -> bool {
    let outcome = |cell: &str| matches!(options.outcome(cell), Some(Ok(_)) | None);
    let cells = row.iter().skip(usize::from(named(header, row, options)));
    cells.clone().count() > 1 && cells.clone().all(outcome) && cells.clone().any(|cell| !cell.trim().is_empty())
}

/// Whether the first column names problems.
fn named(header: &StringRecord, row: &StringRecord, options: &Options) -> bool {
    let first = row.get(0).unwrap_or_default();
    let title = header.get(0).unwrap_or_default().to_ascii_lowercase();
    let numbered =
        title.is_empty() || ["problem", "task", "id", "name", "question"].iter().any(|word| title.contains(word));
    numbered || !matches!(options.outcome(first), Some(Ok(_)) | None)
}

/// Reads a wide CSV; the header is a row where it holds outcomes.
pub(crate) fn read(
    path: &Path,
    header: &StringRecord,
    mut row: StringRecord,
    mut next: impl FnMut(&mut StringRecord) -> Result<bool>,
    options: &Options,
) -> Result<Vec<Group>> {
    let named = named(header, &row, options);
    let model = stem(path);
    let mut attempts = Attempts::new(path, options)?;
    let mut number = 0;
    let mut add = |row: &StringRecord| {
        number += 1;
        let problem = if named { row.get(0).unwrap_or_default().to_string() } else { number.to_string() };
        row.iter().skip(usize::from(named)).try_for_each(|cell| attempts.add(&model, "", &problem, cell))
    };
    let outcomes = header.iter().skip(usize::from(named)).all(|cell| matches!(options.outcome(cell), Some(Ok(_))));
    if outcomes {
        add(header)?;
    }
    loop {
        add(&row)?;
        if !next(&mut row)? {
            return attempts.finish();
        }
    }
}

/// Reads an array `[problems, attempts]` of outcomes or scores; of floats, what is not a number is missing.
pub(crate) fn array(path: &Path, options: &Options) -> Result<Vec<Group>> {
    let array = Array::open(path)?;
    let &[_, trials] = array.shape() else {
        let got = format!("is an array of {:?}", array.shape());
        return Err(Error::file(path, got, "outcomes are a matrix, problems x attempts"));
    };
    let values = array.read::<f32>(None)?.values;
    let mut attempts = Attempts::new(path, options)?;
    let model = stem(path);
    for (problem, row) in (1..).zip(values.chunks(trials.max(1))) {
        let problem = format!("{problem}");
        row.iter().try_for_each(|value| attempts.add(&model, "", &problem, &value.to_string()))?;
    }
    attempts.finish()
}
