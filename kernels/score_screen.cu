// score_screen: what the screening of trials needs beside the two passes of `score` (screen.cuh).
//
// gather      the few pixels of samples: few_w4 [places, hidden / 16, parts, 112, 16], few_bias, few_images [places, 112]
//             from w4 [tiles, hidden / 16, parts, 112, 16] in core matrices, bias [112 tiles] and images [N, 112 tiles] as
//             score_mma.cuh has them, by pixels [places, 112] and samples [places]. Once a run
// begin       empty lists, and in full those of the `whole` samples that are not screened, numbered by ranks [N]: counts
//             [1 + N], tiles of `tile` trials (`pieces` a sample), listed and errors [N, trials]. Once a window
// Grid        any number of blocks of 256 threads
// Bound       memory
#include "screen.cuh"

struct ScoreScreen {
    const u32* pixels;
    const u32* samples;
    const uint4* w4;
    const float* bias;
    const float* images;
    uint4* few_w4;
    float* few_bias;
    float* few_images;
    const u32* ranks; // SCREENED, or the number of a sample that is not
    u32* listed;
    u32* counts;
    uint2* tiles;
    float* errors;
    u64 places, trials, pieces;
    u32 slabs;  // of 16 hidden units and one part
    u32 stride; // pixels of a row of images
    u32 count;  // of samples
    u32 whole, tile, unused;
};

constexpr u32 PIXELS = 112, SLAB = PIXELS * 2; // 16 bytes for 8 units of a pixel
constexpr u32 SCREENED = 0xffffffffu;

// Where in a slab the first units of a pixel lie; the other eight are 8 further on.
__device__ __forceinline__ u32 place(u32 pixel) { return pixel / 8 * 16 + pixel % 8; }

extern "C" __global__ void __launch_bounds__(256) gather(const __grid_constant__ ScoreScreen p) {
    const u64 step = (u64)gridDim.x * 256;
    for (u64 i = (u64)blockIdx.x * 256 + threadIdx.x; i < p.places * PIXELS; i += step) {
        const u32 pixel = p.pixels[i], to = i % PIXELS;
        const u64 at = i / PIXELS;
        p.few_bias[i] = p.bias[pixel];
        p.few_images[i] = p.images[(u64)p.samples[at] * p.stride + pixel];
        const uint4* from = p.w4 + (u64)(pixel / PIXELS) * p.slabs * SLAB + place(pixel % PIXELS);
        uint4* few = p.few_w4 + at * p.slabs * SLAB + place(to);
        for (u32 slab = 0; slab < p.slabs; slab++, from += SLAB, few += SLAB) few[0] = from[0], few[8] = from[8];
    }
}

extern "C" __global__ void __launch_bounds__(256) begin(const __grid_constant__ ScoreScreen p) {
    const u64 step = (u64)gridDim.x * 256, first = (u64)blockIdx.x * 256 + threadIdx.x;
    if (first == 0) p.counts[0] = (u32)(p.whole * p.pieces);
    for (u64 i = first; i < p.count * p.pieces; i += step) {
        const u32 sample = (u32)(i / p.pieces), rank = p.ranks[sample];
        const u64 piece = i % p.pieces;
        if (piece == 0) p.counts[1 + sample] = rank == SCREENED ? 0 : (u32)p.trials;
        if (rank == SCREENED) continue;
        p.tiles[rank * p.pieces + piece] = make_uint2(sample, (u32)(piece * p.tile));
        for (u64 trial = piece * p.tile; trial < min((piece + 1) * p.tile, p.trials); trial++) {
            p.listed[sample * p.trials + trial] = (u32)trial;
            p.errors[sample * p.trials + trial] = __uint_as_float(LOST);
        }
    }
}
