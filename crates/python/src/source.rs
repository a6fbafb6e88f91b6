//! Where counts are read from.

use crate::fault::{Fault, Result};
use pyo3::{prelude::*, types::PyDict};
use retrial_counts::{Columns, Group, Missing, Options};
use retrial_spec::Error;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The attempts of a batch, where attempts stopped.
pub(crate) fn batches(stopped: bool, batch: Option<u64>) -> Result<Option<u64>> {
    match (stopped, batch) {
        (false, Some(batch)) => Err(Error::input("batch", batch, "goes with stopped=True").into()),
        (true, Some(0)) => Err(Error::input("batch", 0, "must be at least 1").into()),
        (stopped, batch) => Ok(stopped.then(|| batch.unwrap_or(1))),
    }
}

/// How to read, as the keywords say.
pub(crate) fn options(
    columns: Option<BTreeMap<String, String>>,
    attempts: Option<u64>,
    problems: Option<usize>,
    stopped: Option<u64>,
    truth: Option<String>,
    threshold: Option<f64>,
    missing: &str,
) -> Result<Options> {
    if truth.is_some() && threshold.is_some() {
        return Err(Error::input("true", "threshold as well", "give one of them").into());
    }
    let missing = match missing {
        "error" => Missing::Error,
        "drop" => Missing::Drop,
        "fail" => Missing::Fail,
        other => return Err(Error::input("missing", other, "must be error, drop or fail").into()),
    };
    let columns = columns.unwrap_or_default();
    let columns = Columns::renamed(columns.iter().map(|(usual, name)| (&**usual, &**name)))?;
    Ok(Options { columns, attempts, problems, stopped, missing, truth, threshold })
}

/// Reads the wanted groups of paths or of a DataFrame; at least one.
pub(crate) fn read(source: &Bound<'_, PyAny>, options: &Options, wanted: Option<&str>) -> Result<Vec<Group>> {
    let py = source.py();
    let mut groups = if source.hasattr("to_csv")? {
        let failed = |error| Fault::from(Error::io("create", std::env::temp_dir())(error));
        let folder = tempfile::tempdir().map_err(failed)?;
        let path = folder.path().join("DataFrame.csv");
        let as_is = PyDict::new(py);
        as_is.set_item("index", false)?;
        source.call_method("to_csv", (&path,), Some(&as_is))?;
        // In messages and as the model it is what the caller gave.
        let named = |error| match error {
            Error::File { path: of, fault, fix } if of == path => Error::file("DataFrame", fault, fix),
            other => other,
        };
        py.detach(|| retrial_counts::read(std::slice::from_ref(&path), options)).map_err(named)?
    } else {
        let paths = match source.extract::<PathBuf>() {
            Ok(path) => vec![path],
            Err(_) => source.extract::<Vec<PathBuf>>()?,
        };
        if paths.iter().any(|path| path == Path::new("-")) {
            return Err(Error::input("source", "-", "standard input is for the command line; give a path").into());
        }
        py.detach(|| retrial_counts::read(&paths, options))?
    };
    if let Some(wanted) = wanted {
        let names: Vec<String> = groups.iter().map(Group::to_string).collect();
        groups.retain(|group| group.to_string().contains(wanted));
        if groups.is_empty() {
            return Err(Error::input("group", wanted, format!("the source has {}", names.join("; "))).into());
        }
    }
    Ok(groups)
}
