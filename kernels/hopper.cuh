// What Hopper (sm_90a) adds: products of a warpgroup (wgmma), barriers in shared memory that count bytes (mbarrier), copies in
// bulk, clusters of blocks. One function per instruction of PTX; elsewhere the emulator's.
//
// wgmma       d[64][N] += a[64][16] b[N][16]: `a` in registers, four a thread; `b` in shared memory as core matrices of 8 x 16
//             bytes, each 128 contiguous bytes, those of one k16 slab of N rows side by side (n outer, k inner). Runs beside
//             the thread until its group is waited for: until then nobody touches `d`, and `a` is not overwritten
// mbarrier    a phase ends when as many threads have arrived as it was made for and all bytes have come that they announced.
//             Waiting for parity p returns once a phase of that parity has ended: 1 returns at once on a new barrier
// proxies     copies in bulk and wgmma reach shared memory by another path than loads and stores; the barriers order both
#pragma once
#include "mma.cuh"
#include "philox.cuh"

#ifdef __CUDACC__

__device__ __forceinline__ u32 shared_address(const void* shared) { return (u32)__cvta_generic_to_shared(shared); }

__device__ __forceinline__ void barrier_init(u64* barrier, u32 arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
// Makes barriers known to the copies and to the other blocks of the cluster.
__device__ __forceinline__ void barrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ __forceinline__ void barrier_arrive(u64* barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
// At the same barrier of block `rank` of the cluster. It publishes nothing but that this thread came here: of the scope of
// the cluster, it would first wait for all that the thread wrote anywhere.
__device__ __forceinline__ void barrier_arrive_at(u64* barrier, u32 rank) {
    asm volatile(
        "{ .reg .b32 there; mapa.shared::cluster.u32 there, %0, %1;\n"
        "mbarrier.arrive.shared::cluster.b64 _, [there]; }" ::"r"(shared_address(barrier)),
        "r"(rank)
        : "memory");
}
// Arrives, and announces bytes that copies bring.
__device__ __forceinline__ void barrier_expect(u64* barrier, u32 bytes) {
    const u32 at = shared_address(barrier);
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes) : "memory");
}
__device__ __forceinline__ void barrier_wait(u64* barrier, u32 parity) {
    asm volatile(
        "{ .reg .pred done;\n"
        "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra over;\n"
        "bra again;\n"
        "over: }" ::"r"(shared_address(barrier)),
        "r"(parity)
        : "memory");
}

// Addresses and size are multiples of 16.
__device__ __forceinline__ void bulk_copy(void* shared, const void* global, u32 bytes, u64* barrier) {
    const u32 to = shared_address(shared), at = shared_address(barrier);
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
                 "l"(global), "r"(bytes), "r"(at)
                 : "memory");
}
// To the same place in every block of the cluster whose bit is set, and its bytes to the same barrier there.
__device__ __forceinline__ void bulk_copy_to(unsigned short blocks, void* shared, const void* global, u32 bytes,
                                             u64* barrier) {
    const u32 to = shared_address(shared), at = shared_address(barrier);
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
                 "[%0], [%1], %2, [%3], %4;" ::"r"(to),
                 "l"(global), "r"(bytes), "r"(at), "h"(blocks)
                 : "memory");
}

__device__ __forceinline__ u32 cluster_rank() {
    u32 rank;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}
__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

// Barriers 1 to 15 of the block: `threads` in all, whole warps, of which some wait and some only arrive.
__device__ __forceinline__ void named_sync(u32 id, u32 threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void named_arrive(u32 id, u32 threads) {
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Registers that each thread of this warpgroup may use from here on.
template <u32 REGISTERS>
__device__ __forceinline__ void fewer_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
template <u32 REGISTERS>
__device__ __forceinline__ void more_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

// Orders this warpgroup's use of registers before the products that follow.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until at most `LEFT` groups are in flight.
template <int LEFT>
__device__ __forceinline__ void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}
// Keeps the compiler from reading sums before the wait above it.
template <int COUNT>
__device__ __forceinline__ void wgmma_done(float (&sums)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) asm volatile("" : "+f"(sums[i])::"memory");
}

// `value`, of which the compiler believes that it depends on `before`: what uses it is not begun earlier.
__device__ __forceinline__ u32 after(u32 before, u32 value) {
    asm volatile("" : "+r"(value) : "r"(before));
    return value;
}

template <class Operand, int N>
struct Wgmma;

// Lists of operands, eight at a time.
#define WGMMA_TEXT_8 "%0,%1,%2,%3,%4,%5,%6,%7"
#define WGMMA_TEXT_16 WGMMA_TEXT_8 ",%8,%9,%10,%11,%12,%13,%14,%15"
#define WGMMA_TEXT_24 WGMMA_TEXT_16 ",%16,%17,%18,%19,%20,%21,%22,%23"
#define WGMMA_TEXT_32 WGMMA_TEXT_24 ",%24,%25,%26,%27,%28,%29,%30,%31"
#define WGMMA_TEXT_40 WGMMA_TEXT_32 ",%32,%33,%34,%35,%36,%37,%38,%39"
#define WGMMA_TEXT_48 WGMMA_TEXT_40 ",%40,%41,%42,%43,%44,%45,%46,%47"
#define WGMMA_TEXT_56 WGMMA_TEXT_48 ",%48,%49,%50,%51,%52,%53,%54,%55"
#define WGMMA_SUMS_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define WGMMA_SUMS(i) WGMMA_SUMS_4(i), WGMMA_SUMS_4(i + 4)
#define WGMMA_SUMS_8 WGMMA_SUMS(0)
#define WGMMA_SUMS_16 WGMMA_SUMS_8, WGMMA_SUMS(8)
#define WGMMA_SUMS_24 WGMMA_SUMS_16, WGMMA_SUMS(16)
#define WGMMA_SUMS_32 WGMMA_SUMS_24, WGMMA_SUMS(24)
#define WGMMA_SUMS_40 WGMMA_SUMS_32, WGMMA_SUMS(32)
#define WGMMA_SUMS_48 WGMMA_SUMS_40, WGMMA_SUMS(40)
#define WGMMA_SUMS_56 WGMMA_SUMS_48, WGMMA_SUMS(48)
#define WGMMA_OF(Operand, TYPE, N, SUMS, A0, A1, A2, A3, B, P)                                                        \
    template <>                                                                                                       \
    struct Wgmma<Operand, N> {                                                                                        \
        static __device__ __forceinline__ void run(float (&d)[SUMS], const u32* a, u64 b, int accumulate) {           \
            asm volatile("{ .reg .pred p; setp.ne.b32 p, %" #P ", 0;\n"                                               \
                         "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE " {" WGMMA_TEXT_##SUMS "}, " \
                         "{%" #A0 ",%" #A1 ",%" #A2 ",%" #A3 "}, %" #B ", p, 1, 1, 0; }"                              \
                         : WGMMA_SUMS_##SUMS                                                                          \
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate)                        \
                         : "memory");                                                                                 \
        }                                                                                                             \
    };
#define WGMMA(N, SUMS, A0, A1, A2, A3, B, P)                                                                          \
    WGMMA_OF(F16, "f16", N, SUMS, A0, A1, A2, A3, B, P)                                                               \
    WGMMA_OF(Bf16, "bf16", N, SUMS, A0, A1, A2, A3, B, P)
WGMMA(16, 8, 8, 9, 10, 11, 12, 13)
WGMMA(32, 16, 16, 17, 18, 19, 20, 21)
WGMMA(48, 24, 24, 25, 26, 27, 28, 29)
WGMMA(64, 32, 32, 33, 34, 35, 36, 37)
WGMMA(80, 40, 40, 41, 42, 43, 44, 45)
WGMMA(112, 56, 56, 57, 58, 59, 60, 61)
#undef WGMMA
#undef WGMMA_OF

// One k16 step; without `accumulate`, the sums start at zero.
template <class Operand, int N>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], const u32* a, u64 b, bool accumulate) {
    Wgmma<Operand, N>::run(d, a, b, accumulate);
}

#else

__device__ inline u32 shared_address(const void* shared) { return emulated_shared_address(shared); }
__device__ inline void barrier_init(u64* barrier, u32 arrivals) { emulated_mbarrier_init(barrier, arrivals); }
__device__ inline void barrier_init_fence() { emulated_fence_mbarrier_init(); }
__device__ inline void barrier_arrive(u64* barrier) { emulated_mbarrier_arrive(barrier); }
__device__ inline void barrier_arrive_at(u64* barrier, u32 rank) { emulated_mbarrier_arrive_cluster(barrier, rank); }
__device__ inline void barrier_expect(u64* barrier, u32 bytes) { emulated_mbarrier_arrive_expect_tx(barrier, bytes); }
__device__ inline void barrier_wait(u64* barrier, u32 parity) { emulated_mbarrier_wait(barrier, parity); }
__device__ inline void bulk_copy(void* shared, const void* global, u32 bytes, u64* barrier) {
    emulated_bulk_copy(shared, global, bytes, barrier);
}
__device__ inline void bulk_copy_to(unsigned short blocks, void* shared, const void* global, u32 bytes, u64* barrier) {
    emulated_bulk_copy_multicast(shared, global, bytes, barrier, blocks);
}
__device__ inline u32 cluster_rank() { return emulated_cluster_rank(); }
__device__ inline void cluster_arrive() { emulated_cluster_arrive(); }
__device__ inline void cluster_wait() { emulated_cluster_wait(); }
__device__ inline void named_sync(u32 id, u32 threads) { emulated_barrier_sync(id, threads); }
__device__ inline void named_arrive(u32 id, u32 threads) { emulated_barrier_arrive(id, threads); }
template <u32 REGISTERS>
__device__ inline void fewer_registers() {
    emulated_setmaxnreg(REGISTERS, false);
}
template <u32 REGISTERS>
__device__ inline void more_registers() {
    emulated_setmaxnreg(REGISTERS, true);
}
__device__ inline void wgmma_fence() { emulated_wgmma_fence(); }
__device__ inline void wgmma_commit() { emulated_wgmma_commit(); }
template <int LEFT>
__device__ inline void wgmma_wait() {
    emulated_wgmma_wait(LEFT);
}
template <int COUNT>
__device__ inline void wgmma_done(float (&)[COUNT]) {}
__device__ inline u32 after(u32, u32 value) { return value; }
template <class Operand>
struct Wgmma;
template <>
struct Wgmma<F16> {
    template <int N>
    static void run(float (&d)[N / 2], const u32 (&a)[4], u64 b, bool accumulate) {
        emulated_wgmma_f16<N>(d, a, b, accumulate);
    }
};
template <>
struct Wgmma<Bf16> {
    template <int N>
    static void run(float (&d)[N / 2], const u32 (&a)[4], u64 b, bool accumulate) {
        emulated_wgmma_bf16<N>(d, a, b, accumulate);
    }
};
template <class Operand, int N>
__device__ inline void wgmma(float (&d)[N / 2], const u32* a, u64 b, bool accumulate) {
    const u32(&four)[4] = *(const u32(*)[4])a;
    Wgmma<Operand>::template run<N>(d, four, b, accumulate);
}

#endif

// Where wgmma finds `b`: 128 bytes from one half of k16 to the other, 256 from eight rows to the next; no swizzle.
__device__ __forceinline__ u64 slab(const void* shared) {
    return (shared_address(shared) & 0x3ffff) >> 4 | (u64)(128 >> 4) << 16 | (u64)(256 >> 4) << 32;
}
