// What is said when no thread can go on.
#pragma once

namespace retrial {

// The first thread that waits with a group.
inline Fiber& first(const Group& group, unsigned warp) { return fibers[warp * 32 + __builtin_ctz(group.arrived)]; }

// Calls `f(warp)` for each warp of the cluster.
template <class F> inline void each_warp(F f) {
    for (unsigned rank = 0; rank < launch->cluster; ++rank) {
        for (unsigned w = 0; w < warp_count; ++w) f(rank * MAX_WARPS + w);
    }
}

// Names each kind of waiter once, with how many there are, what they wait for, and the first of them.
inline void describe_waits(Text text) {
    std::vector<std::pair<Reason, unsigned>> kinds;
    const auto count = [&](const Fiber& fiber) {
        const Reason& reason = reasons[&fiber - fibers];
        if (!reason.describe) return;
        for (auto& [known, threads] : kinds) {
            if (known == reason) return void(++threads);
        }
        if (kinds.empty()) select(fibers[&fiber - fibers]);
        kinds.push_back({reason, 1});
    };
    each_warp([&](unsigned w) {
        for (unsigned l = 0; l < 32; ++l) count(fibers[w * 32 + l]);
    });
    for (const auto& [reason, threads] : kinds) {
        unsigned at = 0;
        while (!(reasons[at] == reason)) ++at;
        text.add("; %u thread%s, the first at %s:%d, for ", threads, threads == 1 ? "" : "s", fibers[at].site.file,
                 fibers[at].site.line);
        reason.describe(text, reason.object, reason.detail);
    }
    for (unsigned rank = 0; rank < launch->cluster; ++rank) {
        const Barrier& barrier = ctas[rank].barrier;
        if (!barrier.arrived) continue;
        text.add("; %u of the %u threads of block %u of the cluster at the barrier at %s:%d", barrier.arrived,
                 ctas[rank].live, rank, barrier.site.file, barrier.site.line);
    }
    each_warp([&](unsigned w) {
        if (!warps[w].group_count) return;
        const Site site = first(warps[w].groups[0], w).site;
        text.add("; %u lanes of warp %u of block %u for others of mask 0x%08x at %s:%d",
                 __builtin_popcount(warps[w].groups[0].arrived), w % MAX_WARPS, w / MAX_WARPS, warps[w].groups[0].mask,
                 site.file, site.line);
    });
}

[[noreturn]] __attribute__((cold, noinline)) static void deadlock() {
    char text[sizeof report->message] = "";
    describe_waits({text, sizeof text});
    const bool asleep = std::any_of(std::begin(reasons), std::end(reasons), [](const Reason& r) { return r.describe; });
    if (asleep) fail("deadlock: nobody can go on%s", text);
    each_warp([](unsigned w) {
        if (!warps[w].group_count) return;
        const Group& group = warps[w].groups[0];
        const unsigned missing = __builtin_ctz(group.mask & ~group.arrived);
        select(first(group, w));
        if (!(warps[w].live >> missing & 1)) {
            fail("%s:%d waits for lane %u of warp %u, which its mask 0x%08x names but which has exited",
                 current->site.file, current->site.line, missing, w % MAX_WARPS, group.mask);
        }
        const Site other = fibers[w * 32 + missing].site;
        fail("%s:%d waits for lane %u of warp %u, which its mask 0x%08x names but which waits at %s:%d",
             current->site.file, current->site.line, missing, w % MAX_WARPS, group.mask, other.file, other.line);
    });
    const auto stuck = [](const Cta& block) { return block.barrier.arrived != 0; };
    const Cta& block = *std::find_if(ctas, ctas + launch->cluster - 1, stuck);
    fail("divergent barrier: %u of the %u threads that have not exited wait at %s:%d", block.barrier.arrived,
         block.live, block.barrier.site.file, block.barrier.site.line);
}

} // namespace retrial
