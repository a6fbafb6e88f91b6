// Philox4x32-10 (Random123), word for word as crates/spec/src/rng.rs: the page draws the trials of every other backend.

/**
 * High word of a 32 x 32 bit product, by 16-bit limbs: a Number holds 53 bits only.
 * @param {number} a
 * @param {number} b
 */
function mulHi(a, b) {
    const al = a & 0xffff, ah = a >>> 16, bl = b & 0xffff, bh = b >>> 16;
    const lh = al * bh, hl = ah * bl;
    const carry = (lh & 0xffff) + (hl & 0xffff) + ((al * bl) >>> 16);
    return (ah * bh + (lh >>> 16) + (hl >>> 16) + (carry >>> 16)) >>> 0;
}

/**
 * Ten rounds on one counter; writes four words to `out`.
 * @param {Uint32Array} out
 * @param {ArrayLike<number>} counter
 * @param {ArrayLike<number>} key
 */
export function philox(out, counter, key) {
    let c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    let k0 = key[0], k1 = key[1];
    for (let round = 0; round < 10; round++) {
        const aHi = mulHi(0xd2511f53, c0), aLo = Math.imul(0xd2511f53, c0) >>> 0;
        const bHi = mulHi(0xcd9e8d57, c2), bLo = Math.imul(0xcd9e8d57, c2) >>> 0;
        c0 = (bHi ^ c1 ^ k0) >>> 0;
        c1 = bLo;
        c2 = (aHi ^ c3 ^ k1) >>> 0;
        c3 = aLo;
        k0 = (k0 + 0x9e3779b9) >>> 0;
        k1 = (k1 + 0xbb67ae85) >>> 0;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/**
 * The low and high words of an unsigned 64-bit number.
 * @param {bigint} n
 * @returns {[number, number]}
 */
export function halves(n) {
    return [Number(n & 0xffffffffn), Number((n >> 32n) & 0xffffffffn)];
}
