//! What a GPU would leave undefined is an error that says what and where.

mod clusters;

use crate::{OPTIONS, buffer, compile, words};
use retrial_emulator::{Grid, Memory, Options, Program};
use std::{fmt::Write, sync::OnceLock};

/// Kernels that must fail, in one program.
struct Suite {
    name: &'static str,
    /// What the kernels share.
    head: &'static str,
    /// Names and bodies; a body's first line is line 1 of a file of that name.
    kernels: &'static [(&'static str, &'static str)],
    grid: Grid,
    program: OnceLock<Option<Program>>,
}

/// A test for each `name: body => message`: a kernel, and what its error holds.
macro_rules! faults {
    ($suite:literal, $head:expr, $grid:expr; $($name:ident: $body:expr => $message:literal;)*) => {
        static SUITE: Suite = Suite {
            name: $suite,
            head: $head,
            kernels: &[$((stringify!($name), $body)),*],
            grid: $grid,
            program: OnceLock::new(),
        };
        $(#[test] fn $name() { SUITE.fails(stringify!($name), $message) })*
    };
}
use faults;

impl Suite {
    fn compile(&self) -> Option<Program> {
        let mut text = format!("struct Params {{ float* x; int* n; }};\n{}\n", self.head);
        for (name, body) in self.kernels {
            let start =
                "extern __shared__ __align__(16) unsigned char shared_memory[]; const unsigned t = threadIdx.x;";
            let kernel = format!("extern \"C\" __global__ void {name}(const __grid_constant__ Params p)");
            writeln!(text, "{kernel} {{ {start}\n#line 1 \"{name}\"\n{body}\n}}").unwrap();
        }
        compile(self.name, &text, &self.kernels.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    }

    /// Runs a kernel in every order: each must fail.
    fn fails(&self, name: &str, message: &str) {
        let Some(program) = self.program.get_or_init(|| self.compile()) else { return };
        for options in OPTIONS {
            // The values that make the kernels fail are not there for the compiler to see.
            let (x, n) = (Memory::allocate(4 * 25).unwrap(), buffer(&[0i32, 64, 25, 40]));
            let params = words(&[x.address(), n.address()]);
            // SAFETY: whatever this does wrong stays within the guards.
            let error = unsafe { program.launch(name, self.grid, &params, &options) }.unwrap_err().to_string();
            let start = format!("kernel {name} of {}: ", self.name);
            assert!(error.contains(message) && error.starts_with(&start), "{options:?}: {error}");
        }
    }
}

faults! {
    "faults", "", Grid::new([2, 1, 1], [64, 1, 1]).shared(100);

    missed_barrier: "if (t < 16) __syncthreads();
        else __syncwarp(t < 32 ? 0xffff0000 : ~0u);
        if (t >= 16) __syncwarp();"
        => "lane 0 of warp 0, which its mask 0xffffffff names but which waits at missed_barrier:1";
    missed_by_half_a_warp: "if (t < 32) __syncwarp(t % 2 ? 0xaaaaaaaa : ~0u); else __syncthreads();" => "has exited";
    two_barriers: "if (t % 2) {
            __syncthreads();
        } else {
            __syncthreads();
        }" => "divergent barrier: this thread waits at two_barriers:";
    exited_lane: "if (t % 32 == 7) return;
        __syncwarp();" => "has exited";
    caller_left_out: "__shfl_sync(1, t, 0);" => "caller_left_out:1: the mask 0x00000001 leaves out the calling lane";
    absent_source: "if (t < 16) p.x[t] = __shfl_sync(0xffff, float(t), 20);"
        => "reads lane 20, which the mask 0x0000ffff leaves out";
    two_operations: "if (t % 2) __syncwarp(); else p.n[0] = __ballot_sync(~0u, 1);"
        => "two_operations:1: lanes of the mask 0xffffffff wait for another operation";
    overlapping_masks: "if (t % 32 < 16) __syncwarp(0x1ffff);
        else __syncwarp(0xffff0000);
        __syncthreads();"
        => "overlapping_masks:1 waits for lane 16 of warp 0, which its mask 0x0001ffff names but which waits at";

    past_shared: "((float*)shared_memory)[t + p.n[2] + 3] = 1;" => "of the 100 bytes of dynamic shared memory";
    just_past_shared: "if (t == 0) ((float*)shared_memory)[p.n[2]] = 1;" => "wrote to byte 100 of the 100 bytes";
    before_shared: "if (t == 0) ((float*)shared_memory)[-1 - p.n[0]] = 1;" => "wrote to byte -4 of the 100 bytes";
    far_before_shared: "p.x[0] = shared_memory[-8192 - p.n[0]];" => "accesses byte -8192 of the 100 bytes";
    past_a_wait: "
        __syncthreads();
        p.n[0] = shared_memory[8192 + p.n[0]];" => "after past_a_wait:2, accesses byte 8192 of the 100 bytes";
    past_an_array: "__shared__ float s[40];
        s[p.n[3] + t % 2] = p.x[0];
        __syncthreads();
        p.x[0] = s[t % 2];" => "past_an_array:2 indexes 'float [40]' with 4";

    past_a_buffer: "p.x[p.n[2] + 3] = 1;" => "byte 112 of a buffer of 100";
    just_past_a_buffer: "if (t == 0) p.x[p.n[2]] = 1;" => "something wrote to byte 100 of a buffer of 100";
    before_a_buffer: "if (t == 0) p.x[-1 - p.n[0]] = 1;" => "something wrote to byte -4 of a buffer of 100";
    null_pointer: "p.x[0] = *(float*)(size_t)p.n[0];" => "follows a null pointer";
    wild_pointer: "p.x[0] = *(float*)((size_t)(p.n[1]) << 40);" => "accesses 0x400000000000, no buffer";
    misaligned: "*(float4*)(p.x + 1 + p.n[0]) = make_float4(0, 0, 0, 0);" => "misaligned:1 accesses";

    copy_to_global: "emulated_cp_async(p.x, p.x, 16, 16);" => "copy_to_global:1: cp.async to 0x";
    copy_past_shared: "emulated_cp_async(shared_memory + 96, p.x, 16, 16);"
        => "which is not in shared memory (byte 96 of 100 dynamic ones)";
    copy_misaligned: "emulated_cp_async(shared_memory + 4, p.x, 16, 16);" => "which must be multiples of that";
    copy_of_3_bytes: "emulated_cp_async(shared_memory, p.x, 3, 3);" => "copies 4, 8 or 16 bytes, not 3 of 3";
    copy_from_past_a_buffer: "emulated_cp_async(shared_memory, p.x + 28, 16, 16);
        emulated_cp_async_commit();
        emulated_cp_async_wait(0);" => "after copy_from_past_a_buffer:3, accesses";

    load_from_global: "unsigned r[4];
        emulated_ldmatrix_x4(r, p.x);" => "load_from_global:2: ldmatrix from 0x";
    load_misaligned: "unsigned r[4];
        emulated_ldmatrix_x4(r, shared_memory + 8);" => "which is not a multiple of 16";
    load_by_half_a_warp: "unsigned r[4];
        if (t % 32 < 16) emulated_ldmatrix_x4(r, shared_memory);
        else __syncthreads();" => "which its mask 0xffffffff names but which waits at load_by_half_a_warp:3";

    division: "p.n[1] = 5 / p.n[0];" => "division:1 divides by zero";
    remainder: "p.n[1] = 5u % unsigned(p.n[0]);" => "remainder:1 divides by zero";
    shift: "p.n[0] = 1 << p.n[1];" => "shift:1 shifts 'int' by 64";
    trap: "if (t == 3) __trap();" => "thread [3, 0, 0]: calls __trap";
    illegal: "if (t == 3) __builtin_trap();" => "thread [3, 0, 0]: raises signal 4";
    deep_stack: "volatile int much[4000];
        for (int i = 0; i < 4000; ++i) much[i] = i;
        if (much[p.n[1]] == 64) deep_stack(p);
        much[0] = 0;" => "overruns its stack of 65536 bytes";
}

/// Reads of shared memory that nobody wrote give NaN, in each block anew.
#[test]
fn shared_memory_is_poisoned() {
    let text = r#"
        struct Params { float* x; };
        extern "C" __global__ void stale(Params p) {
            __shared__ float one[2];
            extern __shared__ float many[];
            p.x[2 * blockIdx.x] = one[1];
            p.x[2 * blockIdx.x + 1] = many[24];
            __syncthreads();
            one[threadIdx.x] = many[24 - threadIdx.x] = 1;
        }"#;
    let Some(program) = compile("stale", text, &["stale"]) else { return };
    let x = buffer(&[0f32; 8]);
    // SAFETY: as long as the kernel takes it to be.
    unsafe {
        program.launch("stale", Grid::new([4, 1, 1], [2, 1, 1]).shared(100), &words(&[x.address()]), &OPTIONS[0])
    }
    .unwrap();
    assert!(crate::read(&x, f32::from_ne_bytes).iter().all(|x| x.is_nan()));
}

/// A missing barrier shows in one of two opposite orders.
#[test]
fn race_depends_on_the_order() {
    let text = r#"
        struct Params { float* x; };
        extern "C" __global__ void race(Params p) {
            __shared__ float s[64];
            s[threadIdx.x] = threadIdx.x;
            p.x[threadIdx.x] = s[threadIdx.x ^ 33];
        }"#;
    let Some(program) = compile("race", text, &["race"]) else { return };
    let results = OPTIONS.map(|options| {
        let x = buffer(&[0f32; 64]);
        // SAFETY: as long as the kernel takes it to be.
        unsafe { program.launch("race", Grid::new([1; 3], [64, 1, 1]), &words(&[x.address()]), &options) }.unwrap();
        crate::read(&x, u32::from_ne_bytes)
    });
    assert!(results[0] != results[1] && results[1] != results[2]);
}

/// The failure of the lowest block is reported, however many OS threads there are, and the next launch works.
#[test]
fn first_failing_block_is_named() {
    let text = r#"
        struct Params { float* x; int* divisors; };
        extern "C" __global__ void blocks(Params p) {
            __syncthreads();
            if (threadIdx.x == 1) p.x[blockIdx.x] = 100 / p.divisors[blockIdx.x];
        }"#;
    let Some(program) = compile("blocks", text, &["blocks"]) else { return };
    let mut divisors = [1i32; 50];
    divisors[20..40].fill(0);
    let x = Memory::allocate(200).unwrap();
    for threads in [1, 2, 4] {
        let options = Options { threads, ..Options::default() };
        let launch = |divisors: &Memory| {
            let params = words(&[x.address(), divisors.address()]);
            // SAFETY: as long as the kernel takes them to be.
            unsafe { program.launch("blocks", Grid::new([50, 1, 1], [2, 1, 1]), &params, &options) }
        };
        let error = launch(&buffer(&divisors)).unwrap_err().to_string();
        assert_eq!(error, "kernel blocks of blocks: block [20, 0, 0], thread [1, 0, 0]: blocks.cu:5 divides by zero");
        launch(&buffer(&[5i32; 50])).unwrap();
        assert_eq!(crate::read(&x, f32::from_ne_bytes), [20.0; 50]);
    }
}
