//! Attempts that ended at a success, one at a time or in batches, and what every command on counts says of them.

use crate::cli::{refuses, retrial, succeeds};
use serde_json::Value;
use std::fs;

fn json(args: &str) -> Vec<Value> {
    serde_json::from_str(&succeeds(&format!("{args} --json"))).unwrap()
}

/// A folder, and in it a table of 128 problems tried by 60, at most 600 times.
fn batched() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("batched.csv").display().to_string();
    let law = "--beta 4.65,0.36 --problems 128 --attempts 600 --stopped --batch 60";
    succeeds(&format!("simulate {law} --out {path}"));
    (dir, path)
}

#[test]
fn simulated_batches_keep_to_the_rule() {
    let (_dir, path) = batched();
    let rows = fs::read_to_string(path).unwrap();
    let mut several = 0;
    for row in rows.lines().skip(1) {
        let [.., attempts, solved] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let (attempts, solved): (u64, u64) = (attempts.parse().unwrap(), solved.parse().unwrap());
        assert!(attempts.is_multiple_of(60) && solved <= 60 && (solved > 0 || attempts == 600), "{row}");
        several += u64::from(solved > 1);
    }
    assert!(several > 20, "{several}");
    refuses("simulate --point 0.9 --problems 3 --attempts 9 --batch 3", &["--stopped"]);
    refuses("simulate --point 0.9 --problems 3 --attempts 9 --stopped --batch 0", &["--batch"]);
}

/// By hand: two of four problems are solved by the first batch of 2, one by the second, which leaves half of those tried.
#[test]
fn coverage_is_the_product_limit_over_batches() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    fs::write(&path, "problem_id,num_samples,num_correct\na,2,1\nb,2,2\nc,4,1\nd,5,0\n").unwrap();
    let path = path.display();
    let group = json(&format!("coverage {path} --stopped --batch 2 --k 1,2,3,4,5,6")).remove(0);
    assert_eq!((group["batch"].as_u64(), group["stopped"].as_bool()), (Some(2), Some(true)));
    let points = group["estimates"][0]["points"].as_array().unwrap();
    let values: Vec<Option<f64>> = points.iter().map(|p| p["value"].as_f64()).collect();
    // One success of two attempts lies first half of the time: (1/2 + 1) / 4 by the first attempt, and so on.
    assert_eq!(values, [Some(0.375), Some(0.5), Some(0.625), Some(0.75), Some(0.75), None]);
    let text = succeeds(&format!("coverage {path} --stopped --batch 2"));
    for words in ["by 2 until one succeeds", "product-limit pass@k", "product limit over batches of 2", "not available"]
    {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

/// Every command takes the rule, and none takes it on counts that contradict it.
#[test]
fn every_command_knows_the_rule() {
    let (dir, path) = batched();
    let rule = format!("{path} --stopped --batch 60");
    let fitted = &json(&format!("fit {rule} --law beta-binomial --bootstrap 20"))[0];
    assert!(fitted["goodness"]["p_value"].as_f64().unwrap() < 0.99, "{fitted}");
    assert_eq!(fitted["intervals"].as_array().unwrap().len(), 2);
    assert_eq!(json(&format!("forecast {rule} --k 1e4 --law beta-binomial"))[0]["notes"].as_array().unwrap().len(), 0);
    succeeds(&format!("difficulty {rule}"));
    succeeds(&format!("cost {rule} --prompt-tokens 1 --decode-tokens 1 --flops-per-token 1"));
    refuses(&format!("coverage {path} --stopped"), &["num_correct", "--batch"]);
    refuses(&format!("coverage {path} --batch 60"), &["--stopped"]);
    refuses(&format!("coverage {path} --stopped --batch 70"), &["row", "num_samples", "by 70"]);
    refuses(&format!("forecast {rule} --backtest 100"), &["backtest", "--stopped"]);
    let late = dir.path().join("late.csv");
    fs::write(&late, "problem_id,success\na,0\na,1\na,0\na,0\nb,0\nb,0\nb,0\nb,0\n").unwrap();
    refuses(&format!("coverage {} --stopped --batch 2", late.display()), &["row 2", "success", "after this success"]);
}

/// Solved problems with fewer attempts are pointed out, in words and in JSON, unless the rule was given or numbers differ
/// for other reasons.
#[test]
fn stopped_attempts_are_noticed() {
    let (dir, path) = batched();
    let notes = |args: &str| {
        let output = retrial(args);
        assert!(output.status.success(), "{args}");
        String::from_utf8(output.stderr).unwrap()
    };
    let cost = format!("cost {path} --prompt-tokens 1 --decode-tokens 1 --flops-per-token 1");
    for command in ["coverage", "difficulty", "fit --law eq8", "forecast --law eq8 --bootstrap 0 --k 1e3"] {
        let (name, flags) = command.split_once(' ').unwrap_or((command, ""));
        let args = format!("{name} {path} {flags}");
        let told = notes(&args);
        assert!(told.starts_with("note: ") && told.contains("fewer attempts") && told.contains("--stopped"), "{told}");
        assert!(json(&args)[0]["notes"][0].as_str().unwrap().contains("fewer attempts"), "{name}");
        assert!(!notes(&format!("{args} --stopped --batch 60")).contains("fewer attempts"), "{name}");
    }
    assert!(notes(&cost).contains("fewer attempts"));
    assert!(json(&cost)[0]["notes"].as_array().unwrap().iter().any(|n| n.as_str().unwrap().contains("fewer attempts")));
    // More attempts at some problems than at others, for no reason: those with more are solved more often.
    let rows: String =
        (0..200).map(|i| format!("p{i},{},{}\n", 50 + i * 37 % 100, u64::from(i * 37 % 100 > 60))).collect();
    let even = dir.path().join("even.csv");
    fs::write(&even, format!("problem_id,num_samples,num_correct\n{rows}")).unwrap();
    assert_eq!(notes(&format!("coverage {}", even.display())), "");
}

/// What intervals are called is how they are found, in JSON, in tables and in what `--help` says.
#[test]
fn intervals_say_how_they_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.csv").display().to_string();
    succeeds(&format!("simulate --beta 4,0.4 --problems 100 --attempts 300 --out {path}"));
    for (law, method) in [("beta-binomial", "profile likelihood"), ("log-log", "BCa bootstrap")] {
        let fitted = &json(&format!("fit {path} --law {law} --bootstrap 40"))[0];
        let intervals = fitted["intervals"].as_array().unwrap();
        assert!(intervals.len() == 2 && intervals.iter().all(|i| i["method"] == method), "{intervals:?}");
        let forecast = &json(&format!("forecast {path} --k 1e4 --law {law} --bootstrap 40"))[0];
        assert_eq!((&forecast["interval_by"], &forecast["holds_if"]), (&method.into(), &"the law holds".into()));
        let text = succeeds(&format!("forecast {path} --k 1e4 --law {law} --bootstrap 40"));
        assert!(text.contains("if the law holds") && text.contains(method), "{text}");
        let none = &json(&format!("forecast {path} --k 1e4 --law {law} --bootstrap 0"))[0];
        assert_eq!(none["interval_by"].is_null(), law == "log-log");
        assert_eq!(none["points"][0]["low"].is_null(), law == "log-log");
    }
    for command in ["fit", "forecast"] {
        let help = succeeds(&format!("{command} --help")).split_whitespace().collect::<Vec<_>>().join(" ");
        for words in ["of mixing laws by profile likelihood", "of curve laws by BCa bootstrap"] {
            assert!(help.contains(words), "{command}: no {words:?} in {help}");
        }
    }
}

/// Two groups, one of which some laws cannot be fitted to: means are over the other, and say so.
#[test]
fn the_backtest_compares_on_common_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    // Of "easy" problem i succeeds at every i-th attempt; of "hard" nothing succeeds before attempt 30.
    let mut rows = String::from("model,problem_id,attempt,success\n");
    for (i, j) in (1..=30).flat_map(|i| (1..=40).map(move |j| (i, j))) {
        rows += &format!("easy,{i},{j},{}\nhard,{i},{j},{}\n", u8::from(j % i == 0), u8::from(j >= 30 && i < 9));
    }
    fs::write(&path, rows).unwrap();
    let path = path.display();
    let scores = json(&format!("forecast {path} --backtest 20,10,20"));
    let of = |model: &str, method: &str| {
        scores.iter().find(|s| s["model"] == model && s["method"] == method && s["shown"] == 20).unwrap()
    };
    let (easy, hard) = (of("easy", "beta-binomial"), of("hard", "beta-binomial"));
    assert_eq!((&easy["common"], &hard["common"]), (&true.into(), &false.into()));
    assert_eq!((&easy["answered"], &easy["groups"]), (&1.into(), &2.into()));
    assert_eq!(easy["mean_error"], easy["error"]);
    assert_eq!(of("easy", "NPMLE")["mean_error"], of("easy", "NPMLE")["error"], "though it forecasts both");
    let best = scores.iter().filter(|s| s["shown"] == 20 && s["model"] == "easy" && s["best"] == true);
    let best: Vec<_> = best.map(|s| s["method"].as_str().unwrap()).collect();
    let text = succeeds(&format!("forecast {path} --backtest 20,10,20"));
    assert!(text.contains(&format!("From the first 20: {} is closest", best[0])) && best.len() == 1, "{text}");
    assert!(text.contains("over 1 of 2 groups") && text.contains("1 of 2") && text.contains("2 of 2"), "{text}");
}
