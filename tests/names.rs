//! Names that others chose: a terminal obeys none, a spreadsheet computes none, a page or figure is still one, and none
//! becomes a path.

use crate::cli::files;
use retrial_spec::text::is_obeyed;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What a stranger may call a model, a benchmark or a problem.
const NAMES: [&str; 8] = [
    "=cmd|' /C calc'!A0",
    "\x1b[2J\x1b]0;title\x07\u{9b}31m",
    "m\nerror: forged\r\nnote: forged",
    "\u{202e}txt\u{2028}exe.\u{2066}x",
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&]]>-->",
    "../../../../tmp/x",
    "@SUM(1+9)*cmd|' /C calc'!A0\u{0}",
    "＋1\t-1^{a}_{",
];

fn retrial(args: &[&str]) -> Output {
    let out = Command::new(env!("CARGO_BIN_EXE_retrial")).env("COLUMNS", "1000").args(args).output().unwrap();
    for (which, bytes) in [("stdout", &out.stdout), ("stderr", &out.stderr)] {
        let text = std::str::from_utf8(bytes).unwrap();
        let obeyed = text.chars().find(|&c| c != '\n' && is_obeyed(c));
        assert_eq!(obeyed, None, "retrial {args:?} on {which}: {text}");
        assert!(!text.contains("\nerror: forged") && !text.contains("\nnote: forged"), "{args:?}: {text}");
    }
    out
}

fn succeeds(args: &[&str]) -> String {
    let out = retrial(args);
    assert!(out.status.success(), "retrial {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// One line of error that a terminal shows as it is.
fn refuses(args: &[&str]) {
    let out = retrial(args);
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "retrial {args:?}: {stderr}");
    assert_eq!(stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "retrial {args:?}: {stderr}");
}

/// Every attempt of four problems by each model, or their counts.
fn table(dir: &Path, file: &str, names: &[&str]) -> PathBuf {
    let mut csv = csv::Writer::from_path(dir.join(file)).unwrap();
    let attempts = file.starts_with("attempts");
    let head: &[&str] = if attempts { &["attempt", "success"] } else { &["num_samples", "num_correct"] };
    csv.write_record([&["model", "benchmark", "problem_id"], head].concat()).unwrap();
    for model in names {
        for (at, problem) in names.iter().enumerate() {
            let row = |a: usize, b: usize| {
                [*model, names[0], *problem].map(String::from).into_iter().chain([a, b].map(|n| n.to_string()))
            };
            match attempts {
                true => (1..=12).for_each(|k| csv.write_record(row(k, usize::from(k % (at + 2) == 0))).unwrap()),
                false => csv.write_record(row(40, 3 * at)).unwrap(),
            }
        }
    }
    csv.flush().unwrap();
    dir.join(file)
}

/// The commands that take counts, with an output directory where they make one.
fn commands<'a>(counts: &'a str, attempts: &'a str, out: [&'a str; 3]) -> Vec<Vec<&'a str>> {
    let cost = ["cost", counts, "--prompt-tokens", "2", "--decode-tokens", "3", "--flops-per-token", "1"];
    vec![
        vec!["coverage", counts],
        vec!["coverage", attempts, "--k", "1,5"],
        vec!["fit", counts, "--law", "beta-binomial,eq8", "--out", out[0]],
        vec!["forecast", counts, "--k", "1e3", "--law", "beta-binomial"],
        vec!["forecast", attempts, "--backtest", "6"],
        vec!["difficulty", counts],
        [&cost[..], &["--budget", "200", "--target", "0.9", "--out", out[1]]].concat(),
        vec!["compare", counts, "--k", "1,3", "--out", out[2]],
        vec!["plan", counts, "--width", "0.1"],
    ]
}

#[test]
fn names_are_shown_and_not_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let [counts, attempts] = ["counts.csv", "attempts.csv"].map(|file| table(dir.path(), file, &NAMES));
    let [counts, attempts] = [&counts, &attempts].map(|path| path.to_str().unwrap());
    let outs = ["fit", "cost", "compare"].map(|name| dir.path().join(name).display().to_string());
    for args in commands(counts, attempts, outs.each_ref().map(String::as_str)) {
        let text = succeeds(&args);
        assert!(text.contains("\\u{1b}[2J") && text.contains("\\nerror: forged\\r\\n"), "retrial {args:?}: {text}");
    }
    for args in commands(counts, attempts, outs.each_ref().map(String::as_str)) {
        let forced = ["--force", "--json"].into_iter().skip(usize::from(!args.contains(&"--out")));
        let text = succeeds(&args.iter().copied().chain(forced).collect::<Vec<_>>());
        let objects: Vec<Value> = serde_json::from_str(&text).unwrap();
        for name in NAMES {
            let is = |object: &Value| {
                let groups = object["groups"].as_array();
                object["model"] == name || groups.is_some_and(|groups| groups.iter().any(|of| of["model"] == name))
            };
            assert!(objects.iter().any(is), "retrial {args:?}: no {name:?}");
        }
    }
}

#[test]
fn names_stay_names_in_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let list = |names: &[&str], folder: &str| {
        let below = dir.path().join(folder);
        fs::create_dir(&below).unwrap();
        let [counts, attempts] = ["counts.csv", "attempts.csv"].map(|file| table(&below, file, names));
        let [counts, attempts] = [&counts, &attempts].map(|path| path.to_str().unwrap());
        let outs = ["fit", "cost", "compare"].map(|name| below.join(name).display().to_string());
        for args in commands(counts, attempts, outs.each_ref().map(String::as_str))
            .iter()
            .filter(|args| args.contains(&"--out"))
        {
            succeeds(args);
        }
        fs::remove_file(counts).unwrap();
        fs::remove_file(attempts).unwrap();
        files(&below)
    };
    let plain: Vec<String> = (0..NAMES.len()).map(|i| format!("plain {i}")).collect();
    let plain = list(&plain.iter().map(String::as_str).collect::<Vec<_>>(), "plain");
    let hostile = list(&NAMES, "hostile");
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<BTreeSet<_>>();
    assert_eq!(names(&plain), names(&hostile));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    let (mut guarded, mut pages, mut figures) = (0, 0, 0);
    for (path, bytes) in &hostile {
        let text = String::from_utf8_lossy(bytes);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => {
                let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
                for row in reader.records().map(Result::unwrap) {
                    guarded += row.iter().filter(|cell| cell.starts_with('\'')).count();
                    let formula = |cell: &&str| {
                        cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＋']) && cell.parse::<f64>().is_err()
                    };
                    assert_eq!(row.iter().find(formula), None, "{}", path.display());
                }
            }
            Some(kind @ ("svg" | "html")) => {
                assert!(!text.contains("<script") && !text.contains("<img"), "{}", path.display());
                let odd = text.chars().find(|&c| !['\n', '\t'].contains(&c) && is_obeyed(c) && c != '\u{2028}');
                assert_eq!(odd, None, "{}", path.display());
                if kind == "svg" {
                    roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                    figures += 1;
                } else {
                    pages += 1;
                }
            }
            _ => {}
        }
    }
    assert!(guarded > 100 && figures == 6 && pages == 3, "{guarded} {figures} {pages}");
}

#[test]
fn what_is_written_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    for (at, name) in NAMES.iter().enumerate().filter(|(_, name)| !name.contains('\0')) {
        let path = dir.path().join(format!("{at}.csv")).display().to_string();
        let args = ["simulate", "--point", "0.5", "--problems", "5", "--attempts", "8", "--model", name];
        let printed = succeeds(&args);
        succeeds(&[&args[..], &["--out", &path]].concat());
        assert_eq!(fs::read_to_string(&path).unwrap(), printed);
        let fits: Vec<Value> =
            serde_json::from_str(&succeeds(&["fit", &path, "--law", "beta-binomial", "--json"])).unwrap();
        let model = fits[0]["model"].as_str().unwrap();
        assert!(!model.starts_with(['=', '+', '-', '@']) && !model.contains(is_obeyed), "{model}");
    }
}

#[test]
fn errors_repeat_what_was_typed_as_it_may_be_shown() {
    let dir = tempfile::tempdir().unwrap();
    let counts = table(dir.path(), "counts.csv", &NAMES);
    let counts = counts.to_str().unwrap();
    for name in NAMES.iter().filter(|name| !name.contains('\0')) {
        refuses(&[name]);
        refuses(&["coverage", name]);
        refuses(&["coverage", counts, "--group", &format!("none {name}")]);
        refuses(&["coverage", counts, "--k", name]);
        refuses(&["coverage", counts, name]);
        refuses(&["coverage", counts, "--columns", &format!("problem_id={name}")]);
        refuses(&["coverage", counts, &format!("--{name}")]);
        refuses(&["fit", counts, "--law", name]);
        refuses(&["fit", counts, "--convention", name]);
        refuses(&["sample", "--weights", name, "--out", "never"]);
        refuses(&["info", "--device", name]);
        let taken = dir.path().join(name.replace('/', "_"));
        fs::create_dir_all(taken.join("something")).unwrap();
        refuses(&["fit", counts, "--out", taken.to_str().unwrap()]);
    }
    // In the rows of a table.
    for row in NAMES {
        let path = dir.path().join("bad.csv");
        let mut csv = csv::Writer::from_path(&path).unwrap();
        csv.write_record(["problem_id", "num_samples", row]).unwrap();
        csv.write_record([row, row, row]).unwrap();
        csv.flush().unwrap();
        refuses(&["coverage", path.to_str().unwrap()]);
        refuses(&["coverage", path.to_str().unwrap(), "--columns", "num_correct=x"]);
        fs::write(
            &path,
            serde_json::json!({ "problem_id": row, row: 1, "num_samples": row, "num_correct": 1 }).to_string(),
        )
        .unwrap();
        refuses(&["coverage", path.to_str().unwrap()]);
    }
}
