// Normals by the contract of crates/spec/src/rng.rs, with the logarithm, sine and cosine of the language in place of the
// contract's polynomials: they agree to about 3e-7, as do a GPU's.

import { halves, philox } from "retrial/philox.js";

const counter = new Uint32Array(4);
const words = new Uint32Array(4);

/**
 * One Box-Muller pair from two words. The uniform is rounded to f32, as the contract says: it is what every backend draws.
 * @param {number} w0
 * @param {number} w1
 * @param {Float64Array} out
 * @param {number} at
 */
export function normalPair(w0, w1, out, at) {
    const u = Math.fround(Math.fround(w0) * 2 ** -32 + 2 ** -33);
    const radius = Math.sqrt(-2 * Math.log(u));
    const theta = w1 * (2 * Math.PI * 2 ** -32);
    out[at] = radius * Math.cos(theta);
    if (at + 1 < out.length) out[at + 1] = radius * Math.sin(theta);
}

/**
 * Writes the normals of one trial, one per latent dimension, to `out`.
 * @param {bigint} seed
 * @param {number} sample
 * @param {bigint} trial
 * @param {Float64Array} out
 */
export function trialNormals(seed, sample, trial, out) {
    const key = halves(seed);
    const [lo, hi] = halves(trial);
    for (let block = 0; 4 * block < out.length; block++) {
        counter[0] = lo;
        counter[1] = hi;
        counter[2] = sample;
        counter[3] = block;
        philox(words, counter, key);
        normalPair(words[0], words[1], out, 4 * block);
        if (4 * block + 2 < out.length) normalPair(words[2], words[3], out, 4 * block + 2);
    }
}
