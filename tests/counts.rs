//! The commands on anyone's success counts.

use crate::cli::{refuses, retrial, succeeds};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A folder of tables that lives as long as the test.
struct Tables(tempfile::TempDir);

impl Tables {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a table and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a directory.
    fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

fn json(args: &str) -> Vec<Value> {
    serde_json::from_str(&succeeds(&format!("{args} --json"))).unwrap()
}

/// Counts of two models that no law of one rate describes.
fn simulated(tables: &Tables) -> String {
    let path = tables.path("counts.csv").display().to_string();
    succeeds(&format!("simulate --beta 4,0.4 --problems 150 --attempts 1e3 --seed 5 --model large --out {path}"));
    let small = succeeds("simulate --beta 40,0.3 --problems 150 --attempts 1e3 --seed 6 --model small");
    let both = fs::read_to_string(&path).unwrap() + small.split_once('\n').unwrap().1;
    tables.file("counts.csv", &both.replace("beta 40 0.3", "beta 4 0.4"))
}

const ATTEMPTS: &str = "\
problem_id,attempt,success
a,1,0
a,2,1
a,3,0
a,4,1
b,1,0
b,2,0
b,3,0
b,4,0
";

#[test]
fn coverage_is_what_a_hand_computes() {
    let tables = Tables::new();
    let path = tables.file("attempts.csv", ATTEMPTS);
    let groups = json(&format!("coverage {path} --k 1,2,4,5 --tau 1"));
    let values = |at: usize| -> Vec<Option<f64>> {
        let points = groups[0]["estimates"][at]["points"].as_array().unwrap();
        points.iter().map(|p| p["value"].as_f64()).collect()
    };
    let names: Vec<_> =
        groups[0]["estimates"].as_array().unwrap().iter().map(|e| e["estimate"].as_str().unwrap()).collect();
    assert_eq!(names, ["unbiased pass@k", "first-success pass@k", "pass^k", "G-Pass@k, tau 1"]);
    // Of the pairs of a's attempts, 1 in 6 fails twice and 1 in 6 succeeds twice; b never succeeds.
    let near = |got: Vec<Option<f64>>, want: [f64; 3]| {
        assert_eq!(got.len(), 4);
        assert_eq!(got[3], None, "k = 5 of 4 attempts");
        for (got, want) in got.iter().zip(want) {
            assert!((got.unwrap() - want).abs() < 1e-12, "{got:?} {want}");
        }
    };
    near(values(0), [0.25, 5.0 / 12.0, 0.5]);
    near(values(1), [0.0, 0.5, 0.5]);
    near(values(2), [0.25, 1.0 / 12.0, 0.0]);
    near(values(3), [0.25, 1.0 / 12.0, 0.0]);
    let text = succeeds(&format!("coverage {path} --k 5"));
    for word in
        ["not available", "fixed benchmark", "resampled problems", "attempts: 2 problems, 4 attempts each; 1 solved"]
    {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
}

#[test]
fn stopped_attempts_have_no_unbiased_estimate() {
    let tables = Tables::new();
    let path = tables.file("s.csv", "problem_id,num_samples,num_correct\na,1,1\nb,3,1\nc,8,0\nd,8,0\n");
    let text = succeeds(&format!("coverage {path} --stopped --k 1,3,8,9"));
    assert!(text.contains("first-success") && text.contains("not available: attempts that stop"), "{text}");
    let groups = json(&format!("coverage {path} --stopped --k 1,3,8,9"));
    let points = groups[0]["estimates"][0]["points"].as_array().unwrap();
    let values: Vec<_> = points.iter().map(|p| p["value"].as_f64()).collect();
    assert_eq!(values, [Some(0.25), Some(0.5), Some(0.5), None]);
    // The likelihood is the same, but for the binomial coefficients.
    assert!(json(&format!("fit {path} --stopped --law beta-binomial"))[0]["nll"].is_f64());
}

#[test]
fn runs_are_read_like_tables() {
    let tables = Tables::new();
    let run = tables.path("run");
    let run = run.display();
    succeeds(&format!(
        "reproduce --samples 8 --epochs 2 --trials 60 --correlate 20 --hidden 16 --latent 3 --out {run}"
    ));
    let groups = json(&format!("coverage {run} --k 1,60"));
    let csv = fs::read_to_string(tables.path("run/pass_at_k.csv")).unwrap();
    let thresholds = fs::read(tables.path("run/thresholds.npy")).map(|bytes| bytes.len() - 128).unwrap() / 4;
    assert_eq!(groups.len(), thresholds, "a group for each threshold");
    for group in &groups {
        let threshold = group["benchmark"].as_str().unwrap().strip_prefix("error < ").unwrap();
        for estimate in group["estimates"].as_array().unwrap() {
            let Some(estimator) = estimate["estimate"].as_str().unwrap().strip_suffix(" pass@k") else { continue };
            let row =
                csv.lines().find(|line| line.starts_with(&format!("{threshold},{estimator},population,60,"))).unwrap();
            let want: f64 = row.split(',').nth(4).unwrap().parse().unwrap();
            let got = estimate["points"][1]["value"].as_f64().unwrap();
            assert!((got - want).abs() < 1e-12, "{row}: {got}");
        }
    }
}

#[test]
fn simulated_tables_repeat_and_can_be_read() {
    let args = "simulate --beta 3,0.5 --problems 40 --attempts 1e5 --seed 3";
    let text = succeeds(args);
    assert_eq!(text, succeeds(args));
    assert_ne!(text, succeeds(&args.replace("seed 3", "seed 4")));
    assert_eq!(text.lines().next(), Some("model,benchmark,problem_id,num_samples,num_correct"));
    assert_eq!(text.lines().count(), 41);
    // One rate for all: 100 problems of 1e6 attempts hold it to 1e-4 a hundred times over.
    let tables = Tables::new();
    let path = tables.file("p.csv", &succeeds("simulate --point 0.75 --problems 100 --attempts 1e6"));
    let once = json(&format!("coverage {path} --k 1"))[0]["estimates"][0]["points"][0]["value"].as_f64().unwrap();
    assert!((once - 0.25).abs() < 5e-4, "{once}");
    let stopped = succeeds("simulate --zipf 1 --problems 50 --attempts 100 --stopped");
    for row in stopped.lines().skip(1) {
        let [.., attempts, solved] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        assert!(solved == "1" || (solved == "0" && attempts == "100"), "{row}");
    }
}

#[test]
fn every_law_is_fitted_and_says_its_convention() {
    let tables = Tables::new();
    let path = simulated(&tables);
    let fits = json(&format!("fit {path}"));
    let laws: Vec<_> = fits.iter().filter(|fit| fit["model"] == "large").map(|fit| &fit["law"]).collect();
    assert!(laws.len() >= 9 && fits.len() == 2 * laws.len(), "{laws:?} for two groups");
    for fit in &fits {
        for key in ["group", "law", "alpha", "beta", "A", "nll", "convention", "intervals", "goodness"] {
            assert!(fit.get(key).is_some(), "no {key} in {fit}");
        }
        assert_eq!(fit["convention"], "failure");
    }
    let beta = fits.iter().find(|fit| fit["law"] == "beta-binomial").unwrap();
    let of = |fit: &Value, name: &str| fit[name].as_f64().unwrap();
    // Drawn from Beta(4, 0.4): within four standard errors, about 25 % and 9 %.
    assert!((2.0..8.0).contains(&of(beta, "alpha")) && (0.3..0.55).contains(&of(beta, "beta")), "{beta}");
    let swapped = json(&format!("fit {path} --law beta-binomial --convention success"));
    assert_eq!(swapped[0]["convention"], "success");
    assert_eq!((of(&swapped[0], "alpha"), of(&swapped[0], "beta")), (of(beta, "beta"), of(beta, "alpha")));
    let names =
        |fit: &Value| fit["intervals"].as_array().unwrap().iter().map(|i| i["parameter"].clone()).collect::<Vec<_>>();
    assert!(names(beta).contains(&"alpha".into()) && names(&swapped[0]).contains(&"beta".into()));
    for flag in ["", "--convention success"] {
        let text = succeeds(&format!("fit {path} --law beta-binomial,eq8 {flag}"));
        let word = if flag.is_empty() { "of the failure probability" } else { "of the success probability" };
        assert!(text.contains(word) && text.contains("NPMLE"), "{text}");
    }
}

/// Lines of stdout, where that is no terminal and nobody says how wide it is.
fn lines(args: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
    let out = command.args(args.split_whitespace()).env_remove("COLUMNS").output().unwrap();
    assert!(out.status.success(), "retrial {args}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(String::from).collect()
}

#[test]
fn texts_have_80_columns() {
    let tables = Tables::new();
    let path = simulated(&tables);
    for args in [
        "coverage",
        "coverage --pass-hat-k --tau 0.5 --anytime",
        "fit",
        "fit --all",
        "fit --all --bootstrap 20 --law beta-binomial,eq8",
        "difficulty",
        "forecast --k 1e6",
        "forecast --k 1e4,1e5,1e6",
        "compare",
        "cost --prompt-tokens 10 --decode-tokens 10 --flops-per-token 2 --target 0.5",
        "plan --width 0.05",
    ] {
        let (command, flags) = args.split_once(' ').unwrap_or((args, ""));
        for line in lines(&format!("{command} {path} {flags}")) {
            assert!(line.chars().count() <= 80 || line.contains(&path), "{args}: {line}");
        }
    }
    let run = tables.path("run").display().to_string();
    for args in [
        "reproduce --samples 8 --epochs 2 --trials 10000 --correlate 512 --hidden 16 --latent 3 --out RUN",
        "status RUN",
        "correlation RUN",
        "info",
        "validate --device cpu",
    ] {
        for line in lines(&args.replace("RUN", &run)) {
            assert!(line.chars().count() <= 80 || line.contains(&run), "{args}: {line}");
        }
    }
    let block = lines(&format!("fit {path} --group large"));
    assert!(block.len() < 15, "a short block: {block:#?}");
    for start in ["Best law  ", "Misfit ", "beta ", "Verdict "] {
        assert!(block.iter().any(|line| line.starts_with(start)), "no {start} in {block:#?}");
    }
    assert!(lines(&format!("fit {path} --group large --all")).len() > 30);
    let without = lines(&format!("coverage {path}")).join("\n");
    assert!(
        !without.contains("pass^k") && lines(&format!("coverage {path} --pass-hat-k")).join("\n").contains("pass^k")
    );
}

#[test]
fn ties_stand_in_one_row() {
    let tables = Tables::new();
    let path = tables.file("t.csv", "problem_id,num_samples,num_correct\na,9,0\nb,9,0\nc,9,2\nd,9,0\ne,9,0\nf,9,0\n");
    let text = succeeds(&format!("difficulty {path} --list 1"));
    let rows = text.lines().filter(|line| line.contains("0 of 9")).collect::<Vec<_>>();
    assert!(rows.len() == 1 && rows[0].starts_with("a, b, d, 2 more "), "{text}");
    assert!(!text.contains("2 of 9"), "{text}");
    let text = succeeds(&format!("difficulty {path}"));
    assert!(text.lines().any(|line| line.starts_with("c ") && line.contains("2 of 9")), "{text}");
}

#[test]
fn the_bootstrap_repeats() {
    let tables = Tables::new();
    let path = simulated(&tables);
    let args = format!("fit {path} --group large --law beta-binomial,power-law --bootstrap 20 --seed 3 --json");
    let first = succeeds(&args);
    assert_eq!(first, succeeds(&args));
    assert_ne!(first, succeeds(&args.replace("--seed 3", "--seed 4")));
    let fits: Vec<Value> = serde_json::from_str(&first).unwrap();
    let p = fits[0]["goodness"]["p_value"].as_f64().unwrap();
    assert!((1.0 / 21.0..=1.0).contains(&p), "{p}");
    assert!(fits[1]["goodness"].is_null(), "least squares has no likelihood");
}

#[test]
fn reports_hold_the_papers_figures() {
    let tables = Tables::new();
    let path = simulated(&tables);
    let (fit, cost) = (tables.path("fit"), tables.path("cost"));
    succeeds(&format!("fit {path} --law eq8,eq12 --out {}", fit.display()));
    let flags = "--prompt-tokens 200 --decode-tokens 300 --flops-per-token large=1e10,1e9 --budget 1e14 --target 0.9";
    let text = succeeds(&format!("cost {path} {flags} --out {}", cost.display()));
    assert!(text.contains("Best for") && text.contains("Cheapest to reach 0.9"), "{text}");
    for (out, files) in [
        (&fit, &["fits.csv", "curves.csv", "figures/fig1-coverage", "figures/fig2-inference-loss"][..]),
        (&cost, &["cost.csv", "allocation.csv", "figures/fig3-coverage-against-cost"]),
    ] {
        for file in files {
            let names = if file.ends_with(".csv") {
                vec![file.to_string()]
            } else {
                ["svg", "png"].map(|end| format!("{file}.{end}")).to_vec()
            };
            assert!(names.iter().all(|name| out.join(name).exists()), "no {file}");
        }
        let html = fs::read_to_string(out.join("report.html")).unwrap();
        assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "the report loads something");
        refuses(&format!("fit {path} --out {}", out.display()), &["not empty", "--force"]);
    }
    let curves = fs::read_to_string(fit.join("curves.csv")).unwrap();
    for curve in ["measured", "eq8", "eq12"] {
        assert!(curves.contains(&format!("large,beta 4 0.4,{curve},1.0,")), "no {curve}");
    }
}

#[test]
fn a_target_costs_what_eq_13_says() {
    let tables = Tables::new();
    // Every problem is solved by 1 attempt in 4, at random: pass@k is 1/4, 1/2, 3/4, 1.
    let path = tables.file("c.csv", "problem_id,num_samples,num_correct\na,4,1\nb,4,1\n");
    let ask = |more: &str| json(&format!("cost {path} --prompt-tokens 100 --decode-tokens 10 {more}")).remove(0);
    let flops = ask("--flops-per-token 2 --target 0.7 --budget 260");
    assert_eq!(flops["target"]["attempts"], 3);
    assert_eq!(flops["target"]["cost"], 2.0 * (100.0 + 3.0 * 10.0));
    assert_eq!(flops["budget"]["attempts"], 3);
    assert_eq!(flops["budget"]["coverage"], 0.75);
    let poor = ask("--flops-per-token 2 --budget 199"); // the prompt alone costs 200
    assert_eq!((poor["budget"]["attempts"].as_u64(), poor["budget"]["coverage"].as_f64()), (Some(0), Some(0.0)));
    let money = ask("--prompt-price 0.5 --decode-price 3 --target 0.7");
    let cost = money["target"]["cost"].as_f64().unwrap();
    assert!((cost - (0.5 * 100.0 + 3.0 * 30.0)).abs() < 1e-9, "{cost}");
}

#[test]
fn forecasts_stay_within_what_they_know() {
    let tables = Tables::new();
    let path = simulated(&tables);
    let measured =
        json(&format!("coverage {path} --k 1000"))[0]["estimates"][0]["points"][0]["value"].as_f64().unwrap();
    let methods = json(&format!("forecast {path} --k 1e4,1e6 --group large --bootstrap 20 --law beta-binomial,eq8"));
    let of = |name: &str| methods.iter().find(|m| m["method"].as_str().unwrap().starts_with(name)).unwrap();
    let bounds = of("worst-case")["points"].as_array().unwrap();
    for (at, k) in bounds.iter().zip([1e4, 1e6]) {
        let (low, high) = (at["low"].as_f64().unwrap(), at["high"].as_f64().unwrap());
        assert_eq!(at["k"], k);
        assert!(low < high && high <= 1.0 && high >= measured - 0.1, "{at}");
    }
    for point in of("beta-binomial")["points"].as_array().unwrap() {
        let [low, value, high] = ["low", "value", "high"].map(|name| point[name].as_f64().unwrap());
        assert!(low < value && value < high && value > measured - 0.05, "{point}");
    }
    assert!(of("chao")["points"][0]["value"].as_f64().unwrap() >= measured - 1e-9);
    refuses(&format!("forecast {path} --backtest 100"), &["backtest", "one row per attempt"]);
    refuses(&format!("forecast {path}"), &["--k"]);
}

#[test]
fn the_backtest_hides_what_came_later() {
    let tables = Tables::new();
    // Problem i succeeds at every i-th attempt: 40 attempts solve 40 of 50 problems, and the first 10 solve 10.
    let rows: String = (1..=50)
        .flat_map(|i| (1..=40).map(move |j| (i, j)))
        .map(|(i, j)| format!("{i},{j},{}\n", u8::from(j % i == 0)))
        .collect();
    let path = tables.file("a.csv", &format!("problem_id,attempt,success\n{rows}"));
    let scores = json(&format!("forecast {path} --backtest 10,20"));
    assert!(scores.iter().any(|s| s["method"] == "beta-binomial") && scores.iter().any(|s| s["method"] == "power-law"));
    for score in &scores {
        assert_eq!(score["truth"], 0.8);
        if let Some(forecast) = score["forecast"].as_f64() {
            assert!((score["error"].as_f64().unwrap() - (forecast - 0.8).abs()).abs() < 1e-12, "{score}");
        }
    }
    assert!(succeeds(&format!("forecast {path} --backtest 10")).contains("Mean absolute error"));
    refuses(&format!("forecast {path} --backtest 40"), &["40"]);
}

#[test]
fn problems_are_sorted_by_difficulty() {
    let tables = Tables::new();
    let path = tables.file("d.csv", "problem_id,num_samples,num_correct\neasy,100,90\nhard,100,2\nnever,100,0\n");
    let group = json(&format!("difficulty {path}")).remove(0);
    let classes: Vec<_> = group["problems"].as_array().unwrap().iter().map(|p| p["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["easy", "hard", "unsolved"]);
    assert_eq!(group["resolution"], 0.01);
    let text = succeeds(&format!("difficulty {path} --list 1"));
    assert!(text.contains("never") && text.contains("1 unsolved") && text.contains("Resolution"), "{text}");
}

#[test]
fn bad_tables_end_in_one_line() {
    let tables = Tables::new();
    let row = |name: &str, row: &str| tables.file(name, &format!("problem_id,num_samples,num_correct\na,5,1\n{row}\n"));
    let cases = [
        (row("more.csv", "b,10,11"), ["more.csv", "row 2", "num_correct"]),
        (row("zero.csv", "b,0,0"), ["zero.csv", "row 2", "num_samples"]),
        (row("negative.csv", "b,9,-1"), ["negative.csv", "row 2", "num_correct"]),
        (row("half.csv", "b,9.5,1"), ["half.csv", "row 2", "num_samples"]),
        (row("twice.csv", "a,9,1"), ["twice.csv", "row 2", "problem_id"]),
        (row("short.csv", "b,9"), ["short.csv", "row 2", "column 3"]),
        (tables.file("columns.csv", "problem_id,num_samples\na,5\n"), ["columns.csv", "header", "num_correct"]),
        (tables.file("none.csv", "problem_id,num_samples,num_correct\n"), ["none.csv", "no rows", "problem"]),
        (tables.path("gone.csv").display().to_string(), ["gone.csv", "cannot read", ""]),
        (tables.folder("empty").display().to_string(), ["empty", "without run.json", "results"]),
    ];
    let cost = "--prompt-tokens 1 --decode-tokens 1 --flops-per-token 1";
    for (path, words) in &cases {
        for command in ["coverage", "fit", "difficulty"] {
            refuses(&format!("{command} {path}"), words);
        }
        refuses(&format!("forecast {path} --k 1e6"), words);
        refuses(&format!("cost {path} {cost}"), words);
    }
}

#[test]
fn bad_flags_end_in_one_line() {
    let tables = Tables::new();
    let path = simulated(&tables);
    refuses(&format!("coverage {path} --k 0"), &["--k"]);
    refuses(&format!("coverage {path} --k 1.5"), &["--k", "whole"]);
    refuses(&format!("coverage {path} --tau 2"), &["tau", "2"]);
    refuses(&format!("coverage {path} --group nobody"), &["nobody", "large", "small"]);
    refuses(&format!("coverage {path} --columns num_correct"), &["COLUMN=NAME"]);
    refuses(&format!("coverage {path} --columns correct=x"), &["correct", "num_correct"]);
    refuses(&format!("coverage {path} --attempts 5"), &["attempts", "drop"]);
    refuses(&format!("coverage {path} --stopped"), &["num_correct", "0 or 1"]);
    refuses(&format!("fit {path} --law gauss"), &["gauss", "beta-binomial"]);
    refuses(&format!("fit {path} --convention both"), &["both"]);
    refuses(&format!("forecast {path} --k 0"), &["--k"]);
    refuses(&format!("forecast {path} --k 1e6 --backtest 10"), &["backtest"]);
    let cost = format!("cost {path} --prompt-tokens 1 --decode-tokens 1");
    refuses(&cost, &["cost of a token", "--flops-per-token"]);
    refuses(&format!("{cost} --flops-per-token 1 --decode-price 1"), &["--decode-price"]);
    refuses(&format!("{cost} --flops-per-token large=1"), &["flops-per-token", "small"]);
    refuses(&format!("{cost} --flops-per-token 0"), &["FLOPs", "0"]);
    refuses(&format!("{cost} --flops-per-token 1 --target 1.5"), &["target", "1.5"]);
    refuses(&format!("{cost} --flops-per-token 1 --budget=-1"), &["budget", "-1"]);
    refuses(&format!("{cost} --flops-per-token 1,none=2"), &["flops-per-token", "none", "small"]);
    refuses("simulate --beta 1,0 --problems 3 --attempts 3", &["beta", "0"]);
    refuses("simulate --point 2 --problems 3 --attempts 3", &["p of the law point", "2", "from 0 to 1"]);
    refuses("simulate --law gauss:mu=1 --problems 3 --attempts 3", &["gauss", "logit-normal"]);
    refuses("simulate --law kumaraswamy:alpha=1 --problems 3 --attempts 3", &["beta of the law kumaraswamy"]);
    refuses("simulate --law log-log:a=1,b=1 --problems 3 --attempts 3", &["log-log", "law of the curve"]);
    refuses("simulate --zipf 0 --problems 3 --attempts 3", &["0"]);
    refuses("simulate --point 1 --problems 1e12 --attempts 3", &["problems", "1000000000000"]);
    refuses("simulate --problems 3 --attempts 3", &["--beta"]);
    assert_eq!(retrial("simulate --point 0.5 --zipf 1 --problems 3 --attempts 3").status.code(), Some(2));
}

/// Several files, a directory of them and standard input are read as one; a file twice is not.
#[test]
fn files_and_directories_are_put_together() {
    let tables = Tables::new();
    let folder = tables.folder("results");
    let rows = |success: [u8; 2]| {
        let row = |(task, passed): (&str, u8)| format!("{{\"task_id\":\"{task}\",\"passed\":{}}}\n", passed == 1);
        ["a", "b"].into_iter().zip(success).map(row).collect::<String>()
    };
    let files: Vec<String> = [("one", [1, 0]), ("two", [0, 0])]
        .map(|(name, success)| {
            let folder = tables.folder(&format!("results/{name}"));
            fs::write(folder.join("m.jsonl"), rows(success)).unwrap();
            fs::write(tables.path("results").join(format!("{name}.jsonl")), rows(success)).unwrap();
            folder.join("m.jsonl").display().to_string()
        })
        .to_vec();
    // One model, whose file is called alike in both directories: two attempts at each problem.
    let both = json(&format!("coverage {}", files.join(" ")));
    assert_eq!((both.len(), &both[0]["attempts"]), (1, &serde_json::json!([2, 2])));
    assert!((both[0]["estimates"][0]["points"][0]["value"].as_f64().unwrap() - 0.25).abs() < 1e-12);
    // The files of a directory, which are called differently: two models.
    assert_eq!(json(&format!("coverage {}", folder.display())).len(), 2);
    refuses(&format!("coverage {0} {0}", files[0]), &["m.jsonl", "given twice", "once"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
    let mut child =
        command.args(["coverage", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rows([1, 1]).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let read: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&read[0]["solved"], &read[0]["problems"]), (&2.into(), &2.into()));
}
