//! Programs side by side, and what `compile` and `launch` refuse.

use crate::{OPTIONS, buffer, compile, read, words};
use retrial_emulator::{Grid, Memory, Options, Program, compiler};
use std::thread;

const FILL: &str = r#"
    struct Fill { unsigned* out; unsigned value; unsigned count; };
    __device__ unsigned seen; // a name that other programs have too
    extern "C" __global__ void fill(const __grid_constant__ Fill p) {
        __shared__ unsigned first;
        if (threadIdx.x == 0) first = p.value;
        __syncthreads();
        const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
        if (at < p.count) p.out[at] = first + OFFSET;
    }"#;

fn fill(program: &Program, value: u32, options: &Options) -> Vec<u32> {
    let out = Memory::allocate(4 * 1000).unwrap();
    let params = words(&[out.address(), u64::from(value) | 1000 << 32]);
    // SAFETY: as long as the kernel takes it to be.
    unsafe { program.launch("fill", Grid::new([16, 1, 1], [64, 1, 1]), &params, options) }.unwrap();
    let result = read(&out, u32::from_ne_bytes);
    out.free().unwrap();
    result
}

fn fills() -> Option<[Program; 2]> {
    compiler().or_else(|| {
        eprintln!("SKIPPED a test of programs: no C++ compiler");
        None
    })?;
    Some(["100", "200"].map(|offset| {
        let files = [("fill.cu", "#include \"body.cuh\"\n"), ("body.cuh", FILL)];
        Program::compile("fill", &files, &[format!("-DOFFSET={offset}")], &["fill"]).unwrap()
    }))
}

#[test]
fn programs_with_the_same_names_stay_apart() {
    let Some([a, b]) = fills() else { return };
    for options in OPTIONS {
        assert_eq!(fill(&a, 1, &options), [101; 1000]);
        assert_eq!(fill(&b, 2, &options), [202; 1000]);
    }
}

#[test]
fn launches_from_several_threads_at_once() {
    let Some(programs) = fills() else { return };
    thread::scope(|scope| {
        for i in 0..6u32 {
            let program = &programs[i as usize % 2];
            scope.spawn(move || {
                for round in 0..50 {
                    let value = 1000 * i + round;
                    let expected = [value + 100 + i % 2 * 100; 1000];
                    assert_eq!(fill(program, value, &OPTIONS[round as usize % 4]), expected);
                }
            });
        }
    });
}

/// Contexts of the C library, for processors that have no switch of their own.
#[test]
fn fibers_by_ucontext() {
    if compiler().is_none() {
        return eprintln!("SKIPPED fibers_by_ucontext: no C++ compiler");
    }
    let defines = ["-DOFFSET=7".to_owned(), "-DRETRIAL_UCONTEXT".to_owned()];
    let program = Program::compile("fill", &[("fill.cu", FILL)], &defines, &["fill"]).unwrap();
    for options in OPTIONS {
        assert_eq!(fill(&program, 1, &options), [8; 1000]);
    }
}

#[test]
fn what_does_not_compile_says_why() {
    if compiler().is_none() {
        return eprintln!("SKIPPED what_does_not_compile_says_why: no C++ compiler");
    }
    let error = |text: &str| Program::compile("bad", &[("bad.cu", text)], &[], &["f"]).err().unwrap().to_string();
    let message = error("struct P { int* x; };\nextern \"C\" __global__ void f(P p) { p.y = 1; }");
    assert!(message.contains("bad.cu:2") && message.contains("'y'"), "{message}");
    assert!(error("struct P { int* x; };").contains("'f'"));
    assert!(error("extern __shared__ float x;").contains("type name[]"));
    let large = "struct P { int* x; };\nextern \"C\" __global__ void f(P p) {\n\
                 volatile int much[20000]; for (int i = 0; i < 20000; ++i) much[i] = i; p.x[0] = much[p.x[1]]; }";
    assert!(error(large).contains("frame size"));
}

#[test]
fn launches_are_checked() {
    let Some(program) = compile("fill", &FILL.replace("OFFSET", "0"), &["fill"]) else { return };
    let out = buffer(&[0u32; 4]);
    let launch = |entry, grid, params: &[u64]| {
        // SAFETY: refused before it runs.
        unsafe { program.launch(entry, grid, &words(params), &Options::default()) }.unwrap_err().to_string()
    };
    let params = [out.address(), 0];
    assert!(launch("none", Grid::new([1; 3], [1; 3]), &params).contains("kernel none of fill: no such entry"));
    assert!(
        launch("fill", Grid::new([1; 3], [1; 3]), &params[..1])
            .contains("a parameter of 8 bytes, where it takes one of 16")
    );
    assert!(launch("fill", Grid::new([0, 1, 1], [1; 3]), &params).contains("a grid of [0, 1, 1]"));
    assert!(launch("fill", Grid::new([1, 65_536, 1], [1; 3]), &params).contains("a grid of"));
    assert!(launch("fill", Grid::new([1; 3], [1024, 2, 1]), &params).contains("a block of [1024, 2, 1]"));
    assert!(launch("fill", Grid::new([1; 3], [1; 3]).shared(233_000), &params).contains("at most 232448"));
    for cluster in [0, 4, 9] {
        let grid = Grid::new([18, 1, 1], [1; 3]).clusters(cluster);
        assert!(launch("fill", grid, &params).contains("1 to 8, and a divisor of the grid's 18 along x"));
    }
}

#[test]
fn memory_is_as_large_as_asked() {
    for bytes in [0, 1, 16, 4096, 10_000] {
        let mut memory = Memory::allocate(bytes).unwrap();
        assert_eq!((memory.as_slice().len(), memory.address() % 16), (bytes, 0));
        assert!(memory.as_slice().iter().all(|&byte| byte == 0xff));
        memory.as_mut_slice().fill(0);
        memory.free().unwrap();
    }
    assert!(Memory::allocate(usize::MAX - 5).unwrap_err().to_string().contains("does not fit"));
}
