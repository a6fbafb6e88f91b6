//! What the figures of the commands on counts claim: no more than the counts carry, and in forms that mislead nobody.

use crate::cli::succeeds;
use serde_json::Value;
use std::{fs, path::Path};

const PRICES: &str = "--prompt-tokens 100 --decode-tokens 10 --flops-per-token 2";

fn json(args: &str) -> Vec<Value> {
    serde_json::from_str(&succeeds(&format!("{args} --json"))).unwrap()
}

/// A folder, and in it a table of 128 problems tried 1,000 times.
fn table() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("counts.csv").display().to_string();
    succeeds(&format!("simulate --beta 4.65,0.36 --problems 128 --attempts 1000 --out {path}"));
    (dir, path)
}

/// Shares below 3 / problems are bounds, the rest are shares, in text and JSON.
#[test]
fn small_shares_of_difficulty_are_bounds() {
    let (_dir, path) = table();
    let group = json(&format!("difficulty {path} --per-decade 10")).remove(0);
    let least = 3.0 / 128.0;
    assert_eq!(group["share_resolution"], least);
    let mut bounds = 0;
    for bin in group["density"].as_array().unwrap() {
        match bin["share"].as_f64() {
            Some(share) => assert!(share > least * 0.999 && bin["share_below"].is_null(), "{bin}"),
            None => assert!(bin["density"].is_null() && bin["share_below"] == least, "{bin}"),
        }
        bounds += usize::from(bin["share"].is_null());
    }
    assert!(bounds > 5, "{bounds}");
    let text = succeeds(&format!("difficulty {path} --per-decade 10 --list 0"));
    assert_eq!(text.matches("< 0.0234").count(), bounds, "{text}");
    assert!(text.contains("3 / problems") && text.contains("1 / attempts"), "{text}");
    let help = succeeds("difficulty --help");
    let help: Vec<&str> = help.split_whitespace().collect(); // wherever its lines end
    assert!(help.join(" ").contains("three over the number of"), "{help:?}");
}

/// The attempts to a target stand within their interval, which more certain data narrow; all are whole.
#[test]
fn attempts_to_a_target_come_with_an_interval() {
    let (_dir, path) = table();
    let known = json(&format!("coverage {path} --k 1000"))[0]["estimates"][0]["points"][0]["value"].as_f64().unwrap();
    for (target, law) in [(0.5 * known, "eq8"), (0.5 * (1.0 + known), "eq8"), (0.5 * (1.0 + known), "beta-binomial")] {
        let said = json(&format!("cost {path} {PRICES} --target {target} --law {law} --bootstrap 60")).remove(0);
        let target = &said["target"];
        let attempts = target["attempts"].as_u64().unwrap_or_else(|| panic!("{said}"));
        let ends = target["interval"].as_array().unwrap_or_else(|| panic!("{said}"));
        assert!(
            ends[0].as_u64().unwrap() < attempts && ends[1].as_u64().is_none_or(|high| high > attempts),
            "{target}"
        );
        assert_eq!(target["cost"], 2.0 * (100.0 + 10.0 * attempts as f64));
    }
    let none = json(&format!("cost {path} {PRICES} --target {} --bootstrap 0", 0.5 * (1.0 + known))).remove(0);
    assert!(
        none["target"]["interval"].is_null() && none["target"]["no_interval"].as_str().unwrap().contains("--bootstrap")
    );
    let text = succeeds(&format!("cost {path} {PRICES} --target {} --bootstrap 60", 0.5 * (1.0 + known)));
    assert!(text.contains("if the law holds") && text.contains("95 % interval"), "{text}");
}

#[test]
fn cost_says_whether_prompts_are_charged() {
    let (_dir, path) = table();
    let free = "--prompt-tokens 0 --decode-tokens 10 --flops-per-token 2";
    for (prices, words, charged, cost) in
        [(PRICES, "charged once per problem", "once per problem", 200.0), (free, "not charged", "not at all", 0.0)]
    {
        assert!(succeeds(&format!("cost {path} {prices}")).contains(words));
        let said = json(&format!("cost {path} {prices}")).remove(0);
        assert_eq!((&said["prompt"]["charged"], &said["prompt"]["cost"]), (&charged.into(), &cost.into()));
    }
}

/// A number that is a zero with a sign, alone or as part of a text.
fn signed_zero(text: &str) -> Option<&str> {
    let words = text.split(|c: char| c.is_whitespace() || ",[]<>\"();:".contains(c));
    words.filter(|word| word.starts_with('-')).find(|word| word.parse::<f64>() == Ok(0.0))
}

/// No negative zero, and no infinity where there is no number, in what the commands say of real counts and of the edges:
/// nothing solved, all solved, one problem.
#[test]
fn no_command_prints_a_negative_zero() {
    let (dir, _) = table();
    let file = |name: &str, rows: &str| {
        let path = dir.path().join(name);
        fs::write(&path, format!("problem_id,num_samples,num_correct\n{rows}")).unwrap();
        path.display().to_string()
    };
    let mut tables = vec![
        file("none.csv", "a,50,0\nb,50,0\nc,50,0\n"),
        file("all.csv", "a,50,50\nb,50,50\nc,50,50\n"),
        file("one.csv", "a,50,7\n"),
        file("two.csv", "a,50,0\nb,50,50\n"),
    ];
    for name in ["pythia_math_counts.csv", "codecontests_counts.csv"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
        tables.extend(path.exists().then(|| path.display().to_string()));
    }
    for path in &tables {
        let out = dir.path().join("out");
        let commands = [
            format!("coverage {path}"),
            format!("difficulty {path}"),
            format!("forecast {path} --k 1e5 --bootstrap 0"),
            format!("cost {path} {PRICES} --target 0.3 --budget 300 --bootstrap 0 --out {}", out.display()),
        ];
        for command in commands {
            for text in [succeeds(&command.replace("/out", "/text")), succeeds(&format!("{command} --json"))] {
                assert_eq!(signed_zero(&text), None, "{command}\n{text}");
            }
            for name in ["cost.csv", "allocation.csv"] {
                let text = fs::read_to_string(out.join(name)).unwrap_or_default();
                assert_eq!(signed_zero(&text), None, "{command} {name}");
            }
            let _ = (fs::remove_dir_all(&out), fs::remove_dir_all(dir.path().join("text")));
        }
    }
}
