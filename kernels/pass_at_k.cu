// pass_at_k: per sample and threshold, the number of errors below it and the first of them.
//
// A trial's *bucket* is the number of thresholds that are not above its error; it succeeds at threshold t when its
// bucket is at most t. Counting buckets instead of thresholds costs each trial one search and two atomics, however
// many thresholds there are; the host adds up the buckets before t.
//
// Shapes     errors [N, trials]; thresholds [count], increasing; counts and firsts [N, stride], of u64, firsts preset
//            to 2^64 - 1, of which the first `count` columns are meant. Trial 0 of a row is trial `first`
// Grid       `pieces` blocks of 256 threads per sample, each over 4,096 trials of it
// Memory     16 bytes of shared memory a threshold: the thresholds, counts and firsts of the block
// Barriers   two, reached by every thread
// Bound      memory: 4 bytes a trial. Integer atomics commute, so the result is the same in any order
#include "philox.cuh"

struct PassAtK {
    const float* errors;
    const float* thresholds;
    u64* counts;
    u64* firsts;
    u64 first, trials;
    u32 pieces, count, stride, unused;
};

extern __shared__ __align__(16) unsigned char shared_memory[];

extern "C" __global__ void __launch_bounds__(256) pass_at_k(const __grid_constant__ PassAtK p) {
    constexpr u32 SPAN = 4096;
    u64* firsts = (u64*)shared_memory;
    u32* counts = (u32*)(firsts + p.count);
    float* thresholds = (float*)(counts + p.count);
    for (u32 t = threadIdx.x; t < p.count; t += 256) {
        counts[t] = 0;
        firsts[t] = ~0ull;
        thresholds[t] = p.thresholds[t];
    }
    __syncthreads();
    const u32 sample = blockIdx.x / p.pieces;
    const u64 start = (u64)(blockIdx.x % p.pieces) * SPAN;
    for (u32 i = threadIdx.x; i < SPAN && start + i < p.trials; i += 256) {
        const float error = p.errors[sample * p.trials + start + i];
        u32 low = 0, high = p.count;
        while (low < high) {
            const u32 middle = (low + high) / 2;
            if (error < thresholds[middle]) high = middle;
            else low = middle + 1;
        }
        if (low < p.count) {
            atomicAdd(&counts[low], 1u);
            atomicMin(&firsts[low], p.first + start + i);
        }
    }
    __syncthreads();
    for (u32 t = threadIdx.x; t < p.count; t += 256) {
        if (counts[t]) {
            const size_t at = (size_t)sample * p.stride + t;
            atomicAdd(&p.counts[at], (u64)counts[t]);
            atomicMin(&p.firsts[at], firsts[t]);
        }
    }
}
