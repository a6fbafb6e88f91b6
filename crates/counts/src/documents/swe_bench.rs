//! SWE-bench: a report is one attempt at every instance.

use super::{Document, Parsed};
use crate::{attempts::Attempts, builder::stem};
use serde::Deserialize;
use std::path::Path;

pub(super) const DOCUMENT: Document = Document {
    name: "SWE-bench",
    about: "MODEL.RUN.json reports, one an attempt: give them all (errors and empty patches are failures)",
    needs: &["resolved_ids", "unresolved_ids"],
    read,
};

#[derive(Deserialize)]
struct Report {
    resolved_ids: Vec<String>,
    unresolved_ids: Vec<String>,
    #[serde(default)]
    error_ids: Vec<String>,
    #[serde(default)]
    empty_patch_ids: Vec<String>,
}

fn read(path: &Path, text: &[u8], attempts: &mut Attempts<'_>) -> Parsed {
    let Report { resolved_ids, unresolved_ids, error_ids, empty_patch_ids } = serde_json::from_slice(text)?;
    // `MODEL.RUN.json`
    let name = stem(path);
    let model = name.rsplit_once('.').map_or(&*name, |(model, _)| model);
    let failed = unresolved_ids.iter().chain(&error_ids).chain(&empty_patch_ids).map(|id| (id, "false"));
    let mut all = resolved_ids.iter().map(|id| (id, "true")).chain(failed);
    Ok(all.try_for_each(|(id, outcome)| attempts.add(model, "", id, outcome)))
}
