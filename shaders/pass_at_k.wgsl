// pass_at_k: counts successes, from which pass@k is estimated: what a tally keeps of errors, made where they are, so that a
// few bytes a tile cross the bus.
//
//   counts[n][t]     errors in bucket t: below threshold t, but not below threshold t - 1
//   histogram[n][b]  errors whose upper 16 bits are bins[n] + b
//   found            errors that the host must see one by one: RECORD, below all before it in its block and below those of
//                    earlier dispatches; WORST, the earliest of the largest in its block, above those of earlier dispatches;
//                    STRAY, in no bin of the histogram, or no finite number
//
// A trial costs one search, whatever the thresholds; the host adds up the buckets before t. Every running minimum of a
// sample is among the records found, with a few that other blocks beat, about ln 4096 a block of the first dispatch and
// hardly any later. Errors and thresholds are compared as bits, whose order is theirs: no device's treatment of tiny or
// missing numbers matters.
//
// Shapes     errors [tiles, TRIALS], not negative, in the order of `score`: tile i holds piece
//            `piece + (skip + i) / samples` of sample (skip + i) % samples, lanes from trial `trials` on hold none;
//            thresholds [stride], increasing, in pieces of at most THRESHOLDS, each in a dispatch of its own: `floor` is the
//            threshold before them, and only the first, which is `whole`, makes more than counts; counts [N, stride];
//            histogram [N, BINS] with bins [N], where `histogram_too`; before, after [N, 2]: bits of the least error before
//            this dispatch and before the next, and one more than the bits of the largest; found [room], whose `count`
//            counts also those that had no room. Sums are added to, `after` of one dispatch is `before` of the next
// Grid       a workgroup of 64 per 4,096 trials of a sample, samples fastest, folded; TRIALS is a multiple of 64
// Variants   `tally` is shared/tally.wgsl, or shared/tally_subgroup.wgsl where the adapter has subgroups
// Memory     4 (BINS + THRESHOLDS) + 264 bytes of workgroup memory: 8.3 KiB
// Barriers   three, reached by every invocation
// Bound      memory: 4 bytes a trial. Integer atomics commute, so sums do not depend on the order of workgroups

struct Params {
    tiles: u32,
    skip: u32,
    samples: u32,
    piece: u32,
    trials: u32,
    base: u32,
    count: u32,
    stride: u32,
    room: u32,
    whole: u32,
    histogram_too: u32,
    floor: u32,
}

struct Found {
    count: atomic<u32>,
    entries: array<vec4<u32>>, // sample, trial, bits of the error, kind
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> errors: array<u32>;
@group(0) @binding(2) var<storage, read> thresholds: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> histogram: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read> bins: array<u32>;
@group(0) @binding(6) var<storage, read> before: array<u32>;
@group(0) @binding(7) var<storage, read_write> after: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read_write> found: Found;

// Trials of a tile, bins of a sample, thresholds of a dispatch.
override TRIALS: u32 = 128u;
override BINS: u32 = 1024u;
override THRESHOLDS: u32 = 1024u;

const SIZE = 64u; // invocations, and trials of a step
const STEPS = 64u; // steps of a block
const NONE = 0xffffffffu;
const INFINITE = 0x7f800000u;
const RECORD = 0u;
const STRAY = 1u;
const WORST = 2u;

var<workgroup> block_counts: array<atomic<u32>, THRESHOLDS>;
var<workgroup> block_bins: array<atomic<u32>, BINS>;
var<workgroup> step_leasts: array<atomic<u32>, 64>;
var<workgroup> block_most: atomic<u32>;
var<workgroup> first_most: atomic<u32>;

@compute @workgroup_size(64)
fn pass_at_k(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let id = folded(group, groups);
    let slots = min(p.tiles, p.samples);
    let slot = id % slots;
    // Of the tiles slot, slot + samples, ... of this sample, those from `first` on.
    let first = slot + id / slots * (SIZE * STEPS / TRIALS) * p.samples;
    if first >= p.tiles {
        return; // the whole workgroup
    }
    let sample = (p.skip + slot) % p.samples;
    // The first trial of the block: pieces of a sample follow one another.
    let start = (p.piece + (p.skip + first) / p.samples) * TRIALS;
    for (var t = local; t < p.count; t += SIZE) {
        atomicStore(&block_counts[t], 0u);
    }
    for (var bin = local; bin < BINS; bin += SIZE) {
        atomicStore(&block_bins[bin], 0u);
    }
    atomicStore(&step_leasts[local], NONE);
    if local == 0u {
        atomicStore(&block_most, 0u);
        atomicStore(&first_most, NONE);
    }
    workgroupBarrier();

    var most = 0u;
    var most_trial = 0u;
    // As many steps for every invocation: those of a subgroup work together.
    for (var step = 0u; step < STEPS; step++) {
        let trial = start + step * SIZE + local;
        let bits = bits_of(first, start, step, local);
        var bucket = p.count;
        if bits >= INFINITE {
            if bits != NONE && p.whole != 0u {
                find(sample, trial, bits, STRAY);
            }
        } else {
            if bits >= p.floor {
                bucket = not_above(bits);
            }
            atomicMin(&step_leasts[step], bits);
            if p.histogram_too != 0u {
                let bin = (bits >> 16u) - bins[sample];
                if bin < BINS {
                    atomicAdd(&block_bins[bin], 1u);
                } else if p.whole != 0u {
                    find(sample, trial, bits, STRAY);
                }
            }
            if bits + 1u > most {
                most = bits + 1u;
                most_trial = trial;
            }
        }
        tally(bucket, local);
    }
    atomicMax(&block_most, most);
    workgroupBarrier();

    for (var t = local; t < p.count; t += SIZE) {
        let count = atomicLoad(&block_counts[t]);
        if count > 0u {
            atomicAdd(&counts[sample * p.stride + p.base + t], count);
        }
    }
    if p.whole == 0u {
        return; // all workgroups
    }
    for (var bin = local; bin < BINS && p.histogram_too != 0u; bin += SIZE) {
        let count = atomicLoad(&block_bins[bin]);
        if count > 0u {
            atomicAdd(&histogram[sample * BINS + bin], count);
        }
    }
    let block_worst = atomicLoad(&block_most);
    if most == block_worst {
        atomicMin(&first_most, most_trial);
    }
    // A running minimum is below all before it: those of earlier dispatches and steps, and of earlier lanes of its step.
    var record = before[2u * sample];
    for (var step = 0u; step < STEPS; step++) {
        let least = atomicLoad(&step_leasts[step]);
        if least < record {
            let bits = bits_of(first, start, step, local);
            var beaten = bits >= record;
            for (var lane = 0u; lane < local && !beaten; lane++) {
                beaten = bits_of(first, start, step, lane) <= bits;
            }
            if !beaten {
                find(sample, start + step * SIZE + local, bits, RECORD);
            }
            record = least;
        }
    }
    workgroupBarrier();
    if local == 0u {
        atomicMin(&after[2u * sample], record);
        let worst = max(block_worst, before[2u * sample + 1u]);
        atomicMax(&after[2u * sample + 1u], worst);
        if p.histogram_too != 0u && block_worst > before[2u * sample + 1u] {
            find(sample, atomicLoad(&first_most), block_worst - 1u, WORST);
        }
    }
}

// Bits of the error of a step's lane, in a block from some tile and trial on; NONE where there is no trial. Those of no finite
// number are not below INFINITE.
fn bits_of(first: u32, start: u32, step: u32, lane: u32) -> u32 {
    let tile = first + step * SIZE / TRIALS * p.samples;
    if tile >= p.tiles || start + step * SIZE + lane >= p.trials {
        return NONE;
    }
    let bits = errors[tile * TRIALS + step * SIZE % TRIALS + lane];
    return select(min(bits, NONE - 1u), 0u, bits == 0x80000000u); // 0 for -0
}

fn find(sample: u32, trial: u32, bits: u32, kind: u32) {
    let at = atomicAdd(&found.count, 1u);
    if at < p.room {
        found.entries[at] = vec4(sample, trial, bits, kind);
    }
}

// How many of the thresholds are not above an error, by bisection.
fn not_above(bits: u32) -> u32 {
    var lo = 0u;
    var hi = p.count;
    while lo < hi {
        let middle = (lo + hi) / 2u;
        if bits < thresholds[p.base + middle] {
            hi = middle;
        } else {
            lo = middle + 1u;
        }
    }
    return lo;
}
