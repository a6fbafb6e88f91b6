// Normals by the contract of crates/spec/src/rng.rs, the same bits as on the CPU: every operation that could be
// contracted or approximated is an intrinsic with a rounding of its own.
#pragma once
#include "philox.cuh"

__device__ __forceinline__ float polynomial_ln(float u) {
    const u32 shifted = __float_as_uint(u) - 0x3F3504F3u;
    const float exponent = (float)((int)shifted >> 23);
    const float f = __fsub_rn(__uint_as_float((shifted & 0x007FFFFFu) + 0x3F3504F3u), 1.0f);
    const float square = __fmul_rn(f, f);
    float p = 6.921041e-2f;
    p = __fmaf_rn(p, f, -1.1780694e-1f);
    p = __fmaf_rn(p, f, 1.1865131e-1f);
    p = __fmaf_rn(p, f, -1.2385553e-1f);
    p = __fmaf_rn(p, f, 1.4220022e-1f);
    p = __fmaf_rn(p, f, -1.6669217e-1f);
    p = __fmaf_rn(p, f, 2.0002146e-1f);
    p = __fmaf_rn(p, f, -2.4999987e-1f);
    p = __fmaf_rn(p, f, 3.333331e-1f);
    float tail = __fmaf_rn(exponent, -2.1219444e-4f, __fmul_rn(__fmul_rn(square, f), p));
    tail = __fmaf_rn(square, -0.5f, tail);
    return __fmaf_rn(exponent, 0.6933594f, __fadd_rn(f, tail));
}

// (cos, sin) of 2 pi w 2^-32: octant from the top three bits, exactly.
__device__ __forceinline__ float2 cos_sin(u32 w) {
    const u32 octant = w >> 29;
    const u32 below = w & 0x1FFFFFFFu;
    const float a = __fmul_rn((float)(octant & 1 ? 0x20000000u - below : below), 1.4629181e-9f);
    const float square = __fmul_rn(a, a);
    float s = __fmaf_rn(__fmaf_rn(-1.9517594e-4f, square, 8.332181e-3f), square, -1.6666655e-1f);
    s = __fmaf_rn(__fmul_rn(s, square), a, a);
    float c = __fmaf_rn(__fmaf_rn(2.4439484e-5f, square, -1.3887378e-3f), square, 4.1666646e-2f);
    c = __fmaf_rn(__fmul_rn(c, square), square, __fmaf_rn(square, -0.5f, 1.0f));
    const bool turned = (octant + 1) & 2; // octants 1, 2, 5, 6
    const float x = turned ? s : c;
    const float y = turned ? c : s;
    return make_float2((octant + 2) & 4 ? -x : x, octant >= 4 ? -y : y); // the cosine is negative in octants 2 to 5
}

__device__ __forceinline__ float2 normal_pair(u32 w0, u32 w1) {
    const float u = __fmaf_rn((float)w0, 0x1p-32f, 0x1p-33f);
    const float radius = __fsqrt_rn(__fmul_rn(-2.0f, polynomial_ln(u)));
    const float2 turn = cos_sin(w1);
    return make_float2(__fmul_rn(radius, turn.x), __fmul_rn(radius, turn.y));
}

// Normals 4 block .. 4 block + 3 of a trial.
__device__ __forceinline__ float4 normals(u64 seed, u64 trial, u32 sample, u32 block) {
    const uint2 key = make_uint2((u32)seed, (u32)(seed >> 32));
    const uint4 w = philox(make_uint4((u32)trial, (u32)(trial >> 32), sample, block), key);
    const float2 a = normal_pair(w.x, w.y);
    const float2 b = normal_pair(w.z, w.w);
    return make_float4(a.x, a.y, b.x, b.y);
}
