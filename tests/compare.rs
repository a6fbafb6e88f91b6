//! The commands that decide: which of two models is better, what a measurement needs, whether a build may pass.

use crate::cli::{files, refuses, retrial, succeeds};
use serde_json::Value;
use std::{fs, path::PathBuf};

fn json(args: &str) -> Vec<Value> {
    serde_json::from_str(&succeeds(&format!("{args} --json"))).unwrap()
}

/// A folder of counts: models a, b and c on one benchmark.
struct Counts(tempfile::TempDir);

impl Counts {
    fn new() -> Self {
        let counts = Self(tempfile::tempdir().unwrap());
        for (seed, (model, beta)) in [("a", 0.8), ("b", 0.5), ("c", 0.2)].into_iter().enumerate() {
            let drawn = succeeds(&format!(
                "simulate --beta 3,{beta} --problems 90 --attempts 200 --seed {seed} --model {model}"
            ));
            counts.write(model, &drawn.replace(&format!("beta 3 {beta}"), "bench"));
        }
        counts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(format!("{name}.csv"))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn of(&self, models: &[&str]) -> String {
        models.iter().map(|model| self.path(model).display().to_string()).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn two_models_are_compared_problem_by_problem() {
    let counts = Counts::new();
    let of = counts.of(&["a", "c"]);
    let said = &json(&format!("compare {of} --k 1,50"))[0];
    let coverage = json(&format!("coverage {of} --k 1,50"));
    let (pair, mut lows) = (&said["pairs"][0], vec![]);
    for (i, point) in pair["points"].as_array().unwrap().iter().enumerate() {
        let value = |group: usize| coverage[group]["estimates"][0]["points"][i]["value"].as_f64().unwrap();
        let number = |name: &str| point[name].as_f64().unwrap();
        assert!((number("a") - value(0)).abs() < 1e-12 && (number("b") - value(1)).abs() < 1e-12, "{point}");
        assert!((number("difference") - value(0) + value(1)).abs() < 1e-12, "{point}");
        assert!(number("p_these_problems") < 0.01 && number("p_other_problems") < 0.05, "{point}");
        lows.push(point["these_problems"][0].as_f64().unwrap());
    }
    assert!(lows.iter().all(|low| *low > 0.0), "{lows:?}");
    assert_eq!((&said["problems"], &pair["a"], &pair["b"]), (&90.into(), &"a".into(), &"c".into()));
    let wins = ["a", "b", "neither"].map(|name| pair["wins"][name].as_f64().unwrap());
    assert_eq!(wins.iter().sum::<f64>(), 90.0);
    assert!(pair["bayes"]["a_better"].as_f64().unwrap() > 0.99);
    // The other way round everything turns.
    let turned = &json(&format!("compare {} --k 1,50", counts.of(&["c", "a"])))[0];
    let difference = |pair: &Value| pair["points"][0]["difference"].as_f64().unwrap();
    assert!((difference(&turned["pairs"][0]) + difference(pair)).abs() < 1e-12, "{turned}");
    // Two groups of one file are the same.
    let one = [fs::read_to_string(counts.path("a")).unwrap(), fs::read_to_string(counts.path("c")).unwrap()];
    let body = |text: &str| text.split_once('\n').unwrap().1.to_string();
    let both = counts.write("both", &(one[0].clone() + &body(&one[1])));
    assert_eq!(json(&format!("compare {both} --k 1,50"))[0]["pairs"], said["pairs"]);
    let text = succeeds(&format!("compare {both}"));
    assert!(text.contains("A a, B c: 90 problems, 200 and 200 attempts each"), "{text}");
    assert!(text.contains("surely better") && text.contains("Bayes@N"), "{text}");
}

/// In any order of rows and with other problems in between: those in common are compared, and the others counted.
#[test]
fn problems_are_matched_by_their_names() {
    let counts = Counts::new();
    let text = fs::read_to_string(counts.path("b")).unwrap();
    let mut rows: Vec<&str> = text.lines().skip(1).collect();
    rows.reverse();
    rows.push("b,bench,one more,200,7");
    let head = text.lines().next().unwrap();
    let other = counts.write("other", &format!("{head}\n{}\n", rows.join("\n")));
    let a = counts.path("a").display().to_string();
    let straight = json(&format!("compare {} --k 1", counts.of(&["a", "b"])));
    let mixed = json(&format!("compare {a} {other} --k 1"));
    assert_eq!(straight[0]["pairs"][0]["points"], mixed[0]["pairs"][0]["points"]);
    assert_eq!(mixed[0]["groups"][1]["left_out"], 1);
    let output = retrial(&format!("compare {a} {other}"));
    assert!(String::from_utf8(output.stderr).unwrap().contains("1 problems that others have not"));
    let strange = counts.write("strange", "problem_id,num_samples,num_correct\nx,5,1\ny,5,2\n");
    refuses(&format!("compare {a} {strange}"), &["problems", "none in common", "strange", "problem_id"]);
}

/// Models called alike in two files are told apart by these.
#[test]
fn models_of_one_name_are_told_apart() {
    let counts = Counts::new();
    let a = counts.path("a").display().to_string();
    let later = fs::read_to_string(counts.path("c")).unwrap().replace("\nc,", "\na,");
    let later = counts.write("later", &later);
    let pair = &json(&format!("compare {a} {later} --k 1"))[0]["pairs"][0];
    assert!(pair["a"] == a.as_str() && pair["b"] == format!("{later}: a"), "{pair}");
    assert!(pair["points"][0]["difference"].as_f64().unwrap() > 0.0, "{pair}");
}

#[test]
fn many_models_have_places() {
    let counts = Counts::new();
    let of = counts.of(&["c", "a", "b"]);
    let out = counts.0.path().join("out");
    let text = succeeds(&format!("compare {of} --k 1,100 --out {}", out.display()));
    assert!(text.contains("bench: order by pass@100") && text.contains("Report  "), "{text}");
    let names: Vec<String> = files(&out).into_iter().map(|(path, _)| path.display().to_string()).collect();
    for name in ["differences.csv", "report.html", "figures/comparison.svg", "figures/comparison.png"] {
        assert!(names.iter().any(|path| path.ends_with(name)), "{name}: {names:?}");
    }
    let csv = fs::read_to_string(out.join("differences.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 3 * 2, "{csv}");
    let said = &json(&format!("compare {of} --k 1,100"))[0];
    let order: Vec<&str> = said["rankings"][0]["these_problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rank| rank["model"].as_str().unwrap())
        .collect();
    assert_eq!(order, ["a", "b", "c"]);
    assert_eq!(said["rankings"][0]["these_problems"][0]["places"], serde_json::json!([1, 1]));
    assert_eq!(said["pairs"].as_array().unwrap().len(), 2);
    assert_eq!(json(&format!("compare {of} --models b,c --k 1"))[0]["pairs"][0]["a"], "b");
}

#[test]
fn comparisons_that_cannot_be_end_in_one_line() {
    let counts = Counts::new();
    let (a, of) = (counts.path("a").display().to_string(), counts.of(&["a", "b"]));
    refuses(&format!("compare {a}"), &["groups to compare", "second file"]);
    refuses(&format!("compare {of} --k 201"), &["k", "201", "200"]);
    refuses(&format!("compare {of} --models a,zzz"), &["models", "zzz", "the models are a, b"]);
    refuses(&format!("compare {of} --stopped"), &["compare", "--stopped"]);
    refuses(&format!("compare {of} --group nothing"), &["group", "nothing", "a, bench"]);
    refuses(&format!("compare {of} --permutations 1.5"), &["permutations"]);
    refuses("compare", &["FILE"]);
}

/// What was planned is what is seen when it is done; plans of laws, pilots and pairs.
#[test]
fn plans_say_how_many() {
    let counts = Counts::new();
    let a = counts.path("a").display().to_string();
    let plan = json(&format!("plan {a} --width 0.1 --k 1,5 --tries 10"));
    let design = &plan[0]["plans"][1]["designs"][0];
    let problems = design["problems"].as_u64().unwrap();
    succeeds(&format!(
        "simulate --beta 3,0.8 --problems {problems} --attempts 10 --out {}",
        counts.path("done").display()
    ));
    let done = json(&format!("coverage {} --k 5", counts.path("done").display()));
    let ends = &done[0]["estimates"][0]["points"][0]["resampled_problems"];
    let width = ends[1].as_f64().unwrap() - ends[0].as_f64().unwrap();
    assert!((width - 0.1).abs() < 0.015, "{width}");
    let text = succeeds(&format!("plan {a} --width 0.1"));
    assert!(text.contains("attempts in all") && text.contains("For these 90 problems alone"), "{text}");
    let pair = json(&format!("plan {} --difference 0.05", counts.of(&["a", "b"])));
    let needed = |plan: &Value| plan["plans"][0]["designs"][0]["problems"].as_u64().unwrap();
    // Found on fewer problems where the other is alike.
    let alone = |r: f64| needed(&json(&format!("plan {a} --difference 0.05 --correlation {r}"))[0]);
    assert!(alone(0.9) < alone(0.0) && alone(0.0) < alone(-0.9) && needed(&pair[0]) > 10);
    let law = json("plan --law beta-binomial:alpha=3,beta=0.8 --width 0.1 --k 5 --tries 10 --these 90");
    let same = (needed(&law[0]) as f64 / problems as f64 - 1.0).abs();
    assert!(same < 0.25, "{same}");
    refuses(&format!("plan {a}"), &["--width", "--difference"]);
    refuses("plan --width 0.1", &["FILE"]);
    refuses(&format!("plan {a} --width 2"), &["--width", "between 0 and 1"]);
    refuses(&format!("plan {a} --width 0.1 --k 10 --tries 5"), &["tries", "5", "pass@10"]);
    refuses(&format!("plan {} --difference 0.1 --k 1000", counts.of(&["a", "b"])), &["k", "1000", "200"]);
    refuses(&format!("plan {a} --difference 0.1 --correlation 2"), &["correlation", "2"]);
    refuses("plan --law log-log:a=1,b=1 --width 0.1", &["log-log", "law of the curve"]);
}

/// Exit code 1, the words on stderr and what fails in the table, where a build may not pass.
#[test]
fn requirements_decide_the_exit_code() {
    let counts = Counts::new();
    let a = counts.path("a").display().to_string();
    let value = json(&format!("coverage {a} --k 1"))[0]["estimates"][0]["points"][0]["value"].as_f64().unwrap();
    let code = |args: &str| retrial(&format!("coverage {a} {args}")).status.code();
    assert_eq!(code(&format!("--require pass@1>={}", value - 0.01)), Some(0));
    assert_eq!(code(&format!("--require pass@1>={}", value + 0.01)), Some(1));
    assert_eq!(code(&format!("--require pass@1>={},pass^2<=1", value - 0.001)), Some(0));
    assert_eq!(code(&format!("--require pass@1>={} --surely", value - 0.001)), Some(1));
    assert_eq!(code("--require pass@1<1 --require pass@100<0.1"), Some(1));
    assert_eq!(code("--least-per-problem 0"), Some(0));
    let output = retrial(&format!("coverage {a} --least-per-problem 0.9"));
    assert_eq!(output.status.code(), Some(1));
    let (text, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(text.contains("FAILED: required 0.9") && text.contains("problems below"), "{text}");
    assert!(told.contains("1 of what is required") && told.contains("a.csv"), "{told}");
    let said = retrial(&format!("coverage {a} --require pass@1>=0.99 --json"));
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said[0]["required"][0]["holds"], false);
    for bad in ["pass@1", "pass@0>=0.5", "pass@1>=2", "best@1>=0.5", "pass@1>=x", ">=1"] {
        refuses(&format!("coverage {a} --require {bad}"), &["--require"]);
    }
    refuses(&format!("coverage {a} --require pass@201>=0.5"), &["require", "pass@201", "200 attempts"]);
    refuses(&format!("coverage {a} --least-per-problem 1.5"), &["least-per-problem", "1.5"]);
}
