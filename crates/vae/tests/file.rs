//! Atomic writes: the old content or the new one, and nothing else in the directory.

use retrial_vae::file::{sha256_hex, write_atomic};
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

/// The published digest of "abc" (FIPS 180-4).
#[test]
fn sha256_is_written_in_hex() {
    assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
