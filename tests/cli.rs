//! The program as a user meets it: what it prints, what it writes, and how it refuses.

use ndarray::{Array1, Array2};
use ndarray_npy::read_npy;
use retrial_cpu::Cpu;
use retrial_spec::{Backend, Precision};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// Without line breaks, in which words would not be found.
pub fn retrial(args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retrial")).env("COLUMNS", "1000").args(args.split_whitespace()).output().unwrap()
}

pub fn succeeds(args: &str) -> String {
    let out = retrial(args);
    assert!(out.status.success(), "retrial {args}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// One line, exit code 2, no panic, and the words that tell what is wrong.
pub fn refuses(args: &str, words: &[&str]) {
    let out = retrial(args);
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "retrial {args}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let last: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(last.len(), 1, "retrial {args}\n{stderr}");
    for word in words {
        assert!(stderr.contains(word), "retrial {args}: no {word:?} in\n{stderr}");
    }
}

/// A trained tiny model, made once.
pub fn model() -> &'static Path {
    static MODEL: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = MODEL.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("model");
        succeeds(&format!("train --samples 12 --epochs 3 --hidden 17 --latent 5 --out {}", out.display()));
        let weights = out.join("weights.safetensors");
        (dir, weights)
    });
    path
}

fn sample(out: &Path, more: &str) -> String {
    let model = model().display();
    format!("sample --weights {model} --samples 12 --trials 700 --correlate 40 --seed 3 --out {} {more}", out.display())
}

/// Every file below a folder with its bytes.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = vec![];
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(folder).unwrap().to_path_buf(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn reproduce_leaves_a_complete_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let args = format!(
        "reproduce --samples 16 --epochs 4 --trials 300 --correlate 50 --hidden 32 --latent 4 --out {}",
        out.display()
    );
    let text = succeeds(&args);
    for word in ["pass@k", "unbiased", "first-success", "trials/s", "null"] {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
    let names: Vec<String> = files(&out).iter().map(|(path, _)| path.display().to_string()).collect();
    for name in [
        "run.json",
        "weights.safetensors",
        "loss.csv",
        "thresholds.npy",
        "successes.npy",
        "first_success.npy",
        "histogram.npy",
        "histogram_edges.npy",
        "errors.npy",
        "records.csv",
        "pass_at_k.csv",
        "fits.csv",
        "spectrum.csv",
        "report.html",
    ] {
        assert!(names.contains(&name.to_string()), "no {name} in {names:?}");
    }
    for figure in ["fig2", "fig3", "fig4", "fig5", "fig6", "fig7"] {
        for extension in ["svg", "png"] {
            assert!(
                names.iter().any(|n| n.contains(figure) && n.ends_with(extension)),
                "no {figure} as {extension} in {names:?}"
            );
        }
    }
    let html = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "the report loads something");
}

#[test]
fn results_do_not_depend_on_threads_or_window() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &str| {
        let out = dir.path().join(name);
        succeeds(&sample(&out, more));
        files(&out)
    };
    let want = run("a", "--threads 1");
    for (name, more) in [("b", "--threads 2 --window 100"), ("c", "--threads 7 --window 1"), ("d", "--window 100000")] {
        for ((path, bytes), (other, expected)) in run(name, more).iter().zip(&want) {
            assert_eq!(path, other);
            assert!(bytes == expected, "{} differs with {more}", path.display());
        }
    }
}

#[test]
fn a_run_is_extended_to_what_one_run_would_have_been() {
    let dir = tempfile::tempdir().unwrap();
    let (short, long) = (dir.path().join("short"), dir.path().join("long"));
    succeeds(&sample(&long, "--thresholds 5,8,10"));
    succeeds(&sample(&short, "--thresholds 5,8,10").replace("--trials 700", "--trials 300"));
    succeeds(&sample(&short, "--thresholds 5,8,10 --resume"));
    for ((path, bytes), (_, expected)) in files(&short).iter().zip(&files(&long)) {
        assert!(bytes == expected, "{} differs", path.display());
    }
    refuses(&sample(&short, "--thresholds 5,8,11 --resume"), &["tally.bin", "thresholds"]);
    refuses(
        &sample(&short, "--thresholds 5,8,10 --resume").replace("--trials 700", "--trials 100"),
        &["trials", "700"],
    );
}

#[test]
fn counting_alone_finds_the_same_and_says_what_it_leaves_out() {
    let dir = tempfile::tempdir().unwrap();
    let (full, counts) = (dir.path().join("full"), dir.path().join("counts"));
    succeeds(&sample(&full, "--thresholds 8,9,10"));
    let summary = succeeds(&sample(&counts, "--thresholds 8,9,10 --counts-only"));
    for name in ["thresholds.npy", "successes.npy", "first_success.npy", "pass_at_k.csv", "fits.csv"] {
        assert!(fs::read(full.join(name)).unwrap() == fs::read(counts.join(name)).unwrap(), "{name} differs");
    }
    assert!(read_npy::<_, Array2<u64>>(counts.join("successes.npy")).unwrap().sum() > 0);
    assert!(full.join("histogram.npy").exists() && !counts.join("histogram.npy").exists());
    let report = fs::read_to_string(counts.join("report.html")).unwrap();
    assert!(summary.contains("--counts-only") && report.contains("left out"));
    refuses(
        &sample(&full, "--thresholds 8,9,10 --counts-only --resume"),
        &["tally.bin", "its tally is all errors, not counts only"],
    );
}

/// The arrays are what they say, counted again from the errors that the run kept.
#[test]
fn arrays_agree_with_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    succeeds(&sample(&out, "").replace("--correlate 40", "--correlate 700"));
    let errors: Array2<f32> = read_npy(out.join("errors.npy")).unwrap();
    let thresholds: Array1<f32> = read_npy(out.join("thresholds.npy")).unwrap();
    let successes: Array2<u64> = read_npy(out.join("successes.npy")).unwrap();
    let first: Array2<u64> = read_npy(out.join("first_success.npy")).unwrap();
    let histogram: Array2<u64> = read_npy(out.join("histogram.npy")).unwrap();
    let edges: Array1<f32> = read_npy(out.join("histogram_edges.npy")).unwrap();
    assert_eq!(errors.dim(), (12, 700));
    for (sample, row) in errors.rows().into_iter().enumerate() {
        for (t, &threshold) in thresholds.iter().enumerate() {
            assert_eq!(successes[[sample, t]], row.iter().filter(|e| **e < threshold).count() as u64);
            assert_eq!(first[[sample, t]], row.iter().position(|e| *e < threshold).map_or(0, |at| at as u64 + 1));
        }
        for (bin, &count) in histogram.row(sample).iter().enumerate() {
            assert_eq!(count, row.iter().filter(|e| (edges[bin]..edges[bin + 1]).contains(*e)).count() as u64);
        }
    }
    let records = fs::read_to_string(out.join("records.csv")).unwrap();
    assert!(records.lines().skip(1).all(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let (sample, trial): (usize, usize) = (cells[0].parse().unwrap(), cells[1].parse().unwrap());
        errors[[sample, trial - 1]] == cells[2].parse::<f32>().unwrap()
    }));
}

#[test]
fn score_agrees_with_its_reference() {
    let dir = tempfile::tempdir().unwrap();
    let noise = dir.path().join("eps.npy");
    let values = ndarray::Array3::from_shape_fn((12, 9, 5), |(i, j, d)| ((i * 45 + j * 5 + d) as f32 * 0.7).sin());
    ndarray_npy::write_npy(&noise, &values).unwrap();
    let score = |out: &str, more: &str| {
        let (model, noise, out) = (model().display(), noise.display(), dir.path().join(out));
        succeeds(&format!("score --weights {model} --noise {noise} --temperature 1.5 --out {} {more}", out.display()));
        out
    };
    let fast: Array2<f32> = read_npy(score("f32.npy", "")).unwrap();
    let slow: Array2<f64> = read_npy(score("f64.npy", "--precision f64")).unwrap();
    assert_eq!(fast.dim(), (12, 9));
    for (fast, slow) in fast.iter().zip(&slow) {
        assert!((f64::from(*fast) - slow).abs() <= 2e-6 * slow, "{fast} {slow}");
    }
}

#[test]
fn report_is_drawn_again_from_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    succeeds(&sample(&out, ""));
    let before = fs::read(out.join("report.html")).unwrap();
    fs::remove_file(out.join("report.html")).unwrap();
    succeeds(&format!("report {}", out.display()));
    assert!(fs::read(out.join("report.html")).unwrap() == before);
}

#[test]
fn json_is_json() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    for args in [
        "info --json",
        "validate --kernel encode --json",
        &sample(&out, "--json"),
        &format!("report {} --json", out.display()),
    ] {
        let _: serde_json::Value = serde_json::from_str(&succeeds(args)).unwrap();
    }
}

#[test]
fn help_has_examples() {
    for command in ["reproduce", "train", "sample", "report", "score", "validate", "info"] {
        assert!(succeeds(&format!("{command} --help")).contains("Example"), "{command}");
    }
}

#[test]
fn validate_passes_and_says_so() {
    let text = succeeds("validate --shape 97-61-7 --samples 2 --trials 40");
    // The other six kernels, and score by every f32 implementation that this machine has.
    let cpu = Cpu::new(None).unwrap();
    let cases = 6 + cpu.device().variants.iter().filter(|variant| variant.precision == Precision::F32).count();
    assert!(text.contains(&format!("{cases} of {cases} cases passed")), "{text}");
}

/// An implementation can be checked and timed in one precision, so that one which takes its process along is alone.
#[test]
fn one_precision_is_validated_and_timed() {
    for command in ["validate", "bench --samples 1 --trials 8"] {
        let args = format!("{command} --device cpu --kernel score --precision f32 --json");
        let out: serde_json::Value = serde_json::from_str(&succeeds(&args)).unwrap();
        let rows = out["cases"].as_array().or(out["kernels"].as_array()).unwrap();
        assert!(rows.len() >= 3 && rows.iter().all(|row| row["precision"] == "f32"), "{out}");
        for (kernel, word) in [("score", "computes in f32"), ("decode", "one precision")] {
            refuses(&format!("{command} --device cpu --kernel {kernel} --precision f16x3"), &[word]);
        }
    }
}

/// The shaders for default features stay right where an adapter would get others.
#[test]
fn plain_shaders_pass_too() {
    if crate::llvmpipe().is_none() {
        return;
    }
    let args = "validate --device wgsl --adapter llvmpipe --kernel pass_at_k";
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
    let out = command.args(args.split_whitespace()).env("RETRIAL_WGSL", "plain").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && text.contains("9 of 9 cases passed"), "{text}");
}

#[test]
fn bad_values_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("never");
    for (more, words) in [
        ("--trials 0", &["trials", "at least 1"][..]),
        ("--thresholds -1,2", &["threshold 1", "-1"]),
        ("--thresholds NaN", &["threshold 1", "NaN"]),
        ("--thresholds 2,1", &["thresholds", "increase"]),
        ("--temperature -0.5", &["temperature", "-0.5"]),
        ("--temperature NaN", &["temperature", "NaN"]),
        ("--device quantum", &["device", "quantum", "cpu"]),
        ("--precision f16", &["precision", "f16"]),
        ("--threads 0", &["threads", "0"]),
        ("--window 0", &["window", "0"]),
        ("--samples 0", &["samples"]),
        ("--samples 401", &["samples", "400"]),
        ("--data nowhere.npy", &["nowhere.npy"]),
    ] {
        // A flag given here replaces its default in the command.
        let mut args = sample(&out, more);
        for (flag, default) in [("--trials", " --trials 700"), ("--samples", " --samples 12")] {
            if more.starts_with(flag) {
                args = args.replacen(default, "", 1);
            }
        }
        refuses(&args, words);
        assert!(!out.exists(), "{more} left something behind");
    }
    refuses(&format!("train --epochs 0 --out {}", out.display()), &["epochs"]);
    refuses(&format!("train --learning-rate NaN --out {}", out.display()), &["learning rate"]);
    assert!(!out.exists());
}

#[test]
fn bad_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let out = dir.path().join("never");
    let good = fs::read(model()).unwrap();
    let weights = |bytes: &[u8], name: &str| format!("sample --weights {} --out {}", path(name, bytes), out.display());
    refuses(&weights(b"", "empty.safetensors"), &["empty.safetensors"]);
    refuses(&weights(&good[..good.len() / 2], "half.safetensors"), &["half.safetensors"]);
    refuses(&weights(b"not weights at all, but long enough to be read", "text.safetensors"), &["text.safetensors"]);
    refuses(&format!("sample --weights {}/none --out {}", dir.path().display(), out.display()), &["none"]);

    let data = |bytes: &[u8], name: &str| sample(&out, &format!("--data {}", path(name, bytes)));
    refuses(&data(b"", "empty.idx"), &["empty.idx"]);
    refuses(&data(&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28, 1, 2, 3], "short.idx"), &["short.idx"]);
    refuses(&data(&[9, 9, 9, 9, 0, 0, 0, 2], "magic.idx"), &["magic.idx"]);
    let nan = Array2::from_elem((12, 784), f32::NAN);
    let nan_path = dir.path().join("nan.npy");
    ndarray_npy::write_npy(&nan_path, &nan).unwrap();
    refuses(&sample(&out, &format!("--data {}", nan_path.display())), &["nan.npy", "NaN"]);
    assert!(!out.exists());

    refuses(&format!("report {}", dir.path().display()), &["run.json"]);
}

/// A device that is always full, and a folder in which nothing can be made.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_place_not_writable_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let noise = dir.path().join("eps.npy");
    ndarray_npy::write_npy(&noise, &ndarray::Array3::<f32>::zeros((12, 1, 5))).unwrap();
    let (model, noise) = (model().display(), noise.display());
    refuses(&format!("score --weights {model} --noise {noise} --out /dev/full"), &["/dev/full", "No space left"]);
    assert!(!fs::metadata("/dev/full").unwrap().is_file(), "the device was replaced by a file");
    refuses(&sample(Path::new("/proc/run"), ""), &["/proc/run"]);
}

/// What was sampled before Ctrl-C is kept, and the resumed run is the run that was never stopped.
#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_done() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, stopped) = (dir.path().join("whole"), dir.path().join("stopped"));
    let args = |out: &Path, more: &str| sample(out, more).replace("--trials 700", "--trials 200000 --thresholds 8,9");
    let mut child = Command::new(env!("CARGO_BIN_EXE_retrial"))
        .args(args(&stopped, "--window 50").split_whitespace())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !stopped.join("run.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be stopped");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let out = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("of 200,000 trials per sample are kept") && stderr.contains("--resume"), "{stderr}");
    succeeds(&args(&whole, ""));
    succeeds(&args(&stopped, "--resume"));
    assert!(files(&stopped) == files(&whole));
}

#[test]
fn an_occupied_output_directory_is_refused_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    succeeds(&sample(&out, ""));
    refuses(&sample(&out, ""), &["not empty", "--force"]);
    succeeds(&sample(&out, "--force"));
    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    refuses(&sample(&file, ""), &["file"]);
}
