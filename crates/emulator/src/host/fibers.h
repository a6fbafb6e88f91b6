// One fiber per CUDA thread, and the scheduler of a cluster's fibers. Threads run one at a time, each until it waits.
#pragma once

extern "C" __attribute__((visibility("hidden"))) unsigned char __start_retrial_shared[], __stop_retrial_shared[];

namespace retrial {

constexpr unsigned MAX_THREADS = 1024, MAX_WARPS = MAX_THREADS / 32; // of a block
constexpr unsigned MAX_CLUSTER = 8;
constexpr unsigned char POISON = 0xff;

// A place in a kernel's source.
struct Site {
    const char* file;
    int line;
};

// One launch; mirrored in `instance.rs`.
struct Launch {
    unsigned grid[3], block[3];
    unsigned cluster; // blocks, along x
    size_t shared_bytes;
    void (*kernel)(const void* params);
    const void* params;
    uint64_t order, seed;
    uint64_t* next; // the next cluster, shared by all OS threads of the launch
};

// What went wrong, where; mirrored in `instance.rs`.
struct Report {
    uint64_t number; // of the block
    unsigned block[3], thread[3];
    uintptr_t address; // of a memory fault outside of shared memory, else 0
    char message[1488];
};

// A cache line each: a barrier of many threads visits all.
struct alignas(64) Fiber {
    Context context;
    Site site; // where it last waited
    uint3 index;
    unsigned short warp, lane; // the warp within the cluster
};

// Lanes that wait for each other: those of `mask`.
struct Group {
    unsigned mask, arrived;
    const void* operation;
};

struct Warp {
    unsigned live, ready, at_barrier, group_count;
    Group groups[32]; // of which `group_count` have lanes that wait
    void* operands[32];
};

struct Barrier {
    unsigned arrived, count, result_arrived, result_count;
    Site site;
};

// A block of the cluster. Its warps are those from `MAX_WARPS` times its rank on.
struct Cta {
    unsigned live, ready_warps; // threads that have not exited; warps with threads that can go on
    Barrier barrier;
    uint3 index;
    unsigned char* shared; // its dynamic shared memory
};

static Fiber fibers[MAX_CLUSTER * MAX_THREADS];
static Warp warps[MAX_CLUSTER * MAX_WARPS];
static Cta ctas[MAX_CLUSTER];
static unsigned ready_ctas, live_threads; // of the cluster
static unsigned warp_count, thread_count; // of a block
static Fiber* current;
static Cta* cta; // of `current`
static Context main_context;
static const Launch* launch;
static Report* report;
static sigjmp_buf landing;
static uint64_t random_state, cluster_number;
static bool touched;                  // whether what only some kernels use must begin anew for the next cluster
static bool interrupted;              // whether the last launch failed
static unsigned char* dynamic_shared; // of `cta`

// Calls `f(fiber, index in the block)` for each thread of the cluster.
template <class F> inline void each_thread(F f) {
    for (unsigned rank = 0; rank < launch->cluster; ++rank) {
        for (unsigned t = 0; t < thread_count; ++t) f(rank * MAX_THREADS + t, t);
    }
}

inline unsigned rank_of(const Cta& block) { return &block - ctas; }
inline Cta& cta_of(const Fiber& fiber) { return ctas[fiber.warp / MAX_WARPS]; }

[[noreturn]] __attribute__((cold, noinline, format(printf, 1, 2))) static void fail(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->message, sizeof report->message, format, arguments);
    va_end(arguments);
    siglongjmp(landing, 1);
}

[[noreturn]] __attribute__((cold, noinline, format(printf, 2, 3))) static void fail_at(Site site, const char* format,
                                                                                       ...) {
    const size_t start = snprintf(report->message, sizeof report->message, "%s:%d: ", site.file, site.line);
    va_list arguments;
    va_start(arguments, format);
    if (start < sizeof report->message) {
        vsnprintf(report->message + start, sizeof report->message - start, format, arguments);
    }
    va_end(arguments);
    siglongjmp(landing, 1);
}

inline unsigned random_number() { // xorshift64
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> 32;
}

// A place of `count`, in the launch's order: the first, the last or any.
inline unsigned choose_of(unsigned count) {
    return launch->order == 0 ? 0 : launch->order == 1 ? count - 1 : random_number() % count;
}

// A bit of `bits`, likewise.
inline unsigned choose(unsigned bits) {
    if (launch->order == 0) return __builtin_ctz(bits);
    if (launch->order == 1) return 31 - __builtin_clz(bits);
    for (unsigned skip = random_number() % __builtin_popcount(bits); skip; --skip) bits &= bits - 1;
    return __builtin_ctz(bits);
}

inline void make_ready(unsigned warp, unsigned lanes) {
    if (!lanes) return;
    const unsigned rank = warp / MAX_WARPS;
    warps[warp].ready |= lanes;
    ctas[rank].ready_warps |= 1u << warp % MAX_WARPS;
    ready_ctas |= 1u << rank;
}

// Lanes of the warp that runs.
inline void make_own_ready(unsigned lanes) {
    const unsigned warp = current->warp;
    warps[warp].ready |= lanes;
    cta->ready_warps |= 1u << warp % MAX_WARPS;
    ready_ctas |= 1u << warp / MAX_WARPS;
}

// Makes a thread the one that runs.
inline void select(Cta& block, Fiber& fiber) {
    current = &fiber;
    threadIdx = fiber.index;
    if (cta == &block) return;
    cta = &block;
    blockIdx = block.index;
    dynamic_shared = block.shared;
}
inline void select(Fiber& fiber) { select(cta_of(fiber), fiber); }

static unsigned agent_count;
static void run_agents();            // waits.h
[[noreturn]] static void deadlock(); // deadlock.h

// Makes a thread of a block the one that runs.
inline void run_thread_of(unsigned rank) {
    Cta& block = ctas[rank];
    const unsigned w = choose(block.ready_warps), warp = rank * MAX_WARPS + w, lane = choose(warps[warp].ready);
    warps[warp].ready &= ~(1u << lane);
    if (!warps[warp].ready && !(block.ready_warps &= ~(1u << w))) ready_ctas &= ~(1u << rank);
    select(block, fibers[warp * 32 + lane]);
}

// The thread to run now.
inline Fiber* next() {
    if (__builtin_expect(agent_count, 0)) run_agents();
    if (__builtin_expect(!ready_ctas, 0)) deadlock();
    if (ready_ctas == 1) run_thread_of(0); // most launches have no clusters: addresses are constants here
    else run_thread_of(choose(ready_ctas));
    return current;
}

// Runs other threads until this one may go on.
inline void wait() {
    Fiber *from = current, *to = next();
    if (from != to) switch_context(from->context, to->context);
}

inline void release_barrier(Cta& block) {
    Barrier& barrier = block.barrier;
    barrier.result_arrived = barrier.arrived;
    barrier.result_count = barrier.count;
    barrier.arrived = barrier.count = 0;
    for (unsigned w = 0; w < warp_count; ++w) {
        const unsigned warp = rank_of(block) * MAX_WARPS + w;
        make_ready(warp, warps[warp].at_barrier);
        warps[warp].at_barrier = 0;
    }
}

// Waits for all threads of the block that have not exited, and counts those with a true `predicate`.
inline void wait_for_block(bool predicate, Site site) {
    Barrier& barrier = cta->barrier;
    current->site = site;
    if (barrier.arrived == 0) barrier.site = site;
    if (barrier.site.line != site.line || (barrier.site.file != site.file && strcmp(barrier.site.file, site.file))) {
        fail("divergent barrier: this thread waits at %s:%d, others of its block at %s:%d", site.file, site.line,
             barrier.site.file, barrier.site.line);
    }
    warps[current->warp].at_barrier |= 1u << current->lane;
    barrier.count += predicate;
    if (++barrier.arrived == cta->live) release_barrier(*cta);
    wait();
}

} // namespace retrial
