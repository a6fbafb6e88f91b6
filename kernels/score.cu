// score: errors of trials, from noise to L2 error, with nothing written per pixel. The fast path, in f32.
//
//   z = mu + scale eps;  h = relu(W3 z + b3);  e = sqrt(sum_pixels (x - sigmoid(W4 h + b4))^2)
//
// Trials come in tiles of 128 consecutive trials of one sample. A block first makes the hidden units of its tile, then
// multiplies them with W4, 112 pixels at a time, and folds each product into the sums of squares at once.
//
// Dead units  All trials of a tile share an image, so many hidden units are zero in every one of them. The block lists
//             the live ones and multiplies only those: exact, for a product with zero adds nothing. Of 400 units about
//             two thirds are alive at T = 1
// Shapes      mu, scale [N, latent]; noise [N, trials, latent] or null; images [N, pixels]; w3 [hidden / 8, latent, 8],
//             b3 [hidden]; w4 [pixels / 112, hidden, 112], b4 [pixels]; errors [N, trials]; h [blocks, hidden, 128].
//             The host pads pixels to 112 with pixels that are exactly 0, and hidden to 8 with at least one unit that is
//             always 0, the last
// Grid        as many blocks of 128 threads as fit the device, each of which takes tiles blockIdx.x, blockIdx.x +
//             gridDim.x, ..; hidden units go through a slice of h per block, 55 MB in all on an H100, about its L2 cache
// Memory      max(2 steps of DEPTH x (128 + 112), latent x 128) floats, 4 bytes a hidden unit and a bit. For the paper's
//             model 46.8 KB with DEPTH 24 (`score`), two blocks on an SM of any size since sm_80, and 61.8 KB with 32
//             (`score_deep`), two on an SM of 126 KB or more. What is left caches w3, 33 KB
// Barriers    all in loops whose bounds the block shares
// Tile        8 trials x 14 pixels a thread: six loads from shared memory feed 112 FMA, in groups of 8 live units. Copies
//             of the next step run beside the product of this one, across pixel tiles. No bit depends on DEPTH
// Stagger     two blocks share an SM. The second half of the grid makes the hidden units of its first tile twice, so that
//             from then on one block's hidden units, which wait for loads, are made beside the other's product
// Bound       FMA: 2 * 784 * 400 FLOP a trial and less by what is dead; 2 of 16 x 784 special functions and 21 KB from L2
//             a trial. Per 112 FMA (28 cycles of an SM) 6 loads from shared memory take 6 to 22 cycles of that pipe: five
//             are of 16 bytes a lane, with 4 or 8 addresses in a warp, and cost 1 cycle where the hardware merges lanes
//             of equal address, 4 where it does not
// Rate        of 956 instructions for 8 units 896 are FMA; a step adds 66 (DEPTH 24) or 75 (32). An H100 does 70.4e6
//             trials/s with all 400 units alive, 94.0e6 with 272 (benches/results, 2026-11-27), at 1.98 GHz: FMA units are
//             68 % busy. An issue model of the machine code said 76 to 80 %; there, the stagger is worth 0 to 7 %, most
//             where w3 comes from L2, and DEPTH 32 0 to 2 % over 24
// Rounding    sums over hidden units and over pixels have one fixed order per trial: tiles, blocks and windows do not
//             change a bit
#include "async.cuh"
#include "normals.cuh"
#include "sigmoid.cuh"

struct Score {
    const float* mu;
    const float* scale;
    const float* noise;
    const float* images;
    const float* w3;
    const float* b3;
    const float* w4;
    const float* b4;
    float* errors;
    float* h;
    u64 seed, first, trials;
    u64 tiles, pieces; // in all; per sample
    u32 latent, hidden, pixels, unused;
};

constexpr u32 TRIALS = 128, PIXELS = 112, THREADS = 128, STAGES = 2, GROUP = 8;

extern __shared__ __align__(16) unsigned char shared_memory[];

// Latents of this thread's trial, to z[d][thread].
__device__ __forceinline__ void latents(const Score& p, float* z, u32 sample, u64 offset) {
    const float* mu = p.mu + (size_t)sample * p.latent;
    const float* scale = p.scale + (size_t)sample * p.latent;
    for (u32 d = 0; d < p.latent; d += 4) {
        float eps[4] = {};
        if (!p.noise) {
            const float4 four = normals(p.seed, p.first + offset, sample, d / 4);
            eps[0] = four.x, eps[1] = four.y, eps[2] = four.z, eps[3] = four.w;
        }
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            if (d + i < p.latent) {
                if (p.noise && offset < p.trials) eps[i] = p.noise[(sample * p.trials + offset) * p.latent + d + i];
                z[(d + i) * TRIALS + threadIdx.x] = __fmaf_rn(scale[d + i], eps[i], mu[d + i]);
            }
        }
    }
}

// Hidden units of this thread's trial, to h[unit][thread]; a bit of `alive` for each that lives in any trial.
__device__ __forceinline__ void hidden_units(const Score& p, const float* z, float* h, u32* alive) {
    const float4* bias = (const float4*)p.b3;
    const float4* weight = (const float4*)p.w3;
    h += threadIdx.x;
    for (u32 g = 0; g < p.hidden / GROUP; g++) {
        float sums[GROUP];
        *(float4*)&sums[0] = __ldg(bias++);
        *(float4*)&sums[4] = __ldg(bias++);
        const float* value = z + threadIdx.x;
#pragma unroll 4
        for (u32 d = p.latent; d; d--) {
            float w[GROUP];
            *(float4*)&w[0] = __ldg(weight++);
            *(float4*)&w[4] = __ldg(weight++);
#pragma unroll
            for (int i = 0; i < 8; i++) sums[i] = __fmaf_rn(*value, w[i], sums[i]);
            value += TRIALS;
        }
        u32 bits = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            h[i * TRIALS] = fmaxf(sums[i], 0.0f);
            bits |= sums[i] > 0.0f ? 1u << i : 0;
        }
        h += GROUP * TRIALS;
        bits = __reduce_or_sync(0xffffffffu, bits);
        if (threadIdx.x % 32 == 0 && bits) atomicOr(&alive[g / 4], bits << g % 4 * 8);
    }
}

// The numbers of the units that live, in order, then the last unit, which never does, up to whole steps. Returns how
// many to multiply: whole groups, at least one.
template <u32 DEPTH>
__device__ __forceinline__ u32 list_live(const Score& p, const u32* alive, u32* list) {
    u32 count = 0;
    for (u32 word = 0; word < (p.hidden + 31) / 32; word++) {
        const u32 bits = alive[word];
        const u32 bit = threadIdx.x;
        if (bit < 32 && bits >> bit & 1) list[count + __popc(bits & ((1u << bit) - 1))] = 32 * word + bit;
        count += __popc(bits);
    }
    const u32 end = max((count + DEPTH - 1) / DEPTH, 1u) * DEPTH;
    for (u32 i = count + threadIdx.x; i < end; i += THREADS) list[i] = p.hidden - 1;
    return max((count + GROUP - 1) / GROUP, 1u) * GROUP;
}

// Starts the copies of DEPTH listed units: hs[DEPTH][TRIALS], then ws[DEPTH][PIXELS]. A warp copies whole rows, those
// of DEPTH / 4 units that follow each other, whose numbers it reads first: a copy between would make each read wait.
// `h` and `w4` are those of the thread's lane.
template <u32 DEPTH>
__device__ __forceinline__ void fetch(float* stage, u64 h, const float* w4, const u32* list) {
    constexpr u32 ROWS = DEPTH / (THREADS / 32);
    const u32 row = threadIdx.x / 32 * ROWS, lane = threadIdx.x % 32;
    float* hs = stage + row * TRIALS + 4 * lane;
    float* ws = stage + DEPTH * TRIALS + row * PIXELS + 4 * lane;
    u32 units[ROWS];
#pragma unroll
    for (u32 r = 0; r < ROWS; r += 2) *(uint2*)&units[r] = *(const uint2*)(list + row + r);
#pragma unroll
    for (u32 r = 0; r < ROWS; r++) copy16(hs + r * TRIALS, (const void*)(h + (u64)units[r] * (4 * TRIALS)));
    if (lane < PIXELS / 4) {
#pragma unroll
        for (u32 r = 0; r < ROWS; r++) copy16(ws + r * PIXELS, (const char*)w4 + (u64)units[r] * (4 * PIXELS));
    }
}

// This thread's 14 of 112 consecutive values: three groups of four and one of two, so that neighbours read neighbours.
__device__ __forceinline__ void pick(float (&out)[14], const float* line, u32 tx) {
#pragma unroll
    for (int i = 0; i < 3; i++) *(float4*)&out[4 * i] = *(const float4*)(line + 32 * i + 4 * tx);
    *(float2*)&out[12] = *(const float2*)(line + 96 + 2 * tx);
}

template <u32 DEPTH>
__device__ __forceinline__ void score_tiles(const Score& p) {
    constexpr u32 STAGE = DEPTH * (TRIALS + PIXELS);
    float* stages = (float*)shared_memory; // first z
    u32* list = (u32*)(stages + max(STAGES * STAGE, p.latent * TRIALS));
    u32* alive = list + (p.hidden + DEPTH);
    float* h = p.h + (size_t)blockIdx.x * p.hidden * TRIALS;
    const u32 tx = threadIdx.x % 8, ty = threadIdx.x / 8;
    u32 rounds = 2 * blockIdx.x >= gridDim.x && p.tiles > gridDim.x ? 2 : 1; // see Stagger
    for (u64 tile = blockIdx.x; tile < p.tiles; tile += gridDim.x) {
        const u32 sample = (u32)(tile / p.pieces);
        const u64 offset = tile % p.pieces * TRIALS;
        for (u32 i = threadIdx.x; i < (p.hidden + 31) / 32; i += THREADS) alive[i] = 0;
        latents(p, stages, sample, offset + threadIdx.x);
        __syncthreads();
        do hidden_units(p, stages, h, alive);
        while (--rounds);
        rounds = 1;
        __syncthreads();
        const u32 units = list_live<DEPTH>(p, alive, list);
        __syncthreads();

        float squares[8] = {};
        float sums[8][14] = {};
        const float* image = p.images + (size_t)sample * p.pixels;
        const u64 h_lane = (u64)(h + threadIdx.x % 32 * 4);
        const float* next_w4 = p.w4 + threadIdx.x % 32 * 4; // what is fetched next
        u32 next_pixel = 0, next_unit = 0, next_stage = 0;
        const auto fetch_next = [&] {
            if (next_pixel < p.pixels) fetch<DEPTH>(stages + next_stage, h_lane, next_w4, list + next_unit);
            next_unit += DEPTH;
            next_stage = STAGE - next_stage;
            if (next_unit >= units) next_unit = 0, next_pixel += PIXELS, next_w4 += (size_t)p.hidden * PIXELS;
            commit_copies();
        };
        fetch_next();
        u32 stage = 0;
        for (u32 pixel = 0; pixel < p.pixels; pixel += PIXELS) {
            for (u32 unit = 0; unit < units; unit += DEPTH) {
                wait_copies<0>();
                __syncthreads(); // this step has arrived, and nobody reads the one before, whose place is filled next
                fetch_next();
                const float* hs = stages + stage;
                const float* ws = hs + DEPTH * TRIALS;
                stage = STAGE - stage;
                const u32 depth = min(DEPTH, units - unit);
                for (u32 group = 0; group < depth; group += GROUP) {
#pragma unroll
                    for (u32 k = 0; k < GROUP; k++) {
                        float t[8], w[14];
                        *(float4*)&t[0] = *(const float4*)(hs + k * TRIALS + 4 * ty);
                        *(float4*)&t[4] = *(const float4*)(hs + k * TRIALS + TRIALS / 2 + 4 * ty);
                        pick(w, ws + k * PIXELS, tx);
#pragma unroll
                        for (int i = 0; i < 8; i++)
#pragma unroll
                            for (int j = 0; j < 14; j++) sums[i][j] = __fmaf_rn(t[i], w[j], sums[i][j]);
                    }
                    hs += GROUP * TRIALS, ws += GROUP * PIXELS;
                }
            }
            float bias[14], x[14];
            pick(bias, p.b4 + pixel, tx);
            pick(x, image + pixel, tx);
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int j = 0; j < 14; j++) {
                    const float d = __fsub_rn(fast_sigmoid(__fadd_rn(sums[i][j], bias[j])), x[j]);
                    squares[i] = __fmaf_rn(d, d, squares[i]);
                    sums[i][j] = 0;
                }
        }
        // The eight threads of a trial are neighbours in a warp.
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float sum = squares[i];
            for (int step = 1; step < 8; step *= 2) sum = __fadd_rn(sum, __shfl_xor_sync(0xffffffffu, sum, step));
            const u64 trial = offset + (i < 4 ? 4 * ty + i : TRIALS / 2 + 4 * ty + i - 4);
            if (tx == 0 && trial < p.trials) p.errors[sample * p.trials + trial] = __fsqrt_rn(sum);
        }
        __syncthreads(); // z of the next tile takes the place of the stages
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) score(const __grid_constant__ Score p) { score_tiles<24>(p); }
extern "C" __global__ void __launch_bounds__(THREADS, 2) score_deep(const __grid_constant__ Score p) { score_tiles<32>(p); }
