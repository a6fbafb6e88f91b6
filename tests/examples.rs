//! The examples do what they say.

use crate::{cli::succeeds, skip};
use std::{env, fs, path::Path, process::Command};

/// What an example prints, which Cargo builds beside the tests where all of a package is tested.
fn example(name: &str, argument: Option<&Path>) -> Option<String> {
    let tests = env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    if !path.exists() {
        skip("examples", &format!("{name} is not built; run cargo test without naming a test target"));
        return None;
    }
    let output = Command::new(path).args(argument).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn they_run() {
    let dir = tempfile::tempdir().unwrap();
    let counts = dir.path().join("counts.csv");
    let rows: String = (0..40).map(|i| format!("p{i},1000,{}\n", i * i / 2)).collect();
    fs::write(&counts, format!("problem_id,num_samples,num_correct\n{rows}")).unwrap();
    if let Some(told) = example("pass_at_k", Some(&counts)) {
        // Problems 2 to 39 were solved: the first two never.
        assert!(told.contains("40 problems") && told.contains("pass@1000     0.9500"), "{told}");
    }
    if let Some(told) = example("fit", Some(&counts)) {
        assert!(told.contains("beta in [") && told.contains("coverage of a million attempts"), "{told}");
    }
    let noise = dir.path().join("eps.npy");
    succeeds(&format!("noise --samples 3 --trials 20 --out {}", noise.display()));
    if let Some(told) = example("score", Some(&noise)) {
        assert!(told.contains("image 2: the best of 20 trials errs by"), "{told}");
    }
    if let Some(told) = example("own_backend", None) {
        assert!(told.contains("score plain 784-400-20: Some(Agrees"), "{told}");
    }
}
