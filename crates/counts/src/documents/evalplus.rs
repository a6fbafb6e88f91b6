//! EvalPlus: `eval_results.json`.

use super::{Document, Parsed};
use crate::{attempts::Attempts, builder::stem, json::Entries};
use retrial_spec::Result;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

pub(super) const DOCUMENT: Document = Document {
    name: "EvalPlus",
    about: "eval_results.json (base and plus tests are two benchmarks)",
    needs: &["eval", "hash"],
    read,
};

#[derive(Deserialize)]
struct Results {
    eval: Entries<Task>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Task {
    Now(Vec<Attempt>),
    /// Until 0.2: `["pass", details]` an attempt.
    Once {
        base: Vec<Vec<Value>>,
        #[serde(default)]
        plus: Vec<Vec<Value>>,
    },
}

#[derive(Deserialize)]
struct Attempt {
    base_status: Option<String>,
    #[serde(default)]
    plus_status: Option<String>,
}

fn read(path: &Path, text: &[u8], attempts: &mut Attempts<'_>) -> Parsed {
    let results: Results = serde_json::from_slice(text)?;
    let model = stem(path);
    let mut add = |benchmark: &str, task: &str, status: &str| attempts.add(&model, benchmark, task, status);
    let mut all = || -> Result<()> {
        for (task, found) in &results.eval.0 {
            match found {
                Task::Now(found) => {
                    for attempt in found {
                        add("base", task, attempt.base_status.as_deref().unwrap_or_default())?;
                        if let Some(plus) = &attempt.plus_status {
                            add("plus", task, plus)?;
                        }
                    }
                }
                Task::Once { base, plus } => {
                    for (benchmark, found) in [("base", base), ("plus", plus)] {
                        for attempt in found {
                            add(benchmark, task, attempt.first().and_then(Value::as_str).unwrap_or_default())?;
                        }
                    }
                }
            }
        }
        Ok(())
    };
    Ok(all())
}
