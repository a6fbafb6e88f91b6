//! Files without an end, or that unpack to more than anybody has: refused at a limit that is named, in little memory.

use crate::{
    cli::{model, succeeds},
    hostile::{End, fault, gzip, run},
};
use std::{fs, path::Path};

/// One line that names the file, within the limits of every mutant.
#[track_caller]
fn refused(dir: &Path, args: &str, words: &[&str]) {
    let args: Vec<String> = args.split_whitespace().map(String::from).collect();
    let end: End = run(&args, dir);
    let stderr = String::from_utf8_lossy(&end.stderr);
    assert_eq!(fault(&end), None, "retrial {args:?}: {stderr}");
    assert_eq!(end.status.code(), Some(2), "retrial {args:?}: {stderr}");
    assert!(!stderr.contains("memory"), "retrial {args:?} met no limit but the test's: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "retrial {args:?}: no {word:?} in {stderr}");
    }
}

/// A gzip file that unpacks to a beginning and then a block over and over: as good as without an end.
fn bomb(start: &str, block: &[u8], times: usize) -> Vec<u8> {
    let block = gzip(block.repeat((4 << 20) / block.len()));
    [gzip(start.into()), block.repeat(times)].concat()
}

#[test]
fn tables_that_unpack_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let head = "problem_id,num_samples,num_correct\n";
    let object = "{\"problem_id\":\"a\",\"num_samples\":2,\"num_correct\":1";
    let row = "a row of more than 16 MiB";
    for (name, start, block, words) in [
        ("zeros.gz", "", &b"\0"[..], [row]),
        ("zeros.csv.gz", head, b"\0", [row]),
        ("commas.csv.gz", head, b",", [row]),
        ("quote.csv.gz", "problem_id,num_samples,num_correct\n\"", b"\na,1,1", [row]),
        ("blanks.csv.gz", head, b"\n", [row]),
        ("spaces.gz", "", b" \n", [row]),
        ("header.csv.gz", "problem_id", b",x", [row]),
        ("columns.csv.gz", "problem_id,num_samples,num_correct", b",x\n,", ["column"]),
        ("blanks.jsonl.gz", &format!("{object}}}\n"), b"\n", [row]),
        ("nested.jsonl.gz", "{\"problem_id\":", b"[", [row]),
        ("array.jsonl.gz", &format!("{object},\"x\":[1"), b",1", [row]),
        ("keys.jsonl.gz", object, b",\"x\":1", [row]),
        ("text.jsonl.gz", &format!("{object},\"x\":\""), b"xy", [row]),
    ] {
        // 4 GiB and more.
        fs::write(dir.path().join(name), bomb(start, block, 1100)).unwrap();
        refused(dir.path(), &format!("coverage {name}"), &[name, words[0]]);
    }
}

#[test]
fn tables_of_more_than_a_table_holds() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    let columns = ",x".repeat(10_000);
    write("columns.csv", format!("problem_id,num_samples,num_correct{columns}\na,2,1{columns}\n"));
    refused(dir.path(), "coverage columns.csv", &["column 10000", "3 more"]);
    write("name.csv", format!("problem_id,num_samples,num_correct\n{},2,1\n", "x".repeat(70_000)));
    refused(dir.path(), "coverage name.csv", &["row 1", "column problem_id", "64 KiB"]);
    let rows: String = (0..10_002).map(|i| format!("m{i},a,2,1\n")).collect();
    write("groups.csv", format!("model,problem_id,num_samples,num_correct\n{rows}"));
    refused(dir.path(), "coverage groups.csv", &["column model", "10000 models"]);
    // The rows of two problems, forty million times.
    let attempts = bomb("problem_id,success\n", b"a,1\nb,0\n", 80);
    fs::write(dir.path().join("attempts.csv.gz"), attempts).unwrap();
    refused(dir.path(), "coverage attempts.csv.gz", &["640 MiB", "counts instead of attempts"]);
    write("few.csv", "problem_id,attempt\na,1\n".into());
    refused(dir.path(), "coverage few.csv --attempts 5 --problems 1e8", &["problems", "3000000"]);
    refused(dir.path(), "simulate --point 0.5 --attempts 5 --problems 1e8", &["problems", "3000000"]);
}

#[test]
fn images_that_unpack_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let weights = model().display();
    let head = [0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 28, 0, 0, 0, 28];
    fs::write(dir.path().join("images.gz"), [gzip(head.to_vec()), bomb("", b"\0", 1100)].concat()).unwrap();
    refused(dir.path(), &format!("sample --weights {weights} --data images.gz --out never"), &["images.gz"]);
}

/// `/dev/zero` for every file that is read, and a directory in its place.
#[test]
fn files_without_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let (weights, train) = (model().display(), "--samples 4 --epochs 1 --hidden 6 --latent 2 --out model");
    let below = |args: &str| args.replace("--out model", &format!("--out {}", dir.path().join("model").display()));
    succeeds(&below(&format!("train {train}")));
    let run = "--samples 4 --trials 50 --correlate 5 --thresholds 8,9 --device cpu";
    let made = dir.path().join("run").display().to_string();
    succeeds(&format!("sample --weights {}/model/weights.safetensors {run} --out {made}", dir.path().display()));
    // Which would stand in for what is damaged.
    fs::remove_file(dir.path().join("run/tally.previous.bin")).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    for endless in ["/dev/zero", "folder"] {
        refused(dir.path(), &format!("score --weights {endless} --noise n.npy --out e.npy"), &[endless]);
        refused(dir.path(), &format!("score --weights {weights} --noise {endless} --out e.npy"), &[endless]);
        refused(dir.path(), &format!("sample --weights {weights} --data {endless} --out never"), &[endless]);
        if endless == "/dev/zero" {
            refused(dir.path(), "coverage /dev/zero", &["/dev/zero", "16 MiB"]);
        }
        for (file, commands) in [
            (
                "run/tally.bin",
                &["coverage run", "report run", "sample --weights model/weights.safetensors {run} --out run --resume"]
                    [..],
            ),
            ("run/weights.safetensors", &["report run"]),
            ("run/errors.npy", &["report run"]),
            ("model/training.safetensors", &["train {train} --resume"]),
        ] {
            let path = dir.path().join(file);
            let whole = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(
                if endless == "folder" { dir.path().join(endless) } else { endless.into() },
                &path,
            )
            .unwrap();
            for command in commands {
                let name = file.rsplit('/').next().unwrap();
                refused(dir.path(), &command.replace("{run}", run).replace("{train}", train), &[name]);
            }
            fs::remove_file(&path).unwrap();
            fs::write(&path, whole).unwrap();
        }
    }
}
