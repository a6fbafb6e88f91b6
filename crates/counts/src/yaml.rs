//! YAML of one problem, as large_language_monkeys keeps its samples.

use crate::{Group, Options, attempts::Attempts, builder::stem, source::Source};
use retrial_spec::{Error, Result};
use serde::Deserialize;
use serde_yaml_ng::Value;
use std::path::Path;

/// Whether a text begins as YAML does and no CSV: with a document mark, a comment, or a name and a colon.
pub(crate) fn is_yaml(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let name = line.split_once(':').is_some_and(|(name, rest)| {
        let word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        word && (rest.trim().is_empty() || rest.starts_with(' '))
    });
    let list = line.split_once(": ").is_some_and(|(_, rest)| rest.trim_start().starts_with('['));
    line.starts_with("---") || name && (list || !line.contains(['\t', ',']))
}

#[derive(Deserialize)]
struct Problem {
    is_corrects: Option<Vec<Value>>,
    #[serde(default)]
    orig_dset_idx: Value,
}

/// The lines of the two values that are needed. What stands between them is text of any kind, which nobody needs to parse,
/// and which takes the parser time as the square of its nesting.
fn needed(text: &[u8]) -> Vec<u8> {
    let mut needed = false;
    let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| {
        // What goes on is indented, or an item, or the end of a list.
        if !line[0].is_ascii_whitespace() && !b"-]}#".contains(&line[0]) {
            needed = line.starts_with(b"is_corrects:") || line.starts_with(b"orig_dset_idx:");
        }
        needed
    });
    lines.collect::<Vec<_>>().concat()
}

/// More than these two values open.
const MOST_BRACKETS: usize = 100;

/// Reads a problem, named by its index in its data set, or else by its file; its folder names the model.
pub(crate) fn read(path: &Path, source: Source, options: &Options) -> Result<Vec<Group>> {
    let text = needed(&source.document(path, vec![])?);
    let what = "looks like YAML, and only that of large_language_monkeys is read (is_corrects, a list)";
    if text.iter().filter(|byte| b"[{".contains(byte)).count() > MOST_BRACKETS {
        let fault = format!("{what}, but it has more than {MOST_BRACKETS} brackets");
        return Err(Error::file(path, fault, "write a table"));
    }
    let problem: Problem = serde_yaml_ng::from_slice(&text).map_err(|e| {
        Error::file(path, format!("{what}, but: {}", e.to_string().replace('\n', " ")), "write a table")
    })?;
    let Some(outcomes) = problem.is_corrects else {
        return Err(Error::file(path, format!("{what}, but it has no is_corrects"), "write a table"));
    };
    let name = match &problem.orig_dset_idx {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => stem(path),
    };
    let folder =
        path.canonicalize().ok().and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()));
    let model = folder.unwrap_or_else(|| "model".into());
    let mut attempts = Attempts::new(path, options)?;
    for outcome in &outcomes {
        let outcome = match outcome {
            Value::Bool(outcome) => outcome.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => String::new(),
        };
        attempts.add(&model, "", &name, &outcome)?;
    }
    attempts.finish()
}
