//! Kernels that do right, in every order.

use crate::{OPTIONS, buffer, compile, numbers, read, words};
use retrial_emulator::{Grid, Memory};

#[test]
fn reduction_by_shuffles_shared_memory_and_atomics() {
    let text = r#"
        struct Sum { const float* x; float* by_block; unsigned long long* above; long long n; };
        extern "C" __global__ void __launch_bounds__(256) sum(const __grid_constant__ Sum p) {
            __shared__ float warps[8];
            float v = 0;
            unsigned above = 0;
            for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < p.n; i += gridDim.x * blockDim.x) {
                v += __ldg(p.x + i);
                above += p.x[i] > 0.25f;
            }
            for (int m = 16; m; m >>= 1) v += __shfl_xor_sync(~0u, v, m);
            above = __reduce_add_sync(~0u, above);
            if (threadIdx.x % 32 == 0) {
                warps[threadIdx.x / 32] = v;
                atomicAdd(p.above, (unsigned long long)above);
            }
            __syncthreads();
            if (threadIdx.x >= 8) return;
            v = warps[threadIdx.x];
            for (int m = 4; m; m >>= 1) v += __shfl_down_sync(0xff, v, m, 8);
            if (threadIdx.x == 0) p.by_block[blockIdx.x] = v;
        }"#;
    let Some(program) = compile("sum", text, &["sum"]) else { return };
    let x = numbers(10_000);
    let memory = buffer(&x);
    let expected: f64 = x.iter().map(|&x| f64::from(x)).sum();
    let mut first: Option<Vec<f32>> = None;
    for options in OPTIONS {
        let (by_block, above) = (Memory::allocate(28).unwrap(), buffer(&[0u64]));
        let params = words(&[memory.address(), by_block.address(), above.address(), 10_000]);
        // SAFETY: as long as the kernel takes them to be.
        unsafe { program.launch("sum", Grid::new([7, 1, 1], [256, 1, 1]), &params, &options) }.unwrap();
        assert_eq!(read(&above, u64::from_ne_bytes)[0], x.iter().filter(|&&x| x > 0.25).count() as u64);
        let sums = read(&by_block, f32::from_ne_bytes);
        let sum: f64 = sums.iter().map(|&sum| f64::from(sum)).sum();
        assert!((sum - expected).abs() < 1e-2, "{sum} {expected}");
        assert_eq!(*first.get_or_insert_with(|| sums.clone()), sums, "bit for bit, in any order");
        by_block.free().unwrap();
    }
}

/// 32x32 tiles of A B, all `[64, 64]`, two of them in flight.
const TILED: &str = r#"
    struct Product { const float *a, *b; float* c; };
    extern "C" __global__ void product(const __grid_constant__ Product p) {
        constexpr int N = 64, T = 32;
        extern __shared__ __align__(16) unsigned char shared_memory[];
        float4* tiles = (float4*)shared_memory;
        const int row = blockIdx.y * T, column = blockIdx.x * T, x = threadIdx.x, y = threadIdx.y;
        auto load = [&](int stage, int k) {
            float4* to = tiles + stage * 2 * T * T / 4 + y * T / 4 + x;
            emulated_cp_async(to, p.a + (row + y) * N + k + 4 * x, 16, 16);
            emulated_cp_async(to + T * T / 4, p.b + (k + y) * N + column + 4 * x, 16, 16);
            emulated_cp_async_commit();
        };
        float c[4] = {};
        load(0, 0);
        for (int k = 0; k < N; k += T) {
            const int stage = k / T % 2;
            if (k + T < N) {
                load(1 - stage, k + T);
                WAIT(1);
            } else {
                WAIT(0);
            }
            BARRIER();
            const float* a = (const float*)(tiles + stage * 2 * T * T / 4);
            const float* b = a + T * T;
            for (int i = 0; i < T; ++i) {
                for (int j = 0; j < 4; ++j) c[j] = fmaf(a[y * T + i], b[i * T + 4 * x + j], c[j]);
            }
            __syncthreads();
        }
        *(float4*)(p.c + (row + y) * N + column + 4 * x) = make_float4(c[0], c[1], c[2], c[3]);
    }"#;

fn tiled(text: &str) -> Option<Vec<Vec<f32>>> {
    let program = compile("product", text, &["product"])?;
    let (a, b) = (buffer(&numbers(4096)), buffer(&numbers(8192)[4096..]));
    let run = |options| {
        let c = Memory::allocate(4 * 4096).unwrap();
        let params = words(&[a.address(), b.address(), c.address()]);
        // SAFETY: as long as the kernel takes them to be.
        unsafe { program.launch("product", Grid::new([2, 2, 1], [8, 32, 1]).shared(16_384), &params, options) }
            .unwrap();
        read(&c, f32::from_ne_bytes)
    };
    Some(OPTIONS.iter().map(run).collect())
}

#[test]
fn tiled_product_with_asynchronous_copies() {
    let text = TILED.replace("WAIT", "emulated_cp_async_wait").replace("BARRIER", "__syncthreads");
    let Some(results) = tiled(&text) else { return };
    let (a, b) = (numbers(4096), numbers(8192)[4096..].to_vec());
    let expected = |at: usize| (0..64).fold(0.0f32, |c, k| a[at / 64 * 64 + k].mul_add(b[k * 64 + at % 64], c));
    let expected: Vec<f32> = (0..4096).map(expected).collect();
    for result in results {
        assert_eq!(result, expected, "bit for bit");
    }
}

#[test]
fn forgotten_waits_read_nan_and_forgotten_barriers_depend_on_the_order() {
    let no_wait = TILED.replace("WAIT", "(void)").replace("BARRIER", "__syncthreads");
    let Some(results) = tiled(&no_wait) else { return };
    assert!(results.iter().all(|c| c.iter().all(|c| c.is_nan())));
    let no_barrier = TILED.replace("WAIT", "emulated_cp_async_wait").replace("BARRIER()", "");
    let results = tiled(&no_barrier).unwrap();
    assert!(results.iter().all(|c| c.iter().any(|c| c.is_nan())));
}

#[test]
fn matrix_fragments() {
    let text = r#"
        struct Mma { const unsigned *a, *b; float *half, *bfloat; };
        __device__ unsigned pack(const float* x, int stride, bool narrow) {
            const __half2 h = __floats2half2_rn(x[0], x[stride]);
            const __nv_bfloat162 b = __floats2bfloat162_rn(x[0], x[stride]);
            return narrow ? *(const unsigned*)&h : *(const unsigned*)&b;
        }
        extern "C" __global__ void mma(const __grid_constant__ Mma p) {
            const int g = threadIdx.x / 4, t = threadIdx.x % 4;
            for (int kind = 0; kind < 2; ++kind) {
                unsigned a[4], b[2];
                for (int r = 0; r < 4; ++r) {
                    a[r] = pack((const float*)p.a + (g + r % 2 * 8) * 16 + 2 * t + r / 2 * 8, 1, kind == 0);
                }
                for (int r = 0; r < 2; ++r) b[r] = pack((const float*)p.b + (2 * t + r * 8) * 8 + g, 8, kind == 0);
                float d[4] = {1, 1, 1, 1};
                if (kind == 0) emulated_mma_m16n8k16_f16(d, a, b);
                else emulated_mma_m16n8k16_bf16(d, a, b);
                float* to = kind == 0 ? p.half : p.bfloat;
                for (int i = 0; i < 4; ++i) to[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
            }
        }"#;
    let Some(program) = compile("mma", text, &["mma"]) else { return };
    let (a, b) = (numbers(256), numbers(384)[256..].to_vec());
    let (at_a, at_b) = (buffer(&a), buffer(&b));
    for options in OPTIONS {
        let outputs = [(); 2].map(|()| Memory::allocate(4 * 128).unwrap());
        let params = words(&[at_a.address(), at_b.address(), outputs[0].address(), outputs[1].address()]);
        // SAFETY: as long as the kernel takes them to be.
        unsafe { program.launch("mma", Grid::new([1; 3], [32, 1, 1]), &params, &options) }.unwrap();
        // Products of numbers below 1/2, each factor rounded by half a unit of 11 or 8 bits.
        for (output, unit) in outputs.iter().zip([2f64.powi(-11), 2f64.powi(-8)]) {
            let d = read(output, f32::from_ne_bytes);
            for (at, &d) in d.iter().enumerate() {
                let term = |k: usize| f64::from(a[at / 8 * 16 + k]) * f64::from(b[k * 8 + at % 8]);
                let (exact, size) = (0..16).fold((1.0, 0.0), |(sum, size), k| (sum + term(k), size + term(k).abs()));
                assert!((f64::from(d) - exact).abs() <= 2.1 * unit * size + 1e-6, "{at}: {d} {exact}");
                assert!(size > 0.0);
            }
        }
    }
}

/// Every half and bfloat there and back, and ties, against arithmetic in f64.
#[test]
fn narrow_floats() {
    let text = r#"
        struct Narrow { unsigned* wrong; };
        extern "C" __global__ void narrow(Narrow p) {
            const unsigned bits = blockIdx.x * blockDim.x + threadIdx.x, sign = bits & 0x8000, size = bits & 0x7fff;
            const float half = __half2float(__ushort_as_half(bits));
            const unsigned exponent = size >> 10, mantissa = size & 1023;
            const double exact = exponent ? ldexp(1024.0 + mantissa, int(exponent) - 25) : ldexp(double(mantissa), -24);
            if (exponent < 31 && half != (sign ? -exact : exact)) atomicAdd(p.wrong, 1u);
            if (size <= 0x7c00 && __half_as_ushort(__float2half_rn(half)) != bits) atomicAdd(p.wrong + 1, 1u);
            if (size > 0x7c00 && !isnan(half)) atomicAdd(p.wrong + 2, 1u);
            if (size < 0x7bff) {
                const float next = __half2float(__ushort_as_half(bits + 1)), middle = 0.5f * (half + next);
                if (__half_as_ushort(middle) != ((bits + 1) & ~1u)) atomicAdd(p.wrong + 3, 1u);
                const float nearer = __uint_as_float(__float_as_uint(middle) - 1);
                if (__half_as_ushort(nearer) != bits) atomicAdd(p.wrong + 4, 1u);
            }
            const float wide = __uint_as_float(bits << 16), tie = __uint_as_float(bits << 16 | 0x8000);
            if (size <= 0x7f80 && __bfloat16_as_ushort(__float2bfloat16_rn(wide)) != bits) atomicAdd(p.wrong + 5, 1u);
            if (size < 0x7f80 && __bfloat16_as_ushort(tie) != ((bits + 1) & ~1u)) atomicAdd(p.wrong + 6, 1u);
            if (size > 0x7f80 && !isnan(__bfloat162float(__float2bfloat16_rn(wide)))) atomicAdd(p.wrong + 7, 1u);
        }"#;
    let Some(program) = compile("narrow", text, &["narrow"]) else { return };
    let wrong = buffer(&[0u32; 8]);
    // SAFETY: as long as the kernel takes it to be.
    unsafe { program.launch("narrow", Grid::new([256, 1, 1], [256, 1, 1]), &words(&[wrong.address()]), &OPTIONS[1]) }
        .unwrap();
    assert_eq!(read(&wrong, u32::from_ne_bytes), [0; 8]);
}

#[test]
fn votes_shuffles_and_counts() {
    let text = r#"
        struct Votes { unsigned* out; };
        extern "C" __global__ void votes(Votes p) {
            const unsigned t = threadIdx.x, l = t % 32, low = 0xffff, mask = l < 16 ? low : ~low;
            unsigned ok = __ballot_sync(~0u, l % 3 == 0) == 0x49249249;
            ok &= __ballot_sync(mask, 1) == mask;
            ok &= __any_sync(~0u, l == 5) && !__any_sync(mask, 0) && __all_sync(mask, 1) && !__all_sync(~0u, l < 31);
            ok &= __shfl_sync(~0u, t, 3, 8) == t / 8 * 8 + 3;
            ok &= __shfl_up_sync(~0u, t, 2, 16) == (l % 16 < 2 ? t : t - 2);
            ok &= __shfl_down_sync(~0u, 1ull << 40 | t, 1) == (1ull << 40 | (l == 31 ? t : t + 1));
            ok &= __shfl_xor_sync(~0u, double(l), 31) == 31.0 - l;
            ok &= __reduce_max_sync(~0u, -int(l)) == 0 && __reduce_xor_sync(mask, 1u << l) == mask;
            ok &= __syncthreads_count(t % 2) == 48 && __syncthreads_or(t == 95) && !__syncthreads_and(t != 95);
            if (l >= 16) return;
            __syncwarp(low);
            ok &= __syncthreads_and(1) && __activemask() == low && __syncthreads_count(1) == 48;
            ok &= __umulhi(~0u, ~0u) == 0xfffffffe && __brev(1) == 1u << 31 && __clz(1) == 31 && __ffs(8) == 4;
            ok &= __funnelshift_l(1u << 31, 1, 1) == 3 && max(-1, 1) == 1 && min(2u, 3u) == 2 && __popc(7) == 3;
            atomicMin(p.out, t + 1);
            atomicMax(p.out + 1, t + 1);
            atomicAdd(p.out + 2, ok);
            atomicCAS(p.out + 3, 0u, blockIdx.y + 2 * blockIdx.z + 1);
        }"#;
    let Some(program) = compile("votes", text, &["votes"]) else { return };
    for options in OPTIONS {
        let out = buffer(&[9u32, 9, 0, 0]);
        // SAFETY: as long as the kernel takes it to be.
        unsafe { program.launch("votes", Grid::new([1, 2, 2], [96, 1, 1]), &words(&[out.address()]), &options) }
            .unwrap();
        let [min, max, ok, first] = read(&out, u32::from_ne_bytes)[..] else { panic!() };
        assert_eq!((min, max, ok), (1, 80, 4 * 48));
        assert!((1..=4).contains(&first));
    }
}

/// `__shared__` variables of templates and of inline functions, one for each.
#[test]
fn shared_variables_of_templates() {
    let text = r#"
        struct Params { int* out; };
        template <int N> __device__ int* shared() { __shared__ int values[N]; return values; }
        __device__ __forceinline__ int* other() { __shared__ __align__(16) int values[32]; return values; }
        extern "C" __global__ void templates(Params p) {
            const int t = threadIdx.x;
            shared<32>()[t] = t, shared<33>()[t + 1] = 100 + t, other()[t] = 200 + t;
            __syncthreads();
            p.out[t] = shared<32>()[31 - t] + shared<33>()[t + 1] + other()[t];
        }"#;
    let Some(program) = compile("templates", text, &["templates"]) else { return };
    for options in OPTIONS {
        let out = buffer(&[0i32; 32]);
        // SAFETY: as long as the kernel takes it to be.
        unsafe { program.launch("templates", Grid::new([3, 1, 1], [32, 1, 1]), &words(&[out.address()]), &options) }
            .unwrap();
        assert!(read(&out, i32::from_ne_bytes).iter().zip(331..).all(|(&out, expected)| out == expected));
    }
}
