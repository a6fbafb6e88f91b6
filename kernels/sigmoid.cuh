// 1 / (1 + exp(-a)) by the special-function unit: two operations of it, relative error about 2^-21, absolute below 2^-23.
#pragma once

__device__ __forceinline__ float fast_sigmoid(float a) {
    const float x = __fmul_rn(a, -1.44269504f); // exp(-a) = 2^x; beyond the range it is 0 or infinite, as it should be
    float y;
#ifdef __CUDACC__
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    y = __fadd_rn(y, 1.0f);
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(y));
#else
    y = 1.0f / (1.0f + exp2f(x));
#endif
    return y;
}
