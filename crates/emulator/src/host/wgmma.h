// wgmma.mma_async.sync.aligned.m64nNk16.f32 (PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions"). `d` and `a`
// are the registers themselves, arrays that live until the wait, not copies. Each element of D adds its products one by
// one in f32, k ascending; a tensor core rounds otherwise.
#pragma once

namespace retrial {

struct Fence {
    static void complete(unsigned, Fence**) { touched = issued[current->warp].fenced = true; }
};
struct Commit {
    static void complete(unsigned, Commit**) {
        touched = true;
        ++issued[current->warp].groups;
    }
};

// d[64][N] += a[64][16] x b[N][16], a row of d at a time.
template <class Format, unsigned N>
RETRIAL_UNCHECKED void multiply(float* d, const unsigned short* a, const unsigned short* b) {
    static float wide_a[64 * 16], wide_b[N * 16], columns[16][N];
    for (unsigned i = 0; i < 64 * 16; ++i) wide_a[i] = Format::to(a[i]);
    for (unsigned i = 0; i < N * 16; ++i) wide_b[i] = Format::to(b[i]);
    for (unsigned n = 0; n < N; ++n) {
        for (unsigned k = 0; k < 16; ++k) columns[k][n] = wide_b[n * 16 + k];
    }
    for (unsigned m = 0; m < 64; ++m) {
        float* const row = d + m * N;
        for (unsigned k = 0; k < 16; ++k) {
            const float factor = wide_a[m * 16 + k];
            for (unsigned n = 0; n < N; ++n) row[n] += factor * columns[k][n];
        }
    }
}

template <class Format, unsigned N, bool FROM_SHARED>
constexpr ProductKind product_kind{N, FROM_SHARED, multiply<Format, N>};

template <class Format, unsigned N, bool FROM_SHARED>
void product(float* d, const unsigned* a, uint64_t a_descriptor, uint64_t b_descriptor, bool accumulate, Site site) {
    static_assert(N % 8 == 0 && N >= 8 && N <= 256, "wgmma has 8, 16, .. 256 columns");
    Call call{&product_kind<Format, N, FROM_SHARED>, d, a, a_descriptor, b_descriptor, accumulate};
    together(~0u, call, site);
}

} // namespace retrial

// wgmma.fence, commit_group and wait_group.sync.aligned.
inline void emulated_wgmma_fence(RETRIAL_SITE) {
    retrial::Fence fence;
    retrial::together(~0u, fence, RETRIAL_HERE);
}
inline void emulated_wgmma_commit(RETRIAL_SITE) {
    retrial::Commit commit;
    retrial::together(~0u, commit, RETRIAL_HERE);
}
inline void emulated_wgmma_wait(int groups_left, RETRIAL_SITE) {
    using namespace retrial;
    if (groups_left < 0 || groups_left > 7) fail_at(RETRIAL_HERE, "wgmma.wait_group %d; 0 to 7", groups_left);
    Nothing nothing;
    together(~0u, nothing, RETRIAL_HERE);
    const unsigned warp = current->warp,
                   limit = issued[warp].groups - std::min(issued[warp].groups, unsigned(groups_left));
    Warpgroup& group = warpgroups[warp / 4];
    while (!all_issued(group, issued[warp], limit)) sleep(group.waiting, {describe_products, &group, 0}, RETRIAL_HERE);
    release(group, warp, limit, RETRIAL_HERE);
}

// d += a b, or = where `accumulate` is false: a in registers, b [N, 16] where its descriptor says.
template <int N>
void emulated_wgmma_f16(float (&d)[N / 2], const unsigned (&a)[4], uint64_t b, bool accumulate, RETRIAL_SITE) {
    retrial::product<retrial::Half, N, false>(d, a, 0, b, accumulate, RETRIAL_HERE);
}
template <int N>
void emulated_wgmma_bf16(float (&d)[N / 2], const unsigned (&a)[4], uint64_t b, bool accumulate, RETRIAL_SITE) {
    retrial::product<retrial::Bfloat, N, false>(d, a, 0, b, accumulate, RETRIAL_HERE);
}
// a [64, 16] in shared memory too.
template <int N> void emulated_wgmma_ss_f16(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate, RETRIAL_SITE) {
    retrial::product<retrial::Half, N, true>(d, nullptr, a, b, accumulate, RETRIAL_HERE);
}
template <int N> void emulated_wgmma_ss_bf16(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate, RETRIAL_SITE) {
    retrial::product<retrial::Bfloat, N, true>(d, nullptr, a, b, accumulate, RETRIAL_HERE);
}
