//! Kernels written elsewhere: cases in files, what they wrote judged, the noise and the stages that they need.

use crate::cli::{model, refuses, retrial, succeeds};
use ndarray::{Array3, ArrayD};
use ndarray_npy::{read_npy, write_npy};
use retrial_spec::rng::trial_normals;
use serde_json::Value;
use std::{fs, path::Path};

/// Dumps small cases of all kernels, and copies what is expected to where a kernel writes.
fn dumped(dir: &Path) -> Value {
    succeeds(&format!(
        "validate --device cpu --shape 61-40-7 --samples 3 --trials 33 --first 4294967280 --dump {}",
        dir.display()
    ));
    let cases: Value = serde_json::from_slice(&fs::read(dir.join("cases.json")).unwrap()).unwrap();
    assert_eq!((cases["schema"].as_u64(), cases["cases"].as_array().unwrap().len()), (Some(1), 7));
    for case in cases["cases"].as_array().unwrap() {
        let folder = dir.join(case["folder"].as_str().unwrap());
        for input in case["inputs"].as_array().unwrap() {
            let array: ArrayD<f32> = read_npy(folder.join(input["file"].as_str().unwrap())).unwrap();
            let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
            assert_eq!(serde_json::json!(shape), input["shape"]);
        }
        for output in case["outputs"].as_array().unwrap() {
            let [want, got] = ["expected", "file"].map(|key| folder.join(output[key].as_str().unwrap()));
            fs::copy(want, got).unwrap();
        }
    }
    cases
}

#[test]
fn what_a_kernel_wrote_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cases");
    let cases = dumped(&path);
    let judge = format!("validate --against {}", path.display());
    assert!(succeeds(&judge).contains("7 of 7 cases passed"));
    // Each output in turn: wrong, missing, of another shape.
    for case in cases["cases"].as_array().unwrap() {
        let folder = case["folder"].as_str().unwrap();
        for output in case["outputs"].as_array().unwrap() {
            let file = path.join(folder).join(output["file"].as_str().unwrap());
            let right = fs::read(&file).unwrap();
            let fails = |words: &str| {
                let out = retrial(&judge);
                let said = String::from_utf8_lossy(&out.stderr);
                assert!(
                    out.status.code() == Some(1) && said.contains(folder) && said.contains(words),
                    "{words}: {said}"
                );
            };
            let mut wrong = right.clone();
            let end = wrong.len() - 1;
            wrong[end] ^= 0x40; // the exponent of the last value, or a count's top byte
            fs::write(&file, wrong).unwrap();
            fails("");
            fs::remove_file(&file).unwrap();
            fails(output["file"].as_str().unwrap());
            write_npy(&file, &Array3::<f64>::zeros((1, 2, 3))).unwrap();
            fails("has shape [1, 2, 3]");
            fs::write(&file, right).unwrap();
        }
    }
    assert!(succeeds(&format!("{judge} --kernel decode --json")).contains("\"passed\": true"));
}

#[test]
fn what_is_no_dump_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cases");
    let mut cases = dumped(&path);
    let path = path.display().to_string();
    refuses(&format!("validate --device cpu --dump {path}"), &["not empty", "--force"]);
    refuses(&format!("validate --against {path} --kernel bogus"), &["bogus"]);
    refuses("validate --against nowhere", &["nowhere"]);
    refuses(&format!("validate --against {path} --shape 1-1-1"), &["--shape"]);
    refuses("validate --seed 3", &["--seed"]);
    let write = |cases: &Value| fs::write(Path::new(&path).join("cases.json"), cases.to_string()).unwrap();
    for (field, value, words) in [
        ("trials", (1u64 << 40).into(), "trials of all samples"),
        ("samples", 1_000_000.into(), "trials of all samples 33000000"),
        ("first", u64::MAX.into(), "last trial"),
        ("temperature", (-1.0).into(), "temperature -1"),
        ("folder", "../x".into(), "a case in \"../x\""),
        ("folder", "/etc".into(), "a case in"),
        ("folder", "x".repeat(100_000).into(), "a case in"),
        ("shape", serde_json::json!({ "pixels": 4096, "hidden": 1, "latent": 1 }), ""),
    ] {
        let before = cases["cases"][0][field].clone();
        cases["cases"][0][field] = value;
        write(&cases);
        if !words.is_empty() {
            refuses(&format!("validate --against {path}"), &[words]);
        }
        cases["cases"][0][field] = before;
    }
    // Neither links nor anything else that leads elsewhere.
    write(&cases);
    #[cfg(unix)]
    {
        let folder = Path::new(&path).join(cases["cases"][0]["folder"].as_str().unwrap());
        let file = folder.join("got.mu.npy");
        let elsewhere = dir.path().join("mu.npy");
        fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        let out = retrial(&format!("validate --against {path}"));
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(1) && said.contains("got.mu.npy: is not a file"), "{said}");
    }
    refuses(
        &format!("validate --device cpu --kernel correlation --shape 1-1-1 --samples 100000 --trials 1 --dump {path}2"),
        &["values of an array"],
    );
    refuses("validate --random 1 --samples 3", &["--samples"]);
    cases["schema"] = 2.into();
    write(&cases);
    refuses(&format!("validate --against {path}"), &["schema 2"]);
    fs::write(Path::new(&path).join("cases.json"), "{").unwrap();
    refuses(&format!("validate --against {path}"), &["cases.json"]);
}

/// A seed draws the same sizes, another seed others, and all of them pass.
#[test]
fn random_sizes_are_told_and_repeated() {
    let sizes = |seed: u32| {
        let told = succeeds(&format!("validate --device cpu --kernel decode --random 3 --seed {seed}"));
        assert!(told.contains("3 of 3 cases passed"), "{told}");
        told
    };
    assert_eq!(sizes(5), sizes(5));
    assert_ne!(sizes(5), sizes(6));
    let out = retrial("validate --device cpu --kernel l2_error --random 1");
    assert!(out.status.success() && String::from_utf8_lossy(&out.stderr).contains("--seed "));
}

/// The noise of trials, and what each stage makes of it: the errors of the last are those of `sample`.
#[test]
fn noise_and_stages_are_those_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let eps = path("eps.npy");
    succeeds(&format!("noise --samples 3 --trials 9 --first 4294967290 --latent 5 --seed 7 --out {eps}"));
    let noise: Array3<f32> = read_npy(&eps).unwrap();
    assert_eq!(noise.shape(), [3, 9, 5]);
    let mut want = [0.0; 5];
    trial_normals(7, 2, 4_294_967_298, &mut want);
    assert_eq!(noise.slice(ndarray::s![2, 8, ..]).as_slice().unwrap(), want);

    let weights = model().display();
    let stages = path("stages");
    succeeds(&format!(
        "score --weights {weights} --noise {eps} --out {} --device cpu --dump {stages}",
        path("err.npy")
    ));
    let [z, h, y]: [Array3<f64>; 3] =
        ["z", "h", "y"].map(|name| read_npy(Path::new(&stages).join(format!("{name}.npy"))).unwrap());
    assert_eq!([z.shape()[2], h.shape()[2], y.shape()[2]], [5, 17, 784]);
    assert!(h.iter().all(|h| *h >= 0.0) && y.iter().all(|y| (0.0..=1.0).contains(y)));
    let errors: ndarray::Array2<f32> = read_npy(path("err.npy")).unwrap();
    let images = retrial_vae::Images::load("fashion-mnist", Some(3)).unwrap();
    for ((sample, trial), error) in errors.indexed_iter() {
        let pixels = y.slice(ndarray::s![sample, trial, ..]);
        let sum: f64 = pixels.iter().zip(images.image(sample)).map(|(y, &x)| (y - f64::from(x)).powi(2)).sum();
        assert!((sum.sqrt() - f64::from(*error)).abs() < 1e-4);
    }
    #[cfg(target_os = "linux")]
    {
        let out = retrial("noise --samples 2 --trials 3 --latent 4 --out /dev/stdout");
        assert!(out.status.success() && out.stdout.starts_with(b"\x93NUMPY") && out.stdout.len() == 128 + 4 * 24);
    }
    refuses(&format!("noise --samples 0 --trials 1 --out {eps}"), &["at least 1 x 1 x 1"]);
    refuses(&format!("noise --samples 4000000000 --trials 4000000000 --out {eps}"), &["at most"]);
    refuses(&format!("noise --samples 1 --trials 9 --first 18446744073709551610 --out {eps}"), &["2^64"]);
}
