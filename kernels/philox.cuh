// Philox4x32-10 (Random123), exactly as crates/spec/src/rng.rs: the same words on every backend.
#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;

__device__ __forceinline__ uint4 philox(uint4 c, uint2 key) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const u64 a = (u64)0xD2511F53u * c.x;
        const u64 b = (u64)0xCD9E8D57u * c.z;
        c = make_uint4((u32)(b >> 32) ^ c.y ^ key.x, (u32)b, (u32)(a >> 32) ^ c.w ^ key.y, (u32)a);
        key.x += 0x9E3779B9u;
        key.y += 0xBB67AE85u;
    }
    return c;
}
