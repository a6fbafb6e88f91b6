// Qualifiers and built-in types (CUDA C++ Programming Guide, "C++ Language Extensions").
#pragma once

#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
// A section of its own can be poisoned at the start of each block. `extern __shared__` is rewritten before compilation.
#define __shared__ static __attribute__((section("retrial_shared"), used))

#define VECTOR2(name, type, bytes)                                                                                     \
    struct alignas(bytes) name { type x, y; };                                                                         \
    inline name make_##name(type x, type y) { return {x, y}; }
#define VECTOR3(name, type)                                                                                            \
    struct name { type x, y, z; };                                                                                     \
    inline name make_##name(type x, type y, type z) { return {x, y, z}; }
#define VECTOR4(name, type, bytes)                                                                                     \
    struct alignas(bytes) name { type x, y, z, w; };                                                                   \
    inline name make_##name(type x, type y, type z, type w) { return {x, y, z, w}; }
VECTOR2(char2, signed char, 2)
VECTOR2(uchar2, unsigned char, 2)
VECTOR2(short2, short, 4)
VECTOR2(ushort2, unsigned short, 4)
VECTOR2(int2, int, 8)
VECTOR2(uint2, unsigned, 8)
VECTOR2(float2, float, 8)
VECTOR2(double2, double, 16)
VECTOR2(longlong2, long long, 16)
VECTOR2(ulonglong2, unsigned long long, 16)
VECTOR3(int3, int)
VECTOR3(uint3, unsigned)
VECTOR3(float3, float)
VECTOR4(char4, signed char, 4)
VECTOR4(uchar4, unsigned char, 4)
VECTOR4(short4, short, 8)
VECTOR4(ushort4, unsigned short, 8)
VECTOR4(int4, int, 16)
VECTOR4(uint4, unsigned, 16)
VECTOR4(float4, float, 16)
#undef VECTOR2
#undef VECTOR3
#undef VECTOR4

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static constexpr int warpSize = 32;
