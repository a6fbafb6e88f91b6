//! Which lane and register holds which element: each element alone (one-hot), against the tables of the PTX ISA
//! ("Matrix Fragments for mma.m16n8k16", "Register Fragments for wgmma.mma_async.m64nNk16" and "ldmatrix").

use crate::{OPTIONS, buffer, compile, read, words};
use retrial_emulator::{Grid, Memory};

/// The lanes of an 8x8 matrix by row and pair of neighbours in the row, as every figure has them.
const LANES: [[usize; 4]; 8] = [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9, 10, 11],
    [12, 13, 14, 15],
    [16, 17, 18, 19],
    [20, 21, 22, 23],
    [24, 25, 26, 27],
    [28, 29, 30, 31],
];
/// Elements of A, {a0, a1} to {a6, a7}, by upper or lower 8 rows and then first or last 8 of k.
const A: [[usize; 2]; 2] = [[0, 4], [2, 6]];
/// Elements of B, {b0, b1} and {b2, b3}, by first or last 8 of k. A row of [`LANES`] is a column of B.
const B: [usize; 2] = [0, 2];
/// Elements of D, {d0, d1} and {d2, d3}, by upper or lower 8 rows, and 4 more for each 8 columns.
const D: [usize; 2] = [0, 2];

/// Lane of the warp, or of the warpgroup for 64 rows, and element.
fn place_in_a(row: usize, k: usize) -> (usize, usize) {
    (row / 16 * 32 + LANES[row % 8][k % 8 / 2], A[row % 16 / 8][k / 8] + k % 2)
}
fn place_in_b(k: usize, column: usize) -> (usize, usize) {
    (LANES[column][k % 8 / 2], B[k / 8] + k % 2)
}
fn place_in_d(row: usize, column: usize) -> (usize, usize) {
    (row / 16 * 32 + LANES[row % 8][column % 8 / 2], column / 8 * 4 + D[row % 16 / 8] + column % 2)
}

/// A format's name, and its bits of a number that it holds.
type Format = (&'static str, fn(f32) -> u16);
const FORMATS: [Format; 2] = [("f16", half), ("bf16", |value| (value.to_bits() >> 16) as u16)];

/// Of 0, and of numbers from 2^-14 to below 2^16 with 11 significant bits.
fn half(value: f32) -> u16 {
    if value == 0.0 { 0 } else { ((value.to_bits() >> 13) - (112 << 10)) as u16 }
}

/// A number for each element of B, with 8 significant bits.
fn name_of(k: usize, column: usize) -> f32 {
    let number = column * 16 + k;
    (128 + number % 128) as f32 * (1 << (number / 128)) as f32
}

/// Four 8x8 matrices of b16 from rows in an order of their own, each element its number: matrix, row, column.
#[test]
fn ldmatrix_gives_each_lane_its_pair() {
    let text = r#"
        struct Params { unsigned *four, *two; };
        extern "C" __global__ void load(Params p) {
            extern __shared__ __align__(16) unsigned short elements[];
            const unsigned l = threadIdx.x;
            // Rows lie 32 bytes apart, the last matrix first.
            for (unsigned i = 0; i < 8; ++i) elements[(31 - l) * 16 + i] = l / 8 << 8 | l % 8 << 4 | i;
            __syncthreads();
            unsigned four[4], two[2];
            emulated_ldmatrix_x4(four, elements + (31 - l) * 16);
            emulated_ldmatrix_x2(two, l < 16 ? elements + (31 - l) * 16 : nullptr);
            for (int i = 0; i < 4; ++i) p.four[l * 4 + i] = four[i];
            for (int i = 0; i < 2; ++i) p.two[l * 2 + i] = two[i];
            if (emulated_shared_address(elements + 8) != emulated_shared_address(elements) + 16) p.two[0] = 0;
        }"#;
    let Some(program) = compile("load", text, &["load"]) else { return };
    for options in OPTIONS {
        let (four, two) = (Memory::allocate(4 * 128).unwrap(), Memory::allocate(4 * 64).unwrap());
        let params = words(&[four.address(), two.address()]);
        // SAFETY: as long as the kernel takes them to be.
        unsafe { program.launch("load", Grid::new([1; 3], [32, 1, 1]).shared(1024), &params, &options) }.unwrap();
        for (out, matrices) in [(four, 4), (two, 2)] {
            let out = read(&out, u32::from_ne_bytes);
            for (row, lanes) in LANES.iter().enumerate() {
                for (pair, lane) in lanes.iter().enumerate() {
                    for matrix in 0..matrices {
                        let first = (matrix * 256 + row * 16 + 2 * pair) as u32;
                        assert_eq!(out[lane * matrices + matrix], first + 65_536 * (first + 1));
                    }
                }
            }
        }
    }
}

/// One block for each element of A, which is 1 where all others are 0: its row of D is a row of B.
#[test]
fn mma_m16n8k16_by_one_hot_operands() {
    let text = r#"
        struct Params { const unsigned *a, *b; float* d; unsigned long long half; };
        extern "C" __global__ void one_hot(Params p) {
            const unsigned l = threadIdx.x, at = blockIdx.x * 32 + l;
            unsigned a[4], b[2];
            float d[4] = {};
            for (int i = 0; i < 4; ++i) a[i] = p.a[at * 4 + i];
            for (int i = 0; i < 2; ++i) b[i] = p.b[l * 2 + i];
            if (p.half) emulated_mma_m16n8k16_f16(d, a, b);
            else emulated_mma_m16n8k16_bf16(d, a, b);
            for (int i = 0; i < 4; ++i) p.d[at * 4 + i] = d[i];
        }"#;
    let Some(program) = compile("one_hot", text, &["one_hot"]) else { return };
    for (name, bits) in FORMATS {
        let (mut a, mut b) = (vec![0u16; 256 * 256], vec![0u16; 128]);
        let mut expected = vec![0f32; 256 * 128];
        for k in 0..16 {
            for column in 0..8 {
                let (lane, element) = place_in_b(k, column);
                b[lane * 4 + element] = bits(name_of(k, column));
            }
            for row in 0..16 {
                let block = row * 16 + k;
                let (lane, element) = place_in_a(row, k);
                a[block * 256 + lane * 8 + element] = bits(1.0);
                for column in 0..8 {
                    let (lane, element) = place_in_d(row, column);
                    expected[block * 128 + lane * 4 + element] = name_of(k, column);
                }
            }
        }
        let (a, b, d) = (buffer(&a), buffer(&b), Memory::allocate(4 * 256 * 128).unwrap());
        let params = words(&[a.address(), b.address(), d.address(), u64::from(name == "f16")]);
        // SAFETY: as long as the kernel takes them to be.
        unsafe { program.launch("one_hot", Grid::new([256, 1, 1], [32, 1, 1]), &params, &OPTIONS[1]) }.unwrap();
        assert!(read(&d, f32::from_ne_bytes) == expected, "{name}");
    }
}

/// One block for each element of A, in registers and in shared memory; B [24, 16] in two layouts.
const WGMMA: &str = r#"
    struct Params {
        const unsigned* a;
        const unsigned short *a_rows, *b;
        float* d;
        unsigned long long leading, stride;
    };
    // 8x8 matrices of rows [rows][16], by leading and stride.
    __device__ void store(unsigned char* to, const unsigned short* from, unsigned rows, Params p) {
        for (unsigned i = threadIdx.x; i < rows * 16; i += 128) {
            const unsigned row = i / 16, k = i % 16;
            *(unsigned short*)(to + row / 8 * p.stride + k / 8 * p.leading + row % 8 * 16 + k % 8 * 2) = from[i];
        }
    }
    __device__ unsigned long long describe(const void* start, Params p) {
        return emulated_shared_address(start) >> 4 | p.leading >> 4 << 16 | p.stride >> 4 << 32;
    }
    template <class F> __device__ void run(Params p, F multiply) {
        extern __shared__ __align__(16) unsigned char shared_memory[];
        unsigned char* const b = shared_memory + 4096;
        const unsigned at = blockIdx.x * 128 + threadIdx.x;
        store(shared_memory, p.a_rows + blockIdx.x * 1024, 64, p);
        store(b, p.b, 24, p);
        emulated_fence_proxy_async();
        __syncthreads();
        unsigned a[4];
        float d[12];
        for (int i = 0; i < 4; ++i) a[i] = p.a[at * 4 + i];
        for (int i = 0; i < 12; ++i) d[i] = 1000 * i;
        emulated_wgmma_fence();
        multiply(d, a, describe(shared_memory, p), describe(b, p), true);
        emulated_wgmma_commit();
        emulated_wgmma_wait(0);
        for (int i = 0; i < 12; ++i) p.d[at * 12 + i] = d[i] - 1000 * i;
    }
    using D = float (&)[12];
    using A = const unsigned (&)[4];
    using U = unsigned long long;
    extern "C" __global__ void f16(Params p) {
        run(p, [](D d, A a, U, U b, bool more) { emulated_wgmma_f16<24>(d, a, b, more); });
    }
    extern "C" __global__ void bf16(Params p) {
        run(p, [](D d, A a, U, U b, bool more) { emulated_wgmma_bf16<24>(d, a, b, more); });
    }
    extern "C" __global__ void f16_shared(Params p) {
        run(p, [](D d, A, U a, U b, bool more) { emulated_wgmma_ss_f16<24>(d, a, b, more); });
    }
    extern "C" __global__ void bf16_shared(Params p) {
        run(p, [](D d, A, U a, U b, bool more) { emulated_wgmma_ss_bf16<24>(d, a, b, more); });
    }"#;

#[test]
fn wgmma_m64n24k16_by_one_hot_operands() {
    const N: usize = 24;
    let Some(program) = compile("wgmma", WGMMA, &["f16", "bf16", "f16_shared", "bf16_shared"]) else { return };
    for (name, bits) in FORMATS {
        let (mut a, mut rows, mut b) = (vec![0u16; 1024 * 1024], vec![0u16; 1024 * 1024], vec![0u16; N * 16]);
        let mut expected = vec![0f32; 1024 * 64 * N];
        for k in 0..16 {
            for column in 0..N {
                b[column * 16 + k] = bits(name_of(k, column));
            }
            for row in 0..64 {
                let block = row * 16 + k;
                let (lane, element) = place_in_a(row, k);
                a[block * 1024 + lane * 8 + element] = bits(1.0);
                rows[block * 1024 + row * 16 + k] = bits(1.0);
                for column in 0..N {
                    let (lane, element) = place_in_d(row, column);
                    expected[block * 64 * N + lane * N / 2 + element] = name_of(k, column);
                }
            }
        }
        let [a, rows, b] = [a, rows, b].map(|values| buffer(&values));
        for (leading, stride) in [(128, 256), (1024, 128), (16 * 9, 16 * 18)] {
            for (entry, options) in [name.to_owned(), format!("{name}_shared")].iter().zip([OPTIONS[0], OPTIONS[3]]) {
                let d = Memory::allocate(4 * 1024 * 64 * N).unwrap();
                let params = words(&[a.address(), rows.address(), b.address(), d.address(), leading, stride]);
                let grid = Grid::new([1024, 1, 1], [128, 1, 1]).shared(4096 + 2048);
                // SAFETY: as long as the kernel takes them to be.
                unsafe { program.launch(entry, grid, &params, &options) }.unwrap();
                assert!(read(&d, f32::from_ne_bytes) == expected, "{entry}, {leading} and {stride}");
            }
        }
    }
}
