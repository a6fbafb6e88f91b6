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
// Shapes      mu, scale [N, latent], noise [N, trials, latent] or null; images [N, pixels]; w3 [steps, hidden, 16];
//             w4 [pixels / 112, hidden / 16, parts, 112, 16]; bias [pixels]; errors [N, trials]. The host pads pixels to
//             112 and hidden to 16
// Grid        as many blocks as fit the device, each of which takes tiles blockIdx.x, blockIdx.x + gridDim.x, ..
// Memory      h [parts, hidden / 16, M, 16], then three stages of `depth` slabs of W4 with the biases and pixels of a
//             tile, then 2 M sums. Latents as operands lie where the last stage will, and may need more: the host says how
//             much there is. The paper's model takes 149 KB with M = 128, 98 KB with M = 64
// Barriers    all in loops whose bounds the block shares; a stage is filled when everyone has left it
// Tile        warps go M / rows by 2; a warp has 32 or 16 rows by 56 pixels. Per slab it loads 2 or 1 + 3.5 times 512 bytes
//             for 14 or 7 products
// Bound       tensor cores, 331 cycles of an A100's multiprocessor a trial; shared memory 78 % of that with M = 128.
//             Predicted 0.25-0.30e9 trials/s on an A100, 0.40-0.45e9 on an H100, 0.21e9 on an RTX 4090: not measured
// Rounding    sums over units and over pixels have one fixed order per trial: tiles, blocks, windows and M do not change a
//             bit
#pragma once
#include "async.cuh"
#include "fragments.cuh"

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
    u32 depth; // slabs of a stage
    u32 ring;  // bytes of the stages
    float factor;
    u32 unused;
};

constexpr u32 PIXELS = 112, STAGES = 3;
constexpr u32 PART = PIXELS * 16 * 2;         // bytes of a slab of W4, of each part
constexpr u32 TABLE = 2 * PIXELS * sizeof(float); // bytes of biases and pixels

extern __shared__ __align__(16) unsigned char shared_memory[];

// A block's place in the work, and its memory.
template <class Operand_, u32 PARTS_, u32 M_, u32 ROWS_>
struct Block {
    using Operand = Operand_;
    static constexpr u32 PARTS = PARTS_, M = M_, ROWS = ROWS_;
    static constexpr u32 WARPS = 2 * M / ROWS, THREADS = 32 * WARPS, TILES = ROWS / 16, SLAB = PART * PARTS;
    const ScoreMma& p;
    u32 lane, across, down; // half of the pixels; rows / ROWS
    u32 slabs;              // of hidden units
    unsigned char *h, *ring;
    float* sums;

    __device__ __forceinline__ Block(const ScoreMma& p) : p(p) {
        const u32 warp = threadIdx.x / 32;
        lane = threadIdx.x % 32, across = warp / (M / ROWS), down = warp % (M / ROWS);
        slabs = p.hidden / 16;
        h = shared_memory;
        ring = h + PARTS * slabs * M * 32;
        sums = (float*)(ring + p.ring);
    }
    __device__ __forceinline__ u32 stage_bytes() const { return p.depth * SLAB + TABLE; }
    // Latents of 16 rows as operands: one of each lane and slab, [latent slabs][32].
    __device__ __forceinline__ uint4* latents(u32 sixteen) const {
        const u32 slabs = p.steps - p.latent / 16;
        return (uint4*)(ring + (STAGES - 1) * stage_bytes()) + sixteen * slabs * 32;
    }
    __device__ __forceinline__ void make_latents(u32 sample, u64 offset) const;
    __device__ __forceinline__ void make_units() const;
    __device__ __forceinline__ void multiply(float (&d)[TILES][7][4], const unsigned char* stage, u32 slab, u32 count) const;
};

// Operands of the first layer that are made of latents, as `slots` of image.rs has them: slabs 3 g and 3 g + 2 are the
// same. Warps that share 16 rows take turns.
template <class Operand, u32 PARTS, u32 M, u32 ROWS>
__device__ __forceinline__ void Block<Operand, PARTS, M, ROWS>::make_latents(u32 sample, u64 offset) const {
    constexpr u32 SHARERS = WARPS / (M / 16);
    const u32 warp = threadIdx.x / 32, sixteen = warp / SHARERS, q = lane % 4;
    const float* mu = p.mu + (size_t)sample * p.latent;
    const float* scale = p.scale + (size_t)sample * p.latent;
    const u64 trial = offset + sixteen * 16 + lane / 4;
    uint4* to = latents(sixteen);
    const auto given = [&](u64 trial, u32 d) {
        return trial < p.trials ? p.noise[(sample * p.trials + trial) * p.latent + d] : 0.0f;
    };
    const u32 groups = p.latent / 16;
    for (u32 g = warp % SHARERS; g < groups; g += SHARERS) {
        float z[2][4];
#pragma unroll
        for (u32 r = 0; r < 2; r++) {
            float4 four = {};
            if (!p.noise) four = normals(p.seed, p.first + trial + 8 * r, sample, 4 * g + q);
            const float eps[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                const u32 d = 16 * g + 4 * q + i;
                z[r][i] = __fmaf_rn(scale[d], p.noise ? given(trial + 8 * r, d) : eps[i], mu[d]);
            }
        }
        u32 high[4], low[4];
        latent_operands<Operand>(high, low, z);
        to[2 * g * 32 + lane] = make_uint4(high[0], high[1], high[2], high[3]);
        to[(2 * g + 1) * 32 + lane] = make_uint4(low[0], low[1], low[2], low[3]);
    }
    if (groups % SHARERS != warp % SHARERS) return;
    // Slots of this thread in the last slabs: three of each four latents, the bias, and zeros.
    const u32 last = p.steps - 3 * groups, fours = (p.latent % 16 + 3) / 4;
    unsigned short* slots = (unsigned short*)(to + 2 * groups * 32 + lane);
    for (u32 r = 0; r < 2; r++) {
        const auto put = [&](u32 t, u32 value) {
            slots[t / 4 * 256 + t % 4 / 2 * 4 + r * 2 + t % 2] = (unsigned short)value;
        };
        for (u32 four = 0; four < fours; four++) {
            const u32 d = 16 * groups + 4 * four + q;
            float z = 0;
            if (d < p.latent) {
                const u64 row = trial + 8 * r;
                const float eps = p.noise ? given(row, d) : normal(p.seed, p.first + row, sample, 4 * groups + four, q);
                z = __fmaf_rn(scale[d], eps, mu[d]);
            }
            u32 high, low;
            split<Operand>(high, low, z, z);
            put(3 * four, high), put(3 * four + 1, high), put(3 * four + 2, low);
        }
        for (u32 t = 3 * fours; t < 4 * last; t++) put(t, t == 3 * fours ? Operand::pack(1.0f, 0.0f) : 0);
    }
}

// Hidden units of a warp's rows, every other 32 of them, to h.
template <class Operand, u32 PARTS, u32 M, u32 ROWS>
__device__ __forceinline__ void Block<Operand, PARTS, M, ROWS>::make_units() const {
    const u32 groups = p.hidden / 8, twice = 3 * (p.latent / 16);
    const uint4* z[TILES];
#pragma unroll
    for (u32 m = 0; m < TILES; m++) z[m] = latents(down * TILES + m) + lane;
    for (u32 group = 4 * across; group < groups; group += 8) {
        float d[TILES][4][4] = {};
#pragma unroll 2
        for (u32 step = 0; step < p.steps; step++) {
            const u32 at = step < twice ? step / 3 * 2 + (step % 3 == 1) : step - p.latent / 16;
            u32 a[TILES][4];
#pragma unroll
            for (u32 m = 0; m < TILES; m++) *(uint4*)a[m] = z[m][at * 32];
#pragma unroll
            for (u32 n = 0; n < 4; n++) {
                const u32* b = p.w3 + ((size_t)step * groups + min(group + n, groups - 1)) * 64 + lane;
                const u32 b0 = __ldg(b), b1 = __ldg(b + 32);
#pragma unroll
                for (u32 m = 0; m < TILES; m++) Operand::multiply_add(d[m][n], a[m], b0, b1);
            }
        }
#pragma unroll
        for (u32 n = 0; n < 4; n++) {
            if (group + n >= groups) break;
#pragma unroll
            for (u32 m = 0; m < TILES; m++) {
                unsigned char* to = h + (group + n) / 2 * (M * 32) + (down * ROWS + 16 * m) * 32 + n % 2 * 128 + 4 * lane;
#pragma unroll
                for (u32 r = 0; r < 2; r++) { // rows r and r + 8
                    u32 high, low;
                    if constexpr (PARTS == 1) {
                        high = Operand::pack_relu(d[m][n][2 * r], d[m][n][2 * r + 1]);
                    } else {
                        split<Operand>(high, low, fmaxf(d[m][n][2 * r], 0.0f), fmaxf(d[m][n][2 * r + 1], 0.0f));
                        *(u32*)(to + slabs * M * 32 + r * 256) = low;
                    }
                    *(u32*)(to + r * 256) = high;
                }
            }
        }
    }
}

// Adds the products of a stage's slabs, of hidden slabs from `slab` on.
template <class Operand, u32 PARTS, u32 M, u32 ROWS>
__device__ __forceinline__ void Block<Operand, PARTS, M, ROWS>::multiply(float (&d)[TILES][7][4], const unsigned char* stage,
                                                                         u32 slab, u32 count) const {
    const unsigned char* units = h + slab * (M * 32) + down * ROWS * 32 + lane / 8 % 2 * 256 + lane / 16 * 128 + lane % 8 * 16;
    const unsigned char* weights = stage + across * (PART / 2) + lane * 16;
    for (u32 k = 0; k < count; k++) {
        u32 a[PARTS][TILES][4], b[PARTS][4][4];
#pragma unroll
        for (u32 part = 0; part < PARTS; part++) {
#pragma unroll
            for (u32 m = 0; m < TILES; m++) load_matrices(a[part][m], units + part * slabs * M * 32 + m * 512);
#pragma unroll
            for (u32 n = 0; n < 3; n++) load_matrices(b[part][n], weights + part * PART + n * 512);
            u32 last[2]; // lanes 16 to 31 name no row, but stay within the stage
            load_matrices(last, weights + part * PART + 3 * 512 - lane / 16 * 256);
            b[part][3][0] = last[0], b[part][3][1] = last[1];
        }
#pragma unroll
        for (u32 n = 0; n < 7; n++)
#pragma unroll
            for (u32 m = 0; m < TILES; m++) {
                const u32 i = n / 2, j = n % 2 * 2;
                if constexpr (PARTS == 2) {
                    Operand::multiply_add(d[m][n], a[1][m], b[0][i][j], b[0][i][j + 1]);
                    Operand::multiply_add(d[m][n], a[0][m], b[1][i][j], b[1][i][j + 1]);
                }
                Operand::multiply_add(d[m][n], a[0][m], b[0][i][j], b[0][i][j + 1]);
            }
        units += M * 32, weights += SLAB;
    }
}

template <class B>
__device__ __forceinline__ void score(const ScoreMma& p) {
    const B block(p);
    const u32 lane = block.lane, across = block.across, down = block.down, slabs = block.slabs;
    const u32 steps = (slabs + p.depth - 1) / p.depth, stage_bytes = block.stage_bytes();
    for (u64 tile = blockIdx.x; tile < p.tiles; tile += gridDim.x) {
        const u32 sample = (u32)(tile / p.pieces);
        const u64 offset = tile % p.pieces * B::M;
        const float* image = p.images + (size_t)sample * p.pixels;
        u32 next_pixel = 0, next_step = 0, next_stage = 0; // what is fetched next
        const unsigned char* next = p.w4;
        const auto fetch_next = [&] {
            if (next_pixel < p.pixels) {
                const u32 bytes = min(p.depth, slabs - next_step * p.depth) * B::SLAB;
                unsigned char* to = block.ring + next_stage * stage_bytes;
                for (u32 i = 16 * threadIdx.x; i < bytes; i += 16 * B::THREADS) copy16(to + i, next + i);
                next += bytes;
                next_stage = (next_stage + 1) % STAGES;
                if (++next_step == steps) { // biases and pixels travel with the last slabs
                    for (u32 i = threadIdx.x; i < TABLE / 16; i += B::THREADS) {
                        const u32 c = i % (PIXELS / 4) * 4;
                        copy16(to + p.depth * B::SLAB + 16 * i, (i < PIXELS / 4 ? p.bias : image) + next_pixel + c);
                    }
                    next_step = 0, next_pixel += PIXELS;
                }
            }
            commit_copies(); // an empty group where nothing is left, so that one group is one stage
        };
        fetch_next();
        fetch_next();
        block.make_latents(sample, offset);
        __syncthreads();
        block.make_units();

        float squares[B::TILES][2] = {};
        u32 stage = 0;
        for (u32 pixel = 0; pixel < p.pixels; pixel += PIXELS) {
            float d[B::TILES][7][4] = {};
            const unsigned char* at;
            for (u32 step = 0; step < steps; step++) {
                wait_copies<1>();
                __syncthreads(); // this stage has arrived (and h is made); nobody reads the one before, fetched into next
                fetch_next();
                at = block.ring + stage * stage_bytes;
                stage = (stage + 1) % STAGES;
                block.multiply(d, at, step * p.depth, min(p.depth, slabs - step * p.depth));
            }
            const float* table = (const float*)(at + p.depth * B::SLAB) + across * (PIXELS / 2) + lane % 4 * 2;
#pragma unroll
            for (u32 n = 0; n < 7; n++) {
                const float2 bias = *(const float2*)(table + 8 * n), x = *(const float2*)(table + PIXELS + 8 * n);
#pragma unroll
                for (u32 m = 0; m < B::TILES; m++)
#pragma unroll
                    for (u32 r = 0; r < 2; r++)
                        add_squares(squares[m][r], d[m][n][2 * r], d[m][n][2 * r + 1], p.factor, bias, x);
            }
        }
        // The four threads of a row, then both halves of the pixels.
#pragma unroll
        for (u32 m = 0; m < B::TILES; m++)
#pragma unroll
            for (u32 r = 0; r < 2; r++) {
                float sum = squares[m][r];
                sum = __fadd_rn(sum, __shfl_xor_sync(0xffffffffu, sum, 1));
                sum = __fadd_rn(sum, __shfl_xor_sync(0xffffffffu, sum, 2));
                if (lane % 4 == 0) block.sums[across * B::M + down * B::ROWS + 16 * m + 8 * r + lane / 4] = sum;
            }
        __syncthreads();
        const u64 trial = offset + threadIdx.x;
        if (threadIdx.x < B::M && trial < p.trials) {
            const float sum = __fadd_rn(block.sums[threadIdx.x], block.sums[B::M + threadIdx.x]);
            p.errors[sample * p.trials + trial] = __fsqrt_rn(sum);
        }
    }
}

#define SCORE(name, Operand, parts, trials, rows)                                                                      \
    extern "C" __global__ void __launch_bounds__(64 * trials / rows, 1) name(const __grid_constant__ ScoreMma p) {      \
        score<Block<Operand, parts, trials, rows>>(p);                                                                 \
    }
