//! MultiPL-E: `NAME.results.json`, one a problem.

use super::{Document, Parsed};
use crate::attempts::Attempts;
use serde::Deserialize;
use std::path::Path;

pub(super) const DOCUMENT: Document = Document {
    name: "MultiPL-E",
    about: "*.results.json.gz, one a problem: give their directory, which names the model",
    needs: &["name", "results"],
    read,
};

#[derive(Deserialize)]
struct Problem {
    name: String,
    #[serde(default)]
    language: String,
    results: Vec<Execution>,
}

#[derive(Deserialize)]
struct Execution {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    exit_code: Option<i64>,
}

fn read(path: &Path, text: &[u8], attempts: &mut Attempts<'_>) -> Parsed {
    let problem: Problem = serde_json::from_slice(text)?;
    let folder =
        path.canonicalize().ok().and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()));
    let model = folder.unwrap_or_else(|| "model".into());
    let mut all = problem.results.iter().map(|Execution { status, exit_code }| match status {
        None => "",
        Some(status) if status == "OK" && exit_code.is_none_or(|code| code == 0) => "true",
        Some(_) => "false",
    });
    Ok(all.try_for_each(|outcome| attempts.add(&model, &problem.language, &problem.name, outcome)))
}
