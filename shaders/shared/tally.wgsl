// Counts a trial in its bucket: two workgroup atomics. A bucket of p.count and more is none.
fn tally(bucket: u32, trial: u32) {
    if bucket < p.count {
        atomicAdd(&tile_counts[bucket], 1u);
        atomicMin(&tile_firsts[bucket], trial);
    }
}
