//! What the machine code of every kernel is made of, for every architecture, held against the table `census.txt`: a change
//! of the code that the compiler makes is seen, and committed, beside the change of the text that caused it.

use crate::nvrtc::{Cubin, compiler, cubins, in_parallel, reported};
use retrial_cuda::{Compiler, Program};
use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// What is counted: instructions of these names, those that steer, and all.
const COLUMNS: [&str; 16] = [
    "FFMA", "DFMA", "HMMA", "HGMMA", "HFMA2", "MUFU", "LDS", "LDSM", "LDGSTS", "UBLKCP", "LDG", "STG", "SYNCS", "BAR",
    "control", "all",
];
const CONTROL: [&str; 9] = ["BRA", "BRX", "BSSY", "BSYNC", "BREAK", "CALL", "RET", "EXIT", "WARPSYNC"];

/// A `__global__` function as the disassembler shows it.
struct Function {
    program: &'static Program,
    entry: &'static str,
    architecture: &'static str,
    registers: u32,
    /// Static shared memory, bytes.
    shared: u32,
    /// Its instructions without what they work on: `FFMA`, `LDS.128`.
    instructions: Vec<String>,
}

impl Function {
    /// Instructions whose name begins so, up to a full stop.
    fn count(&self, name: &str) -> usize {
        let is = |instruction: &&String| {
            instruction.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.instructions.iter().filter(is).count()
    }

    fn line(&self) -> String {
        let Self { program, entry, architecture, registers, shared, .. } = self;
        let mut line = format!("{:17}{entry:20}{architecture:8}{registers:>9}{shared:>7}", program.kernel);
        for name in COLUMNS {
            let count = match name {
                "all" => self.instructions.len(),
                "control" => CONTROL.iter().map(|name| self.count(name)).sum(),
                name => self.count(name),
            };
            write!(line, "{count:>8}").unwrap();
        }
        line
    }
}

/// Every function of every cubin, disassembled once for all tests.
fn functions() -> Option<&'static [Function]> {
    static FUNCTIONS: OnceLock<Vec<Function>> = OnceLock::new();
    let (cubins, tool) = cubins().zip(disassembler())?;
    Some(
        FUNCTIONS
            .get_or_init(|| in_parallel(cubins, |cubin| disassembled(&tool, cubin)).into_iter().flatten().collect()),
    )
}

pub fn disassembler() -> Option<PathBuf> {
    let folders = [env::var_os("CUDA_HOME").map(PathBuf::from), Some("/usr/local/cuda".into())];
    let tool = folders.into_iter().flatten().map(|folder| folder.join("bin/nvdisasm")).find(|file| file.exists());
    if tool.is_none() {
        crate::skip("nvdisasm", "not in CUDA_HOME or /usr/local/cuda; pip install nvidia-cuda-nvdisasm");
    }
    tool
}

fn disassembled(tool: &Path, cubin: &Cubin) -> Vec<Function> {
    let &Cubin { program, architecture, ref code, ref log } = cubin;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, code).unwrap();
    let output = Command::new(tool).arg("--print-code").arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let function = |&entry: &&'static str| {
        let begin = format!("\n.text.{entry}:\n");
        let (_, body) = text.split_once(&begin).unwrap_or_else(|| panic!("no {entry} in {}", program.kernel));
        let body = body.split("\n\t.section").next().unwrap_or_default();
        let (_, report) = log.split_once(&format!("entry function '{entry}'")).unwrap();
        let report = report.split("entry function").next().unwrap_or_default();
        let instructions: Vec<String> = body.lines().filter_map(instruction).map(String::from).collect();
        assert!(!instructions.is_empty(), "{} {entry}", program.kernel);
        Function {
            program,
            entry,
            architecture,
            registers: reported(report, "registers")[0],
            shared: reported(report, "bytes smem").first().copied().unwrap_or(0),
            instructions,
        }
    };
    program.entries.iter().map(function).collect()
}

/// The name in a line such as `/*0a30*/ @!P0 LDS.128 R4, [R2] ;`. Padding behind a function is none.
fn instruction(line: &str) -> Option<&str> {
    let (_, text) = line.trim_start().strip_prefix("/*")?.split_once("*/")?;
    let mut words = text.split([' ', '\t', ';']).filter(|word| !word.is_empty());
    let name = words.find(|word| !word.starts_with('@'))?;
    (name != "NOP" && name.starts_with(|first: char| first.is_ascii_uppercase())).then_some(name)
}

/// The line of a function by most of the times that it is compiled: once in a hundred times or so the assembler's output
/// differs from itself by an instruction or two.
fn usual_line(compiler: &Compiler, function: &Function) -> String {
    let Function { program, entry, architecture, .. } = function;
    let tool = disassembler().unwrap();
    let mut lines = vec![function.line()];
    for _ in 0..4 {
        let again = disassembled(&tool, &Cubin::compile(compiler, program, architecture));
        let line = again.iter().find(|function| function.entry == *entry).unwrap().line();
        if lines.contains(&line) {
            return line;
        }
        lines.push(line);
    }
    panic!("the compiler does not agree with itself:\n{}", lines.join("\n"))
}

/// Rewrites the table where `RETRIAL_CENSUS` is `write`.
#[test]
fn the_machine_code_is_that_of_the_table() {
    let Some((compiler, functions)) = compiler().zip(functions()) else { return };
    let write = env::var_os("RETRIAL_CENSUS").is_some_and(|value| value == "write");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/census.txt");
    let committed = if write { String::new() } else { fs::read_to_string(&file).unwrap() };
    let version = format!("NVRTC {}.{}", compiler.version().0, compiler.version().1);
    let head = committed.lines().next().unwrap_or_default();
    if !write && !head.contains(&format!("{version}.")) {
        return crate::skip("census", &format!("this is {version}, but tests/census.txt says: {head}"));
    }
    let known: Vec<&str> = committed.lines().collect();
    let lines = in_parallel(functions, |function| {
        Some(function.line()).filter(|line| known.contains(&&**line)).unwrap_or_else(|| usual_line(compiler, function))
    });
    let mut columns = format!("{:17}{:20}{:8}{:>9}{:>7}", "kernel", "function", "for", "registers", "shared");
    COLUMNS.iter().for_each(|name| write!(columns, "{name:>8}").unwrap());
    let head = format!("Instructions of every kernel, by {version}. RETRIAL_CENSUS=write tests/run census");
    let found = [vec![head, String::new(), columns.clone()], lines].concat();
    if write {
        return fs::write(file, found.join("\n") + "\n").unwrap();
    }
    let gone = known.iter().filter(|line| !found.iter().any(|found| found == *line)).map(|line| format!("- {line}\n"));
    let new = found.iter().filter(|line| !known.contains(&&***line)).map(|line| format!("+ {line}\n"));
    let difference: String = gone.chain(new).collect();
    assert!(
        known == found,
        "the machine code changed (- committed, + found):\n  {columns}\n{difference}if it should: RETRIAL_CENSUS=write \
         tests/run census"
    );
}

/// The instructions that the design counts on are there, and local memory is not used.
#[test]
fn machine_code_is_what_the_kernels_promise() {
    for function in functions().unwrap_or_default() {
        let at = format!("{} of {} for {}", function.entry, function.program.kernel, function.architecture);
        let count = |name| function.count(name);
        assert_eq!(count("LDL") + count("STL"), 0, "{at} uses local memory");
        if function.program.kernel == "score" {
            // A group of 8 hidden units: 896 FMA fed by 40 loads of 16 bytes and 8 of 8; copies beside them.
            assert!(count("FFMA") >= 896, "{at}: FMA");
            assert!(count("LDS.128") >= 40 && count("LDS.64") >= 8, "{at}: wide loads");
            assert!(count("LDGSTS.E.BYPASS") + count("LDGSTS.E.BYPASS.128") >= 12, "{at}: asynchronous copies");
            assert!(count("MUFU.EX2") == 112 && count("MUFU.RCP") >= 112, "{at}: sigmoid");
        }
        if function.program.kernel.starts_with("score_mma") {
            // Per slab of 16 units of a warp: 7 products of 8 pixels for each 16 trials, three times as many in f16x3, fed by
            // loads of four matrices; two exponentials for two pixels.
            let parts = if function.program.kernel.ends_with("x3") { 3 } else { 1 };
            let tiles = if function.entry.ends_with("128") { 2 } else { 1 };
            assert!(count("HMMA.16816.F32") >= 7 * parts * tiles && count("LDSM.16.M88.4") >= 4, "{at}: products");
            assert_eq!(count("MUFU.EX2"), 2 * 14 * tiles, "{at}: sigmoid");
            assert!(count("LDGSTS.E.BYPASS") + count("LDGSTS.E.BYPASS.128") > 0, "{at}: asynchronous copies");
        }
        if function.program.kernel == "score_wgmma" {
            // Of a warpgroup: 5 x 4 products of 80 hidden units, 25 of 112 pixels; two exponentials for two pixels.
            assert_eq!((count("HGMMA.64x80x16.F32"), count("HGMMA.64x112x16.F32")), (20, 25), "{at}: products");
            assert_eq!(count("MUFU.EX2"), 56, "{at}: sigmoid");
            assert_eq!((count("UBLKCP"), count("UBLKCP.S.G.MULTICAST")), (2, 1), "{at}: copies in bulk");
            assert!(count("SYNCS.PHASECHK") > 0 && count("USETMAXREG") > 0, "{at}: barriers, registers");
            // Only the barriers of the cluster, at both ends, fence the memory of the device.
            assert!(count("MEMBAR.ALL.GPU") <= 2, "{at}: fences");
        }
        assert!(function.entry != "correlation" || count("DFMA") > 0, "{at}: f64");
    }
}
