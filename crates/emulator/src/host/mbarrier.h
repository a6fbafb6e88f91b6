// Barriers in shared memory (PTX ISA, "Parallel Synchronization and Communication Instructions: mbarrier"). A phase
// ends when no arrival is pending and all bytes that were announced have come. What a barrier counts is kept aside; the
// 64 bits in shared memory name it, so that a write to them is noticed.
#pragma once

namespace retrial {

constexpr uint64_t MBARRIER = 0x6d626172ull << 32; // the upper half of every live barrier's bits
constexpr int MOST_PENDING = (1 << 20) - 1;        // arrivals, and bytes either way

struct Mbarrier {
    uint64_t* at;
    Cta* block;
    Fiber* maker;
    Site made;
    unsigned count, pending, phase;
    int bytes; // announced and not come
    // The last phases to which bytes came, to which another block arrived, not to be told by a barrier of the cluster,
    // and that a thread waited for; -1 for none.
    int filled, visited, seen;
    enum { NOT, PROXY, CLUSTER } fenced; // whether, and for whom, it was fenced since it was made
    Queue waiting;
};

static std::deque<Mbarrier> mbarriers;

static void begin_mbarriers() { mbarriers.clear(); }

inline ptrdiff_t byte_of(const Mbarrier& barrier) {
    return reinterpret_cast<unsigned char*>(barrier.at) - barrier.block->shared;
}

// The barrier at the place in block `rank` that `at` is in the calling thread's.
inline Mbarrier& find_mbarrier(const char* what, void* at, unsigned rank, Site site) {
    check_in_shared(what, at, 8, site);
    if (rank >= launch->cluster) {
        fail_at(site, "%s of block %u of a cluster of %u", what, rank, launch->cluster);
    }
    const ptrdiff_t byte = static_cast<unsigned char*>(at) - dynamic_shared;
    Cta& block = ctas[rank];
    if (!block.live) {
        fail_at(site, "%s of block %u of the cluster, which has exited; let it wait for the cluster before", what,
                rank);
    }
    uint64_t* const there = reinterpret_cast<uint64_t*>(block.shared + byte);
    const uint64_t index = *there ^ MBARRIER;
    if (index >= mbarriers.size() || mbarriers[index].at != there) {
        fail_at(site, "%s at byte %td of shared memory of block %u of the cluster, which %s", what, byte, rank,
                *there == ~uint64_t(0) ? "nobody initialised" : "holds no mbarrier, or one that was overwritten");
    }
    return mbarriers[index];
}
inline Mbarrier& find_mbarrier(const char* what, void* at, Site site) {
    return find_mbarrier(what, at, rank_of(*cta), site);
}

// That who uses it, other than by a thread of its block, sees it as initialised.
inline void check_fenced(const Mbarrier& barrier, const char* what, Site site) {
    if (barrier.fenced >= (barrier.block == cta ? Mbarrier::PROXY : Mbarrier::CLUSTER)) return;
    fail_at(
        site,
        "%s at byte %td of block %u of the cluster, which was initialised at %s:%d with no fence.mbarrier_init%s after",
        what, byte_of(barrier), rank_of(*barrier.block), barrier.made.file, barrier.made.line,
        barrier.block == cta ? " or fence.proxy.async" : "");
}

// Ends the phase if nothing is missing.
inline void settle(Mbarrier& barrier) {
    if (barrier.pending || barrier.bytes) return;
    barrier.pending = barrier.count;
    ++barrier.phase;
    wake(barrier.waiting);
}

inline void arrive(Mbarrier& barrier, Site site) {
    if (!barrier.pending) {
        fail_at(site, "one arrival more than the %u that the mbarrier at byte %td takes in a phase", barrier.count,
                byte_of(barrier));
    }
    --barrier.pending;
    settle(barrier);
}

// Announces bytes, or, below zero, has some come.
inline void count_bytes(Mbarrier& barrier, int bytes, Site site) {
    barrier.bytes += bytes;
    if (bytes < 0) barrier.filled = barrier.phase;
    if (std::abs(barrier.bytes) > MOST_PENDING) {
        fail_at(site, "%d bytes under way at the mbarrier at byte %td; at most %d either way", barrier.bytes,
                byte_of(barrier), MOST_PENDING);
    }
}

inline void describe_mbarrier(Text& text, const void* object, unsigned parity) {
    const Mbarrier& barrier = *static_cast<const Mbarrier*>(object);
    text.add("parity %u of the mbarrier at byte %td of block %u (phase %u, %u of %u arrivals missing, %d bytes %s)",
             parity, byte_of(barrier), rank_of(*barrier.block), barrier.phase, barrier.pending, barrier.count,
             std::abs(barrier.bytes), barrier.bytes < 0 ? "more than announced" : "missing");
}

// Of the block that the calling thread leaves.
static void check_mbarriers() {
    for (const Mbarrier& barrier : mbarriers) {
        if (barrier.block != cta) continue;
        if (barrier.bytes) {
            fail("exits although %d bytes that the mbarrier at byte %td was told of have not come", barrier.bytes,
                 byte_of(barrier));
        }
        if (barrier.filled > barrier.seen) {
            fail("exits although nobody waited for bytes that came to the mbarrier at byte %td", byte_of(barrier));
        }
        if (barrier.visited > barrier.seen) {
            fail("exits although nobody waited for an arrival from another block at the mbarrier at byte %td, which "
                 "might have come later; let it wait for the cluster before",
                 byte_of(barrier));
        }
    }
}

// Of the calling thread's.
template <class T> void fence_mbarriers(T level) {
    for (Mbarrier& barrier : mbarriers) {
        if (barrier.maker == current) barrier.fenced = std::max(barrier.fenced, level);
    }
}

static void arrive_late(const Agent& agent) {
    if (agent.target != &cta_of(*agent.from)) agent.barrier->visited = agent.barrier->phase;
    arrive(*agent.barrier, agent.site);
}

// Before another release of the calling thread.
inline void arrive_at_last() {
    for (size_t at; agent_count && (at = first_arrival(current)) < agents.size();) run_agent(at);
}

} // namespace retrial

// mbarrier.init.shared::cta.b64.
inline void emulated_mbarrier_init(void* at, unsigned count, RETRIAL_SITE) {
    using namespace retrial;
    check_in_shared("mbarrier.init", at, 8, RETRIAL_HERE);
    if (count < 1 || count > unsigned(MOST_PENDING)) {
        fail_at(RETRIAL_HERE, "an mbarrier for %u arrivals; at least 1, at most %d", count, MOST_PENDING);
    }
    uint64_t* const bits = static_cast<uint64_t*>(at);
    const uint64_t index = *bits ^ MBARRIER;
    if (index < mbarriers.size() && mbarriers[index].at == bits) {
        fail_at(RETRIAL_HERE, "initialises the mbarrier at byte %td again, which is in use since %s:%d",
                byte_of(mbarriers[index]), mbarriers[index].made.file, mbarriers[index].made.line);
    }
    touched = true;
    *bits = MBARRIER ^ mbarriers.size();
    mbarriers.push_back({bits, cta, current, RETRIAL_HERE, count, count, 0, 0, -1, -1, -1, Mbarrier::NOT, {}});
}

// mbarrier.arrive.release.cta.shared::cta.b64.
inline void emulated_mbarrier_arrive(void* at, RETRIAL_SITE) {
    retrial::arrive_at_last();
    retrial::arrive(retrial::find_mbarrier("mbarrier.arrive", at, RETRIAL_HERE), RETRIAL_HERE);
}

// mbarrier.arrive.expect_tx.release.cta.shared::cta.b64.
inline void emulated_mbarrier_arrive_expect_tx(void* at, unsigned bytes, RETRIAL_SITE) {
    using namespace retrial;
    Mbarrier& barrier = find_mbarrier("mbarrier.arrive.expect_tx", at, RETRIAL_HERE);
    if (bytes > unsigned(MOST_PENDING)) {
        fail_at(RETRIAL_HERE, "mbarrier.arrive.expect_tx of %u bytes; at most %d", bytes, MOST_PENDING);
    }
    arrive_at_last();
    count_bytes(barrier, int(bytes), RETRIAL_HERE);
    arrive(barrier, RETRIAL_HERE);
}

// mapa and mbarrier.arrive.release.cluster.shared::cluster.b64: at the barrier in the same place of block `rank`.
inline void emulated_mbarrier_arrive_cluster(void* at, unsigned rank, RETRIAL_SITE) {
    using namespace retrial;
    Mbarrier& barrier = find_mbarrier("mbarrier.arrive.cluster", at, rank, RETRIAL_HERE);
    if (barrier.block != cta) check_fenced(barrier, "mbarrier.arrive.cluster", RETRIAL_HERE);
    Agent agent{arrive_late, "an arrival", current, RETRIAL_HERE, barrier.block};
    agent.barrier = &barrier;
    agent.arrival = true;
    add_agent(agent);
}

// mbarrier.try_wait.parity.acquire, until the phase of this parity has ended.
inline void emulated_mbarrier_wait(void* at, unsigned parity, RETRIAL_SITE) {
    using namespace retrial;
    Mbarrier& barrier = find_mbarrier("mbarrier.try_wait", at, RETRIAL_HERE);
    if (parity > 1) fail_at(RETRIAL_HERE, "mbarrier.try_wait of parity %u", parity);
    // Woken by one phase, a thread may find that another has begun or ended.
    while (barrier.phase % 2 == parity) sleep(barrier.waiting, {describe_mbarrier, &barrier, parity}, RETRIAL_HERE);
    barrier.seen = int(barrier.phase) - 1;
}

// fence.mbarrier_init.release.cluster.
inline void emulated_fence_mbarrier_init() { retrial::fence_mbarriers(retrial::Mbarrier::CLUSTER); }
