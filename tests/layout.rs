//! One name, five places: a kernel is called the same everywhere. And no file lies about that nothing names.

use retrial_check::Kernel;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

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
        // An implementation of its own is named after its kernel.
        let mut found = names(folder, extension);
        found.retain(|name| !kernels().iter().any(|kernel| name.starts_with(&format!("{kernel}_"))));
        assert_eq!(found, kernels(), "{folder}");
    }
}

/// Every Rust file of the repository is part of a crate: a test that no `mod` names would never run, and nobody would know.
#[test]
fn every_rust_file_is_compiled() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut roots: BTreeSet<PathBuf> = [
        "crates/cli/main.rs",
        "crates/facade/lib.rs",
        "tests/tests.rs",
        "tests/fuzz/main.rs",
        "tests/mpi.rs",
        "benches/benches.rs",
    ]
    .iter()
    .map(|root| top.join(root))
    .collect();
    let mut files = BTreeSet::new();
    for folder in ["crates", "tests", "benches"] {
        rust_files(&top.join(folder), &mut files);
    }
    for member in fs::read_dir(top.join("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        for target in ["src/lib.rs", "src/main.rs", "build.rs"] {
            roots.extend(Some(member.join(target)).filter(|root| root.exists()));
        }
        // What cargo makes a target of by itself: files of these folders, and folders in them with a main.rs.
        for folder in ["tests", "benches", "examples", "src/bin"].map(|folder| member.join(folder)) {
            let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
            let entries = entries.map(|path| if path.is_dir() { path.join("main.rs") } else { path });
            roots.extend(entries.filter(|path| files.contains(path)));
        }
    }
    let mut compiled = BTreeSet::new();
    for root in roots {
        let folder = root.parent().unwrap().to_path_buf();
        follow(&root, &folder, &mut compiled);
    }
    let orphans: Vec<_> = files.difference(&compiled).map(|file| file.strip_prefix(top).unwrap()).collect();
    assert!(orphans.is_empty(), "no mod names {orphans:?}");
}

/// Every test of the root package can fail: a module without one is a helper, and those are few.
#[test]
fn every_test_module_has_a_test() {
    let without: Vec<_> = names("tests", "rs")
        .into_iter()
        .filter(|name| {
            !read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{name}.rs"))).contains("#[test]")
        })
        .collect();
    assert_eq!(without, ["emulated", "tests"], "modules of tests/ without a test");
}

/// Every benchmark that exists is one that runs.
#[test]
fn every_benchmark_is_run() {
    let main = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/benches.rs"));
    for name in names("benches", "rs").iter().filter(|name| *name != "benches") {
        assert!(main.contains(&format!("{name}::bench")), "benches/{name}.rs is never called");
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn rust_files(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.insert(path);
        }
    }
}

/// Adds a file and the files of its modules, which lie in `folder`.
fn follow(file: &Path, folder: &Path, compiled: &mut BTreeSet<PathBuf>) {
    compiled.insert(file.to_path_buf());
    let text = read(file);
    for (before, line) in std::iter::once("").chain(text.lines()).zip(text.lines()) {
        // A file of another crate, which that one names too.
        if before.starts_with("#[path") {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with("pub")).collect();
        let ["mod", name] = words[..] else { continue };
        let Some(name) = name.strip_suffix(';') else { continue };
        let inside = folder.join(name);
        let flat = folder.join(format!("{name}.rs"));
        follow(&if flat.exists() { flat } else { inside.join("mod.rs") }, &inside, compiled);
    }
}
