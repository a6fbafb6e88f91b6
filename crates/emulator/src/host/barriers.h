// The named barriers of a block, and the registers that its warps pass each other.
#pragma once

namespace retrial {

struct NamedBarrier {
    unsigned threads, arrived, warps, generation; // `warps` have arrived in this generation
    Site site;                                    // of its first arrival
    Queue waiting;
};

static NamedBarrier named_barriers[MAX_CLUSTER][16];

static void begin_named_barriers() {
    for (auto& of_block : named_barriers) {
        for (NamedBarrier& barrier : of_block) barrier = {};
    }
}

inline void describe_named_barrier(Text& text, const void* object, unsigned id) {
    const NamedBarrier& barrier = *static_cast<const NamedBarrier*>(object);
    text.add("barrier %u (%u of %u threads have arrived)", id, barrier.arrived, barrier.threads);
}

// What the lanes of a warp bring to a barrier; the warp arrives as a whole.
struct NamedArrival {
    unsigned id, threads, generation;
    static void complete(unsigned, NamedArrival** lanes) {
        const Site site = current->site;
        const auto [id, threads, generation] = *lanes[0];
        for (unsigned l = 1; l < 32; ++l) {
            if (lanes[l]->id == id && lanes[l]->threads == threads) continue;
            fail_at(site, "lanes of a warp at barriers %u of %u and %u of %u threads", id, threads, lanes[l]->id,
                    lanes[l]->threads);
        }
        NamedBarrier& barrier = named_barriers[rank_of(*cta)][id];
        if (!barrier.arrived) barrier.threads = threads, barrier.site = site;
        if (barrier.threads != threads) {
            fail_at(site, "barrier %u of %u threads, at %s:%d of %u", id, threads, barrier.site.file, barrier.site.line,
                    barrier.threads);
        }
        const unsigned warp = current->warp % MAX_WARPS;
        if (barrier.warps >> warp & 1) {
            fail_at(site, "warp %u arrives at barrier %u again before the others have, first at %s:%d", warp, id,
                    barrier.site.file, barrier.site.line);
        }
        for (unsigned l = 0; l < 32; ++l) lanes[l]->generation = barrier.generation;
        barrier.warps |= 1u << warp;
        barrier.arrived += 32;
        if (barrier.arrived < threads) return;
        barrier.arrived = barrier.warps = 0;
        ++barrier.generation;
        wake(barrier.waiting);
    }
};

// Arrives with the warp; returns the generation of the barrier it arrived in.
inline unsigned arrive_at_named(unsigned id, unsigned threads, Site site) {
    if (id < 1 || id > 15) fail_at(site, "barrier %u; 1 to 15, for 0 is __syncthreads", id);
    if (threads % 32 || threads < 32 || threads > warp_count * 32) {
        fail_at(site, "barrier %u of %u threads; whole warps, at most the %u of the block", id, threads,
                warp_count * 32);
    }
    touched = true;
    NamedArrival arrival{id, threads, 0};
    together(~0u, arrival, site);
    return arrival.generation;
}

// Registers that setmaxnreg has freed, of each block.
static unsigned free_registers[MAX_CLUSTER];
// Of each warp: its registers a thread, and how often it has set them.
static std::pair<unsigned, unsigned> registers[MAX_CLUSTER * MAX_WARPS];
static Queue waiting_for_registers;

// A block has what it would have if it ran alone on its multiprocessor.
static void begin_registers() {
    for (auto& [count, changes] : registers) count = std::min(256u, 65536 / (warp_count * 32) / 8 * 8), changes = 0;
    for (unsigned& free : free_registers) free = 0;
    waiting_for_registers.clear();
}

inline void describe_registers(Text& text, const void* block, unsigned wanted) {
    text.add("%u registers a thread (%u are free)", wanted, free_registers[rank_of(*static_cast<const Cta*>(block))]);
}

struct SetRegisters {
    unsigned count;
    bool increase;
    static void complete(unsigned, SetRegisters** lanes) {
        const Site site = current->site;
        const auto [wanted, increase] = *lanes[0];
        for (unsigned l = 1; l < 32; ++l) {
            if (lanes[l]->count != wanted || lanes[l]->increase != increase) {
                fail_at(site, "lanes of a warp set %u and %u registers", wanted, lanes[l]->count);
            }
        }
        auto& [count, changes] = registers[current->warp];
        const unsigned first = current->warp / 4 * 4;
        for (unsigned w = first; w < first + 4; ++w) {
            if (registers[w].second >= changes) continue;
            fail_at(site, "sets registers again before warp %u of its warpgroup has set them once", w % MAX_WARPS);
        }
        if (increase ? wanted < count : wanted > count) {
            fail_at(site, "%s to %u registers from %u", increase ? "setmaxnreg.inc" : "setmaxnreg.dec", wanted, count);
        }
        ++changes;
        if (increase) return;
        free_registers[rank_of(*cta)] += (count - wanted) * 32;
        count = wanted;
        wake(waiting_for_registers);
    }
};

// That the warps of each warpgroup of the block that the calling thread leaves have as many.
static void check_registers() {
    for (unsigned w = 0; w < warp_count; ++w) {
        const auto* warp = registers + rank_of(*cta) * MAX_WARPS + w;
        if (w % 4 && *warp != warp[-1])
            fail("exits although warps %u and %u set their registers differently", w - 1, w);
    }
}

} // namespace retrial

// bar.sync id, threads and bar.arrive id, threads: by whole warps.
inline void emulated_barrier_sync(unsigned id, unsigned threads, RETRIAL_SITE) {
    using namespace retrial;
    const unsigned generation = arrive_at_named(id, threads, RETRIAL_HERE);
    NamedBarrier& barrier = named_barriers[rank_of(*cta)][id];
    while (barrier.generation == generation)
        sleep(barrier.waiting, {describe_named_barrier, &barrier, id}, RETRIAL_HERE);
}
inline void emulated_barrier_arrive(unsigned id, unsigned threads, RETRIAL_SITE) {
    retrial::arrive_at_named(id, threads, RETRIAL_HERE);
}

// setmaxnreg.inc and .dec.sync.aligned.u32: by whole warpgroups. An increase waits until others have freed enough.
inline void emulated_setmaxnreg(unsigned count, bool increase, RETRIAL_SITE) {
    using namespace retrial;
    if (count < 24 || count > 256 || count % 8) {
        fail_at(RETRIAL_HERE, "setmaxnreg to %u; a multiple of 8 from 24 to 256", count);
    }
    touched = true;
    SetRegisters operation{count, increase};
    together(~0u, operation, RETRIAL_HERE);
    unsigned& mine = registers[current->warp].first;
    unsigned& free = free_registers[rank_of(*cta)];
    // The first lane that can takes them for its warp.
    while (mine < count && free < (count - mine) * 32) {
        sleep(waiting_for_registers, {describe_registers, cta, count}, RETRIAL_HERE);
    }
    if (mine >= count) return;
    free -= (count - mine) * 32;
    mine = count;
    wake(waiting_for_registers);
}
