//! Atomic writes: the old content or the new one, and nothing else in the directory.

use retrial_files::{clear_temporaries, read_up_to, sha256_hex, write_atomic, write_inside};
use std::{fs, path::Path};
use tempfile::TempDir;

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_is_created_and_replaced() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.bin");
    for content in [&b"first, which is longer"[..], b"second"] {
        write_atomic(&path, content).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("taken")).unwrap();
    for path in [dir.path().join("missing/out.bin"), dir.path().join("taken"), dir.path().join("..")] {
        let message = write_atomic(&path, b"x").unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot write {}: ", path.display())), "{message}");
    }
    assert_eq!(names(dir.path()), ["taken"]);
}

/// Writers of one path do not disturb each other: one of them wins, whole.
#[test]
fn concurrent_writers_do_not_mix() {
    let dir = TempDir::new().unwrap();
    let path = &dir.path().join("out.bin");
    std::thread::scope(|scope| {
        for byte in 0..8u8 {
            scope.spawn(move || write_atomic(path, &[byte; 4096]).unwrap());
        }
    });
    let content = fs::read(path).unwrap();
    assert!(content.len() == 4096 && content.iter().all(|&b| b == content[0]));
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn what_is_written_inside_stays_inside() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    for name in ["../x", "/x", "a/../../x", "a/b/c", "..", ".", "", "a/.."] {
        assert!(write_inside(&out, name, b"x").is_err(), "{name}");
    }
    assert_eq!((names(dir.path()), names(&out)), (vec!["out".into()], vec![]));
    write_inside(&out, "figures/x.svg", b"x").unwrap();
    assert_eq!(fs::read(out.join("figures/x.svg")).unwrap(), b"x");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, vec![0; 1 << 20]).unwrap();
    assert_eq!(read_up_to(&path, 1 << 20).unwrap().len(), 1 << 20);
    fs::write(&path, vec![0; (1 << 20) + 1]).unwrap();
    assert!(read_up_to(&path, 1 << 20).unwrap_err().to_string().contains("is larger than 1 MiB"));
}

/// While they are written, files are their user's alone, held, and so not cleared; then they are as the umask says.
#[cfg(unix)]
#[test]
fn temporary_files_are_private_and_held() {
    use std::os::unix::fs::MetadataExt;
    let dir = TempDir::new().unwrap();
    let (path, plain) = (dir.path().join("out.bin"), dir.path().join("plain"));
    fs::write(&plain, "x").unwrap();
    let bytes = vec![1; 64 << 20];
    let mut seen = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_atomic(&path, &bytes).unwrap());
        while !writer.is_finished() {
            clear_temporaries(dir.path());
            for entry in fs::read_dir(dir.path()).unwrap().flatten() {
                let temporary = entry.file_name().to_string_lossy().ends_with(".tmp");
                // A rename may come between.
                let Ok(file) = entry.metadata() else { continue };
                if temporary && (1..bytes.len() as u64).contains(&file.len()) {
                    assert_eq!(file.mode() & 0o777, 0o600);
                    seen += 1;
                }
            }
        }
    });
    assert!(seen > 0);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode();
    assert_eq!(mode(&path), mode(&plain));
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64);
}

/// The published digest of "abc" (FIPS 180-4).
#[test]
fn sha256_is_written_in_hex() {
    assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
