// Copies from global to shared memory that run beside the arithmetic (sm_80 and later), in groups that complete in
// order. A thread waits for its own copies; a barrier makes them visible to the others.
#pragma once

#ifdef __CUDACC__
// 16 bytes; both addresses are multiples of 16.
__device__ __forceinline__ void copy16(void* shared, const void* global) {
    const unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
}
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most `LEFT` groups of this thread are in flight.
template <int LEFT>
__device__ __forceinline__ void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}
// Waits for the other threads of a group of whole warps, at a barrier of the block of its own: 0 is __syncthreads.
__device__ __forceinline__ void sync_group(unsigned barrier, unsigned threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
#else
__device__ inline void sync_group(unsigned barrier, unsigned threads) { emulated_barrier_sync(barrier, threads); }
__device__ inline void copy16(void* shared, const void* global) { emulated_cp_async(shared, global, 16, 16); }
__device__ inline void commit_copies() { emulated_cp_async_commit(); }
template <int LEFT>
__device__ inline void wait_copies() {
    emulated_cp_async_wait(LEFT);
}
#endif
