//! Every command ends at the first signal, having kept what it promises, however long its work would take.

use crate::cli::{model, succeeds};
use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const SIGINT: u32 = 2;
const SIGTERM: u32 = 15;
const SIGHUP: u32 = 1;

/// Starts a command and waits until it catches signals.
fn start(args: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
    let mut child =
        command.args(args.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    wait(args, || {
        assert_eq!(child.try_wait().unwrap().and_then(|s| s.code()), None, "retrial {args} ended before its signal");
        let status = fs::read_to_string(&status).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        caught.is_some_and(|mask| u64::from_str_radix(mask, 16).unwrap() & 1 << (SIGTERM - 1) != 0)
    });
    child
}

/// Waits for something that comes soon, unless it never comes.
fn wait(args: &str, mut come: impl FnMut() -> bool) {
    let start = Instant::now();
    while !come() {
        assert!(start.elapsed() < Duration::from_secs(60), "retrial {args}: waited for a minute");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends one signal; what the command leaves, with exit code 130.
fn end(child: Child, args: &str, signal: u32) -> Output {
    let sent = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    end_of(child, args)
}

fn end_of(mut child: Child, args: &str) -> Output {
    wait(args, || child.try_wait().unwrap().is_some());
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130), "retrial {args}: {out:?}");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(!stderr.contains("panicked") && !stderr.contains("error"), "{stderr}");
    out
}

/// Work for hours, in every command that can have it.
fn long_commands(dir: &Path) -> Vec<String> {
    let counts = dir.join("counts.csv");
    let rows: String = (0..400).map(|i| format!("p{i},{},{}\n", 1000 + i, i)).collect();
    fs::write(&counts, format!("problem_id,num_samples,num_correct\n{rows}")).unwrap();
    let (counts, model) = (counts.display(), model().display());
    let taus: Vec<String> = (0..10_000).map(|i| format!("{}", f64::from(i) / 1e4)).collect();
    vec![
        format!("coverage {counts} --tau {}", taus.join(",")),
        format!("simulate --beta 4.65,0.361 --problems 3e6 --attempts 1e9 --out {}", dir.join("drawn.csv").display()),
        format!(
            "cost {counts} --prompt-price 1 --decode-price 1 --prompt-tokens 1 --decode-tokens 1 --law eq12 --target 0.9 --bootstrap 1e7"
        ),
        format!("fit {counts} --bootstrap 1e7"),
        format!("forecast {counts} --k 1e6 --bootstrap 1e7"),
        format!("bench --device cpu --weights {model} --samples 400 --trials 160000"),
        format!(
            "tail --device cpu --weights {model} --thresholds 5,7 --particles 100000 --out {}",
            dir.join("tail").display()
        ),
        "bench --device cpu --samples 400 --trials 100000 --kernel score".to_string(),
        "validate --device cpu --shape 784-400-20 --samples 40 --trials 20000".to_string(),
        format!("train --epochs 1000000 --out {}", dir.join("training").display()),
        format!("train --batch 400 --hidden 1024 --epochs 1000000 --out {}", dir.join("one-step").display()),
        format!("reproduce --epochs 1000000 --out {}", dir.join("run").display()),
    ]
}

#[test]
fn a_signal_ends_every_command_that_computes() {
    let dir = tempfile::tempdir().unwrap();
    for args in long_commands(dir.path()) {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            let child = start(&args);
            thread::sleep(Duration::from_millis(100)); // into the work
            end(child, &args, signal);
            for name in ["training", "one-step", "run"] {
                let _ = fs::remove_dir_all(dir.path().join(name));
            }
        }
    }
}

#[test]
fn a_signal_keeps_the_training() {
    let dir = tempfile::tempdir().unwrap();
    let (stopped, straight) = (dir.path().join("stopped"), dir.path().join("straight"));
    let train = |out: &Path| format!("train --samples 40 --epochs 300 --hidden 64 --out {}", out.display());
    succeeds(&train(&straight));
    let args = train(&stopped).replace("300", "1000000");
    let child = start(&args);
    wait(&args, || stopped.join("training.safetensors").exists());
    let out = end(child, &args, SIGINT);
    assert!(String::from_utf8_lossy(&out.stderr).contains("--resume goes on from there"), "{out:?}");
    // On a slow day few epochs were made, and on a fast one more than the 300 that can be compared.
    let resumed = Command::new(env!("CARGO_BIN_EXE_retrial"))
        .args(format!("{} --resume", train(&stopped)).split_whitespace())
        .output()
        .unwrap();
    match resumed.status.code() {
        Some(0) => {
            let weights = |run: &Path| fs::read(run.join("weights.safetensors")).unwrap();
            assert!(weights(&stopped) == weights(&straight), "other weights after the interruption");
        }
        _ => assert!(String::from_utf8_lossy(&resumed.stderr).contains("already holds"), "{resumed:?}"),
    }
    assert!(fs::read_dir(&stopped).unwrap().all(|f| !f.unwrap().path().to_string_lossy().ends_with(".tmp")));
}

#[test]
fn a_signal_keeps_what_was_sampled_before_the_window_ends() {
    let dir = tempfile::tempdir().unwrap();
    let sample = |out: &str, trials: u64, more: &str| {
        let (model, out) = (model().display(), dir.path().join(out));
        let out = out.display();
        format!(
            "sample --weights {model} --samples 12 --thresholds 5,7 --device cpu --trials {trials} --out {out} {more}"
        )
    };
    // Its first window would take days.
    let args = sample("one", 1 << 40, "--counts-only --window 1000000000000");
    let child = start(&args);
    wait(&args, || dir.path().join("one/run.json").exists());
    thread::sleep(Duration::from_millis(200));
    let out = end(child, &args, SIGTERM);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(stderr.contains("0 of 1,099,511,627,776 trials per sample are kept"), "{stderr}");

    // Small windows: what was kept is what an uninterrupted run of as many trials has, and it goes on.
    let args = sample("many", 1 << 40, "--window 500");
    let child = start(&args);
    wait(&args, || dir.path().join("many/run.json").exists());
    thread::sleep(Duration::from_millis(300));
    let stderr = String::from_utf8(end(child, &args, SIGTERM).stderr).unwrap();
    let kept = stderr.split_once("stopped: ").unwrap().1.split_once(" of ").unwrap().0.replace(',', "");
    let kept: u64 = kept.parse().unwrap();
    assert!(kept.is_multiple_of(500), "{kept}");
    succeeds(&sample("many", kept + 700, "--resume"));
    succeeds(&sample("straight", kept + 700, ""));
    let successes = |run: &str| fs::read(dir.path().join(run).join("successes.npy")).unwrap();
    assert!(successes("many") == successes("straight"));
}

#[test]
fn a_second_signal_waits_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let args = format!("train --epochs 1000000 --out {}", dir.path().join("model").display());
    let child = start(&args);
    let kill = || Command::new("kill").args(["-2", &child.id().to_string()]).status().unwrap();
    kill();
    kill();
    end_of(child, &args);
}
