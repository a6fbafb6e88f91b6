// Arithmetic of one thread (CUDA Math API). Approximate functions are the accurate ones here.
#pragma once

// Names that some C libraries declare as well.
#define __expf(x) expf(x)
#define __exp10f(x) retrial::power_of_ten(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __tanhf(x) tanhf(x)
#define rsqrtf(x) retrial::inverse_root(x)
#define rsqrt(x) retrial::inverse_root(x)
#define sinpif(x) retrial::sine_of_turns(x)
#define cospif(x) retrial::cosine_of_turns(x)

namespace retrial {

inline float inverse_root(float x) { return float(1.0 / std::sqrt(double(x))); }
inline double inverse_root(double x) { return 1.0 / std::sqrt(x); }
inline float power_of_ten(float x) { return float(std::pow(10.0, double(x))); }
inline float sine_of_turns(float x) { return float(std::sin(M_PI * std::remainder(double(x), 2.0))); }
inline float cosine_of_turns(float x) { return float(std::cos(M_PI * std::remainder(double(x), 2.0))); }

template <class To, class From> To as(From value) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// A conversion to an integer as the GPU does it: limited to the range, NaN to 0.
template <class To, class From> To limited(From rounded) {
    if (rounded != rounded) return 0;
    const From low = From(std::numeric_limits<To>::min()), high = From(std::numeric_limits<To>::max());
    if (rounded <= low) return std::numeric_limits<To>::min();
    return rounded >= high ? std::numeric_limits<To>::max() : To(rounded);
}

} // namespace retrial

#define MIN_MAX(type)                                                                                                  \
    inline type min(type a, type b) { return a < b ? a : b; }                                                          \
    inline type max(type a, type b) { return a > b ? a : b; }
MIN_MAX(int)
MIN_MAX(unsigned)
MIN_MAX(long)
MIN_MAX(unsigned long)
MIN_MAX(long long)
MIN_MAX(unsigned long long)
#undef MIN_MAX
inline unsigned min(int a, unsigned b) { return min(unsigned(a), b); }
inline unsigned min(unsigned a, int b) { return min(a, unsigned(b)); }
inline unsigned max(int a, unsigned b) { return max(unsigned(a), b); }
inline unsigned max(unsigned a, int b) { return max(a, unsigned(b)); }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __frsqrt_rn(float a) { return retrial::inverse_root(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float fdividef(float a, float b) { return a / b; }
inline float __saturatef(float a) { return fminf(fmaxf(a, 0.0f), 1.0f); }
inline void __sincosf(float a, float* s, float* c) { *s = sinf(a), *c = cosf(a); }
inline void sincospif(float a, float* s, float* c) { *s = sinpif(a), *c = cospif(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline double __drcp_rn(double a) { return 1.0 / a; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }

inline unsigned __float_as_uint(float a) { return retrial::as<unsigned>(a); }
inline float __uint_as_float(unsigned a) { return retrial::as<float>(a); }
inline int __float_as_int(float a) { return retrial::as<int>(a); }
inline float __int_as_float(int a) { return retrial::as<float>(a); }
inline long long __double_as_longlong(double a) { return retrial::as<long long>(a); }
inline double __longlong_as_double(long long a) { return retrial::as<double>(a); }
inline int __double2hiint(double a) { return int(retrial::as<uint64_t>(a) >> 32); }
inline int __double2loint(double a) { return int(retrial::as<uint64_t>(a)); }
inline double __hiloint2double(int hi, int lo) {
    return retrial::as<double>(uint64_t(unsigned(hi)) << 32 | unsigned(lo));
}

inline int __float2int_rn(float a) { return retrial::limited<int>(rintf(a)); }
inline int __float2int_rz(float a) { return retrial::limited<int>(truncf(a)); }
inline int __float2int_rd(float a) { return retrial::limited<int>(floorf(a)); }
inline int __float2int_ru(float a) { return retrial::limited<int>(ceilf(a)); }
inline unsigned __float2uint_rn(float a) { return retrial::limited<unsigned>(rintf(a)); }
inline unsigned __float2uint_rz(float a) { return retrial::limited<unsigned>(truncf(a)); }
inline unsigned __float2uint_rd(float a) { return retrial::limited<unsigned>(floorf(a)); }
inline float __int2float_rn(int a) { return float(a); }
inline float __uint2float_rn(unsigned a) { return float(a); }
inline float __ll2float_rn(long long a) { return float(a); }
inline float __ull2float_rn(unsigned long long a) { return float(a); }
inline float __double2float_rn(double a) { return float(a); }
inline double __int2double_rn(int a) { return a; }
inline double __uint2double_rn(unsigned a) { return a; }
inline double __ull2double_rn(unsigned long long a) { return double(a); }

inline int __mulhi(int a, int b) { return int((long long)(a) * b >> 32); }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)(a) * b >> 64);
}
inline int __popc(unsigned a) { return __builtin_popcount(a); }
inline int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
inline int __ffs(int a) { return __builtin_ffs(a); }
inline int __ffsll(long long a) { return __builtin_ffsll(a); }
inline int __clz(int a) { return a ? __builtin_clz(a) : 32; }
inline int __clzll(long long a) { return a ? __builtin_clzll(a) : 64; }
inline unsigned __brev(unsigned a) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; ++bit) reversed |= (a >> bit & 1) << (31 - bit);
    return reversed;
}
inline unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned shift) {
    return unsigned(((uint64_t(hi) << 32 | lo) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned shift) {
    return unsigned((uint64_t(hi) << 32 | lo) >> (shift & 31));
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned choice = selector >> (4 * i);
        const unsigned byte = unsigned((uint64_t(y) << 32 | x) >> (8 * (choice & 7))) & 0xff;
        result |= (choice & 8 ? (byte & 0x80 ? 0xffu : 0u) : byte) << (8 * i);
    }
    return result;
}

template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
template <class T> T __ldca(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> void __stcg(T* p, T v) { *p = v; }
template <class T> void __stcs(T* p, T v) { *p = v; }
// A handle for inline assembly, which is not for here.
inline size_t __cvta_generic_to_shared(const void* p) { return reinterpret_cast<size_t>(p); }
