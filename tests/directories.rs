//! Output directories: what is written there stays there, and what killed runs left there goes.

use crate::cli::{files, model, refuses, succeeds};
use std::{
    fs,
    os::unix::fs::{FileTypeExt, symlink},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

fn sample(out: &Path, more: &str) -> String {
    let run = "--samples 12 --trials 60 --correlate 20 --thresholds 8,9,10 --device cpu";
    format!("sample --weights {} {run} --out {} {more}", model().display(), out.display())
}

fn fit(dir: &Path, out: &Path) -> String {
    let counts = dir.join("counts.csv");
    fs::write(&counts, "problem_id,num_samples,num_correct\na,9,3\nb,9,0\nc,9,5\n").unwrap();
    format!("fit {} --law beta-binomial --out {} --force", counts.display(), out.display())
}

fn temporary(dir: &Path) -> Vec<String> {
    let names = files(dir).into_iter().map(|(path, _)| path.display().to_string());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

/// Only what [`retrial_files::write_atomic`] names, and no living process holds.
#[test]
fn what_killed_runs_left_goes_when_a_directory_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (run, folder, trained) = (dir.path().join("run"), dir.path().join("fit"), dir.path().join("model"));
    let train = format!("train --samples 4 --epochs 1 --hidden 6 --latent 2 --out {}", trained.display());
    succeeds(&sample(&run, ""));
    succeeds(&fit(dir.path(), &folder));
    succeeds(&train);
    for (out, command) in [
        (&run, sample(&run, "--resume")),
        (&run, sample(&run, "--force")),
        (&folder, fit(dir.path(), &folder)),
        (&trained, format!("{train} --resume")),
    ] {
        fs::create_dir_all(out.join("figures")).unwrap();
        let dead = ["tally.bin.4000000-0.tmp", "run.json.1-17.tmp", "figures/fig5-coverage.png.23-456.tmp"];
        let others = ["x.tmp", "notes.1.tmp", "a.1-2.tmp.txt", "b.1-x.tmp", "c-1-2.tmp", "figures/y.tmp"];
        dead.iter().chain(&others).for_each(|name| fs::write(out.join(name), "half").unwrap());
        let held = fs::File::create(out.join("errors.npy.4000000-1.tmp")).unwrap();
        held.lock().unwrap();
        symlink("/nowhere", out.join("d.1-2.tmp")).unwrap();
        succeeds(&command);
        drop(held);
        for name in dead {
            assert!(!out.join(name).exists(), "{name} after retrial {command}");
        }
        for name in others.iter().chain(&["errors.npy.4000000-1.tmp"]) {
            fs::remove_file(out.join(name)).unwrap_or_else(|e| panic!("{name} after retrial {command}: {e}"));
        }
        fs::remove_file(out.join("d.1-2.tmp")).unwrap();
    }
    // A refused directory is left as it is.
    fs::write(run.join("tally.bin.4000000-0.tmp"), "half").unwrap();
    refuses(&sample(&run, ""), &["not empty"]);
    assert_eq!(temporary(&run), ["tally.bin.4000000-0.tmp"]);
    // A file of its own beside those of its user.
    for name in ["out.csv.4000000-0.tmp", "other.csv.4000000-0.tmp"] {
        fs::write(dir.path().join(name), "half").unwrap();
    }
    succeeds(&format!("simulate --point 0.5 --problems 3 --attempts 3 --out {}", dir.path().join("out.csv").display()));
    assert!(!dir.path().join("out.csv.4000000-0.tmp").exists() && dir.path().join("other.csv.4000000-0.tmp").exists());
}

#[test]
fn runs_that_are_killed_leave_nothing_to_the_one_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    for at in 0..30 {
        let args = sample(&killed, "--window 1 --resume");
        let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
        command.args(args.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        thread::sleep(Duration::from_millis(10 + 7 * at));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    succeeds(&sample(&killed, "--resume"));
    succeeds(&sample(&whole, ""));
    assert!(files(&killed) == files(&whole));
}

#[test]
fn links_in_a_directory_are_not_followed_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("precious"), "precious").unwrap();
    let pipe = elsewhere.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let intact = || {
        assert_eq!(fs::read_to_string(elsewhere.join("precious")).unwrap(), "precious");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 2);
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    };
    let (run, folder) = (dir.path().join("run"), dir.path().join("fit"));
    for (out, command, files) in [
        (
            &run,
            sample(&run, "--force"),
            &["report.html", "run.json", "tally.bin", "weights.safetensors", "errors.npy"][..],
        ),
        (&folder, fit(dir.path(), &folder), &["report.html", "fits.csv", "figures/fig1-coverage.svg"]),
    ] {
        succeeds(&command);
        for target in ["precious", "pipe", "absent", "/dev/full"] {
            for file in files {
                fs::remove_file(out.join(file)).unwrap();
                symlink(elsewhere.join(target), out.join(file)).unwrap();
            }
            succeeds(&command);
            for file in files {
                assert!(fs::symlink_metadata(out.join(file)).unwrap().is_file(), "{file} -> {target}");
            }
            intact();
        }
        fs::remove_dir_all(out.join("figures")).unwrap();
        symlink(&elsewhere, out.join("figures")).unwrap();
        refuses(&command, &["figures", "is a link"]);
        intact();
    }
}

/// A link that the user names is the user's.
#[test]
fn links_that_are_named_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    succeeds(&fit(dir.path(), &link));
    assert!(real.join("report.html").exists() && link.is_symlink());
    let (file, name) = (dir.path().join("file.csv"), dir.path().join("name.csv"));
    fs::write(&file, "old").unwrap();
    symlink(&file, &name).unwrap();
    let simulate = "simulate --point 0.5 --problems 3 --attempts 3";
    succeeds(&format!("{simulate} --out {}", name.display()));
    assert!(name.is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), succeeds(simulate));
    assert_eq!(succeeds(&format!("{simulate} --out /dev/stdout")), succeeds(simulate));
}
