//! Runs that are stopped, killed, damaged, shared out and put together: the same bytes in the end.

use crate::cli::{files, model, refuses, retrial, succeeds};
use retrial_spec::rng::Stream;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// Two thousand trials of twelve samples.
fn sample(out: &Path, more: &str) -> String {
    let what = "--samples 12 --trials 2000 --correlate 40 --thresholds 8,9,10 --seed 3 --device cpu";
    format!("sample --weights {} {what} --out {} {more}", model().display(), out.display())
}

fn assert_same(run: &Path, want: &[(PathBuf, Vec<u8>)], why: &str) {
    let got = files(run);
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&got), names(want), "{why}");
    for ((name, bytes), (_, expected)) in got.iter().zip(want) {
        assert!(bytes == expected, "{}: {} differs", why, name.display());
    }
}

fn start(args: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
    command.args(args.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whatever the order of shards, however some of them were cut, and whoever fills the gaps.
#[test]
fn shards_make_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for more in ["", "--gram", "--counts-only"] {
        let whole = path("whole");
        succeeds(&sample(&whole, &format!("{more} --force")));
        let want = files(&whole);
        for index in 1..=3 {
            let shard = path(&format!("shard-{index}"));
            let text = succeeds(&sample(&shard, &format!("{more} --shard {index}/3 --window 97 --force")));
            assert!(text.contains(&format!("{index}/3")) && !shard.join("report.html").exists(), "{text}");
        }
        let merge = |order: [usize; 3], out: &str| {
            let shards = order.map(|index| path(&format!("shard-{index}")).display().to_string());
            succeeds(&format!("merge {} --out {} --device cpu", shards.join(" "), path(out).display()));
            assert_same(&path(out), &want, out);
            fs::remove_dir_all(path(out)).unwrap();
        };
        merge([1, 2, 3], "abc");
        merge([3, 1, 2], "cab");
        // Two of three, and the third done in the gap.
        let (first, last) = (path("shard-1"), path("shard-3"));
        let text = succeeds(&format!("merge {} {} --out {}", last.display(), first.display(), path("part").display()));
        assert!(text.contains("Missing") && text.contains("--resume"), "{text}");
        refuses(&format!("report {}", path("part").display()), &["lacks", "of 2000 trials", "--resume"]);
        assert!(succeeds(&format!("coverage {} --json", path("part").display())).contains("pass"));
        succeeds(&format!("sample --resume {}", path("part").display()));
        assert_same(&path("part"), &want, "a gap");
        // What cannot be merged.
        let out = path("never").display().to_string();
        refuses(&format!("merge {} {} --out {out}", first.display(), first.display()), &["a trial counts once"]);
        refuses(&format!("merge {} {} --out {out}", first.display(), whole.display()), &["shard-1", "holds them too"]);
        assert!(!path("never").exists());
        fs::remove_dir_all(path("part")).unwrap();
    }
    let other = path("other");
    succeeds(&sample(&other, "").replace("--seed 3", "--seed 4"));
    refuses(
        &format!("merge {} {} --out {}", path("shard-1").display(), other.display(), path("never").display()),
        &["other", "merge runs of the same settings"],
    );
    for shard in ["0/3", "4/3", "1/0", "x", "1/"] {
        let out = retrial(&sample(&path("never"), &format!("--shard {shard}")));
        assert_eq!(out.status.code(), Some(2));
    }
}

#[test]
fn a_directory_is_all_that_going_on_needs() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, run) = (dir.path().join("whole"), dir.path().join("run"));
    let images = dir.path().join("images.npy");
    let values = ndarray::Array2::from_shape_fn((12, 784), |(i, j)| ((i * 784 + j) % 251) as f32 / 251.0);
    ndarray_npy::write_npy(&images, &values).unwrap();
    let own = |out: &Path, more: &str| sample(out, &format!("--data {} {more}", images.display()));
    succeeds(&own(&whole, "--temperature 1.5"));
    succeeds(&own(&run, "--temperature 1.5").replace("--trials 2000", "--trials 300"));
    // Its data and its model are in it.
    let moved = dir.path().join("moved.npy");
    fs::rename(&images, &moved).unwrap();
    succeeds(&format!("sample --resume {} --extend 2000", run.display()));
    assert_same(&run, &files(&whole), "extended");
    succeeds(&format!("sample --resume {}", run.display()));
    assert_same(&run, &files(&whole), "done again");
    succeeds(&format!("report {} --device cpu", run.display()));
    fs::remove_file(run.join("run.json")).unwrap();
    succeeds(&format!("sample --resume {}", run.display()));
    assert_same(&run, &files(&whole), "settings lost");

    let resume = format!("sample --resume {}", run.display());
    let weights = dir.path().join("w.safetensors");
    succeeds(&format!("train --samples 12 --epochs 2 --hidden 17 --latent 5 --out {}", dir.path().join("m").display()));
    fs::copy(dir.path().join("m/weights.safetensors"), &weights).unwrap();
    for (flags, words) in [
        ("--seed 4", &["seed is 3, not 4"][..]),
        ("--temperature 2", &["temperature is 1.5, not 2"]),
        ("--thresholds 8,9,11", &["thresholds is 8,9,10, not 8,9,11"]),
        ("--precision bf16", &["precision"]),
        ("--counts-only", &["tally is all errors, not counts only"]),
        ("--gram", &["Gram matrix is not kept, not kept"]),
        ("--shard 1/2", &["is for all trials"]),
        ("--data fashion-mnist --samples 12", &["data (SHA-256)"]),
        (&format!("--weights {}", weights.display()), &["model (SHA-256)"]),
        ("--trials 10", &["trials", "already holds 2000"]),
        ("--extend 10", &["trials", "already holds 2000"]),
        ("--out elsewhere", &["--out", "names another directory"]),
    ] {
        let before = files(&run);
        refuses(&format!("{resume} {flags}"), words);
        assert_same(&run, &before, flags);
    }
    refuses("sample --resume nowhere-at-all", &["nowhere-at-all"]);
}

#[test]
fn one_process_works_in_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let args = sample(&run, "--window 50 --checkpoint 100ms").replace("--trials 2000", "--trials 1000000000");
    let mut first = start(&args);
    while !run.join("tally.previous.bin").exists() {
        assert!(first.try_wait().unwrap().is_none());
        thread::sleep(Duration::from_millis(20));
    }
    let process = first.id().to_string();
    for command in [format!("{args} --resume"), format!("{args} --force"), format!("report {}", run.display()), args] {
        refuses(&command, &[&format!("process {process} on"), "works there"]);
    }
    let status = succeeds(&format!("status {}", run.display()));
    for word in ["running", &process, "of 1,000,000,000", "Rate", "Left", "Checkpoint", "solved"] {
        assert!(status.contains(word), "no {word} in\n{status}");
    }
    succeeds(&format!("coverage {}", run.display()));
    first.kill().unwrap();
    first.wait().unwrap();
    let status: serde_json::Value =
        serde_json::from_str(&succeeds(&format!("status {} --json", run.display()))).unwrap();
    assert_eq!(status["state"], "stopped");
    assert!(status["done"].as_u64().unwrap() > 0 && status["trials_per_second"].as_f64().unwrap() > 0.0);
    refuses("status nowhere-at-all", &["nowhere-at-all"]);
}

/// A kill at any instant, and what a failing disk makes of a checkpoint: nothing is lost beyond the last one, and the end
/// has the same bytes.
#[test]
fn killed_and_damaged_runs_end_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, run) = (dir.path().join("whole"), dir.path().join("run"));
    succeeds(&sample(&whole, "--gram"));
    let want = files(&whole);
    let (mut stream, mut fell_back) = (Stream::new(5, 0), 0);
    let rounds = if std::env::var_os("RETRIAL_KILLS").is_some() { 300 } else { 60 };
    for round in 0..rounds {
        let mut child = start(&sample(&run, "--gram --window 20 --checkpoint 1ms --resume"));
        thread::sleep(Duration::from_millis(5 + stream.below(120)));
        child.kill().unwrap();
        child.wait().unwrap();
        let newest = run.join("tally.bin");
        if round % 3 == 0 && newest.exists() && run.join("tally.previous.bin").exists() {
            let mut bytes = fs::read(&newest).unwrap();
            let at = stream.below(bytes.len() as u64) as usize;
            match stream.below(3) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << stream.below(8),
                _ => bytes.clear(),
            }
            fs::write(&newest, bytes).unwrap();
            let out = retrial(&sample(&run, "--gram --resume --window 100"));
            let stderr = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{stderr}");
            assert!(stderr.contains("the checkpoint before it has"), "{stderr}");
            fell_back += 1;
            assert_same(&run, &want, &format!("round {round}"));
            fs::remove_dir_all(&run).unwrap();
        } else if round % 10 == 9 {
            succeeds(&sample(&run, "--gram --resume"));
            assert_same(&run, &want, &format!("round {round}"));
            fs::remove_dir_all(&run).unwrap();
        }
    }
    assert!(fell_back > 3, "{fell_back}");
    // Both generations: said, with the way out, which computes the same trials again.
    succeeds(&sample(&run, "--gram --resume"));
    for name in ["tally.bin", "tally.previous.bin"] {
        fs::write(run.join(name), "RETRIAL-TALLY-3\n").unwrap();
    }
    refuses(&format!("sample --resume {}", run.display()), &["tally.bin", "is truncated", "delete it", "--resume"]);
    fs::remove_file(run.join("tally.bin")).unwrap();
    fs::remove_file(run.join("tally.previous.bin")).unwrap();
    succeeds(&format!("sample --resume {}", run.display()));
    assert_same(&run, &want, "from nothing");
}

/// A disk that is full for files beyond some size, at whichever file that is: the fault names it, a disk that is full for
/// a checkpoint ends no run, and what goes on when there is room ends in the same bytes.
#[test]
fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, run) = (dir.path().join("whole"), dir.path().join("run"));
    succeeds(&sample(&whole, "--gram"));
    let want = files(&whole);
    let mut faults = vec![];
    for kilobytes in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
        // The model lies there already.
        succeeds(&sample(&run, "--gram").replace("2000", "200"));
        let args = sample(&run, "--gram --window 50 --checkpoint 1ms --resume");
        let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec {} {args}", env!("CARGO_BIN_EXE_retrial"));
        let out = Command::new("bash").args(["-c", &script]).output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!stderr.contains("panicked"), "{stderr}");
        if !out.status.success() {
            let error = stderr.lines().find(|line| line.starts_with("error")).unwrap_or_else(|| panic!("{stderr}"));
            assert!(error.contains("cannot write") && error.contains("File too large"), "{stderr}");
            faults.push(error.split(':').nth(1).unwrap().rsplit('/').next().unwrap().to_string());
        }
        succeeds(&sample(&run, "--gram --resume"));
        assert_same(&run, &want, &format!("after files of {kilobytes} KB at most, {stderr}"));
        fs::remove_dir_all(&run).unwrap();
    }
    faults.dedup();
    assert!(faults.contains(&"tally.bin".into()) && faults.len() > 2, "the disk was full for {faults:?} alone");
}

#[test]
fn progress_is_said_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &str| {
        let args = sample(&dir.path().join(name), &format!("{more} --window 200 --checkpoint 1s"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
        let args = args.replace("--trials 2000", "--trials 1000000000");
        let mut child =
            command.args(args.split_whitespace()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(2500));
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
        std::io::read_to_string(child.stderr.take().unwrap()).unwrap()
    };
    let lines = run("json", "--progress json");
    let objects: Vec<serde_json::Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(!objects.is_empty(), "{lines}");
    for object in objects {
        assert_eq!((&object["stage"], &object["unit"]), (&"sample".into(), &"trials".into()));
        assert!(object["per_second"].as_f64().unwrap() > 0.0 && object["seconds_left"].as_f64().unwrap() > 0.0);
        assert_eq!(object["sampled"]["coverage"].as_array().unwrap().len(), 3, "{object}");
    }
    let quiet = run("quiet", "--quiet");
    assert!(quiet.lines().all(|line| line.is_empty() || line.starts_with("stopp")), "{quiet}");
}

/// Several processes that each do all of it: a job of MPI, of a program that was built without.
#[test]
fn a_job_that_cannot_share_is_refused() {
    for (name, rank) in [("OMPI_COMM_WORLD", "OMPI_COMM_WORLD_RANK"), ("PMI", "PMI_RANK")] {
        let run = |number: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
            command.args(["info", "--device", "cpu"]).env(format!("{name}_SIZE"), "4").env(rank, number);
            command.output().unwrap()
        };
        let (first, other) = (run("0"), run("1"));
        let text = String::from_utf8_lossy(&first.stderr);
        assert!(
            first.status.code() == Some(2) && text.contains("--features mpi") && text.contains("--shard"),
            "{text}"
        );
        assert!(other.status.code() == Some(2) && other.stderr.is_empty(), "one rank speaks for all");
    }
}

/// Blocks of the page on massive runs, of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let page = include_str!("../crates/engine/massive.md");
    page.split(&format!("```{language}\n")).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// A script with the variables that a scheduler sets.
fn scheduled(script: &str, variables: &[(&str, &str)]) {
    let path = Path::new(env!("CARGO_BIN_EXE_retrial")).parent().unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", script]).envs(variables.iter().copied());
    command.env("PATH", format!("{}:{}", path.display(), std::env::var("PATH").unwrap()));
    let out = command.output().unwrap();
    assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
}

/// What the documentation gives to Slurm and to Kubernetes does what it says, a requeued task included.
#[test]
fn job_arrays_of_the_page_make_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let weights = model().display().to_string();
    let whole = dir.path().join("whole");
    succeeds(&format!(
        "sample --weights {weights} --trials 900 --thresholds 8,9 --counts-only --out {}",
        whole.display()
    ));
    let [slurm, after] = [blocks("sh")[0], blocks("sh")[1]];
    let yaml = blocks("yaml")[0];
    let (_, rest) = yaml.split_once("- |\n").unwrap();
    let indent = rest.len() - rest.trim_start().len();
    let pod: Vec<&str> =
        rest.lines().map_while(|line| line.get(..indent)?.trim().is_empty().then(|| &line[indent..])).collect();
    for (name, script, first) in [("slurm", slurm.to_string(), 1), ("pod", pod.join("\n"), 0)] {
        let runs = dir.path().join(name).display().to_string();
        fs::create_dir(&runs).unwrap();
        for again in [false, true] {
            for index in 0..2 {
                let number = (first + index).to_string();
                scheduled(
                    &script,
                    &[
                        ("RUNS", &runs),
                        ("WEIGHTS", &weights),
                        ("TRIALS", "900"),
                        ("THRESHOLDS", "8,9"),
                        ("SHARDS", "2"),
                        ("SLURM_ARRAY_TASK_ID", &number),
                        ("SLURM_ARRAY_TASK_COUNT", "2"),
                        ("JOB_COMPLETION_INDEX", &number),
                    ],
                );
            }
            assert!(Path::new(&runs).join("shard-2/tally.bin").exists(), "{name} {again}");
        }
        scheduled(after, &[("RUNS", &runs)]);
        assert_same(&Path::new(&runs).join("all"), &files(&whole), name);
    }
}
