// From noise to operands, and from products to squares: what the tensor-core kernels do in registers. A thread holds rows
// r and r + 8 of 16 trials (r = lane / 4), and of those the columns of its place in the quad (q = lane % 4).
#pragma once
#include "mma.cuh"
#include "normals.cuh"
#include "sigmoid.cuh"

// Rounds two numbers, and what that loses of them, to operands.
template <class Operand>
__device__ __forceinline__ void split(u32& high, u32& low, float x, float y) {
    high = Operand::pack(x, y);
    const float2 near = Operand::unpack(high);
    low = Operand::pack(__fsub_rn(x, near.x), __fsub_rn(y, near.y));
}

// Operands of two slabs of the first layer, high and low parts, from latents 16 g + 4 q .. + 3 of the rows r and r + 8.
template <class Operand>
__device__ __forceinline__ void latent_operands(u32 (&high)[4], u32 (&low)[4], const float (&z)[2][4]) {
#pragma unroll
    for (int i = 0; i < 4; i++) split<Operand>(high[i], low[i], z[i % 2][i / 2 * 2], z[i % 2][i / 2 * 2 + 1]);
}

// Normal 4 block + element of a trial, without the other pair of its block.
__device__ __forceinline__ float normal(u64 seed, u64 trial, u32 sample, u32 block, u32 element) {
    const uint2 key = make_uint2((u32)seed, (u32)(seed >> 32));
    const uint4 w = philox(make_uint4((u32)trial, (u32)(trial >> 32), sample, block), key);
    const float2 pair = element < 2 ? normal_pair(w.x, w.y) : normal_pair(w.z, w.w);
    return element % 2 ? pair.y : pair.x;
}

// Adds the squared differences of two neighbouring pixels, `1 / (1 + 2^a)` with `a = factor product + bias`, from x.
__device__ __forceinline__ void add_squares(float& sum, float first, float second, float factor, float2 bias, float2 x) {
    const float2 y = sigmoids(__fmaf_rn(first, factor, bias.x), __fmaf_rn(second, factor, bias.y));
    const float d0 = __fsub_rn(y.x, x.x), d1 = __fsub_rn(y.y, x.y);
    sum = __fmaf_rn(d0, d0, sum);
    sum = __fmaf_rn(d1, d1, sum);
}
