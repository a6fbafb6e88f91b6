//! Every CUDA kernel compiled for every architecture that users have, without a GPU. What the machine code is made of is
//! counted in `census`.

use retrial_cuda::{Compiler, Image, Program, programs};
use std::{
    num::NonZero,
    sync::{Mutex, OnceLock},
    thread,
};

const ARCHITECTURES: [&str; 5] = ["sm_80", "sm_86", "sm_89", "sm_90a", "sm_100"];

pub fn compiler() -> Option<&'static Compiler> {
    retrial_cuda::compiler().inspect_err(|why| crate::skip("nvrtc", &why.to_string())).ok()
}

/// Machine code of a kernel for an architecture.
pub struct Cubin {
    pub program: &'static Program,
    pub architecture: &'static str,
    pub code: Vec<u8>,
    /// What the compiler said: registers, shared memory and spills of every function, and warnings.
    pub log: String,
}

impl Cubin {
    pub fn compile(compiler: &Compiler, program: &'static Program, architecture: &'static str) -> Self {
        let (image, log) = compiler.compile(program, architecture).unwrap();
        let Image::Cubin(code) = image else { panic!("{} for {architecture} is no machine code", program.kernel) };
        Self { program, architecture, code, log }
    }
}

/// Every kernel for every architecture that it is for, compiled once for all tests.
pub fn cubins() -> Option<&'static [Cubin]> {
    static CUBINS: OnceLock<Vec<Cubin>> = OnceLock::new();
    let compiler = compiler()?;
    let wanted = || -> Vec<_> {
        let all = programs().into_iter().flat_map(|program| ARCHITECTURES.map(|architecture| (program, architecture)));
        all.filter(|(program, architecture)| program.only.is_none_or(|only| *architecture == format!("sm_{only}a")))
            .collect()
    };
    let compile = |&(program, architecture): &_| Cubin::compile(compiler, program, architecture);
    Some(CUBINS.get_or_init(|| in_parallel(&wanted(), compile)))
}

/// Does something with each item, on all of the machine's threads, and returns the results in order.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (queue, results) = (Mutex::new(items.iter().enumerate()), Mutex::new(vec![]));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let Some((at, item)) = queue.lock().unwrap().next() else { return };
                    let result = work(item);
                    results.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Numbers before words of the compiler's report: `Used 32 registers`, `16 bytes spill stores`.
pub fn reported(log: &str, words: &str) -> Vec<u32> {
    let before = log.match_indices(words).map(|(at, _)| &log[..at]);
    before.filter_map(|text| text.split_whitespace().next_back()?.parse().ok()).collect()
}

#[test]
fn every_kernel_compiles_within_its_budget_and_spills_nothing() {
    for Cubin { program, architecture, code, log } in cubins().unwrap_or_default() {
        let at = format!("{} for {architecture}:\n{log}", program.kernel);
        assert!(code.starts_with(b"\x7fELF"), "{at}");
        let (registers, shared) = program.budget;
        let used = reported(log, "registers");
        assert_eq!(used.len(), program.entries.len(), "{at}");
        assert!(used.iter().all(|&used| used <= registers), "more than {registers} registers: {at}");
        assert!(reported(log, "bytes smem").iter().all(|&used| used <= shared), "more than {shared} bytes: {at}");
        for words in ["bytes stack frame", "bytes spill stores", "bytes spill loads"] {
            let found = reported(log, words);
            assert!(!found.is_empty() && found.iter().all(|&bytes| bytes == 0), "{at}");
        }
        // Such as C7510: wgmma instructions that the assembler puts in series.
        for words in ["(C75", "Potential Performance Loss", "warning"] {
            assert!(!log.contains(words), "{at}");
        }
    }
}

/// `score_wgmma` in all of its stages and at the ends of what it takes: nothing spilled, no product waits for another.
#[test]
fn hopper_kernels_of_every_shape_fit_their_registers() {
    let Some(compiler) = compiler() else { return };
    let program = programs().into_iter().find(|program| program.kernel == "score_wgmma").unwrap();
    for (hidden, latent, ring) in
        [(400, 20, 9), (512, 20, 8), (512, 48, 3), (416, 20, 9), (400, 47, 5), (256, 48, 8), (16, 1, 12)]
    {
        for (variant, operand) in [(0, "F16"), (1, "F16"), (2, "F16"), (2, "Bf16")] {
            let defines = format!(
                "-DHIDDEN={hidden} -DLATENT={latent} -DPIXELS=784 -DRING={ring} -DVARIANT={variant} -DOPERAND={operand}"
            );
            let defines = defines.split(' ').map(String::from).collect::<Vec<_>>().leak();
            let (_, log) = compiler.compile(&Program { defines, ..*program }, "sm_90a").unwrap();
            let spilled =
                ["bytes stack frame", "bytes spill stores", "bytes spill loads"].map(|words| reported(&log, words));
            assert!(!log.contains("C75") && spilled.iter().flatten().all(|&bytes| bytes == 0), "{defines:?}\n{log}");
        }
    }
}

/// For devices newer than the compiler: intermediate code, of a version that the driver of its toolkit takes.
#[test]
fn intermediate_code_is_made_for_unknown_devices() {
    let Some(compiler) = compiler() else { return };
    for program in programs().into_iter().filter(|program| program.only.is_none()) {
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
        budget: (255, 0),
        defines: &[],
    };
    let error = compiler.compile(&broken, "sm_90").unwrap_err().to_string();
    assert!(error.contains("encode.cu(2)") && error.contains("missing"), "{error}");
    let layout = Program { text: good.text, params: ("Dense", 8), ..broken };
    assert!(compiler.compile(&layout, "sm_90").unwrap_err().to_string().contains("Dense is not what the host writes"));
}
