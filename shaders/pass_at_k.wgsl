// pass_at_k: per sample and threshold, the number of errors below it and the first of them.
//
// A trial's *bucket* is the number of thresholds that are not above its error; it succeeds at threshold t when its
// bucket is at most t. Counting buckets instead of thresholds costs each trial one search and two atomics, however
// many thresholds there are; the host adds up the buckets before t (u32 here, u64 there).
//
// Shapes     errors [tiles, TRIALS] in the order of `score`: tile i holds piece `piece + (skip + i) / samples` of
//            sample (skip + i) % samples; lanes without a trial hold the largest float and so succeed nowhere.
//            thresholds [stride], increasing; counts and firsts [samples, stride], firsts preset to 2^32 - 1
// Grid       a workgroup of 64 per tile, folded in two dimensions; TRIALS is a multiple of 64
// Variants   `tally` is shared/tally.wgsl, or shared/tally_subgroup.wgsl where the adapter has subgroups
// Memory     2 * 256 * 4 = 2 KiB of workgroup memory; the host sends at most 256 thresholds at a time
// Barriers   two, reached by every invocation
// Bound      memory: 4 bytes a trial. Integer atomics commute, so the result is the same in any order

struct Params {
    tiles: u32,
    skip: u32,
    samples: u32,
    piece: u32,
    base: u32,
    count: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> errors: array<f32>;
@group(0) @binding(2) var<storage, read> thresholds: array<f32>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> firsts: array<atomic<u32>>;

// Trials of a tile.
override TRIALS: u32 = 128u;

var<workgroup> tile_counts: array<atomic<u32>, 256>;
var<workgroup> tile_firsts: array<atomic<u32>, 256>;

@compute @workgroup_size(64)
fn pass_at_k(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tile = folded(group, groups);
    if tile >= p.tiles {
        return; // the whole workgroup
    }
    for (var t = local; t < p.count; t += 64u) {
        atomicStore(&tile_counts[t], 0u);
        atomicStore(&tile_firsts[t], 0xffffffffu);
    }
    workgroupBarrier();
    let first = (p.piece + (p.skip + tile) / p.samples) * TRIALS;
    // As many steps for every invocation: those of a subgroup work together.
    for (var step = 0u; step < TRIALS; step += 64u) {
        let i = step + local;
        tally(not_above(errors[tile * TRIALS + i]), first + i);
    }
    workgroupBarrier();
    let sample = (p.skip + tile) % p.samples;
    for (var t = local; t < p.count; t += 64u) {
        let at = sample * p.stride + p.base + t;
        let count = atomicLoad(&tile_counts[t]);
        if count > 0u {
            atomicAdd(&counts[at], count);
            atomicMin(&firsts[at], atomicLoad(&tile_firsts[t]));
        }
    }
}

// How many of the thresholds are not above an error, by bisection.
fn not_above(error: f32) -> u32 {
    var lo = 0u;
    var hi = p.count;
    while lo < hi {
        let middle = (lo + hi) / 2u;
        if error < thresholds[p.base + middle] {
            hi = middle;
        } else {
            lo = middle + 1u;
        }
    }
    return lo;
}
