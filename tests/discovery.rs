//! Libraries of NVIDIA's that are old, cut short or no libraries at all: each is named, and the CPU computes.

use crate::cli::refuses;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Compiles a C text to a shared library. `None`, said aloud, without a compiler.
fn library(file: &Path, text: &str) -> Option<PathBuf> {
    let source = file.with_extension("c");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&source, text).unwrap();
    let mut cc = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".into()));
    match cc.args(["-shared", "-fPIC", "-w", "-o"]).args([file, &source]).output() {
        Ok(out) if out.status.success() => Some(file.to_path_buf()),
        Ok(out) => panic!("{}", String::from_utf8_lossy(&out.stderr)),
        Err(e) => {
            crate::skip("emulator", &format!("no C compiler: {e}"));
            None
        }
    }
}

/// A driver of one device whose functions all succeed and do next to nothing, less the ones named.
fn driver(folder: &Path, version: u32, without: &[&str]) -> Option<PathBuf> {
    let text = driver_text(version, without, &[]);
    library(&folder.join("libcuda.so.1"), &text)
}

/// The text of a driver with some functions of its own.
fn driver_text(version: u32, without: &[&str], own: &[(&str, String)]) -> String {
    let special = [
        ("cuDriverGetVersion", format!("int cuDriverGetVersion(int *v) {{ *v = {version}; return 0; }}")),
        ("cuDeviceGetCount", "int cuDeviceGetCount(int *n) { *n = 1; return 0; }".into()),
        ("cuDeviceGet", "int cuDeviceGet(int *d, int i) { *d = i; return 0; }".into()),
        ("cuDeviceGetName", "int cuDeviceGetName(char *t, int n, int d) { strncpy(t, \"Stub\", n); return 0; }".into()),
        ("cuDeviceTotalMem_v2", "int cuDeviceTotalMem_v2(size_t *n, int d) { *n = 1 << 30; return 0; }".into()),
        (
            "cuDeviceGetAttribute",
            "int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 9 : a == 76 ? 0 : 100000; return 0; }"
                .into(),
        ),
        ("cuMemGetInfo_v2", "int cuMemGetInfo_v2(size_t *f, size_t *t) { *f = *t = 1 << 30; return 0; }".into()),
        ("cuMemAlloc_v2", "int cuMemAlloc_v2(size_t *p, size_t n) { *p = 256; return 0; }".into()),
        ("cuMemHostAlloc", "int cuMemHostAlloc(void **p, size_t n, int f) { *p = calloc(n, 1); return 0; }".into()),
        ("cuFuncGetAttribute", "int cuFuncGetAttribute(int *v, int a, void *f) { *v = 0; return 0; }".into()),
        ("cuGetErrorName", "int cuGetErrorName(int e, const char **t) { *t = \"STUB_ERROR\"; return 0; }".into()),
        ("cuGetErrorString", "int cuGetErrorString(int e, const char **t) { *t = \"a stub\"; return 0; }".into()),
    ];
    let mut text = String::from("#include <stdlib.h>\n#include <string.h>\n");
    for name in retrial_cuda::DRIVER_CALLS.iter().filter(|name| !without.contains(name)) {
        match own.iter().chain(&special).find(|(special, _)| special == name) {
            Some((_, code)) => text += code,
            None => text += &format!("int {name}() {{ return 0; }}"),
        }
        text.push('\n');
    }
    text
}

/// What every NVRTC has: its version.
fn version(set: &str) -> String {
    format!("int nvrtcVersion(int *a, int *b) {{ {set} return 0; }}\n")
}

/// A compiler for sm_90 whose machine code is empty.
fn compiler(set: &str) -> String {
    let rest = ["CreateProgram", "CompileProgram", "DestroyProgram", "GetProgramLog", "GetPTX", "GetCUBIN"];
    let sizes = ["GetProgramLogSize", "GetPTXSize", "GetCUBINSize"];
    let rest: String = rest.map(|name| format!("int nvrtc{name}() {{ return 0; }}\n")).concat();
    let sizes = sizes.map(|name| format!("int nvrtc{name}(void *p, long *n) {{ *n = 0; return 0; }}\n")).concat();
    let archs = "int nvrtcGetNumSupportedArchs(int *n) { *n = 1; return 0; }\n\
                 int nvrtcGetSupportedArchs(int *a) { *a = 90; return 0; }\n";
    version(set) + &rest + &sizes + archs
}

fn run(folder: &Path, args: &str, variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
    let path = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    // Without line breaks, in which words would not be found.
    command
        .args(args.split_whitespace())
        .env("COLUMNS", "1000")
        .env("LD_LIBRARY_PATH", format!("{}:{path}", folder.display()));
    command.envs(variables.iter().copied()).output().unwrap()
}

/// Exit code, results and messages, none of them a panic's.
fn said(out: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (out.status.code(), stdout, stderr)
}

#[test]
fn a_driver_that_lacks_functions_is_named_and_the_cpu_computes() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (13_000, &["cuEventElapsedTime_v2"][..], "for CUDA 13.0, lacks cuEventElapsedTime_v2"),
        (13_000, &["cuDriverGetVersion"], "does not tell its version"),
        (13_000, retrial_cuda::DRIVER_CALLS, "does not tell its version"),
        (11_040, &["cuEventElapsedTime_v2", "cuGetErrorName"], "the driver is for CUDA 11.4, the oldest that works is"),
        (13_000, &["cuInit", "cuGetErrorString"], "lacks cu"),
    ];
    for (at, (version, without, words)) in cases.into_iter().enumerate() {
        let folder = dir.path().join(at.to_string());
        if driver(&folder, version, without).is_none() {
            return;
        }
        for device in ["auto", "cpu"] {
            let (code, stdout, stderr) = said(&run(&folder, &format!("info --device {device}"), &[]));
            assert_eq!(code, Some(0), "{stderr}");
            assert!(stdout.contains(words), "{words}: {stdout}");
        }
        let (code, _, stderr) = said(&run(&folder, "validate --device cuda --kernel decode", &[]));
        assert!(code == Some(1) && stderr.contains(words) && stderr.contains("NVIDIA driver"), "{code:?} {stderr}");
    }
}

#[test]
fn a_file_that_is_no_library_is_no_driver() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("libcuda.so.1"), "text").unwrap();
    let (code, stdout, _) = said(&run(dir.path(), "info", &[]));
    assert!(code == Some(0) && stdout.contains("no NVIDIA driver"), "{stdout}");
}

/// A driver with just the functions that are looked for: whatever else is called would be missed here.
#[test]
fn no_function_is_called_that_was_not_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    if driver(dir.path(), 13_000, &[]).is_none() {
        return;
    }
    library(&dir.path().join("lib64/libnvrtc.so.13"), &compiler("*a = 13; *b = 0;")).unwrap();
    let variables = [("CUDA_HOME", dir.path()), ("RETRIAL_CACHE", Path::new(""))];
    let (code, stdout, stderr) = said(&run(dir.path(), "info", &variables));
    assert!(code == Some(0) && stdout.contains("Stub"), "{stdout}{stderr}");
    for kernel in retrial_check::Kernel::ALL {
        let (code, stdout, stderr) =
            said(&run(dir.path(), &format!("validate --device cuda --kernel {kernel}"), &variables));
        assert_eq!(
            code,
            Some(1),
            "{kernel}: a device that computes nothing agrees with the reference: {stdout}{stderr}"
        );
    }
}

/// A driver that refuses one of the things it is asked to make: what it made before is given back.
#[test]
fn what_a_driver_made_is_given_back_when_it_refuses_more() {
    let makes = ["cuDevicePrimaryCtxRetain", "cuStreamCreate", "cuEventCreate", "cuModuleLoadData"];
    let unmakes = ["cuDevicePrimaryCtxRelease_v2", "cuStreamDestroy_v2", "cuEventDestroy_v2", "cuModuleUnload"];
    let own = |names: [&'static str; 4], code| names.map(|name| (name, format!("int {name}() {{ {code} }}")));
    let functions = [own(makes, "return make();"), own(unmakes, "held--; return 0;")].concat();
    let ledger = "#include <stdio.h>\n#include <stdlib.h>\nstatic int held, made;\n\
                  static int make() { return ++made == atoi(getenv(\"REFUSED\")) ? 999 : (held++, 0); }\n\
                  __attribute__((destructor)) static void tell() { if (made) fprintf(stderr, \"made %d held %d\", made, held); }\n";
    let dir = tempfile::tempdir().unwrap();
    let text = ledger.to_owned() + &driver_text(13_000, &[], &functions);
    if library(&dir.path().join("libcuda.so.1"), &text).is_none() {
        return;
    }
    library(&dir.path().join("lib64/libnvrtc.so.13"), &compiler("*a = 13; *b = 0;")).unwrap();
    // The context, two streams, three events of a first submission, its module.
    for refused in 0..=7 {
        let refused = refused.to_string();
        let variables = [("CUDA_HOME", dir.path()), ("RETRIAL_CACHE", Path::new("")), ("REFUSED", Path::new(&refused))];
        let (_, _, stderr) = said(&run(dir.path(), "validate --device cuda --kernel decode", &variables));
        let made: Option<u32> = stderr.split("made ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        assert!(made.is_some_and(|made| made >= refused.parse().unwrap()), "{refused}: {stderr}");
        assert!(stderr.ends_with(" held 0"), "{refused}: {stderr}");
    }
}

#[test]
fn a_compiler_that_is_too_old_is_named_and_the_next_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (home, system) = (dir.path().join("cuda"), dir.path().join("system"));
    if library(&home.join("lib64/libnvrtc.so.10.2"), &version("*a = 10; *b = 2;")).is_none() {
        return;
    }
    fs::create_dir_all(&system).unwrap();
    let home = |folder: &'static str| dir.path().join(folder);
    let empty = [("VIRTUAL_ENV", home("none")), ("HOME", home("none")), ("CUDA_PATH", home("none"))];
    let info = |cuda: &Path| {
        let mut variables: Vec<(&str, &Path)> = empty.iter().map(|(name, path)| (*name, path.as_path())).collect();
        variables.push(("CUDA_HOME", cuda));
        said(&run(&system, "info", &variables))
    };
    // Where the machine has a compiler of its own, that one is taken after CUDA_HOME's.
    let own = info(&home("none")).1.contains("cache");
    let (code, stdout, _) = info(&home("cuda"));
    let refused = "libnvrtc.so.10.2 is NVRTC 10.2, too old (11.2 is the oldest that works)";
    assert!(code == Some(0) && (own || stdout.contains(refused)), "{stdout}");

    // A text, and a library that is none of NVIDIA's.
    fs::create_dir_all(home("text/lib64")).unwrap();
    fs::write(home("text/lib64/libnvrtc.so.13"), "text").unwrap();
    library(&home("other/lib64/libnvrtc.so.12"), "int x;").unwrap();
    for other in ["text", "other"] {
        let (code, stdout, _) = info(&home(other));
        assert!(code == Some(0) && (own || stdout.contains("is damaged")), "{stdout}");
    }

    // Of several in a folder the newest, and CUDA_HOME's before all others.
    for (file, version) in [("libnvrtc.so.9.9", "*a = 9; *b = 9;"), ("libnvrtc.so.13.7", "*a = 13; *b = 7;")] {
        library(&home("new/lib64").join(file), &compiler(version)).unwrap();
    }
    library(&system.join("libnvrtc.so.13"), &compiler("*a = 12; *b = 9;")).unwrap();
    let (code, stdout, _) = info(&home("new"));
    assert!(code == Some(0) && stdout.contains("13.7, cache"), "{stdout}");
    let (code, stdout, _) = info(&home("none"));
    assert!(code == Some(0) && (own || stdout.contains("12.9, cache")), "{stdout}");
}

#[test]
fn an_unknown_device_is_bad_input() {
    refuses("info --device gpu", &["got gpu", "must be auto, cuda, wgsl or cpu"]);
}
