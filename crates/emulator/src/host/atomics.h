// Atomic operations and fences. Blocks run on several OS threads, so these are the CPU's own.
#pragma once

namespace retrial {

// Replaces `*target` by `f(*target)` and returns what was there.
template <class T, class F> T exchange(T* target, F f) {
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    static_assert(sizeof(Bits) == sizeof(T), "32 or 64 bits");
    Bits* bits = reinterpret_cast<Bits*>(target);
    Bits old = __atomic_load_n(bits, __ATOMIC_RELAXED), changed;
    T value;
    do {
        memcpy(&value, &old, sizeof value);
        const T result = f(value);
        memcpy(&changed, &result, sizeof changed);
    } while (!__atomic_compare_exchange_n(bits, &old, changed, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return value;
}

} // namespace retrial

#define ATOMICS(type)                                                                                                  \
    inline type atomicAdd(type* p, type v) { return __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }                      \
    inline type atomicAnd(type* p, type v) { return __atomic_fetch_and(p, v, __ATOMIC_RELAXED); }                      \
    inline type atomicOr(type* p, type v) { return __atomic_fetch_or(p, v, __ATOMIC_RELAXED); }                        \
    inline type atomicXor(type* p, type v) { return __atomic_fetch_xor(p, v, __ATOMIC_RELAXED); }                      \
    inline type atomicExch(type* p, type v) { return __atomic_exchange_n(p, v, __ATOMIC_RELAXED); }                    \
    inline type atomicMin(type* p, type v) {                                                                           \
        return retrial::exchange(p, [v](type old) { return v < old ? v : old; });                                      \
    }                                                                                                                  \
    inline type atomicMax(type* p, type v) {                                                                           \
        return retrial::exchange(p, [v](type old) { return v > old ? v : old; });                                      \
    }                                                                                                                  \
    inline type atomicCAS(type* p, type compare, type v) {                                                             \
        __atomic_compare_exchange_n(p, &compare, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);                        \
        return compare;                                                                                                \
    }
ATOMICS(int)
ATOMICS(unsigned)
ATOMICS(unsigned long long)
#undef ATOMICS

inline int atomicSub(int* p, int v) { return __atomic_fetch_sub(p, v, __ATOMIC_RELAXED); }
inline unsigned atomicSub(unsigned* p, unsigned v) { return __atomic_fetch_sub(p, v, __ATOMIC_RELAXED); }
inline float atomicAdd(float* p, float v) {
    return retrial::exchange(p, [v](float old) { return old + v; });
}
inline double atomicAdd(double* p, double v) {
    return retrial::exchange(p, [v](double old) { return old + v; });
}
inline float atomicExch(float* p, float v) {
    return retrial::exchange(p, [v](float) { return v; });
}

inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __nanosleep(unsigned) {}
