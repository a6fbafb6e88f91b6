// score_wgmma: errors of trials, as `score`, on the tensor cores of Hopper (sm_90a).
//
//   z = mu + scale eps;  h = relu(W3 z + b3);  e = sqrt(sum_pixels (x - sigmoid(W4 h + b4))^2)
//
// Products are of 16-bit operands, summed in f32. A warpgroup owns 64 trials, whose hidden units never leave its registers:
// the sums of the first product, rounded, are the left operand of the second. z, W3 and b3 are split in two such operands
// each, so that the first product is as good as in f32.
//
// Roles       384 threads: a warpgroup of which one thread streams W4 into a ring in shared memory, and two that multiply.
//             These take turns: while one multiplies, the other folds its sums into squares. The latents of
//             the next trials are made under the last product
// Stages      VARIANT 0: one block alone, no turns, 0.82e9 trials/s of the paper's model in f16 on an H100
//             (benches/results, 2026-11-27; 0.70-0.85e9 was predicted);
//             1: turns, latents under the last product, 0.89e9 (0.85-0.95e9);
//             2: also pairs of blocks, each of which fetches half of W4 for both, 0.90e9 (0.95-1.05e9), 0.93e9 in bf16
// Shapes      w4 [pixels / 112][hidden / 16] slabs of 112 x 16, w3 [K1 / 16] slabs of hidden x 16, in the order that wgmma
//             reads; bias [pixels], factor, images [N, pixels]; mu, scale [N, latent]; noise [N, trials, latent] or null;
//             errors [N, trials]. HIDDEN is padded to 16, PIXELS to 112, by the host (crates/cuda/src/image.rs)
// Grid        a block a multiprocessor, in pairs (VARIANT 2); each takes consecutive tiles of 256 trials of one sample, a
//             block alone of 128
// Memory      RING stages of 17,920 bytes, W3, the table of one sample, two barriers a stage: 219 KB for the paper's model
// Registers   240 a multiplying thread: HIDDEN / 4 units, 56 sums, latents; 24 a fetching one. Where latents would not fit
//             beside the last product, they are made before the first
// Products    45 wgmma a warpgroup and tile of the paper's model: 5 x 4 of 80 hidden units, 25 of 112 pixels
// Barriers    full: the stage's bytes have come; empty: every warp that multiplies, of both blocks, has read it. A stage is
//             given back when the products that read it are done, the step after. No waiting in circles: the one who waits
//             for the turn holds no stage, and the ring holds a whole tile, so the one who has it always ends (where the
//             ring is smaller, no turns are taken)
// Bound       the tensor cores: 165.6 of their cycles a trial, next shared memory (77-88 % of that). On an H100 they were
//             busy 68 % of the time, in short runs; long ones meet its 700 W and run at 1.7 to 1.8 GHz
// Passes      ALL; SCREEN, where w4, bias and images are those of each sample's few pixels (PIXELS 112), and LIST
//             (screen.cuh). What they compute of a trial and a pixel is the same
// Rounding    one fixed order per trial: tiles, pairs, windows, VARIANT and RING do not change a bit
#include "fragments.cuh"
#include "hopper.cuh"
#include "screen.cuh"

// The paper's model, unless the host says otherwise.
#ifndef HIDDEN
#define HIDDEN 400
#define LATENT 20
#define PIXELS 784
#define RING 9
#define VARIANT 2
#define OPERAND F16
#endif

struct ScoreWgmma {
    const float* mu;
    const float* scale;
    const float* noise;
    const float* images;
    const unsigned char* w3;
    const unsigned char* w4;
    const float* bias;
    float* errors;
    u64 seed, first, tiles;
    u32 trials, pieces; // of a sample; tiles of a sample
    float factor;
    u32 unused;
    Screen screen;
};

constexpr u32 CLUSTER = VARIANT == 2 ? 2 : 1;
constexpr u32 TRIALS = 64, TILE = 2 * TRIALS * CLUSTER; // of a warpgroup; of a cluster
constexpr u32 COLUMNS = 112, TILES = PIXELS / COLUMNS;
// W4 comes in steps of up to five slabs of 16 hidden units.
constexpr u32 SLAB = COLUMNS * 32, SLABS = HIDDEN / 16, STEP = 5, STEPS = (SLABS + STEP - 1) / STEP, STAGE = STEP * SLAB;
constexpr u32 LAST = (SLABS - (STEPS - 1) * STEP) * SLAB;
// The first product: three slabs for 16 latents, then three slots of a thread for every four, and the bias.
constexpr int GROUPS = LATENT / 16, FOURS = (LATENT % 16 + 3) / 4, REST = (3 * FOURS + 4) / 4;
constexpr u32 FRAGMENTS = 8 * GROUPS + 4 * REST, W3 = (3 * GROUPS + REST) * HIDDEN * 32;
constexpr u32 TABLE = PIXELS * 8;

static_assert(HIDDEN % 16 == 0 && HIDDEN <= 512 && PIXELS % COLUMNS == 0 && LATENT <= 48 && RING >= 2, "the host's plan");

constexpr bool TURNS = VARIANT >= 1 && RING >= STEPS;
constexpr bool EARLY = VARIANT >= 1 && HIDDEN / 4 + FRAGMENTS <= 112;

constexpr u32 UNITS_PER_PRODUCT = 80; // hidden units of one product

// Named barriers: a turn each, and the one of both warpgroups.
constexpr u32 TURN = 1, BOTH = 3, MULTIPLIERS = 256;

extern __shared__ __align__(128) unsigned char shared_memory[];

struct Shared {
    unsigned char *ring, *w3;
    float4* table;
    u64 *full, *empty, *w3_full;
};

__device__ __forceinline__ Shared layout() {
    unsigned char* const w3 = shared_memory + RING * STAGE;
    u64* const barriers = (u64*)(w3 + W3 + TABLE);
    return {shared_memory, w3, (float4*)(w3 + W3), barriers, barriers + RING, barriers + 2 * RING};
}

// Where in the ring a role is: the parity of a stage's barrier flips with every turn.
struct Place {
    u32 stage, parity;
    __device__ __forceinline__ void advance() {
        if (++stage == RING) stage = 0, parity ^= 1;
    }
};

// The tiles of this cluster: consecutive, so that the sample seldom changes.
struct Walk {
    const ScoreWgmma& p;
    u32 left, tile;           // the latter in a list
    u32 image, sample, first; // row of images, and the tile's first row of the sample
    __device__ __forceinline__ Walk(const ScoreWgmma& p) : p(p) {
        const u64 tiles = p.screen.pass == LIST ? p.screen.counts[0] : p.tiles;
        const u64 cluster = blockIdx.x / CLUSTER, clusters = gridDim.x / CLUSTER, begin = tiles * cluster / clusters;
        left = (u32)(tiles * (cluster + 1) / clusters - begin);
        tile = (u32)begin;
        image = (u32)(begin / p.pieces);
        first = (u32)(begin % p.pieces) * TILE;
        find();
    }
    __device__ __forceinline__ void next() {
        left--, tile++;
        first += TILE;
        if (first >= p.pieces * TILE) first = 0, image++;
        find();
    }
    __device__ __forceinline__ void find() {
        if (!left) return;
        if (p.screen.pass == LIST) {
            const uint2 listed = p.screen.tiles[tile];
            image = listed.x, first = listed.y;
        }
        sample = p.screen.pass == SCREEN ? __ldg(p.screen.samples + image) : image;
    }
};

// Latent d of a trial, of a normal or the one given.
__device__ __forceinline__ float latent(const ScoreWgmma& p, u32 sample, u32 trial, u32 d, float normal) {
    if (p.noise) normal = trial < p.trials ? p.noise[((u64)sample * p.trials + trial) * LATENT + d] : 0.0f;
    return __fmaf_rn(__ldg(p.scale + sample * LATENT + d), normal, __ldg(p.mu + sample * LATENT + d));
}

// The left operand of the first product: latents of rows offset .. offset + 15, in the slots of image.rs, of which the
// third slab of 16 latents is the first once more. A thread holds rows lane / 4 and 8 more. One block of normals after the
// other: side by side they would take the registers that hold h and its product.
__device__ __forceinline__ void make_latents(u32 (&a)[FRAGMENTS], const ScoreWgmma& p, u32 sample, u32 offset) {
    const u32 quad = threadIdx.x % 4;
    u32 last = 0;
#pragma unroll
    for (u32 half = 0; half < 2; half++) {
        const u32 row = trial_of(p.screen, sample, p.trials, offset + threadIdx.x % 32 / 4 + 8 * half);
#pragma unroll
        for (int group = 0; group < GROUPS; group++) {
            const u32 trial = after(last, row), d = 16 * group + 4 * quad;
            const float4 four = normals(p.seed, p.first + trial, sample, 4 * group + quad);
            const float z[4] = {latent(p, sample, trial, d, four.x), latent(p, sample, trial, d + 1, four.y),
                                latent(p, sample, trial, d + 2, four.z), latent(p, sample, trial, d + 3, four.w)};
            u32* const at = a + 8 * group + half;
            split<OPERAND>(at[0], at[4], z[0], z[1]);
            split<OPERAND>(at[2], at[6], z[2], z[3]);
            last = at[6];
        }
        // Three slots of each four latents, the bias, and zeros.
        u32 slots[4 * REST] = {};
#pragma unroll
        for (int four = 0; four < FOURS; four++) {
            const u32 trial = after(last, row), d = 16 * GROUPS + 4 * four + quad;
            const float eps = normal(p.seed, p.first + trial, sample, 4 * GROUPS + four, quad);
            const float z = d < LATENT ? latent(p, sample, trial, d, eps) : 0.0f;
            split<OPERAND>(slots[3 * four], slots[3 * four + 2], z, z);
            slots[3 * four + 1] = slots[3 * four];
            last = slots[3 * four + 2];
        }
        slots[3 * FOURS] = OPERAND::pack(1.0f, 0.0f);
#pragma unroll
        for (int i = 0; i < 2 * REST; i++)
            a[8 * GROUPS + i / 2 * 4 + i % 2 * 2 + half] = after(last, __byte_perm(slots[2 * i], slots[2 * i + 1], 0x5410));
    }
}

// Whose turn it is to multiply: the one that waits is let in when all of a tile's products are under way.
__device__ __forceinline__ void take_turn(u32 group) {
    if (TURNS) named_sync(TURN + group, MULTIPLIERS);
}
__device__ __forceinline__ void give_turn(u32 group) {
    if (TURNS) named_arrive(TURN + (group ^ 1), MULTIPLIERS);
}

// N hidden units of 16 trials a warp, from `unit` on: the sums of two groups of eight, rounded, are a left operand of the
// second product.
template <u32 N>
__device__ __forceinline__ void units(u32 (&h)[HIDDEN / 4], const u32 (&a)[FRAGMENTS], const unsigned char* w3, u32 unit,
                                      u32 group) {
    if constexpr (N > 0) {
        float sums[N / 2];
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < 3 * GROUPS + REST; k++) {
            const int fragment = k < 3 * GROUPS ? 8 * (k / 3) + 4 * (k % 3 == 1) : 8 * GROUPS + 4 * (k - 3 * GROUPS);
            wgmma<OPERAND, N>(sums, a + fragment, slab(w3 + (k * HIDDEN + unit) * 32), k != 0);
        }
        wgmma_commit();
        if (unit + N == HIDDEN) give_turn(group);
        wgmma_wait<0>();
        wgmma_done(sums);
#pragma unroll
        for (u32 i = 0; i < N / 4; i++) h[unit / 4 + i] = OPERAND::pack_relu(sums[2 * i], sums[2 * i + 1]);
    }
}

// Tells the fetching threads of the cluster that this warp is done with a stage.
__device__ __forceinline__ void release(const Shared& shared, u32 stage) {
    const u32 lane = threadIdx.x % 32;
    if (CLUSTER == 1 && lane == 0) barrier_arrive(shared.empty + stage);
    if (CLUSTER == 2 && lane < CLUSTER) barrier_arrive_at(shared.empty + stage, lane);
}

// Starts 112 pixels of 64 trials, and gives stages back but for the last.
__device__ __forceinline__ void start_pixels(float (&sums)[COLUMNS / 2], const u32 (&h)[HIDDEN / 4], const Shared& shared,
                                             Place& place) {
#pragma unroll
    for (u32 step = 0; step < STEPS; step++) {
        barrier_wait(shared.full + place.stage, place.parity);
        const unsigned char* const stage = shared.ring + place.stage * STAGE;
        wgmma_fence();
#pragma unroll
        for (u32 k = step * STEP; k < min((step + 1) * STEP, SLABS); k++)
            wgmma<OPERAND, COLUMNS>(sums, h + 4 * k, slab(stage) + (k - step * STEP) * (SLAB / 16), k != 0);
        wgmma_commit();
        if (step) {
            wgmma_wait<1>();
            release(shared, (place.stage ? place.stage : RING) - 1);
        }
        place.advance();
    }
}

// Folds sums into the squares of this thread's two trials.
__device__ __forceinline__ void fold(float (&squares)[2], const float (&sums)[COLUMNS / 2], const float4* table,
                                     float factor) {
#pragma unroll
    for (u32 g = 0; g < COLUMNS / 8; g++) {
        const float4 t = table[4 * g + threadIdx.x % 4];
#pragma unroll
        for (u32 r = 0; r < 2; r++) {
            const float* const two = sums + 4 * g + 2 * r;
            add_squares(squares[r], two[0], two[1], factor, make_float2(t.x, t.y), make_float2(t.z, t.w));
        }
    }
}

// Streams W4, once a tile.
__device__ __forceinline__ void fetch(const ScoreWgmma& p, const Shared& shared, u32 rank) {
    barrier_expect(shared.w3_full, W3);
    bulk_copy(shared.w3, p.w3, W3, shared.w3_full);
    Place place = {0, 1};
    for (Walk walk(p); walk.left; walk.next()) {
        const unsigned char* w4 = p.w4;
        if (p.screen.pass == SCREEN) w4 += (size_t)walk.image * (TILES * SLABS * SLAB);
#pragma unroll 1
        for (u32 tile = 0; tile < TILES; tile++) {
#pragma unroll 1
            for (u32 step = 0; step < STEPS; step++) {
                const u32 bytes = step + 1 < STEPS ? STAGE : LAST, half = bytes / CLUSTER * rank;
                unsigned char* const stage = shared.ring + place.stage * STAGE;
                u64* const full = shared.full + place.stage;
                barrier_wait(shared.empty + place.stage, place.parity);
                barrier_expect(full, bytes);
                if (CLUSTER == 1) bulk_copy(stage, w4, bytes, full);
                if (CLUSTER == 2) bulk_copy_to(3, stage + half, w4 + half, bytes / 2, full);
                w4 += bytes;
                place.advance();
            }
        }
    }
}

__device__ __forceinline__ void multiply(const ScoreWgmma& p, const Shared& shared, u32 rank, u32 group) {
    const u32 lane = threadIdx.x % 32, warp = (rank * 2 + group) * TRIALS + threadIdx.x % 128 / 32 * 16;
    Walk walk(p);
    Place place = {0, 0};
    u32 table = 0xffffffffu; // the row of images that it is of
    u32 a[FRAGMENTS];
    if (EARLY && walk.left) make_latents(a, p, walk.sample, walk.first + warp);
    barrier_wait(shared.w3_full, 0);
    if (group == 1 && walk.left) give_turn(group);
#pragma unroll 1
    while (walk.left) {
        if (walk.image != table) {
            table = walk.image;
            const float* const image = p.images + (size_t)table * PIXELS;
            const float* const biases = p.bias + (p.screen.pass == SCREEN ? (size_t)table * PIXELS : 0);
            named_sync(BOTH, MULTIPLIERS); // nobody reads the one before
            for (u32 i = group * 128 + threadIdx.x % 128; i < PIXELS / 2; i += MULTIPLIERS) {
                const float2 bias = __ldg((const float2*)biases + i), x = __ldg((const float2*)image + i);
                shared.table[i] = make_float4(bias.x, bias.y, x.x, x.y);
            }
            named_sync(BOTH, MULTIPLIERS);
        }
        const u32 sample = walk.sample;
        const u32 offset = walk.first + warp;
        if (!EARLY) make_latents(a, p, sample, offset);
        walk.next();
        u32 h[HIDDEN / 4];
        take_turn(group);
#pragma unroll
        for (u32 unit = 0; unit + UNITS_PER_PRODUCT <= HIDDEN; unit += UNITS_PER_PRODUCT) units<UNITS_PER_PRODUCT>(h, a, shared.w3, unit, group);
        units<HIDDEN % UNITS_PER_PRODUCT>(h, a, shared.w3, HIDDEN - HIDDEN % UNITS_PER_PRODUCT, group);
        float squares[2] = {};
#pragma unroll 1
        for (u32 tile = 0; tile < TILES; tile++) {
            float sums[COLUMNS / 2];
            take_turn(group);
            start_pixels(sums, h, shared, place);
            // The last turn of all is nobody's.
            if (group == 0 || walk.left || tile + 1 < TILES) give_turn(group);
            if (EARLY && tile + 1 == TILES && walk.left) make_latents(a, p, walk.sample, walk.first + warp);
            wgmma_wait<0>();
            wgmma_done(sums);
            release(shared, (place.stage ? place.stage : RING) - 1);
            fold(squares, sums, shared.table + tile * (COLUMNS / 2), p.factor);
        }
        // The four threads of a trial are neighbours.
#pragma unroll
        for (u32 r = 0; r < 2; r++) {
            for (int step = 1; step < 4; step *= 2) {
                squares[r] = __fadd_rn(squares[r], __shfl_xor_sync(0xffffffffu, squares[r], step));
            }
        }
        const u32 q = lane % 4;
        end_row<TILE>(p.screen, p.errors, 0xffffffffu, sample, p.trials, offset + lane / 4 + 8 * (q % 2),
                      q ? squares[1] : squares[0], q < 2);
    }
}

#if VARIANT == 2
#define PAIRS __cluster_dims__(2, 1, 1)
#else
#define PAIRS
#endif

extern "C" __global__ void PAIRS __launch_bounds__(384, 1) score_wgmma(const __grid_constant__ ScoreWgmma p) {
    const Shared shared = layout();
    const u32 rank = CLUSTER == 2 ? cluster_rank() : 0;
    const u32 role = __shfl_sync(0xffffffffu, threadIdx.x / 128, 0);
    if (threadIdx.x == 0) {
        for (u32 i = 0; i < RING; i++) {
            barrier_init(shared.full + i, 1);
            barrier_init(shared.empty + i, 8 * CLUSTER);
        }
        barrier_init(shared.w3_full, 1);
        barrier_init_fence();
    }
    if (CLUSTER == 2) {
        __syncwarp();
        cluster_arrive();
        cluster_wait();
    } else {
        __syncthreads();
    }
    if (role == 0) {
        fewer_registers<24>();
        if (threadIdx.x == 0) fetch(p, shared, rank);
    } else {
        more_registers<240>();
        multiply(p, shared, rank, role - 1);
    }
    // No block leaves while the other may still write to its ring or arrive at its barriers.
    if (CLUSTER == 2) {
        __syncwarp();
        cluster_arrive();
        cluster_wait();
    }
}
