// score_mma: `score` on tensor cores with mma.sync, for compute capability 8.0 and later. Kernel A.
//
//   z = mu + scale eps;  h = relu(W3 z + b3);  e = sqrt(sum_pixels (x - sigmoid(W4 h + b4))^2)
//
// A block makes the hidden units of M consecutive trials of one sample, keeps them in shared memory as operands, and
// streams W4 past them, 112 pixels at a time; each product becomes squares in registers at once.
//
// Operands    f16 or bf16, or f16x3: units and W4 as sums of two f16, of whose four products three are added. The first
//             layer is f32-grade in all of them. `crates/cuda/src/image.rs` says how the images of W3 and W4 lie, which
//             slots the first layer has, and which powers of two keep everything within f16
// Shapes      mu, scale [N, latent]; noise [N, trials, latent] or null; images [N, pixels]; w3 [steps, hidden, 16];
//             w4 [pixels / 112, hidden / 16, parts, 112, 16]; bias [pixels]; errors [N, trials]. The host pads pixels to
//             112 and hidden to 16
// Grid        as many blocks as fit the device, each of which takes tiles blockIdx.x, blockIdx.x + gridDim.x, ..
// Memory      h [parts, hidden / 16, M, 16], then three stages of `depth` slabs of W4 with the biases and pixels of a
//             tile, then 2 M sums. Operands made of latents lie where the last stage will, and may take more: the host says
//             how much there is. The paper's model takes 159,872 bytes with M = 128, 97,408 with 64
// Barriers    two groups of warps, one for each half of every 112 pixels, share the units alone: each streams its half of W4
//             and waits for itself, so that one can multiply while the other computes sigmoids. Block-wide barriers, between
//             the phases of a tile, are in a loop whose bounds the block shares
// Tile        a warp has 32 rows (M = 128) or 16 by 56 pixels. Per slab it loads 2 or 1 + 3.5 times 512 bytes for 14 or 7
//             products of 16 x 8 x 16; in f16x3 twice as many bytes for three times as many products
// Bound       tensor cores, 331 cycles of an A100's multiprocessor a trial; shared memory 78 % of that with M = 128.
//             0.35e9 trials/s on an H200 (benches/results, 2026-11-27; 0.40-0.45e9 was predicted of this chip); predicted
//             0.25-0.30e9 on an A100, 0.21e9 on an RTX 4090
// Precision   errors e of about 3 of trained models, run on a CPU, against f64: f16 off by -1e-5 on average, 2e-4 in standard
//             deviation, 1e-3 at most; bf16 2e-4, 2e-3, 6e-3; f16x3 -4e-8, 3e-7, 2e-6, the f32 kernel 3e-8, 2e-7, 8e-7.
//             tanh.approx would save a special operation in three, but errors of 2^-11 that happened to have one sign would
//             shift e by 5e-4 on average
// Rounding    sums over units and over pixels have one fixed order per trial: tiles, blocks, windows and M do not change a
//             bit
// Passes      ALL; SCREEN, where w4, bias and images are those of each sample's few pixels, and LIST (screen.cuh). What
//             they compute of a trial and a pixel is the same
#pragma once
#include "async.cuh"
#include "fragments.cuh"
#include "screen.cuh"

struct ScoreMma {
    const float* mu;
    const float* scale;
    const float* noise;
    const float* images;
    const u32* w3;
    const unsigned char* w4;
    const float* bias;
    float* errors;
    u64 seed, first, trials;
    u64 tiles, pieces; // in all; per sample
    u32 latent, hidden, pixels;
    u32 steps; // slabs of the first layer
    u32 depth; // slabs of W4 of a stage
    u32 ring;  // bytes of the stages, or of what lies there before
    float factor;
    u32 unused;
    Screen screen;
};

constexpr u32 PIXELS = 112, STAGES = 3;
constexpr u32 HALF = PIXELS / 2 * 16 * 2;               // bytes of a part of a slab of W4, of half the pixels
constexpr u32 TABLE = PIXELS / 2 * 2 * sizeof(float);    // bytes of biases and pixels of an image, of half the pixels

extern __shared__ __align__(16) unsigned char shared_memory[];

// A thread of a block that scores M trials, ROWS of them with each warp.
template <class Operand, u32 PARTS, u32 M, u32 ROWS>
struct Thread {
    static constexpr u32 DOWN = M / ROWS, THREADS = 2 * DOWN * 32, TILES = ROWS / 16, SLAB = M * 16 * 2;

    const ScoreMma& p;
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const u32 group = warp / DOWN, row = warp % DOWN * ROWS; // half of the pixels, and the warp's first row
    const u32 slabs = p.hidden / 16;
    const u32 stage_bytes = p.depth * PARTS * HALF + TABLE; // of each group
    unsigned char* const h = shared_memory;
    unsigned char* const ring = h + PARTS * slabs * SLAB;
    float* const sums = (float*)(ring + p.ring);

    __device__ __forceinline__ unsigned char* stage(u32 i) const { return ring + (2 * i + group) * stage_bytes; }

    // Operands made of the latents of 16 rows, [slabs of latents][lane]. They lie where the last stage will.
    __device__ __forceinline__ uint4* latents(u32 sixteen) const {
        const u32 slabs = p.steps - p.latent / 16;
        return (uint4*)(ring + 2 * (STAGES - 1) * stage_bytes) + sixteen * slabs * 32;
    }

    // Fills them, as `slots` of image.rs has them: slabs 3 g and 3 g + 2 share theirs. Warps that share 16 rows take turns.
    __device__ __forceinline__ void make_latents(u32 sample, u64 offset) const {
        constexpr u32 SHARERS = THREADS / 32 / (M / 16);
        const u32 q = lane % 4, groups = p.latent / 16;
        const float* mu = p.mu + (size_t)sample * p.latent;
        const float* scale = p.scale + (size_t)sample * p.latent;
        const u32 first = (u32)offset + warp / SHARERS * 16 + lane / 4;
        const u64 trials[2] = {trial_of(p.screen, sample, p.trials, first), trial_of(p.screen, sample, p.trials, first + 8)};
        uint4* const to = latents(warp / SHARERS);
        const auto given = [&](u64 trial, u32 d) {
            return trial < p.trials ? p.noise[(sample * p.trials + trial) * p.latent + d] : 0.0f;
        };
        for (u32 g = warp % SHARERS; g < groups; g += SHARERS) {
            float z[2][4];
#pragma unroll
            for (u32 r = 0; r < 2; r++) {
                float4 four = {};
                if (!p.noise) four = normals(p.seed, p.first + trials[r], sample, 4 * g + q);
                const float eps[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
                for (u32 i = 0; i < 4; i++) {
                    const u32 d = 16 * g + 4 * q + i;
                    z[r][i] = __fmaf_rn(scale[d], p.noise ? given(trials[r], d) : eps[i], mu[d]);
                }
            }
            u32 high[4], low[4];
            latent_operands<Operand>(high, low, z);
            to[2 * g * 32 + lane] = make_uint4(high[0], high[1], high[2], high[3]);
            to[(2 * g + 1) * 32 + lane] = make_uint4(low[0], low[1], low[2], low[3]);
        }
        if (groups % SHARERS != warp % SHARERS) return;
        // This thread's slots of the last slabs: three of each four latents, the bias, and zeros.
        const u32 last = p.steps - 3 * groups, fours = (p.latent % 16 + 3) / 4;
        unsigned short* const slots = (unsigned short*)(to + 2 * groups * 32 + lane);
        for (u32 r = 0; r < 2; r++) {
            const auto put = [&](u32 t, u32 value) {
                slots[t / 4 * 256 + t % 4 / 2 * 4 + r * 2 + t % 2] = (unsigned short)value;
            };
            for (u32 four = 0; four < fours; four++) {
                const u32 d = 16 * groups + 4 * four + q;
                const u64 at = trials[r];
                float z = 0;
                if (d < p.latent) {
                    const float eps = p.noise ? given(at, d) : normal(p.seed, p.first + at, sample, 4 * groups + four, q);
                    z = __fmaf_rn(scale[d], eps, mu[d]);
                }
                u32 high, low;
                split<Operand>(high, low, z, z);
                put(3 * four, high), put(3 * four + 1, high), put(3 * four + 2, low);
            }
            for (u32 t = 3 * fours; t < 4 * last; t++) put(t, t == 3 * fours ? Operand::pack(1.0f, 0.0f) : 0);
        }
    }

    // Hidden units of the warp's rows, 32 of every 64, to h.
    __device__ __forceinline__ void make_units() const {
        const u32 eights = p.hidden / 8, thrice = 3 * (p.latent / 16);
        const uint4* z[TILES];
#pragma unroll
        for (u32 m = 0; m < TILES; m++) z[m] = latents(row / 16 + m) + lane;
        for (u32 first = 4 * group; first < eights; first += 8) {
            float d[TILES][4][4] = {};
#pragma unroll 2
            for (u32 step = 0; step < p.steps; step++) {
                const u32 at = step < thrice ? step / 3 * 2 + (step % 3 == 1) : step - p.latent / 16;
                u32 a[TILES][4];
#pragma unroll
                for (u32 m = 0; m < TILES; m++) *(uint4*)a[m] = z[m][at * 32];
#pragma unroll
                for (u32 n = 0; n < 4; n++) {
                    const u32* b = p.w3 + ((size_t)step * eights + min(first + n, eights - 1)) * 64 + lane;
                    const u32 b0 = __ldg(b), b1 = __ldg(b + 32);
#pragma unroll
                    for (u32 m = 0; m < TILES; m++) Operand::multiply_add(d[m][n], a[m], b0, b1);
                }
            }
#pragma unroll
            for (u32 n = 0; n < 4; n++) {
                if (first + n >= eights) break;
                unsigned char* const to = h + (first + n) / 2 * SLAB + row * 32 + n % 2 * 128 + 4 * lane;
#pragma unroll
                for (u32 i = 0; i < 2 * TILES; i++) { // rows 8 i + lane / 4
                    const float* pair = &d[i / 2][n][i % 2 * 2];
                    if constexpr (PARTS == 1) {
                        *(u32*)(to + i * 256) = Operand::pack_relu(pair[0], pair[1]);
                    } else {
                        u32 high, low;
                        split<Operand>(high, low, fmaxf(pair[0], 0.0f), fmaxf(pair[1], 0.0f));
                        *(u32*)(to + i * 256) = high;
                        *(u32*)(to + i * 256 + slabs * SLAB) = low;
                    }
                }
            }
        }
    }

    // Starts the copies of so many slabs of W4 to a stage, and with the last of a tile those of its biases and pixels. (A
    // null pointer would tell the others apart as well, but NVRTC 13.0 reads it too early on sm_90: tests/hazards.rs.)
    __device__ __forceinline__ void fetch(unsigned char* to, const unsigned char* w4, u32 count, bool last,
                                          const float* bias, const float* image) const {
        const u32 thread = threadIdx.x % (THREADS / 2);
        for (u32 i = thread; i < count * PARTS * (HALF / 16); i += THREADS / 2) {
            const u32 part = i / (HALF / 16), at = i % (HALF / 16);
            copy16(to + 16 * i, w4 + (2 * part + group) * HALF + 16 * at);
        }
        if (!last) return;
        for (u32 i = thread; i < TABLE / 16; i += THREADS / 2) {
            const float* from = i < TABLE / 32 ? bias + 4 * i : image + 4 * (i - TABLE / 32);
            copy16(to + stage_bytes - TABLE + 16 * i, from + group * (PIXELS / 2));
        }
    }

    // Adds the products of a stage's slabs with units from `slab` on. Those with low parts go to sums of their own: a tensor
    // core truncates sums, and the fewer large ones it adds to, the less that costs.
    __device__ __forceinline__ void multiply(float (&d)[PARTS][TILES][7][4], const unsigned char* stage, u32 slab,
                                             u32 count) const {
        const unsigned char* units = h + slab * SLAB + row * 32 + lane / 8 % 2 * 256 + lane / 16 * 128 + lane % 8 * 16;
        const unsigned char* weights = stage + lane * 16;
        for (u32 k = 0; k < count; k++) {
            u32 a[PARTS][TILES][4], b[PARTS][4][4];
#pragma unroll
            for (u32 part = 0; part < PARTS; part++) {
#pragma unroll
                for (u32 m = 0; m < TILES; m++) load_matrices(a[part][m], units + part * slabs * SLAB + m * 512);
#pragma unroll
                for (u32 n = 0; n < 3; n++) load_matrices(b[part][n], weights + part * HALF + n * 512);
                u32 last[2]; // whose rows lanes 0 to 15 name; the others stay within the stage
                load_matrices(last, weights + part * HALF + 3 * 512 - lane / 16 * 256);
                b[part][3][0] = last[0], b[part][3][1] = last[1];
            }
            const auto add = [&](float (&d)[TILES][7][4], const u32 (&a)[TILES][4], const u32 (&b)[4][4]) {
#pragma unroll
                for (u32 n = 0; n < 7; n++)
#pragma unroll
                    for (u32 m = 0; m < TILES; m++) {
                        Operand::multiply_add(d[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
                    }
            };
            if constexpr (PARTS == 2) add(d[1], a[1], b[0]), add(d[1], a[0], b[1]);
            add(d[0], a[0], b[0]);
            units += SLAB, weights += PARTS * HALF;
        }
    }

    // Errors of a tile of rows from `offset` on.
    __device__ __forceinline__ void score(u32 row_of_images, u32 sample, u64 offset) const {
        const u32 place = p.screen.pass == SCREEN ? row_of_images : 0;
        const float* image = p.images + (size_t)row_of_images * p.pixels;
        const float* bias = p.bias + (size_t)place * p.pixels;
        const unsigned char* w4 = p.w4 + (size_t)place * (p.pixels / PIXELS) * slabs * PARTS * 2 * HALF;
        u32 next_pixel = 0, next_slab = 0, next_stage = 0; // what is fetched next
        const auto fetch_next = [&] {
            if (next_pixel < p.pixels) {
                const u32 count = min(p.depth, slabs - next_slab);
                const bool last = next_slab + count == slabs;
                fetch(stage(next_stage), w4, count, last, bias + next_pixel, image + next_pixel);
                w4 += count * PARTS * 2 * HALF;
                next_stage = (next_stage + 1) % STAGES;
                next_slab += count;
                if (last) next_slab = 0, next_pixel += PIXELS;
            }
            commit_copies(); // an empty group where nothing is left, so that one group is one stage
        };
        fetch_next();
        fetch_next();
        make_latents(sample, offset);
        __syncthreads();
        make_units();
        __syncthreads(); // units are made, and the latents' place is free

        float squares[2 * TILES] = {}; // of rows 8 i + lane / 4
        u32 at = 0;
        for (u32 pixel = 0; pixel < p.pixels; pixel += PIXELS) {
            float d[PARTS][TILES][7][4] = {};
            const unsigned char* now;
            for (u32 slab = 0; slab < slabs; slab += p.depth) {
                wait_copies<1>();
                sync_group(1 + group, THREADS / 2); // this stage has arrived, and nobody reads the one that is filled next
                fetch_next();
                now = stage(at);
                at = (at + 1) % STAGES;
                multiply(d, now, slab, min(p.depth, slabs - slab));
            }
            const float* table = (const float*)(now + stage_bytes - TABLE) + lane % 4 * 2;
#pragma unroll
            for (u32 n = 0; n < 7; n++) {
                const float2 bias = *(const float2*)(table + 8 * n), x = *(const float2*)(table + PIXELS / 2 + 8 * n);
#pragma unroll
                for (u32 i = 0; i < 2 * TILES; i++) {
                    float first = d[0][i / 2][n][i % 2 * 2], second = d[0][i / 2][n][i % 2 * 2 + 1];
                    if constexpr (PARTS == 2) {
                        first = __fadd_rn(first, d[1][i / 2][n][i % 2 * 2]);
                        second = __fadd_rn(second, d[1][i / 2][n][i % 2 * 2 + 1]);
                    }
                    add_squares(squares[i], first, second, p.factor, bias, x);
                }
            }
        }
        // The four threads of a row, then both halves of the pixels.
#pragma unroll
        for (u32 i = 0; i < 2 * TILES; i++) {
            float sum = squares[i];
            for (u32 step = 1; step < 4; step *= 2) sum = __fadd_rn(sum, __shfl_xor_sync(0xffffffffu, sum, step));
            if (lane % 4 == 0) sums[group * M + row + 8 * i + lane / 4] = sum;
        }
        __syncthreads(); // and nobody reads the ring any more
        if (threadIdx.x < M) {
            const float sum = __fadd_rn(sums[threadIdx.x], sums[M + threadIdx.x]);
            constexpr u32 LANES = M < 32 ? 0xffff : 0xffffffff;
            end_row<M>(p.screen, p.errors, LANES, sample, p.trials, (u32)offset + threadIdx.x, sum, true);
        }
    }

    __device__ __forceinline__ void score_tiles() const {
        const u64 tiles = p.screen.pass == LIST ? p.screen.counts[0] : p.tiles;
        for (u64 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
            uint2 at = {(u32)(tile / p.pieces), (u32)(tile % p.pieces * M)};
            if (p.screen.pass == LIST) at = p.screen.tiles[tile];
            score(at.x, p.screen.pass == SCREEN ? p.screen.samples[at.x] : at.x, at.y);
        }
    }
};

#define SCORE(name, Operand, parts, trials, rows)                                                                      \
    extern "C" __global__ void __launch_bounds__(64 * trials / rows, 1) name(const __grid_constant__ ScoreMma p) {      \
        Thread<Operand, parts, trials, rows>{p}.score_tiles();                                                         \
    }
