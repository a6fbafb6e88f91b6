//! One name, five places: a kernel is called the same everywhere.

use retrial_check::Kernel;
use std::{collections::BTreeSet, fs, path::Path};

/// Names of the files with an extension in a folder of the repository.
fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == extension));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn kernels() -> BTreeSet<String> {
    Kernel::ALL.iter().map(|k| k.name().to_owned()).collect()
}

#[test]
fn every_kernel_has_a_reference_a_test_and_a_benchmark() {
    for folder in ["crates/reference/src", "tests", "benches"] {
        let missing: Vec<_> = kernels().difference(&names(folder, "rs")).cloned().collect();
        assert!(missing.is_empty(), "{folder} lacks {missing:?}");
    }
    let extra: Vec<_> = names("crates/reference/src", "rs").difference(&kernels()).cloned().collect();
    assert_eq!(extra, ["lib"], "files of crates/reference that are no kernel");
}

#[test]
fn every_kernel_has_a_shader_and_a_cuda_source_and_nothing_else_lies_there() {
    for (folder, extension) in [("shaders", "wgsl"), ("kernels", "cu")] {
        assert_eq!(names(folder, extension), kernels(), "{folder}");
    }
}
