import assert from "node:assert/strict";
import { trialNormals } from "retrial/normals.js";
import { halves, philox } from "retrial/philox.js";

/**
 * @param {number[]} counter
 * @param {number[]} key
 */
function words(counter, key) {
    const out = new Uint32Array(4);
    philox(out, counter, key);
    return [...out];
}

Deno.test("Philox gives the known answers of Random123", () => {
    const all = 0xffffffff;
    assert.deepEqual(words([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    assert.deepEqual(words([all, all, all, all], [all, all]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    assert.deepEqual(
        words([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
        [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    );
});

Deno.test("64-bit numbers are halved exactly", () => {
    assert.deepEqual(halves(0n), [0, 0]);
    assert.deepEqual(halves(2n ** 32n - 1n), [0xffffffff, 0]);
    assert.deepEqual(halves(2n ** 53n + 1n), [1, 0x200000]);
    assert.deepEqual(halves(2n ** 64n - 1n), [0xffffffff, 0xffffffff]);
});

/**
 * A pair by the polynomials of the contract (crates/spec/src/rng.rs), which share nothing with the page's functions.
 * @param {number} w0
 * @param {number} w1
 */
function pair(w0, w1) {
    const LN = [
        0.3333331,
        -0.24999987,
        0.20002146,
        -0.16669217,
        0.14220022,
        -0.12385553,
        0.11865131,
        -0.11780694,
        0.06921041,
    ];
    const float = new Float32Array([Math.fround(w0) * 2 ** -32 + 2 ** -33]);
    const word = new Uint32Array(float.buffer);
    const shifted = (word[0] - 0x3f3504f3) | 0, exponent = shifted >> 23;
    word[0] = (shifted & 0x007fffff) + 0x3f3504f3;
    const f = float[0] - 1;
    const ln = exponent * Math.LN2 + f - f * f / 2 + f ** 3 * LN.reduceRight((sum, c) => sum * f + c, 0);
    const octant = w1 >>> 29, below = w1 & 0x1fffffff;
    const a = (octant & 1 ? 0x20000000 - below : below) * Math.PI / 4 / 2 ** 29, square = a * a;
    let sin = a + a * square * (-0.16666655 + square * (8.332181e-3 - 1.9517593e-4 * square));
    let cos = 1 - square / 2 + square * square * (0.041666646 + square * (-1.3887378e-3 + 2.4439483e-5 * square));
    if ([1, 2, 5, 6].includes(octant)) [sin, cos] = [cos, sin];
    const radius = Math.sqrt(-2 * ln);
    return [radius * (octant >= 2 && octant <= 5 ? -cos : cos), radius * (octant >= 4 ? -sin : sin)];
}

Deno.test("normals are those of the contract, on both sides of trial 2^32", () => {
    const latent = 19; // the last block is cut short, in the middle of a pair
    const normals = new Float64Array(latent);
    for (const trial of [0n, 1n, 4294967295n, 4294967296n, 2n ** 60n + 3n]) {
        for (const sample of [0, 399]) {
            trialNormals(0x0123456789abcdefn, sample, trial, normals);
            for (let d = 0; d < latent; d++) {
                const counter = [...halves(trial), sample, Math.floor(d / 4)];
                const w = words(counter, [0x89abcdef, 0x01234567]);
                const half = d % 4 < 2 ? 0 : 2;
                const wanted = pair(w[half], w[half + 1])[d % 2];
                assert.ok(Math.abs(normals[d] - wanted) < 2e-6, `${trial} ${sample} ${d}: ${normals[d]} ${wanted}`);
            }
        }
    }
});

Deno.test("normals have the moments of a Gaussian", () => {
    const normals = new Float64Array(20), sums = [0, 0, 0, 0];
    const trials = 20_000;
    for (let trial = 0; trial < trials; trial++) {
        trialNormals(42n, 3, BigInt(trial), normals);
        for (const z of normals) [1, 2, 3, 4].forEach((power, i) => sums[i] += z ** power);
    }
    const count = 20 * trials;
    [[0, 1], [1, 2], [0, 15], [3, 96]].forEach(([mean, variance], i) => {
        assert.ok(Math.abs(sums[i] / count - mean) < 5 * Math.sqrt(variance / count), `moment ${i + 1}`);
    });
});
