//! inspect_ai: logs as JSON, and zipped as `.eval`.

use super::{Document, Parsed};
use crate::{Group, Options, attempts::Attempts, json::Entries, source::MAX_DOCUMENT};
use retrial_spec::{Error, Result};
use serde::Deserialize;
use serde_json::Value;
use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

pub(super) const DOCUMENT: Document = Document {
    name: "inspect_ai",
    about: "logs, .json or .eval (every scorer is a benchmark, every epoch an attempt)",
    needs: &["eval", "samples"],
    read,
};

#[derive(Deserialize)]
struct Log {
    eval: Eval,
    #[serde(default)]
    samples: Option<Vec<Sample>>,
}

#[derive(Deserialize)]
struct Eval {
    #[serde(default)]
    task: String,
    #[serde(default)]
    model: String,
}

#[derive(Deserialize)]
struct Sample {
    id: Value,
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    scores: Option<Entries<Score>>,
}

#[derive(Deserialize)]
struct Score {
    value: Value,
}

fn read(_: &Path, text: &[u8], attempts: &mut Attempts<'_>) -> Parsed {
    let log: Log = serde_json::from_slice(text)?;
    Ok(add(&log.eval, log.samples.unwrap_or_default(), attempts))
}

fn add(eval: &Eval, mut samples: Vec<Sample>, attempts: &mut Attempts<'_>) -> Result<()> {
    samples.sort_by_key(|sample| sample.epoch);
    let scorers = samples.iter().filter_map(|s| s.scores.as_ref()).map(|scores| scores.0.len()).max().unwrap_or(0);
    for Sample { id, scores, .. } in &samples {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_string);
        let Some(scores) = scores.as_ref().filter(|scores| !scores.0.is_empty()) else {
            // Errors and limits leave a sample without a score.
            attempts.add(&eval.model, &eval.task, &id, "")?;
            continue;
        };
        for (scorer, score) in &scores.0 {
            let benchmark = if scorers > 1 { format!("{}, {scorer}", eval.task) } else { eval.task.clone() };
            let outcome = match &score.value {
                // Partly correct and no answer, in its own numbers.
                Value::String(grade) if grade == "P" => "0.5".into(),
                Value::String(grade) if grade == "N" => "0".into(),
                Value::String(grade) => grade.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            attempts.add(&eval.model, &benchmark, &id, &outcome)?;
        }
    }
    Ok(())
}

/// Reads a log in a zip archive: `header.json` and a file a sample.
pub(crate) fn archive(path: &Path, options: &Options) -> Result<Vec<Group>> {
    let bad = |e: &dyn std::fmt::Display| {
        Error::file(path, format!("is a zip archive, and no inspect_ai log: {e}"), "give a log, or unpack it")
    };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| bad(&e))?;
    let mut left = MAX_DOCUMENT;
    let mut member = |zip: &mut zip::ZipArchive<BufReader<File>>, name: &str| -> Result<Vec<u8>> {
        let entry = zip.by_name(name).map_err(|e| bad(&format_args!("{name}: {e}")))?;
        let mut text = vec![];
        entry.take(left + 1).read_to_end(&mut text).map_err(|e| bad(&format_args!("{name}: {e}")))?;
        let over = || bad(&format_args!("holds more than {} MiB", MAX_DOCUMENT >> 20));
        left = left.checked_sub(text.len() as u64).ok_or_else(over)?;
        Ok(text)
    };
    #[derive(Deserialize)]
    struct Header {
        eval: Eval,
    }
    let header: Header = serde_json::from_slice(&member(&mut zip, "header.json")?).map_err(|e| bad(&e))?;
    let names = zip.file_names().filter_map(|name| name.ok().map(|name| name.into_owned()));
    let mut names: Vec<String> = names.filter(|name| name.starts_with("samples/")).collect();
    names.sort();
    let mut samples = vec![];
    for name in names.iter().filter(|name| name.ends_with(".json")) {
        let sample = serde_json::from_slice(&member(&mut zip, name)?).map_err(|e| bad(&format_args!("{name}: {e}")))?;
        samples.push(sample);
    }
    let mut attempts = Attempts::new(path, options)?;
    add(&header.eval, samples, &mut attempts)?;
    attempts.finish()
}
