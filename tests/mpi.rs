//! Runs that the ranks of an MPI job share: the bytes of a run alone, whatever happens to a rank. With feature `mpi`.
#![allow(unreachable_pub, reason = "a program has no API: what is pub is for its other files")]
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const RETRIAL: &str = env!("CARGO_BIN_EXE_retrial");

fn mpirun(ranks: usize, args: &str) -> Command {
    let mut command = Command::new("mpirun");
    // A machine for tests has few cores, and its only user may be root.
    command
        .args(["--oversubscribe", "--timeout", "300", "-n", &ranks.to_string(), RETRIAL])
        .args(args.split_whitespace());
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.env("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
    command
}

fn output(command: &mut Command) -> Output {
    let out = command.output().expect("mpirun: install Debian's openmpi-bin");
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(!text.contains("panicked"), "{text}");
    out
}

fn succeeds(command: &mut Command) -> String {
    let out = output(command);
    assert!(out.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn alone(args: &str) -> String {
    succeeds(Command::new(RETRIAL).args(args.split_whitespace()))
}

/// A model for all tests of this process.
fn model(dir: &Path) -> PathBuf {
    alone(&format!("train --samples 12 --epochs 2 --hidden 40 --latent 6 --out {}", dir.join("model").display()));
    dir.join("model/weights.safetensors")
}

fn sample(weights: &Path, out: &Path, more: &str) -> String {
    let what = "--samples 12 --correlate 40 --thresholds 8,9,10 --seed 3 --device cpu";
    format!("sample --weights {} {what} --out {} {more}", weights.display(), out.display())
}

fn files(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = vec![];
    let mut folders = vec![run.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false => found.push((entry.strip_prefix(run).unwrap().to_path_buf(), fs::read(&entry).unwrap())),
            }
        }
    }
    found.sort();
    found
}

fn assert_same(run: &Path, want: &Path, why: &str) {
    let (got, want) = (files(run), files(want));
    assert_eq!(got.len(), want.len(), "{why}");
    for ((name, bytes), (expected, others)) in got.iter().zip(&want) {
        assert!(name == expected && bytes == others, "{why}: {} differs", name.display());
    }
}

/// Processes of a job by rank, once all have started.
fn ranks_of(out: &Path, size: usize) -> Vec<i32> {
    let (name, begin) = (out.display().to_string(), Instant::now());
    loop {
        let mut found: Vec<(usize, i32)> = vec![];
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let read = |file: &str| fs::read(process.path().join(file)).unwrap_or_default();
            let is_ours = read("cmdline").starts_with(RETRIAL.as_bytes())
                && String::from_utf8_lossy(&read("cmdline")).contains(&name);
            let environment = read("environ");
            let rank = environment.split(|&b| b == 0).find_map(|variable| {
                str::from_utf8(variable).ok()?.strip_prefix("OMPI_COMM_WORLD_RANK=")?.parse().ok()
            });
            if let (true, Some(rank)) = (is_ours, rank) {
                found.push((rank, process.file_name().to_str().unwrap().parse().unwrap()));
            }
        }
        if found.len() == size {
            found.sort_unstable();
            return found.into_iter().map(|(_, process)| process).collect();
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{found:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn signal(process: i32, signal: i32) {
    // SAFETY: it takes no memory.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
}

fn start(ranks: usize, args: &str) -> Child {
    mpirun(ranks, args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_for_checkpoint(out: &Path) {
    let begin = Instant::now();
    while !out.join("tally.bin").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no checkpoint came");
        thread::sleep(Duration::from_millis(20));
    }
}

fn said(mut child: Child) -> (Option<i32>, String) {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (child.wait().unwrap().code(), text)
}

#[test]
fn any_number_of_ranks_makes_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let (weights, whole, run) = (model(dir.path()), dir.path().join("whole"), dir.path().join("run"));
    for more in ["", "--gram", "--counts-only"] {
        alone(&sample(&weights, &whole, &format!("--trials 5000 {more} --force")));
        for ranks in 1..=4 {
            let args = sample(&weights, &run, &format!("--trials 5000 --window 97 {more} --force"));
            let text = succeeds(&mut mpirun(ranks, &args));
            assert_eq!(text.matches("trials/s").count(), 1, "{text}");
            assert_same(&run, &whole, &format!("{ranks} ranks {more}"));
        }
    }
    // Shards, one by four ranks and one by two; then merged; then more of it by three.
    for (index, ranks) in [(1, 4), (2, 2)] {
        let out = dir.path().join(format!("shard-{index}"));
        succeeds(&mut mpirun(
            ranks,
            &sample(&weights, &out, &format!("--trials 3000 --counts-only --shard {index}/2")),
        ));
    }
    let shards = [1, 2].map(|index| dir.path().join(format!("shard-{index}")).display().to_string()).join(" ");
    let merged = dir.path().join("merged");
    alone(&format!("merge {shards} --out {} --device cpu", merged.display()));
    succeeds(&mut mpirun(3, &format!("sample --resume {} --extend 5000", merged.display())));
    assert_same(&merged, &whole, "merged and extended");
}

/// With errors once, not once a rank; and what shares nothing is done once.
#[test]
fn one_rank_speaks_for_all() {
    let out = output(&mut mpirun(3, "sample --weights nowhere.safetensors --out never"));
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!((out.status.code(), text.matches("nowhere.safetensors").count()), (Some(2), 1), "{text}");
    let out = output(&mut mpirun(3, "sample --trials many"));
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!((out.status.code(), text.matches("invalid value").count()), (Some(2), 1), "{text}");
    assert_eq!(succeeds(&mut mpirun(3, "info --device cpu --json")).matches("\"version\"").count(), 1);
}

/// A rank that is killed ends the job; the run goes on with fewer, or more.
#[test]
fn a_killed_rank_costs_a_checkpoint() {
    const ALL: &str = "--trials 400000";
    let dir = tempfile::tempdir().unwrap();
    let (weights, whole, run) = (model(dir.path()), dir.path().join("whole"), dir.path().join("run"));
    alone(&sample(&weights, &whole, ALL));
    let child = start(4, &sample(&weights, &run, &format!("{ALL} --window 500 --checkpoint 200ms")));
    wait_for_checkpoint(&run);
    signal(ranks_of(&run, 4)[2], libc::SIGKILL);
    let (code, text) = said(child);
    assert!(code != Some(0) && text.contains("rank 2") && text.contains("signal 9"), "{code:?} {text}");
    let status = alone(&format!("status {}", run.display()));
    assert!(status.contains("stopped") && status.contains("--resume"), "{status}");
    // A signal to the launcher keeps what there is.
    let child = start(2, &format!("sample --resume {} --window 500 --checkpoint 1h", run.display()));
    thread::sleep(Duration::from_millis(1500));
    signal(child.id() as i32, libc::SIGTERM);
    let (code, text) = said(child);
    assert!(code != Some(0) && !text.contains("panicked"), "{text}");
    succeeds(&mut mpirun(3, &format!("sample --resume {}", run.display())));
    assert_same(&run, &whole, "killed");
}

/// A rank that says nothing is named, and the others do its trials.
#[test]
fn a_silent_rank_is_named() {
    const ALL: &str = "--trials 400000";
    let dir = tempfile::tempdir().unwrap();
    let (weights, whole, run) = (model(dir.path()), dir.path().join("whole"), dir.path().join("run"));
    alone(&sample(&weights, &whole, ALL));
    let child = start(3, &sample(&weights, &run, &format!("{ALL} --window 500 --checkpoint 500ms")));
    wait_for_checkpoint(&run);
    let silent = ranks_of(&run, 3)[1];
    signal(silent, libc::SIGSTOP);
    // The run ends without it, and then waits for it.
    let begin = Instant::now();
    while !run.join("report.html").exists() {
        assert!(begin.elapsed() < Duration::from_secs(90), "the others do not end the run");
        thread::sleep(Duration::from_millis(50));
    }
    signal(silent, libc::SIGCONT);
    let (code, text) = said(child);
    assert!(code == Some(0) && text.contains("rank 1 was not heard of"), "{code:?} {text}");
    assert_same(&run, &whole, "silent");
}

/// A rank whose device fails says why, and the others do its trials.
#[test]
fn a_rank_that_fails_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (weights, whole, run) = (model(dir.path()), dir.path().join("whole"), dir.path().join("run"));
    let args = |out: &Path| {
        sample(&weights, out, "--trials 300")
            .replace("--device cpu", "--device wgsl --adapter llvmpipe --precision f32")
    };
    let alone = Command::new(RETRIAL).args(args(&whole).split_whitespace()).output().unwrap();
    if !alone.status.success() {
        let required = std::env::var("RETRIAL_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "wgsl"), "{}", String::from_utf8_lossy(&alone.stderr));
        eprintln!("SKIPPED wgsl: {}", String::from_utf8_lossy(&alone.stderr));
        return;
    }
    // The second of two has no driver.
    let mut job = mpirun(1, &args(&run));
    job.args([":", "-n", "1", "-x", "VK_DRIVER_FILES=/nonexistent", RETRIAL]).args(args(&run).split_whitespace());
    let out = output(&mut job);
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && text.contains("rank 1 failed") && text.contains("adapter"), "{text}");
    assert_same(&run, &whole, "failed");
}
