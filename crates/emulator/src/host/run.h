// A launch: memory for the blocks of a cluster, one cluster after the other, and what `instance.rs` calls.
#pragma once

namespace retrial {

constexpr size_t OPEN = 256 << 10, GUARD = 64 << 10,
                 ARENA = OPEN + 2 * GUARD;     // of shared memory; multiples of any page
constexpr size_t STACKS = MAX_THREADS * STACK; // of a block
constexpr uint64_t CANARY = 0x5f6b636174736c61;

__shared__ unsigned char anchor[16]; // that the section exists

static size_t page;
static unsigned char *stacks, *arenas;

// Where the accessible part of a block's arena starts.
inline unsigned char* open_of(const Cta& block) {
    return block.shared - reinterpret_cast<uintptr_t>(block.shared) % page;
}
inline unsigned char* end_of(const Cta& block) { return arenas + rank_of(block) * ARENA + GUARD + OPEN; }

// That the accessible bytes on one side of the dynamic shared memory are as they were.
static void check_shared(const unsigned char* begin, const unsigned char* end) {
    if (begin == end || (*begin == POISON && !memcmp(begin, begin + 1, end - begin - 1))) return;
    while (*begin == POISON) ++begin;
    fail("some thread wrote to byte %td of the %zu bytes of dynamic shared memory", begin - dynamic_shared,
         launch->shared_bytes);
}

// The last thread of a block has exited.
static void leave_block() {
    check_agents();
    check_mbarriers();
    check_registers();
    check_shared(open_of(*cta), dynamic_shared);
    check_shared(dynamic_shared + launch->shared_bytes, end_of(*cta));
    // What others of its cluster do there now is a fault.
    if (launch->cluster > 1) mprotect(open_of(*cta), end_of(*cta) - open_of(*cta), PROT_NONE);
}

// Runs the kernel once per block.
static void fiber() {
    for (;;) {
        launch->kernel(launch->params);
        check_products();
        leave_cluster_barrier();
        warps[current->warp].live &= ~(1u << current->lane);
        if (--cta->live == 0) leave_block();
        else if (cta->barrier.arrived == cta->live) release_barrier(*cta);
        if (live_threads) wait();
        else switch_context(current->context, main_context);
    }
}

static void begin_block(Cta& block, unsigned rank) {
    const uint64_t number = cluster_number * launch->cluster + rank;
    block.index = {unsigned(number % gridDim.x), unsigned(number / gridDim.x % gridDim.y),
                   unsigned(number / gridDim.x / gridDim.y)};
    block.live = thread_count;
    block.barrier = {};
    if (launch->cluster > 1) mprotect(open_of(block), end_of(block) - open_of(block), PROT_READ | PROT_WRITE);
    memset(open_of(block), POISON, end_of(block) - open_of(block));
    for (unsigned w = 0; w < warp_count; ++w) {
        const unsigned rest = thread_count - w * 32, warp = rank * MAX_WARPS + w;
        warps[warp].live = rest < 32 ? (1u << rest) - 1 : ~0u;
        make_ready(warp, warps[warp].live);
    }
    for (unsigned t = 0; t < thread_count; ++t) fibers[rank * MAX_THREADS + t].site = {nullptr, 0};
}

static void run_cluster() {
    memset(__start_retrial_shared, POISON, __stop_retrial_shared - __start_retrial_shared);
    random_state = (launch->seed + cluster_number) * 0x9e3779b97f4a7c15 | 1;
    live_threads = thread_count * launch->cluster;
    for (unsigned rank = 0; rank < launch->cluster; ++rank) begin_block(ctas[rank], rank);
    begin_copies();
    if (touched) {
        begin_agents();
        begin_mbarriers();
        begin_published();
        begin_cluster_barrier();
        begin_named_barriers();
        begin_registers();
        begin_products();
        touched = false;
    }
    cta = nullptr;
    switch_context(main_context, next()->context);
}

// Dynamic shared memory ends at a guard, but for the alignment of its start.
static void map_memory() {
    page = sysconf(_SC_PAGESIZE);
    if (!arenas) {
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void* shared = mmap(nullptr, MAX_CLUSTER * ARENA, PROT_NONE, flags, -1, 0);
        void* stack = mmap(nullptr, GUARD + MAX_CLUSTER * STACKS, PROT_NONE, flags, -1, 0);
        if (shared == MAP_FAILED || stack == MAP_FAILED) fail("no memory for stacks");
        arenas = static_cast<unsigned char*>(shared);
        stacks = static_cast<unsigned char*>(stack) + GUARD;
    }
    for (unsigned rank = 0; rank < launch->cluster; ++rank) {
        Cta& block = ctas[rank];
        block.shared = end_of(block) - (launch->shared_bytes + 15) / 16 * 16;
        unsigned char* const arena = arenas + rank * ARENA;
        mprotect(arena, open_of(block) - arena, PROT_NONE);
        mprotect(open_of(block), end_of(block) - open_of(block), PROT_READ | PROT_WRITE);
        mprotect(stacks + rank * STACKS, thread_count * STACK, PROT_READ | PROT_WRITE);
    }
}

static void make_fiber(unsigned at, unsigned t) {
    unsigned char* stack = stacks + at * STACK;
    memcpy(stack, &CANARY, sizeof CANARY);
    // Tops at equal offsets would fight for the same sets of the cache.
    make_context(fibers[at].context, stack + STACK - t * 320 % 4096, fiber);
    fibers[at].index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
    fibers[at].warp = at / 32;
    fibers[at].lane = at % 32;
}

static void run_clusters() {
    current = nullptr;
    cta = nullptr;
    blockDim = {launch->block[0], launch->block[1], launch->block[2]};
    gridDim = {launch->grid[0], launch->grid[1], launch->grid[2]};
    thread_count = blockDim.x * blockDim.y * blockDim.z;
    warp_count = (thread_count + 31) / 32;
    map_memory();
    if (launch->cluster > 1 && __stop_retrial_shared - __start_retrial_shared > ptrdiff_t(sizeof anchor)) {
        fail("__shared__ variables in a cluster, whose blocks would share them here; use dynamic shared memory");
    }
    if (interrupted) {
        for (Reason& reason : reasons) reason.describe = nullptr;
        for (auto& arrival : arrivals) arrival = {};
    }
    touched = interrupted = true;
    ready_ctas = 0;
    memset(warps, 0, sizeof warps);
    for (Cta& block : ctas) block.ready_warps = 0;
    each_thread(make_fiber);
    const uint64_t clusters = uint64_t(gridDim.x) * gridDim.y * gridDim.z / launch->cluster;
    while ((cluster_number = __atomic_fetch_add(launch->next, 1, __ATOMIC_RELAXED)) < clusters) run_cluster();
    each_thread([](unsigned at, unsigned) {
        select(fibers[at]);
        if (memcmp(stacks + at * STACK, &CANARY, sizeof CANARY)) fail("overruns its stack of %zu bytes", STACK);
    });
    interrupted = false;
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
        report->number = cluster_number * launch->cluster + (cta ? rank_of(*cta) : 0);
        return 1;
    }
    run_clusters();
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
    const size_t arena = (address - reinterpret_cast<uintptr_t>(arenas)) / ARENA;
    if (arena < launch->cluster) {
        const Cta& block = ctas[arena];
        fail("%saccesses byte %td of the %zu bytes of dynamic shared memory%s", after,
             reinterpret_cast<unsigned char*>(address) - block.shared, launch->shared_bytes,
             block.live ? "" : " of a block that has exited");
    }
    if (address - reinterpret_cast<uintptr_t>(stacks) + GUARD < GUARD + MAX_CLUSTER * STACKS) {
        fail("%soverruns its stack of %zu bytes", after, STACK);
    }
    if (address < 4096) fail("%sfollows a null pointer", after);
    report->address = address;
    fail("%saccesses %p", after, reinterpret_cast<void*>(address));
}
