// What threads do together: barriers, votes, shuffles and reductions. The last lane to arrive computes for all.
#pragma once

#define RETRIAL_HERE retrial::Site{file, line}
#define RETRIAL_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace retrial {

// Waits until all lanes of `mask` have called this with an `Operation`, whose `complete(mask, lanes)` then runs once.
template <class Operation> void together(unsigned mask, Operation& operation, Site site) {
    Warp& warp = warps[current->warp];
    const unsigned lane = current->lane;
    current->site = site;
    if (!(mask >> lane & 1)) {
        fail_at(site, "the mask 0x%08x leaves out the calling lane %u", mask, lane);
    }
    if (mask & ~warp.live) {
        fail_at(site, "the mask 0x%08x names lane %u, which has exited or never was", mask,
                __builtin_ctz(mask & ~warp.live));
    }
    const void* const kind = reinterpret_cast<const void*>(&Operation::complete);
    Group* group = warp.groups;
    while (group != warp.groups + warp.group_count && group->mask != mask) ++group;
    if (group == warp.groups + warp.group_count) {
        ++warp.group_count;
        *group = {mask, 0, kind};
    }
    if (group->operation != kind) {
        fail_at(site, "lanes of the mask 0x%08x wait for another operation at %s:%d", mask,
                first(*group, current->warp).site.file, first(*group, current->warp).site.line);
    }
    warp.operands[lane] = &operation;
    group->arrived |= 1u << lane;
    if (group->arrived == mask) {
        *group = warp.groups[--warp.group_count];
        Operation::complete(mask, reinterpret_cast<Operation**>(warp.operands));
        make_own_ready(mask);
    }
    wait();
}

// Calls `f(lane)` for each lane of `mask`.
template <class F> inline void each(unsigned mask, F f) {
    for (; mask; mask &= mask - 1) f(__builtin_ctz(mask));
}

struct Nothing {
    static void complete(unsigned, Nothing**) {}
};

struct Vote {
    bool yes;
    unsigned ballot;
    static void complete(unsigned mask, Vote** lanes) {
        unsigned ballot = 0;
        each(mask, [&](unsigned l) { ballot |= unsigned(lanes[l]->yes) << l; });
        each(mask, [&](unsigned l) { lanes[l]->ballot = ballot; });
    }
};

template <class T> struct Shuffle {
    T value;
    unsigned source;
    T result;
    static void complete(unsigned mask, Shuffle** lanes) {
        each(mask, [&](unsigned l) {
            const unsigned source = lanes[l]->source;
            if (!(mask >> source & 1)) {
                fail_at(current->site, "lane %u reads lane %u, which the mask 0x%08x leaves out", l, source, mask);
            }
            lanes[l]->result = lanes[source]->value;
        });
    }
};

template <class T> T shuffle(unsigned mask, T value, unsigned source, Site site) {
    static_assert(std::is_trivially_copyable<T>::value && sizeof(T) <= 8, "shuffles move up to 64 bits");
    Shuffle<T> operation{value, source, value};
    together(mask, operation, site);
    return operation.result;
}

template <class T, class F> struct Reduce {
    T value;
    static void complete(unsigned mask, Reduce** lanes) {
        T sum = lanes[__builtin_ctz(mask)]->value;
        each(mask & (mask - 1), [&](unsigned l) { sum = F::of(sum, lanes[l]->value); });
        each(mask, [&](unsigned l) { lanes[l]->value = sum; });
    }
};

inline unsigned vote(unsigned mask, bool yes, Site site) {
    Vote operation{yes, 0};
    together(mask, operation, site);
    return operation.ballot;
}

[[noreturn]] __attribute__((cold, noinline)) static void not_shared(const char* what, const void* bytes, Site site) {
    fail_at(site, "%s %p, which is not in shared memory (byte %td of %zu dynamic ones)", what, bytes,
            static_cast<const unsigned char*>(bytes) - dynamic_shared, launch->shared_bytes);
}

inline bool within(const void* bytes, size_t count, const unsigned char* begin, const unsigned char* end) {
    const uintptr_t at = reinterpret_cast<uintptr_t>(bytes);
    return at >= uintptr_t(begin) && at + count <= uintptr_t(end);
}

// That bytes are in the dynamic shared memory of the calling thread's block.
inline void check_in_dynamic(const char* what, const void* bytes, size_t count, Site site) {
    if (!within(bytes, count, dynamic_shared, dynamic_shared + launch->shared_bytes)) not_shared(what, bytes, site);
}

// Or in a `__shared__` variable.
inline void check_in_shared(const char* what, const void* bytes, size_t count, Site site) {
    if (within(bytes, count, __start_retrial_shared, __stop_retrial_shared)) return;
    check_in_dynamic(what, bytes, count, site);
}

// Where dynamic shared memory starts in the 32-bit window; the first KiB is the system's (sm_90).
constexpr unsigned WINDOW = 1024;

} // namespace retrial

// The address in the window of shared memory.
inline unsigned emulated_shared_address(const void* shared, RETRIAL_SITE) {
    using namespace retrial;
    check_in_dynamic("the shared address of", shared, 1, RETRIAL_HERE);
    return unsigned(WINDOW + (static_cast<const unsigned char*>(shared) - dynamic_shared));
}

inline void __syncthreads(RETRIAL_SITE) { retrial::wait_for_block(false, RETRIAL_HERE); }
inline int __syncthreads_count(int predicate, RETRIAL_SITE) {
    retrial::wait_for_block(predicate, RETRIAL_HERE);
    return retrial::cta->barrier.result_count;
}
inline int __syncthreads_or(int predicate, RETRIAL_SITE) {
    retrial::wait_for_block(predicate, RETRIAL_HERE);
    return retrial::cta->barrier.result_count != 0;
}
inline int __syncthreads_and(int predicate, RETRIAL_SITE) {
    retrial::wait_for_block(predicate, RETRIAL_HERE);
    return retrial::cta->barrier.result_count == retrial::cta->barrier.result_arrived;
}
inline void __syncwarp(unsigned mask = ~0u, RETRIAL_SITE) {
    retrial::Nothing nothing;
    retrial::together(mask, nothing, RETRIAL_HERE);
}

inline unsigned __activemask() { return retrial::warps[retrial::current->warp].live; }
inline unsigned __ballot_sync(unsigned mask, int predicate, RETRIAL_SITE) {
    return retrial::vote(mask, predicate, RETRIAL_HERE);
}
inline int __any_sync(unsigned mask, int predicate, RETRIAL_SITE) {
    return retrial::vote(mask, predicate, RETRIAL_HERE) != 0;
}
inline int __all_sync(unsigned mask, int predicate, RETRIAL_SITE) {
    return retrial::vote(mask, predicate, RETRIAL_HERE) == mask;
}

// A lane whose source lies outside of its section of `width` lanes keeps its own value.
template <class T> T __shfl_sync(unsigned mask, T value, int source, int width = 32, RETRIAL_SITE) {
    const unsigned lane = retrial::current->lane, section = lane & ~(width - 1);
    return retrial::shuffle(mask, value, section | (source & (width - 1)), RETRIAL_HERE);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, RETRIAL_SITE) {
    const unsigned lane = retrial::current->lane, place = lane & (width - 1);
    return retrial::shuffle(mask, value, place < delta ? lane : lane - delta, RETRIAL_HERE);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, RETRIAL_SITE) {
    const unsigned lane = retrial::current->lane, place = lane & (width - 1);
    return retrial::shuffle(mask, value, place + delta < unsigned(width) ? lane + delta : lane, RETRIAL_HERE);
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, RETRIAL_SITE) {
    const unsigned lane = retrial::current->lane, source = lane ^ bits;
    return retrial::shuffle(mask, value, source <= (lane | (width - 1)) ? source : lane, RETRIAL_HERE);
}

#define REDUCE(name, type, expression)                                                                                 \
    namespace retrial {                                                                                                \
    struct name##type {                                                                                                \
        static type of(type a, type b) { return expression; }                                                          \
    };                                                                                                                 \
    }                                                                                                                  \
    inline type __reduce_##name##_sync(unsigned mask, type value, RETRIAL_SITE) {                                      \
        retrial::Reduce<type, retrial::name##type> operation{value};                                                   \
        retrial::together(mask, operation, RETRIAL_HERE);                                                              \
        return operation.value;                                                                                        \
    }
REDUCE(add, unsigned, a + b)
REDUCE(min, unsigned, a < b ? a : b)
REDUCE(max, unsigned, a > b ? a : b)
REDUCE(and, unsigned, a & b)
REDUCE(or, unsigned, a | b)
REDUCE(xor, unsigned, a ^ b)
REDUCE(add, int, int(unsigned(a) + unsigned(b)))
REDUCE(min, int, a < b ? a : b)
REDUCE(max, int, a > b ? a : b)
#undef REDUCE

[[noreturn]] inline void __trap() { retrial::fail("calls __trap"); }
