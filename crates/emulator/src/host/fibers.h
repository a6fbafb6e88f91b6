// One fiber per CUDA thread, and the scheduler of a block's fibers. Threads run one at a time, each until it waits.
#pragma once

extern "C" __attribute__((visibility("hidden"))) unsigned char __start_retrial_shared[], __stop_retrial_shared[];

namespace retrial {

constexpr unsigned MAX_THREADS = 1024;
constexpr size_t OPEN = 256 << 10, GUARD = 64 << 10; // of a mapping; multiples of any page size
constexpr unsigned char POISON = 0xff;
constexpr uint64_t CANARY = 0x5f6b636174736c61;

// A place in a kernel's source.
struct Site {
    const char* file;
    int line;
};

// One launch; mirrored in `instance.rs`.
struct Launch {
    unsigned grid[3], block[3];
    size_t shared_bytes;
    void (*kernel)(const void* params);
    const void* params;
    uint64_t order, seed;
    uint64_t* next; // the next block, shared by all threads of the launch
};

// What went wrong, where; mirrored in `instance.rs`.
struct Report {
    uint64_t number; // of the block
    unsigned block[3], thread[3];
    uintptr_t address; // of a memory fault outside of shared memory, else 0
    char message[464];
};

// A copy that `cp.async` began.
struct Copy {
    void* to;
    const void* from;
    int bytes, source_bytes;
    unsigned group;
};

// A cache line each: a barrier of many threads visits all.
struct alignas(64) Fiber {
    Context context;
    Site site; // where it last waited
    uint3 index;
    unsigned short warp, lane;
};

// A thread's copies that are under way, and the number of groups it has committed.
struct Copies {
    std::vector<Copy> list;
    unsigned groups;
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

__shared__ unsigned char anchor[16]; // that the section exists

static Fiber fibers[MAX_THREADS];
static Copies copies[MAX_THREADS];
static Warp warps[MAX_THREADS / 32];
static Barrier barrier;
static unsigned ready_warps, warp_count, live_threads;
static size_t page;
static Fiber* current;
static Context main_context;
static const Launch* launch;
static Report* report;
static sigjmp_buf landing;
static uint64_t random_state, block_number;
static unsigned char *stacks, *arena, *dynamic_shared;

[[noreturn]] __attribute__((cold, noinline, format(printf, 1, 2))) static void fail(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->message, sizeof report->message, format, arguments);
    va_end(arguments);
    siglongjmp(landing, 1);
}

// A bit of `bits`, in the launch's order: the lowest, the highest or any (xorshift64).
inline unsigned choose(unsigned bits) {
    if (launch->order == 0) return __builtin_ctz(bits);
    if (launch->order == 1) return 31 - __builtin_clz(bits);
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    for (unsigned skip = (random_state >> 32) % __builtin_popcount(bits); skip; --skip) bits &= bits - 1;
    return __builtin_ctz(bits);
}

inline void make_ready(unsigned warp, unsigned lanes) {
    warps[warp].ready |= lanes;
    if (lanes) ready_warps |= 1u << warp;
}

// The first thread that waits with a group.
inline Fiber& first(const Group& group, unsigned warp) { return fibers[warp * 32 + __builtin_ctz(group.arrived)]; }

// Nothing can go on: says what some thread waits for.
[[noreturn]] __attribute__((cold, noinline)) static void deadlock() {
    for (unsigned w = 0; w < warp_count; ++w) {
        if (!warps[w].group_count) continue;
        const Group& group = warps[w].groups[0];
        const unsigned missing = __builtin_ctz(group.mask & ~group.arrived);
        current = &first(group, w);
        if (!(warps[w].live >> missing & 1)) {
            fail("%s:%d waits for lane %u of warp %u, which its mask 0x%08x names but which has exited",
                 current->site.file, current->site.line, missing, w, group.mask);
        }
        const Site other = fibers[w * 32 + missing].site;
        fail("%s:%d waits for lane %u of warp %u, which its mask 0x%08x names but which waits at %s:%d",
             current->site.file, current->site.line, missing, w, group.mask, other.file, other.line);
    }
    fail("divergent barrier: %u of the %u threads that have not exited wait at %s:%d", barrier.arrived, live_threads,
         barrier.site.file, barrier.site.line);
}

// The thread to run now.
inline Fiber* next() {
    if (__builtin_expect(!ready_warps, 0)) deadlock();
    const unsigned w = choose(ready_warps), lane = choose(warps[w].ready);
    warps[w].ready &= ~(1u << lane);
    if (!warps[w].ready) ready_warps &= ~(1u << w);
    current = &fibers[w * 32 + lane];
    threadIdx = current->index;
    return current;
}

// Runs other threads until this one may go on.
inline void wait() {
    Fiber *from = current, *to = next();
    if (from != to) switch_context(from->context, to->context);
}

inline void release_barrier() {
    barrier.result_arrived = barrier.arrived;
    barrier.result_count = barrier.count;
    barrier.arrived = barrier.count = 0;
    for (unsigned w = 0; w < warp_count; ++w) {
        make_ready(w, warps[w].at_barrier);
        warps[w].at_barrier = 0;
    }
}

// Waits for all threads of the block that have not exited, and counts those with a true `predicate`.
inline void wait_for_block(bool predicate, Site site) {
    current->site = site;
    if (barrier.arrived == 0) barrier.site = site;
    if (barrier.site.line != site.line || (barrier.site.file != site.file && strcmp(barrier.site.file, site.file))) {
        fail("divergent barrier: this thread waits at %s:%d, others of its block at %s:%d", site.file, site.line,
             barrier.site.file, barrier.site.line);
    }
    barrier.count += predicate;
    warps[current->warp].at_barrier |= 1u << current->lane;
    if (++barrier.arrived == live_threads) release_barrier();
    wait();
}

// Runs the kernel once per block.
static void fiber() {
    for (;;) {
        launch->kernel(launch->params);
        warps[current->warp].live &= ~(1u << current->lane);
        if (--live_threads == 0) {
            switch_context(current->context, main_context);
        } else {
            if (barrier.arrived == live_threads) release_barrier();
            wait();
        }
    }
}

// That the accessible bytes on one side of the dynamic shared memory are as they were.
static void check_shared(const unsigned char* begin, const unsigned char* end) {
    if (begin == end || (*begin == POISON && !memcmp(begin, begin + 1, end - begin - 1))) return;
    while (*begin == POISON) ++begin;
    fail("some thread wrote to byte %td of the %zu bytes of dynamic shared memory", begin - dynamic_shared,
         launch->shared_bytes);
}

static void run_block(unsigned threads) {
    unsigned char* const end = arena + GUARD + OPEN;
    unsigned char* const begin = dynamic_shared - reinterpret_cast<uintptr_t>(dynamic_shared) % page;
    memset(begin, POISON, end - begin);
    memset(__start_retrial_shared, POISON, __stop_retrial_shared - __start_retrial_shared);
    barrier = {};
    live_threads = threads;
    random_state = (launch->seed + block_number) * 0x9e3779b97f4a7c15 | 1;
    for (unsigned w = 0; w < warp_count; ++w) {
        unsigned rest = threads - w * 32;
        warps[w].live = rest < 32 ? (1u << rest) - 1 : ~0u;
        make_ready(w, warps[w].live);
    }
    for (unsigned t = 0; t < threads; ++t) {
        fibers[t].site = {nullptr, 0};
        copies[t].list.clear();
        copies[t].groups = 0;
    }
    switch_context(main_context, next()->context);
    check_shared(begin, dynamic_shared);
    check_shared(dynamic_shared + launch->shared_bytes, end);
}

// Dynamic shared memory ends at a guard, but for the alignment of its start.
static void map_memory() {
    page = sysconf(_SC_PAGESIZE);
    if (!arena) {
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void* shared = mmap(nullptr, OPEN + 2 * GUARD, PROT_NONE, flags, -1, 0);
        void* stack = mmap(nullptr, GUARD + MAX_THREADS * STACK, PROT_NONE, flags, -1, 0);
        if (shared == MAP_FAILED || stack == MAP_FAILED) fail("no memory for stacks");
        arena = static_cast<unsigned char*>(shared);
        stacks = static_cast<unsigned char*>(stack) + GUARD;
        mprotect(stacks, MAX_THREADS * STACK, PROT_READ | PROT_WRITE);
    }
    const size_t start = GUARD + OPEN - (launch->shared_bytes + 15) / 16 * 16, open = start / page * page;
    dynamic_shared = arena + start;
    mprotect(arena, open, PROT_NONE);
    mprotect(arena + open, GUARD + OPEN - open, PROT_READ | PROT_WRITE);
}

static void run_blocks() {
    current = nullptr;
    map_memory();
    blockDim = {launch->block[0], launch->block[1], launch->block[2]};
    gridDim = {launch->grid[0], launch->grid[1], launch->grid[2]};
    const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
    warp_count = (threads + 31) / 32;
    ready_warps = 0;
    memset(warps, 0, sizeof warps);
    for (unsigned t = 0; t < threads; ++t) {
        unsigned char* stack = stacks + t * STACK;
        memcpy(stack, &CANARY, sizeof CANARY);
        // Tops at equal offsets would fight for the same sets of the cache.
        make_context(fibers[t].context, stack + STACK - t * 320 % 4096, fiber);
        fibers[t].index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
        fibers[t].warp = t / 32;
        fibers[t].lane = t % 32;
    }
    const uint64_t blocks = uint64_t(gridDim.x) * gridDim.y * gridDim.z;
    while ((block_number = __atomic_fetch_add(launch->next, 1, __ATOMIC_RELAXED)) < blocks) {
        blockIdx = {unsigned(block_number % gridDim.x), unsigned(block_number / gridDim.x % gridDim.y),
                    unsigned(block_number / gridDim.x / gridDim.y)};
        run_block(threads);
    }
    for (unsigned t = 0; t < threads; ++t) {
        current = &fibers[t];
        if (memcmp(stacks + t * STACK, &CANARY, sizeof CANARY)) fail("overruns its stack of %zu bytes", STACK);
    }
}

// Calls a kernel with a copy of its parameter.
template <class Params> void call(void (*kernel)(Params), const void* params) {
    std::remove_const_t<Params> copy;
    memcpy(&copy, params, sizeof copy);
    kernel(copy);
}
template <auto kernel> void enter(const void* params) { call(kernel, params); }
template <class Params> constexpr size_t parameter_bytes(void (*)(Params)) { return sizeof(Params); }

// A kernel that can be launched; mirrored in `instance.rs`.
struct Entry {
    void (*kernel)(const void* params);
    size_t parameter_bytes;
};

} // namespace retrial

#define RETRIAL_EXPORT extern "C" __attribute__((visibility("default")))

// Runs blocks until none is left; not 0 if one failed.
RETRIAL_EXPORT int retrial_run(const retrial::Launch* launch, retrial::Report* report) {
    using namespace retrial;
    retrial::launch = launch;
    retrial::report = report;
    if (sigsetjmp(landing, 1)) {
        const uint3 thread = current ? current->index : uint3{};
        const unsigned where[2][3] = {{blockIdx.x, blockIdx.y, blockIdx.z}, {thread.x, thread.y, thread.z}};
        memcpy(report->block, where, sizeof where);
        report->number = block_number;
        return 1;
    }
    run_blocks();
    return 0;
}

// A signal that the kernel caused, at `address` if it is about memory. Called by its handler.
RETRIAL_EXPORT void retrial_fault(int signal, uintptr_t address) {
    using namespace retrial;
    char after[200] = "";
    if (current && current->site.file) {
        snprintf(after, sizeof after, "after %s:%d, ", current->site.file, current->site.line);
    }
    if (signal == SIGFPE) fail("%sdivides by zero, or the lowest integer by -1", after);
    if (signal != SIGSEGV && signal != SIGBUS) fail("%sraises signal %d", after, signal);
    if (address - reinterpret_cast<uintptr_t>(arena) < OPEN + 2 * GUARD) {
        fail("%saccesses byte %td of the %zu bytes of dynamic shared memory", after,
             reinterpret_cast<unsigned char*>(address) - dynamic_shared, launch->shared_bytes);
    }
    if (reinterpret_cast<uintptr_t>(stacks) - address <= GUARD) fail("%soverruns its stack of %zu bytes", after, STACK);
    if (address < 4096) fail("%sfollows a null pointer", after);
    report->address = address;
    fail("%saccesses %p", after, reinterpret_cast<void*>(address));
}
