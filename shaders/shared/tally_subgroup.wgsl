// The same with two workgroup atomics for all trials of a subgroup that share its least bucket, and two for each other
// one: where few succeed, or most, they share it. No loop goes on for some of a subgroup only: that it does so for all or
// none is more than a compiler can prove, and browsers refuse what they cannot prove. Every invocation of the workgroup
// calls it.
fn tally(bucket: u32, trial: u32) {
    let least = subgroupMin(bucket);
    let mine = bucket == least;
    let number = subgroupAdd(select(0u, 1u, mine));
    let first = subgroupMin(select(0xffffffffu, trial, mine));
    if bucket < p.count && (!mine || trial == first) {
        atomicAdd(&tile_counts[bucket], select(1u, number, mine));
        atomicMin(&tile_firsts[bucket], trial);
    }
}
