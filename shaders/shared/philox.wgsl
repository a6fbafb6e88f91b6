// Philox4x32-10 (Random123), exactly as crates/spec/src/rng.rs: the same words on every backend.

// High word of a 32 x 32 bit product by 16-bit limbs: WGSL has no 64-bit integers.
fn mul_hi(a: u32, b: u32) -> u32 {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let lh = al * bh;
    let hl = ah * bl;
    let carry = (lh & 0xffffu) + (hl & 0xffffu) + ((al * bl) >> 16u);
    return ah * bh + (lh >> 16u) + (hl >> 16u) + (carry >> 16u);
}

fn philox(start: vec4<u32>, start_key: vec2<u32>) -> vec4<u32> {
    var c = start;
    var key = start_key;
    for (var round = 0u; round < 10u; round++) {
        let a = vec2(mul_hi(0xD2511F53u, c.x), 0xD2511F53u * c.x);
        let b = vec2(mul_hi(0xCD9E8D57u, c.z), 0xCD9E8D57u * c.z);
        c = vec4(b.x ^ c.y ^ key.x, b.y, a.x ^ c.w ^ key.y, a.y);
        key += vec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// `a + b` of a 64-bit number `(lo, hi)` and a 32-bit one.
fn add64(a: vec2<u32>, b: u32) -> vec2<u32> {
    let lo = a.x + b;
    return vec2(lo, a.y + select(0u, 1u, lo < b));
}
