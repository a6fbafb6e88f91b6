// cp.async.bulk from global to shared memory (PTX ISA, "Data Movement and Conversion Instructions"). Each block that a
// copy goes to has its part done by an agent of its own, late; until then its target is poisoned, and other
// asynchronous uses of it are errors.
//
// The async proxy, of these copies and of wgmma, sees what threads wrote to shared memory only after
// fence.proxy.async. `published` is what it sees: a fence of any thread publishes what all have written by then, so a
// missing fence is noticed where no other thread happens to run one later.
#pragma once

namespace retrial {

constexpr size_t MOST_SHARED = 256 << 10;
static unsigned char published[MAX_CLUSTER][MOST_SHARED];

static void begin_published() {
    for (unsigned rank = 0; rank < launch->cluster; ++rank) memset(published[rank], POISON, launch->shared_bytes);
}

// Bytes of a block's dynamic shared memory.
struct Range {
    const unsigned char* begin;
    size_t bytes;
    bool overlaps(const Range& other) const { return begin < other.begin + other.bytes && other.begin < begin + bytes; }
};

static void copy_late(const Agent& agent) {
    Cta& block = *agent.target;
    const Site site = current->site;
    current->site = agent.site; // where a fault of the source is from
    memcpy(agent.to, agent.source, agent.bytes);
    current->site = site;
    memcpy(published[rank_of(block)] + (agent.to - block.shared), agent.to, agent.bytes);
    count_bytes(*agent.barrier, -int(agent.bytes), agent.site);
    settle(*agent.barrier);
}

// That no copy to these bytes is under way, said as `what`, which uses them.
inline void check_arrived(const Range& range, const char* what, Site site) {
    for (const Agent& agent : agents) {
        if (agent.run != copy_late || !range.overlaps({agent.to, agent.bytes})) continue;
        fail_at(site, "%s bytes from %td of shared memory, to which the copy from %s:%d is under way", what,
                range.begin - agent.target->shared, agent.site.file, agent.site.line);
    }
}

static void check_unread(const Range&, const char*, Site); // products.h

inline void bulk_copy(void* to, const void* from, unsigned bytes, void* at, unsigned mask, Site site) {
    check_in_dynamic("cp.async.bulk to", to, bytes, site);
    if (!bytes || (bytes | reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % 16) {
        fail_at(site, "cp.async.bulk of %u bytes from %p to %p, which must be multiples of 16", bytes, from, to);
    }
    if (!mask || mask >> launch->cluster) {
        fail_at(site, "cp.async.bulk to the blocks 0x%x of a cluster of %u", mask, launch->cluster);
    }
    const ptrdiff_t byte = static_cast<unsigned char*>(to) - dynamic_shared;
    for (unsigned rank = 0; rank < launch->cluster; ++rank) {
        if (!(mask >> rank & 1)) continue;
        Mbarrier& barrier = find_mbarrier("the mbarrier of cp.async.bulk", at, rank, site);
        check_fenced(barrier, "the mbarrier of cp.async.bulk", site);
        unsigned char* const target = ctas[rank].shared + byte;
        check_arrived({target, bytes}, "cp.async.bulk to", site);
        check_unread({target, bytes}, "cp.async.bulk to", site);
        memset(target, POISON, bytes);
        Agent agent{copy_late, "a bulk copy", current, site, &ctas[rank]};
        agent.barrier = &barrier;
        agent.to = target;
        agent.source = from;
        agent.bytes = bytes;
        add_agent(agent);
    }
}

} // namespace retrial

// cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.
inline void emulated_bulk_copy(void* shared, const void* global, unsigned bytes, void* barrier, RETRIAL_SITE) {
    retrial::bulk_copy(shared, global, bytes, barrier, 1u << retrial::rank_of(*retrial::cta), RETRIAL_HERE);
}
// With .multicast::cluster: to the same place in each block of `mask`, counted by the barrier in the same place there.
inline void emulated_bulk_copy_multicast(void* shared, const void* global, unsigned bytes, void* barrier,
                                         unsigned short mask, RETRIAL_SITE) {
    retrial::bulk_copy(shared, global, bytes, barrier, mask, RETRIAL_HERE);
}

// fence.proxy.async.shared::cta.
inline void emulated_fence_proxy_async() {
    using namespace retrial;
    touched = true;
    fence_mbarriers(Mbarrier::PROXY);
    memcpy(published[rank_of(*cta)], dynamic_shared, launch->shared_bytes);
}
