//! Numbers that would mislead: what is not known is not printed, and what stands for something else says so.

use crate::cli::{refuses, retrial, succeeds};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A table of counts, `(attempts, successes)` by problem.
fn table(dir: &Path, model: &str, counts: &[(u64, u64)]) -> PathBuf {
    let path = dir.join(format!("{model}.csv"));
    let rows = counts.iter().enumerate().map(|(i, (n, c))| format!("{model},p{i},{n},{c}\n"));
    fs::write(&path, format!("model,problem_id,num_samples,num_correct\n{}", rows.collect::<String>())).unwrap();
    path
}

fn json(args: &str) -> Vec<Value> {
    serde_json::from_str(&succeeds(args)).unwrap()
}

fn of<'a>(objects: &'a [Value], key: &str, name: &str) -> &'a Value {
    objects.iter().find(|object| object[key] == name).unwrap_or_else(|| panic!("no {name} in {objects:?}"))
}

/// `1,000` is two numbers, and the second was taken for all.
#[test]
fn a_comma_in_a_number_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let counts = table(dir.path(), "m", &[(9, 3), (9, 0), (9, 5)]);
    let cost = |flags: &str| format!("cost {} --target 0.5 {flags}", counts.display());
    refuses(&cost("--prompt-tokens 1,000 --decode-tokens 1 --flops-per-token 1"), &["--prompt-tokens", "1 and 0"]);
    refuses(&cost("--prompt-tokens 1 --decode-tokens 1,234 --flops-per-token 1"), &["--decode-tokens", "1 and 234"]);
    let prices = "--prompt-tokens 1 --decode-tokens 1 --prompt-price 0,15 --decode-price 1";
    refuses(&cost(prices), &["--prompt-price", "0 and 15", "MODEL=NUMBER"]);
    succeeds(&cost("--prompt-tokens 1,m=1000 --decode-tokens 1 --flops-per-token m=2"));
}

#[test]
fn no_law_is_fitted_to_fewer_points_than_parameters() {
    let dir = tempfile::tempdir().unwrap();
    let counts: Vec<(u64, u64)> = (0..20).map(|i| (1, u64::from(i < 5))).collect();
    let counts = table(dir.path(), "once", &counts);
    for object in json(&format!("forecast {} --k 100 --json", counts.display())) {
        let curve = ["eq8", "stretched", "log-log", "power-law", "eq12"].iter().any(|law| object["method"] == *law);
        assert!(!curve || object["points"][0]["value"].is_null(), "{object}");
    }
}

/// With one solved problem of 200, other 200 have none in more than a third of cases.
#[test]
fn replicates_without_a_success_count() {
    let dir = tempfile::tempdir().unwrap();
    let counts: Vec<(u64, u64)> = (0..200).map(|i| (100, if i == 0 { 3 } else { 0 })).collect();
    let counts = table(dir.path(), "hard", &counts);
    let objects = json(&format!("forecast {} --k 1000 --bootstrap 400 --json", counts.display()));
    for law in ["eq8", "stretched", "log-log", "power-law", "eq12"] {
        let point = &of(&objects, "method", law)["points"][0];
        assert!(point["value"].as_f64().unwrap() > 0.0 && point["low"] == 0.0, "{law}: {point}");
    }
}

#[test]
fn one_problem_says_nothing_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let counts = table(dir.path(), "one", &[(100, 7)]);
    for object in json(&format!("coverage {} --json", counts.display())) {
        assert!(object["notes"].to_string().contains("one problem"), "{object}");
        for estimate in object["estimates"].as_array().unwrap() {
            for point in estimate["points"].as_array().unwrap() {
                assert!(point["resampled_problems"].is_null() && point["fixed_benchmark"].is_array(), "{point}");
            }
        }
    }
    for object in json(&format!("forecast {} --k 1000 --json", counts.display())) {
        let (low, high) = (&object["points"][0]["low"], &object["points"][0]["high"]);
        let bounds = object["method"] == "worst-case bounds";
        assert!(bounds || (low.is_null() && high.is_null()), "{object}");
    }
    let few = table(dir.path(), "few", &[(100, 7), (100, 0), (100, 50)]);
    let out = retrial(&format!("coverage {}", few.display()));
    assert!(String::from_utf8_lossy(&out.stderr).contains("3 problems are few"), "{out:?}");
}

/// A `k` that was measured takes no other forecast with it, and none falls below what was measured.
#[test]
fn forecasts_know_what_was_measured() {
    let dir = tempfile::tempdir().unwrap();
    // All but the impossible are easy: straight lines through the curve fall behind it.
    let counts: Vec<(u64, u64)> = (0..40).map(|i| (1000, if i < 35 { 400 + i } else { 0 })).collect();
    let counts = table(dir.path(), "easy", &counts);
    let objects = json(&format!("forecast {} --k 10,1500,1e5 --json", counts.display()));
    for method in ["good-toulmin", "chao, lower bound"] {
        let points = &of(&objects, "method", method)["points"];
        assert!(points[0]["value"].is_null() && points[1]["value"].is_f64(), "{points}");
    }
    let mut below = 0;
    for object in objects.iter().filter(|object| object["method"] != "worst-case bounds") {
        for point in object["points"].as_array().unwrap().iter().skip(1) {
            assert!(point["value"].as_f64().is_none_or(|value| value >= 0.875), "{object}");
        }
        below += u32::from(object["note"].as_str().is_some_and(|note| note.contains("measured at 1,000 attempts")));
    }
    assert!(below > 0, "every law kept above what was measured by itself");
}

#[test]
fn one_price_makes_no_model_the_cheapest() {
    let dir = tempfile::tempdir().unwrap();
    let both: String = ["a,p0,9,3\na,p1,9,1\na,p2,9,0", "b,p0,9,5\nb,p1,9,2\nb,p2,9,1"].join("\n");
    let path = dir.path().join("both.csv");
    fs::write(&path, format!("model,problem_id,num_samples,num_correct\n{both}\n")).unwrap();
    let cost = |flops: &str| {
        succeeds(&format!(
            "cost {} --prompt-tokens 10 --decode-tokens 10 --flops-per-token {flops} --target 0.5",
            path.display()
        ))
    };
    let one = cost("2");
    assert!(one.contains("Fewest attempts to reach 0.5: b") && !one.contains("Cheapest"), "{one}");
    assert!(cost("a=1,b=100").contains("Cheapest to reach 0.5: a"));
}

#[test]
fn unequal_attempts_and_narrower_laws_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let counts: Vec<(u64, u64)> =
        (0..60).map(|i| (if i % 2 == 0 { 50 } else { 400 }, if i < 30 { i } else { 0 })).collect();
    let counts = table(dir.path(), "unequal", &counts);
    let text = succeeds(&format!("fit {}", counts.display()));
    assert!(text.contains("see the curve to k = 50, the fewest attempts at a problem, not to 400"), "{text}");
    assert!(text.contains("beta-binomial is refuted by scaled-beta: likelihood ratio"), "{text}");
    let objects = json(&format!("fit {} --json", counts.display()));
    let nested = &of(&objects, "law", "scaled-beta")["nested"];
    assert!(nested["narrower"] == "beta-binomial" && nested["p_value"].as_f64().unwrap() < 0.05, "{nested}");
}
