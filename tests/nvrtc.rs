//! Every CUDA kernel compiled for every architecture that users have, without a GPU, and what the machine code needs.

use retrial_cuda::{Compiler, Image, Program, programs};
use std::{env, fs, path::Path, process::Command};

const ARCHITECTURES: [&str; 4] = ["sm_80", "sm_86", "sm_90a", "sm_100"];

fn compiler() -> Option<&'static Compiler> {
    retrial_cuda::compiler().inspect_err(|why| crate::skip("nvrtc", &why.to_string())).ok()
}

/// Most registers and static shared memory (bytes) of a function: what its threads per block and blocks per
/// multiprocessor leave, not what it happens to use.
fn budget(kernel: &str) -> (u32, u32) {
    match kernel {
        "score" => (255, 0),                     // 128 threads, 2 blocks
        "correlation" => (128, 17 << 10),        // 256 threads, 2 blocks
        "encode" | "decode" => (80, 9 << 10),    // 256 threads, 3 blocks
        "pass_at_k" => (40, 2 << 10),            // 256 threads, 6 blocks
        "sample_latent" | "l2_error" => (40, 0), // 256 threads, 6 blocks
        other => panic!("no budget for {other}"),
    }
}

/// Numbers before words of the compiler's report: `Used 32 registers`, `16 bytes spill stores`.
fn reported(log: &str, words: &str) -> Vec<u32> {
    let before = log.match_indices(words).map(|(at, _)| &log[..at]);
    before.filter_map(|text| text.split_whitespace().next_back()?.parse().ok()).collect()
}

#[test]
fn every_kernel_compiles_within_its_budget_and_spills_nothing() {
    let Some(compiler) = compiler() else { return };
    for program in programs() {
        for architecture in ARCHITECTURES {
            let (image, log) = compiler.compile(program, architecture).unwrap();
            assert!(matches!(&image, Image::Cubin(code) if code.starts_with(b"\x7fELF")));
            let at = format!("{} for {architecture}:\n{log}", program.kernel);
            let (registers, shared) = budget(program.kernel);
            let used = reported(&log, "registers");
            assert_eq!(used.len(), program.entries.len(), "{at}");
            assert!(used.iter().all(|&used| used <= registers), "more than {registers} registers: {at}");
            assert!(reported(&log, "bytes smem").iter().all(|&used| used <= shared), "more than {shared} bytes: {at}");
            for words in ["bytes stack frame", "bytes spill stores", "bytes spill loads"] {
                let found = reported(&log, words);
                assert!(!found.is_empty() && found.iter().all(|&bytes| bytes == 0), "{at}");
            }
        }
    }
}

/// The instructions that the design counts on are there, and local memory is not used.
#[test]
fn machine_code_is_what_the_kernels_promise() {
    let Some(compiler) = compiler() else { return };
    let folders = [env::var_os("CUDA_HOME").map(Into::into), Some("/usr/local/cuda".into())];
    let tool = folders.into_iter().flatten().map(|f: std::path::PathBuf| f.join("bin/nvdisasm")).find(|f| f.exists());
    let Some(tool) = tool else {
        return crate::skip("nvdisasm", "not in CUDA_HOME or /usr/local/cuda; pip install nvidia-cuda-nvdisasm");
    };
    let folder = tempfile::tempdir().unwrap();
    for program in programs() {
        let code = disassembled(&tool, compiler, program, folder.path());
        assert!(!code.contains(" LDL") && !code.contains(" STL"), "{} uses local memory", program.kernel);
        if program.kernel == "score" {
            // A step of 8 hidden units: 896 FMA fed by 40 loads of 16 bytes and 8 of 8; copies beside them.
            assert!(code.matches(" FFMA ").count() >= 896, "FMA");
            assert!(code.matches(" LDS.128 ").count() >= 40 && code.matches(" LDS.64 ").count() >= 8, "wide loads");
            assert!(code.contains(" LDGSTS.E.BYPASS.128 "), "asynchronous copies");
            assert!(code.contains(" MUFU.EX2 ") && code.contains(" MUFU.RCP "), "sigmoid");
        }
        if program.kernel == "correlation" {
            assert!(code.contains(" DFMA "), "f64");
        }
    }
}

fn disassembled(tool: &Path, compiler: &Compiler, program: &Program, folder: &Path) -> String {
    let file = folder.join(program.kernel);
    fs::write(&file, compiler.compile(program, "sm_90a").unwrap().0.bytes()).unwrap();
    let output = Command::new(tool).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// For devices newer than the compiler: intermediate code, of a version that the driver of its toolkit takes.
#[test]
fn intermediate_code_is_made_for_unknown_devices() {
    let Some(compiler) = compiler() else { return };
    for program in programs() {
        let (image, _) = compiler.compile(program, "compute_90").unwrap();
        let Image::Ptx(text) = image else { panic!("not PTX") };
        assert_eq!(text.last(), Some(&0), "the driver reads to a zero byte");
        let text = String::from_utf8_lossy(&text);
        assert!(
            text.contains(".target sm_90") && program.entries.iter().all(|e| text.contains(&format!(".entry {e}(")))
        );
    }
    let image = compiler.image(programs()[0], (99, 0)).unwrap();
    assert!(matches!(image, Image::Ptx(_)));
}

/// A mistake in a kernel is shown with file, line and the compiler's words.
#[test]
fn the_log_names_the_line() {
    let Some(compiler) = compiler() else { return };
    let good = programs()[0];
    let broken = Program {
        kernel: "encode",
        text: "#include \"dense.cuh\"\nint f() { return missing; }\n",
        headers: good.headers,
        entries: good.entries,
        params: good.params,
        only: None,
    };
    let error = compiler.compile(&broken, "sm_90").unwrap_err().to_string();
    assert!(error.contains("encode.cu(2)") && error.contains("missing"), "{error}");
    let layout = Program { text: good.text, params: ("Dense", 8), ..broken };
    assert!(compiler.compile(&layout, "sm_90").unwrap_err().to_string().contains("Dense is not what the host writes"));
}
