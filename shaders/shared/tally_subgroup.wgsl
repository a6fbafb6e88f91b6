// The same with one workgroup atomic for all trials of a subgroup that share its least bucket, and one for each other one:
// where few succeed, or most, they share it. No loop goes on for some of a subgroup only: that it does so for all or none
// is more than a compiler can prove, and browsers refuse what they cannot prove. Every invocation of the workgroup calls it.
fn tally(bucket: u32, local: u32) {
    let least = subgroupMin(bucket);
    let mine = bucket == least;
    let number = subgroupAdd(select(0u, 1u, mine));
    let speaks = subgroupMin(select(NONE, local, mine)) == local;
    if bucket < p.count && (!mine || speaks) {
        atomicAdd(&block_counts[bucket], select(1u, number, mine));
    }
}
