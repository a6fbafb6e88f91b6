// Screening, for tallies that only count: the squares of a few pixels of a trial sum up to more than any success errs in
// all, or the trial is listed, and scored in full. So an implementation of `score` runs twice: over the trials of samples
// that are screened, with their few pixels (SCREEN), and over those that are listed (LIST). Either way `errors` are right
// below the largest threshold, and above it elsewhere.
#pragma once
#include "philox.cuh"

constexpr u32 ALL = 0, SCREEN = 1, LIST = 2; // which trials, and with which pixels

constexpr u32 LOST = 0x7fffffff; // a NaN: the error of a trial that is listed, until it is scored; one that got lost shows

struct Screen {
    u32* listed;        // [N, trials]: trials of a sample from the window's first on, in any order
    u32* counts;        // [1 + N]: how many tiles are listed; how many trials of each sample
    uint2* tiles;       // a sample, and a place in its list, from which a tile takes its trials
    const u32* samples; // those that are screened, in the order of the gathered w4, bias and images
    float limit;        // above it, the sum of a trial's squares is no success
    u32 pass;
};

// The trial of a row of a tile, from the window's first on. Rows beyond the end of a list repeat its last.
__device__ __forceinline__ u32 trial_of(const Screen& s, u32 sample, u64 trials, u32 row) {
    return s.pass == LIST ? s.listed[sample * trials + min(row, s.counts[1 + sample] - 1)] : row;
}

// Lists the trials of those lanes that `keep` theirs; lane 0 is among `lanes`. A tile of a list is TILE trials, at least as
// many as there are lanes.
template <u32 TILE>
__device__ __forceinline__ void list_trials(const Screen& s, u32 lanes, u32 sample, u64 trials, u32 trial, bool keep) {
    const u32 kept = __ballot_sync(lanes, keep), lane = threadIdx.x % 32;
    if (!kept) return;
    u32 at = 0;
    if (lane == 0) {
        const u32 count = __popc(kept);
        at = atomicAdd(&s.counts[1 + sample], count);
        // Who lists the first trial of a tile lists the tile.
        const u32 first = (at + TILE - 1) / TILE * TILE;
        if (first < at + count) s.tiles[atomicAdd(&s.counts[0], 1u)] = make_uint2(sample, first);
    }
    at = __shfl_sync(lanes, at, 0);
    if (keep) s.listed[sample * trials + at + __popc(kept & ((1u << lane) - 1))] = trial;
}

// What becomes of the sum of squares of a row: the error of its trial, or a place in the list. `lanes` are those of the
// warp that come here.
template <u32 TILE>
__device__ __forceinline__ void end_row(const Screen& s, float* errors, u32 lanes, u32 sample, u64 trials, u32 row,
                                        float sum, bool mine) {
    const bool within = mine && row < (s.pass == LIST ? s.counts[1 + sample] : trials);
    float error = __fsqrt_rn(sum);
    if (s.pass == SCREEN) {
        const bool keep = within && sum <= s.limit;
        list_trials<TILE>(s, lanes, sample, trials, row, keep);
        if (keep) error = __uint_as_float(LOST);
    }
    if (within) errors[sample * trials + trial_of(s, sample, trials, row)] = error;
}
