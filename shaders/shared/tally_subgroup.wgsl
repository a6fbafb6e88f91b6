// The same with two workgroup atomics for each bucket that occurs in a subgroup, whatever the subgroup's size. Every
// invocation of the workgroup calls it; a subgroup goes on while any of its trials is uncounted.
fn tally(bucket: u32, trial: u32) {
    var left = bucket;
    loop {
        let least = subgroupMin(left);
        if least >= p.count {
            break;
        }
        let mine = left == least;
        let number = subgroupAdd(select(0u, 1u, mine));
        let first = subgroupMin(select(0xffffffffu, trial, mine));
        if mine && trial == first {
            atomicAdd(&tile_counts[least], number);
            atomicMin(&tile_firsts[least], first);
        }
        left = select(left, 0xffffffffu, mine);
    }
}
