//! Rare successes of a decoder: derivatives against the reference, probabilities against plain counts, and the command.

use crate::cli::{files, model, refuses, succeeds};
use ndarray::Array2;
use ndarray_npy::read_npy;
use retrial_cpu::Cpu;
use retrial_engine::tail::Decoder;
use retrial_reference as reference;
use retrial_spec::{Backend, Precision, Problem, Variant};
use retrial_theory::tail::Target;
use retrial_vae::{Images, weights};
use std::{collections::BTreeMap, fs, path::Path};

/// Estimates of `tail.csv` by sample, threshold and method: `(p, ess)`, and the warning.
type Table = BTreeMap<(usize, String, String), (Option<f64>, f64, String)>;

fn table(out: &Path) -> Table {
    let mut reader = csv::Reader::from_path(out.join("tail.csv")).unwrap();
    let head = ["sample", "threshold", "method", "p", "low", "high", "ess", "evaluations", "warning"];
    assert_eq!(reader.headers().unwrap(), &head[..]);
    let row = |row: csv::StringRecord| {
        let [low, high] = [4, 5].map(|c| row[c].parse::<f64>().unwrap());
        let p = row[3].parse::<f64>().ok();
        assert!(p.is_none_or(|p| low <= p && p <= high) && (0.0..=1.0).contains(&high), "{row:?}");
        let key = (row[0].parse().unwrap(), row[1].to_string(), row[2].to_string());
        (key, (p, row[6].parse().unwrap(), row[8].to_string()))
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Squared error, slope and curvature against differences of the f64 twin.
#[test]
fn derivatives_are_those_of_the_reference() {
    let (weights, images) = (weights::load(model()).unwrap().weights, Images::load("fashion-mnist", Some(3)).unwrap());
    let cpu = Cpu::new(Some(1)).unwrap();
    let posterior = cpu.encode(&weights, images.values()).unwrap();
    let problem = Problem::new(weights.clone(), images.values().to_vec(), &posterior, 1.5, 1).unwrap();
    let decoder = Decoder::new(&cpu, Variant::new("portable", Precision::F32), &problem);
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let (image, mu, logvar) = (wide(problem.image(2)), wide(&posterior.mu[10..15]), wide(&posterior.logvar[10..15]));
    let pixels = |e: &[f64]| reference::decode(&weights, &reference::sample_latent(&mu, &logvar, 1.5, e, 5));
    let e = [0.3, -1.2, 0.1, 2.0, -0.4];
    let got = decoder.expand(2, &e);
    let residuals: Vec<f64> = pixels(&e).iter().zip(&image).map(|(y, x)| y - x).collect();
    let square: f64 = residuals.iter().map(|r| r * r).sum();
    // The scale of a latent is rounded to f32.
    let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "{got}, not {want}");
    close(got.square, square);
    close(decoder.square(2, &e), square);
    let derivative = |d: usize| -> Vec<f64> {
        let moved = |h: f64| {
            let mut e = e;
            e[d] += h;
            pixels(&e)
        };
        moved(1e-5).iter().zip(moved(-1e-5)).map(|(a, b)| (a - b) / 2e-5).collect()
    };
    let columns: Vec<Vec<f64>> = (0..5).map(derivative).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for (i, column) in columns.iter().enumerate() {
        close(got.slope[i], dot(column, &residuals));
        (0..5).for_each(|j| close(got.gram[5 * i + j], dot(column, &columns[j])));
    }
}

/// Counts of plain trials against both methods, where there are enough successes: no pair differs by more than five standard
/// errors, nor all of them by more than chance.
fn brute_force(dir: &Path, args: &str, trials: u64, thresholds: &str) {
    let (tail, run) = (dir.join("tail"), dir.join("run"));
    succeeds(&format!("tail {args} --thresholds {thresholds} --out {}", tail.display()));
    let counts = format!("--trials {trials} --thresholds {thresholds} --counts-only --correlate 1 --seed 9");
    succeeds(&format!("sample {args} {counts} --out {}", run.display()));
    let successes: Array2<u64> = read_npy(run.join("successes.npy")).unwrap();
    let names: Vec<&str> = thresholds.split(',').collect();
    let (mut squares, mut compared, mut rare) = (0.0, 0.0, 0);
    for ((sample, threshold, method), (p, ess, warning)) in table(&tail) {
        let column = names.iter().position(|name| *name == threshold).unwrap();
        let c = successes[(sample, column)] as f64;
        if c < 30.0 || method == "pilot" || c == trials as f64 {
            continue;
        }
        let counted = c / trials as f64;
        let p = p.unwrap_or_else(|| panic!("sample {sample} at {threshold}: {method} has nothing, of {c} successes"));
        let off = (p / counted).ln() / ((1.0 / ess).ln_1p() + (1.0 - counted) / c).sqrt();
        assert!(off.abs() < 5.0, "sample {sample} at {threshold}: {method} {p:e}, counted {counted:e}; {warning}");
        (squares, compared, rare) = (squares + off * off, compared + 1.0, rare + u32::from(counted < 1e-3));
    }
    assert!(compared >= 20.0 && rare >= 5, "{compared} compared, {rare} rare");
    let rms = (squares / compared).sqrt();
    println!("{compared} compared, {rare} below 1e-3, root mean square {rms:.3} standard errors");
    assert!(rms < 1.4, "{rms} standard errors");
}

#[test]
fn probabilities_are_those_of_plain_trials() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    succeeds(&format!("train --samples 12 --epochs 300 --hidden 32 --latent 5 --out {}", model.display()));
    let args = format!("--device cpu --weights {} --samples 12", model.join("weights.safetensors").display());
    brute_force(dir.path(), &args, 1_000_000, "1.1,1.15,1.2,1.3,2,2.4,2.7,2.85,3.1,3.3,3.5");
}

/// The same of the paper's model: minutes.
#[test]
#[ignore = "minutes: trains the paper's model and draws 160 million trials"]
fn probabilities_are_those_of_plain_trials_of_the_papers_model() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    succeeds(&format!("train --out {}", model.display()));
    let args = format!("--device cpu --weights {} --samples 40", model.join("weights.safetensors").display());
    brute_force(dir.path(), &args, 4_000_000, "1.2,1.4,1.7");
}

fn tail(out: &Path, more: &str) -> String {
    let model = model().display();
    format!(
        "tail --device cpu --weights {model} --samples 30 --thresholds 7.5,8,9 --particles 100 --pilot 1000 --out {} {more}",
        out.display()
    )
}

#[test]
fn an_interrupted_run_ends_with_the_same_bytes_on_any_threads() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, cut] = ["whole", "cut"].map(|name| dir.path().join(name));
    let text = succeeds(&tail(&whole, ""));
    for word in ["importance", "subset", "pass@k", "Eq 8", "disagree"] {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
    let names: Vec<String> = files(&whole).iter().map(|(path, _)| path.display().to_string()).collect();
    let want = [
        "blocks/00000.bin",
        "blocks/00001.bin",
        "figures/tail-coverage.png",
        "figures/tail-coverage.svg",
        "tail.csv",
        "tail.json",
        "tail_coverage.csv",
    ];
    assert_eq!(names, want);
    // As a killed run leaves it: the first block, and nothing of the second.
    fs::create_dir_all(cut.join("blocks")).unwrap();
    fs::copy(whole.join("blocks/00000.bin"), cut.join("blocks/00000.bin")).unwrap();
    refuses(&tail(&cut, ""), &["not empty", "--resume"]);
    succeeds(&tail(&cut, "--resume --threads 1"));
    assert_eq!(files(&cut), files(&whole));
    refuses(&tail(&cut, "--resume --seed 2"), &["00000.bin", "belongs to a run of other"]);
    let mut bytes = fs::read(cut.join("blocks/00001.bin")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(cut.join("blocks/00001.bin"), bytes).unwrap();
    refuses(&tail(&cut, "--resume"), &["00001.bin", "checksum"]);
    succeeds(&tail(&cut, "--force --seed 2"));
    assert_ne!(table(&cut), table(&whole));
    let json: serde_json::Value = serde_json::from_str(&succeeds(&tail(&whole, "--resume --json"))).unwrap();
    assert_eq!(json["coverage"].as_array().unwrap().len(), 3);
    assert_eq!(json["asked"]["particles"], 100);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    refuses(&tail(&out, "--particles 99").replacen("--particles 100 ", "", 1), &["particles", "99", "100000"]);
    refuses(&tail(&out, "--pilot 1500").replacen("--pilot 1000 ", "", 1), &["pilot", "1500", "thousands"]);
    refuses(&tail(&out, "").replacen("7.5,8,9", "8,7", 1), &["threshold"]);
    refuses(&tail(&out, "--temperature -1"), &["temperature", "-1"]);
    assert!(!out.exists());
}
