//! promptfoo: its output as JSON.

use super::{Document, Parsed};
use crate::attempts::Attempts;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

pub(super) const DOCUMENT: Document = Document {
    name: "promptfoo",
    about: "output.json (a test is a problem, a provider a model, a repeat an attempt)",
    needs: &["results", "config"],
    read,
};

#[derive(Deserialize)]
struct Output {
    results: Results,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Results {
    Nested { results: Vec<Test> },
    Flat(Vec<Test>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    #[serde(default)]
    test_idx: Option<u64>,
    #[serde(default)]
    prompt_idx: u64,
    #[serde(default)]
    provider: Value,
    #[serde(default)]
    vars: Value,
    success: Option<bool>,
}

fn read(_: &Path, text: &[u8], attempts: &mut Attempts<'_>) -> Parsed {
    let Output { results: Results::Nested { results } | Results::Flat(results) } = serde_json::from_slice(text)?;
    let prompts = results.iter().any(|test| test.prompt_idx != results[0].prompt_idx);
    let mut add = |test: &Test| {
        let provider =
            ["label", "id"].iter().find_map(|name| test.provider.get(name)?.as_str().filter(|s| !s.is_empty()));
        let model = provider.or(test.provider.as_str()).unwrap_or("promptfoo");
        let benchmark = if prompts { format!("prompt {}", test.prompt_idx) } else { String::new() };
        // Older output numbers no tests.
        let problem = test.test_idx.map_or_else(|| test.vars.to_string(), |index| index.to_string());
        let outcome = test.success.map_or(String::new(), |success| success.to_string());
        attempts.add(model, &benchmark, &problem, &outcome)
    };
    Ok(results.iter().try_for_each(&mut add))
}
