// The 16-bit floats of <cuda_fp16.h> and <cuda_bf16.h>. Conversions round to the nearest, ties to even; sums and
// products round once (an f32 has enough bits for that), fused ones in f64 and then once more.
#pragma once

namespace retrial {

struct Half {
    static unsigned short from(float value) {
        unsigned bits = as<unsigned>(value), sign = bits >> 16 & 0x8000;
        bits &= 0x7fffffff;
        if (bits > 0x7f800000) return 0x7fff;
        if (bits >= 0x47800000) return sign | 0x7c00;
        // Below 2^-14, where halves are multiples of 2^-24.
        if (bits < 0x38800000) return sign | (unsigned short)(rintf(as<float>(bits) * 0x1p24f));
        return sign | (bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13;
    }
    static float to(unsigned short half) {
        const unsigned bits = unsigned(half & 0x7fff) << 13, sign = unsigned(half & 0x8000) << 16;
        // The exponent's bias is 112 less, which a product corrects for subnormal halves too.
        const unsigned value = as<unsigned>(as<float>(bits) * 0x1p112f) | (bits >= 0x0f800000 ? 0x7f800000 : 0);
        return as<float>(sign | value);
    }
};

struct Bfloat {
    static unsigned short from(float value) {
        const unsigned bits = as<unsigned>(value);
        if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;
        return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
    static float to(unsigned short bits) { return as<float>(unsigned(bits) << 16); }
};

template <class Format> struct alignas(2) Narrow {
    unsigned short bits;
    Narrow() = default;
    Narrow(float value) : bits(Format::from(value)) {}
    operator float() const { return Format::to(bits); }
};

template <class Format> struct alignas(4) NarrowPair {
    Narrow<Format> x, y;
    NarrowPair() = default;
    NarrowPair(Narrow<Format> x, Narrow<Format> y) : x(x), y(y) {}
};

} // namespace retrial

using __half = retrial::Narrow<retrial::Half>;
using __half2 = retrial::NarrowPair<retrial::Half>;
using half = __half;
using half2 = __half2;
using __nv_bfloat16 = retrial::Narrow<retrial::Bfloat>;
using __nv_bfloat162 = retrial::NarrowPair<retrial::Bfloat>;

inline __half __float2half(float a) { return a; }
inline __half __float2half_rn(float a) { return a; }
inline float __half2float(__half a) { return a; }
inline __half2 __float2half2_rn(float a) { return {a, a}; }
inline __half2 __floats2half2_rn(float a, float b) { return {a, b}; }
inline __half2 __float22half2_rn(float2 a) { return {a.x, a.y}; }
inline float2 __half22float2(__half2 a) { return {a.x, a.y}; }
inline __half2 __halves2half2(__half a, __half b) { return {a, b}; }
inline __half2 __half2half2(__half a) { return {a, a}; }
inline __half __low2half(__half2 a) { return a.x; }
inline __half __high2half(__half2 a) { return a.y; }
inline unsigned short __half_as_ushort(__half a) { return a.bits; }
inline __half __ushort_as_half(unsigned short a) { return retrial::as<__half>(a); }

inline __nv_bfloat16 __float2bfloat16(float a) { return a; }
inline __nv_bfloat16 __float2bfloat16_rn(float a) { return a; }
inline float __bfloat162float(__nv_bfloat16 a) { return a; }
inline __nv_bfloat162 __float2bfloat162_rn(float a) { return {a, a}; }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {a, b}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 a) { return {a.x, a.y}; }
inline float2 __bfloat1622float2(__nv_bfloat162 a) { return {a.x, a.y}; }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 a) { return a.x; }
inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 a) { return a.y; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 a) { return a.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short a) { return retrial::as<__nv_bfloat16>(a); }

#define NARROW2(name, expression)                                                                                      \
    template <class F> retrial::Narrow<F> name(retrial::Narrow<F> a, retrial::Narrow<F> b) { return expression; }      \
    template <class F> retrial::NarrowPair<F> name##2(retrial::NarrowPair<F> a, retrial::NarrowPair<F> b) {            \
        return {name(a.x, b.x), name(a.y, b.y)};                                                                       \
    }
NARROW2(__hadd, float(a) + float(b))
NARROW2(__hsub, float(a) - float(b))
NARROW2(__hmul, float(a) * float(b))
NARROW2(__hmax, fmaxf(a, b))
NARROW2(__hmin, fminf(a, b))
#undef NARROW2
template <class F> retrial::Narrow<F> __hfma(retrial::Narrow<F> a, retrial::Narrow<F> b, retrial::Narrow<F> c) {
    return float(double(float(a)) * double(float(b)) + double(float(c)));
}
template <class F>
retrial::NarrowPair<F> __hfma2(retrial::NarrowPair<F> a, retrial::NarrowPair<F> b, retrial::NarrowPair<F> c) {
    return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};
}
template <class F> float __low2float(retrial::NarrowPair<F> a) { return a.x; }
template <class F> float __high2float(retrial::NarrowPair<F> a) { return a.y; }
