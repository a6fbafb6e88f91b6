// 1 / (1 + exp(-a)) by the special-function unit.
#pragma once

#ifdef __CUDACC__
__device__ __forceinline__ float fast_exp2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ __forceinline__ float fast_reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#else
__device__ inline float fast_exp2(float x) { return exp2f(x); }
__device__ inline float fast_reciprocal(float x) { return 1.0f / x; }
#endif

// Two special operations, relative error about 2^-21, absolute below 2^-23.
__device__ __forceinline__ float fast_sigmoid(float a) {
    // exp(-a) = 2^x; beyond the range it is 0 or infinite, as it should be
    return fast_reciprocal(__fadd_rn(fast_exp2(__fmul_rn(a, -1.44269504f)), 1.0f));
}

// 1 / (1 + 2^a) and 1 / (1 + 2^b), three special operations: one reciprocal, of the product, serves both. Relative error
// about 2^-20. Beyond 2^60, where the product might overflow, both stop at 2^-60.
__device__ __forceinline__ float2 sigmoids(float a, float b) {
    const float u = __fadd_rn(fast_exp2(fminf(a, 60.0f)), 1.0f);
    const float v = __fadd_rn(fast_exp2(fminf(b, 60.0f)), 1.0f);
    const float w = fast_reciprocal(__fmul_rn(u, v));
    return make_float2(__fmul_rn(v, w), __fmul_rn(u, w));
}
