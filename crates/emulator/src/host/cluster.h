// Clusters: blocks that run together and reach each other's shared memory (PTX ISA, "Thread Block Clusters").
#pragma once

namespace retrial {

// barrier.cluster, whose arrival and wait are apart.
struct ClusterBarrier {
    unsigned arrived, generation;
    Queue waiting;
};

static ClusterBarrier cluster_barrier;
// Of each thread: whether it has arrived and not waited, and in which generation it did.
static std::pair<bool, unsigned> arrivals[MAX_CLUSTER * MAX_THREADS];

static void begin_cluster_barrier() {
    cluster_barrier.arrived = cluster_barrier.generation = 0;
    cluster_barrier.waiting.clear();
}

// Goes on if all threads that have not exited have arrived. What they did before their arrivals is done.
inline void settle_cluster() {
    if (!cluster_barrier.arrived || cluster_barrier.arrived != live_threads) return;
    Fiber& caller = *current;
    for (size_t at = 0; at < agents.size();) {
        if (agents[at].released) run_agent(at);
        else ++at;
    }
    select(caller);
    for (Mbarrier& barrier : mbarriers) barrier.visited = -1;
    cluster_barrier.arrived = 0;
    ++cluster_barrier.generation;
    wake(cluster_barrier.waiting);
}

// Of the calling thread, which exits. Its arrival counts no more than the thread does.
static void leave_cluster_barrier() {
    auto& [arrived, generation] = arrivals[current - fibers];
    if (arrived && generation == cluster_barrier.generation) --cluster_barrier.arrived;
    arrived = false;
    --live_threads;
    settle_cluster();
}

inline void describe_cluster_barrier(Text& text, const void*, unsigned) {
    text.add("the barrier of the cluster (%u of %u threads have arrived)", cluster_barrier.arrived, live_threads);
}

// That nothing is under way to the block that the calling thread, its last, leaves.
static void check_agents() {
    for (const Agent& agent : agents) {
        if (agent.target != cta) continue;
        fail("exits although %s from %s:%d in block %u of the cluster is under way to it; let it wait for that, or for "
             "the cluster, before",
             agent.name, agent.site.file, agent.site.line, rank_of(cta_of(*agent.from)));
    }
}

} // namespace retrial

// %cluster_ctarank and %cluster_nctarank.
inline unsigned emulated_cluster_rank() { return retrial::rank_of(*retrial::cta); }
inline unsigned emulated_cluster_size() { return retrial::launch->cluster; }

// barrier.cluster.arrive.release.
inline void emulated_cluster_arrive(RETRIAL_SITE) {
    using namespace retrial;
    auto& [arrived, generation] = arrivals[current - fibers];
    if (arrived) fail_at(RETRIAL_HERE, "arrives at the barrier of the cluster again without a wait");
    touched = arrived = true;
    generation = cluster_barrier.generation;
    for (Agent& agent : agents) agent.released |= agent.arrival && agent.from == current;
    ++cluster_barrier.arrived;
    settle_cluster();
}

// barrier.cluster.wait.acquire.
inline void emulated_cluster_wait(RETRIAL_SITE) {
    using namespace retrial;
    auto& [arrived, generation] = arrivals[current - fibers];
    if (!arrived) fail_at(RETRIAL_HERE, "waits at the barrier of the cluster without an arrival");
    while (generation == cluster_barrier.generation) {
        sleep(cluster_barrier.waiting, {describe_cluster_barrier, nullptr, 0}, RETRIAL_HERE);
    }
    arrived = false;
}

// mapa: the place in block `rank` that `shared` is in the calling thread's.
template <class T> T* emulated_map_shared(T* shared, unsigned rank, RETRIAL_SITE) {
    using namespace retrial;
    check_in_shared("mapa of", shared, sizeof(T), RETRIAL_HERE);
    if (rank >= launch->cluster) fail_at(RETRIAL_HERE, "mapa to block %u of a cluster of %u", rank, launch->cluster);
    return reinterpret_cast<T*>(reinterpret_cast<unsigned char*>(shared) - dynamic_shared + ctas[rank].shared);
}
