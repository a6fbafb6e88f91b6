// What tensor cores multiply (sm_80 and later): pairs of 16-bit operands in a register, the lower half first, and the
// instructions on them. Operand types are interchangeable.
#pragma once

typedef unsigned int u32;

#ifdef __CUDACC__
// Four 8 x 8 matrices from shared memory: lane l gives the address of row l % 8 of matrix l / 8, 16 bytes, and gets
// elements 2 (l % 4), + 1 of row l / 4 of each.
__device__ __forceinline__ void load_matrices(u32 (&out)[4], const void* row) {
    const u32 at = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
}
// Two of them, by the addresses of lanes 0 to 15.
__device__ __forceinline__ void load_matrices(u32 (&out)[2], const void* row) {
    const u32 at = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(out[0]), "=r"(out[1])
                 : "r"(at)
                 : "memory");
}

// `d += a b` of a warp, 16 x 16 by 16 x 8, sums in f32.
#define RETRIAL_MMA(type)                                                                                              \
    asm("mma.sync.aligned.m16n8k16.row.col.f32." type "." type                                                         \
        ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                                          \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                               \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1))

struct F16 {
    static __device__ __forceinline__ u32 pack(float low, float high) {
        u32 pair;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
        return pair;
    }
    // Of the numbers or 0, whichever is larger.
    static __device__ __forceinline__ u32 pack_relu(float low, float high) {
        u32 pair;
        asm("cvt.rn.relu.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
        return pair;
    }
    static __device__ __forceinline__ float2 unpack(u32 pair) {
        float2 out;
        asm("{.reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
            : "=f"(out.x), "=f"(out.y)
            : "r"(pair));
        return out;
    }
    static __device__ __forceinline__ void multiply_add(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
        RETRIAL_MMA("f16");
    }
};

struct Bf16 {
    static __device__ __forceinline__ u32 pack(float low, float high) {
        u32 pair;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
        return pair;
    }
    static __device__ __forceinline__ u32 pack_relu(float low, float high) {
        u32 pair;
        asm("cvt.rn.relu.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
        return pair;
    }
    static __device__ __forceinline__ float2 unpack(u32 pair) {
        return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
    }
    static __device__ __forceinline__ void multiply_add(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
        RETRIAL_MMA("bf16");
    }
};
#undef RETRIAL_MMA
#else
__device__ inline void load_matrices(u32 (&out)[4], const void* row) { emulated_ldmatrix_x4(out, row); }
__device__ inline void load_matrices(u32 (&out)[2], const void* row) { emulated_ldmatrix_x2(out, row); }

struct F16 {
    static u32 pack(float low, float high) {
        return (u32)__half_as_ushort(__float2half_rn(high)) << 16 | __half_as_ushort(__float2half_rn(low));
    }
    static u32 pack_relu(float low, float high) { return pack(fmaxf(low, 0.0f), fmaxf(high, 0.0f)); }
    static float2 unpack(u32 pair) {
        return make_float2(__half2float(__ushort_as_half((unsigned short)pair)),
                           __half2float(__ushort_as_half((unsigned short)(pair >> 16))));
    }
    static void multiply_add(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
        const u32 b[2] = {b0, b1};
        emulated_mma_m16n8k16_f16(d, a, b);
    }
};

struct Bf16 {
    static u32 pack(float low, float high) {
        return (u32)__bfloat16_as_ushort(__float2bfloat16_rn(high)) << 16 |
               __bfloat16_as_ushort(__float2bfloat16_rn(low));
    }
    static u32 pack_relu(float low, float high) { return pack(fmaxf(low, 0.0f), fmaxf(high, 0.0f)); }
    static float2 unpack(u32 pair) {
        return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
    }
    static void multiply_add(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
        const u32 b[2] = {b0, b1};
        emulated_mma_m16n8k16_bf16(d, a, b);
    }
};
#endif
