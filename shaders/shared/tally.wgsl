// Counts a trial in its bucket: one workgroup atomic. A bucket of p.count and more is none.
fn tally(bucket: u32, local: u32) {
    if bucket < p.count {
        atomicAdd(&block_counts[bucket], 1u);
    }
}
