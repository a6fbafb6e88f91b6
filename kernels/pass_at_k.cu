// pass_at_k: counts successes, from which pass@k is estimated: what a tally keeps of errors, made where they are, so that
// they need not cross the bus.
//
//   counts[n][t]     errors in bucket t: below threshold t, but not below threshold t - 1
//   histogram[n][b]  errors whose upper 16 bits are bins[n] + b
//   worst[n]         the largest of (error bits) 2^32 + ~(base + offset): the earliest of the largest errors
//   found            errors that the host must see one by one: RECORD, below all before it in its block and below least[n];
//                    STRAY, in no bin of the histogram, or no finite number
//
// A trial costs one search, whatever the thresholds; the host adds up the buckets before t. Every running minimum of a
// sample is among the records found, with a few that other blocks beat, about ln 4096 a block of the first window and
// hardly any later.
//
// Shapes     errors [N, trials], not negative; thresholds [count], increasing, in pieces of at most 4,096, each in a launch
//            of its own: `floor` is the threshold before them, and only the first, which is `whole`, makes more than
//            counts; counts [N, stride], of which the piece's columns are meant; histogram [N, 256] and worst [N], or null
//            where counting is all; bins, least, next [N]; found [1 + room], of which the first counts the others, also
//            those that had no room. Sums are added to, `least` of one window is `next` of the one before
// Grid       `pass_at_k`: `pieces` blocks of 256 threads per sample, each over 4,096 trials of it, a warp over 512 of them in
//            order. `clear`: any, for `words` words from `counts` on and the count of `found`
// Memory     8 bytes of shared memory a threshold, 1 KB of bins
// Barriers   two, reached by every thread
// Bound      memory: 4 bytes a trial. Integer atomics commute, so sums do not depend on the order of blocks
#include "philox.cuh"

struct PassAtK {
    const float* errors;
    const float* thresholds;
    u32* counts;
    u32* histogram;
    u64* worst;
    const u32* bins;
    const u32* least;
    u32* next;
    uint4* found;
    u64 trials, words;
    u32 pieces, count, stride, base, room, whole;
    float floor;
    u32 unused;
};

constexpr u32 SPAN = 4096, WARPS = 8, SHARE = SPAN / WARPS, BINS = 256, ALL = 0xffffffffu;
constexpr u32 INFINITE = 0x7f800000u;
constexpr u32 RECORD = 0, STRAY = 1;

extern __shared__ __align__(16) unsigned char shared_memory[];

// Bits of an error, which are in the order of errors; those of no finite error are not below INFINITE.
__device__ __forceinline__ u32 bits_of(float error) { return __float_as_uint(__fadd_rn(error, 0.0f)); } // 0 for -0

__device__ __forceinline__ void find(const PassAtK& p, u32 sample, u32 offset, u32 bits, u32 kind) {
    const u32 at = atomicAdd(&p.found->x, 1u);
    if (at < p.room) p.found[1 + at] = make_uint4(sample, offset, bits, kind);
}

extern "C" __global__ void __launch_bounds__(256) pass_at_k(const __grid_constant__ PassAtK p) {
    __shared__ u32 bins[BINS];
    __shared__ u32 leasts[WARPS];
    u32* counts = (u32*)shared_memory;
    float* thresholds = (float*)(counts + p.count);
    for (u32 t = threadIdx.x; t < p.count; t += 256) {
        counts[t] = 0;
        thresholds[t] = p.thresholds[t];
    }
    bins[threadIdx.x] = 0;
    __syncthreads();

    const u32 sample = blockIdx.x / p.pieces, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const u64 start = (u64)(blockIdx.x % p.pieces) * SPAN + warp * SHARE;
    const float* errors = p.errors + sample * p.trials;
    const u32 first = p.histogram ? p.bins[sample] : 0;
    u32 least = INFINITE;
    u64 worst = 0;
    for (u32 i = lane; i < SHARE && start + i < p.trials; i += 32) {
        const u32 offset = (u32)start + i;
        const float error = errors[offset];
        const u32 bits = bits_of(error);
        if (bits >= INFINITE) {
            if (p.whole) find(p, sample, offset, bits, STRAY);
            continue;
        }
        u32 low = 0, high = p.count;
        while (low < high) {
            const u32 middle = (low + high) / 2;
            if (error < thresholds[middle]) high = middle;
            else low = middle + 1;
        }
        if (low < p.count && error >= p.floor) atomicAdd(&counts[low], 1u);
        least = min(least, bits);
        if (p.whole && p.histogram) {
            const u32 bin = (bits >> 16) - first;
            if (bin < BINS) atomicAdd(&bins[bin], 1u);
            else find(p, sample, offset, bits, STRAY);
            worst = max(worst, (u64)bits << 32 | ~(p.base + offset));
        }
    }
    least = __reduce_min_sync(ALL, least);
    for (u32 step = 1; step < 32; step *= 2) worst = max(worst, __shfl_xor_sync(ALL, worst, step));
    if (lane == 0) {
        leasts[warp] = least;
        if (worst) atomicMax(&p.worst[sample], worst);
    }
    __syncthreads();

    for (u32 t = threadIdx.x; t < p.count; t += 256) {
        if (counts[t]) atomicAdd(&p.counts[(size_t)sample * p.stride + t], counts[t]);
    }
    if (!p.whole) return;
    if (p.histogram && bins[threadIdx.x]) {
        atomicAdd(&p.histogram[(size_t)sample * BINS + threadIdx.x], bins[threadIdx.x]);
    }
    // A running minimum is below all before it: those of earlier windows, warps and lanes.
    u32 record = p.least[sample];
    if (threadIdx.x == 0) {
        u32 all = record;
        for (u32 w = 0; w < WARPS; w++) all = min(all, leasts[w]);
        atomicMin(&p.next[sample], all);
    }
    for (u32 w = 0; w < warp; w++) record = min(record, leasts[w]);
    if (least >= record) return;
    for (u32 i = 0; i < SHARE && start + i < p.trials; i += 32) {
        const u32 offset = (u32)start + i + lane;
        const u32 bits = offset < p.trials ? bits_of(errors[offset]) : ALL;
        for (u32 below = __ballot_sync(ALL, bits < record); below; below &= below - 1) {
            const u32 at = __ffs(below) - 1, candidate = __shfl_sync(ALL, bits, at);
            if (candidate < record) {
                record = candidate;
                if (lane == at) find(p, sample, offset, bits, RECORD);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) clear(const __grid_constant__ PassAtK p) {
    const u64 step = (u64)gridDim.x * 256;
    for (u64 i = (u64)blockIdx.x * 256 + threadIdx.x; i < p.words; i += step) p.counts[i] = 0;
    if (blockIdx.x == 0 && threadIdx.x == 0) p.found->x = 0;
}
