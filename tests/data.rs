//! Files of data and noise as a user meets them.

use crate::cli::{model, refuses, retrial, succeeds};
use ndarray::{Array1, Array2, Array3, s};
use ndarray_npy::{WriteNpyExt, read_npy, write_npy};
use retrial_engine::arrays;
use std::{fs, time::Instant};

fn noise(samples: usize) -> Array3<f32> {
    Array3::from_shape_fn((samples, 4, 5), |(i, j, d)| ((i * 20 + j * 5 + d) as f32 * 0.7).sin())
}

/// The first samples of the noise go with the first of the data, and noise for more than is asked is no fault.
#[test]
fn score_takes_the_first_samples_of_both() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = (|name: &str| dir.path().join(name), model().display());
    write_npy(path("eps.npy"), &noise(12)).unwrap();
    let score = |noise: &str, more: &str| {
        let (noise, out) = (path(noise), path("err.npy"));
        succeeds(&format!("score --weights {model} --noise {} --out {} {more}", noise.display(), out.display()));
        read_npy::<_, Array2<f32>>(out).unwrap()
    };
    let all = score("eps.npy", "");
    assert_eq!(all.dim(), (12, 4));
    for samples in [1, 5, 12] {
        assert_eq!(score("eps.npy", &format!("--samples {samples}")), all.slice(s![..samples, ..]));
    }
    // The same noise from another order of bytes and of axes.
    let (mut big, mut header) = (vec![], String::new());
    for axis in [12, 4, 5] {
        header += &format!("{axis}, ");
    }
    let header = format!("{{'descr': '>f8', 'fortran_order': True, 'shape': ({header})}}\n");
    big.extend(b"\x93NUMPY\x01\0");
    big.extend((header.len() as u16).to_le_bytes());
    big.extend(header.bytes());
    big.extend(noise(12).t().iter().flat_map(|&v| f64::from(v).to_be_bytes()));
    fs::write(path("big.npy"), big).unwrap();
    assert_eq!(score("big.npy", ""), all);

    let asked = |samples: u32| {
        let (noise, out) = (path("eps.npy"), path("never.npy"));
        format!("score --weights {model} --noise {} --samples {samples} --out {}", noise.display(), out.display())
    };
    refuses(&asked(0), &["samples of", "eps.npy", "must be 1 to 12"]);
    refuses(&asked(13), &["samples of", "eps.npy", "must be 1 to 12"]);
    let short = tempfile::tempdir().unwrap();
    let data = short.path().join("short.npy");
    write_npy(&data, &Array2::<f32>::zeros((3, 784))).unwrap();
    refuses(&format!("{} --data {}", asked(4), data.display()), &["samples of", "short.npy", "must be 1 to 3"]);
}

/// A header whose brackets a backtracking grammar tries for ever: every reader of arrays ends at once.
#[test]
fn nested_headers_are_refused_at_once_by_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nested.npy");
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {}{}}}", "{".repeat(30), "}".repeat(30));
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    fs::write(&path, &bytes).unwrap();
    let (model, file, out) = (model().display(), path.display(), dir.path().join("out"));
    let (out, run) = (out.display(), dir.path().join("run"));
    succeeds(&format!("sample --weights {model} --samples 12 --trials 50 --out {}", run.display()));
    fs::write(run.join("errors.npy"), &bytes).unwrap();
    let begun = Instant::now();
    for args in [
        format!("score --weights {model} --noise {file} --out {out}"),
        format!("sample --weights {model} --data {file} --out {out}"),
        format!("report {}", run.display()),
    ] {
        refuses(&args, &["has no tuple for its shape"]);
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// Our writer against another's, to the byte.
#[test]
fn arrays_are_written_as_others_write_them() {
    let bytes = |array: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = vec![];
        array(&mut bytes);
        bytes
    };
    for len in [1, 9, 100, 1000] {
        let (a, b) = (Array1::from_iter((0..len).map(|v| v as f32)), Array2::from_elem((len, 3), 1.5f64));
        let c = Array3::from_shape_fn((2, len, 1), |(i, j, _)| (i * j) as u64);
        assert_eq!(arrays::npy(&a), bytes(&|to| a.write_npy(to).unwrap()));
        assert_eq!(arrays::npy(&b), bytes(&|to| b.write_npy(to).unwrap()));
        assert_eq!(arrays::npy(&c), bytes(&|to| c.write_npy(to).unwrap()));
    }
}

/// What was decided of the data is said on stderr, and the run goes on from it.
#[test]
fn other_sources_are_taken_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let (csv, labels) = (dir.path().join("d.csv"), dir.path().join("labels.npy"));
    let line = |label: u8| format!("{label}{}\n", ",0,128,255,64".repeat(196));
    fs::write(&csv, line(3) + &line(7)).unwrap();
    let args = |data: &std::path::Path| {
        let out = dir.path().join("run");
        format!("sample --weights {} --data {} --trials 20 --out {}", model().display(), data.display(), out.display())
    };
    let out = retrial(&args(&csv));
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{stderr}");
    let note = "2 images; the first column left out, 784 pixels remain; whole numbers are divided by 255";
    assert!(stderr.lines().any(|line| line.starts_with("note: ") && line.ends_with(note)), "{stderr}");
    write_npy(&labels, &Array1::from_vec(vec![3u64, 7])).unwrap();
    refuses(&args(&labels), &["these are labels"]);
}

/// No device samples in f64, so no command but `score`, which has the reference, lets one ask for it.
#[test]
fn f64_is_offered_where_it_can_be_had() {
    let sample = format!("sample --weights {} --out never --precision f64", model().display());
    for args in [&*sample, "reproduce --out never --precision f64", "validate --shape 9-8-2 --precision f64"] {
        refuses(args, &["f64", "must be f32, f16x3, f16 or bf16", "retrial score"]);
    }
}
