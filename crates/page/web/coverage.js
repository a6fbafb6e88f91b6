// pass@k from success counts, with its 95 % band over samples, as crates/theory/src/coverage.rs.

import { betaQuantile } from "retrial/quantile.js";
import { lnRisingRatio, oneMinusExp } from "retrial/special.js";

/** What an interval of 95 % leaves out on each side, and the normal quantile there. */
const TAIL = 0.025;
const Z = 1.959963984540054;

/** @typedef {{ k: number, value: number, low: number, high: number }} Point */

/**
 * `ln` of `C(n-c, k) / C(n, k)`, which estimates the probability that `k` trials all fail; NaN, not available, beyond `n`.
 * @param {number} n
 * @param {number} c
 * @param {number} k
 */
function lnAllFail(n, c, k) {
    if (k > n || c > n) return NaN;
    // Fewer failures than k: every choice of k trials holds a success.
    if (n - k < c) return -Infinity;
    return lnRisingRatio(n - k - c + 1, c, k);
}

/**
 * The unbiased estimate `1 - C(n-c, k) / C(n, k)` that `k` trials of a sample contain a success, from `c` successes in `n`
 * trials (Chen et al. 2021); NaN, not available, where `k > n`.
 * @param {number} n
 * @param {number} c
 * @param {number} k
 */
export const unbiased = (n, c, k) => oneMinusExp(lnAllFail(n, c, k));

/**
 * Distinct numbers of trials from 1 to `most`, both included, about `perDecade` per factor of ten.
 * @param {number} most
 * @param {number} perDecade
 */
export function logGrid(most, perDecade) {
    /** @type {number[]} */
    const ks = [];
    for (let step = 0;; step++) {
        const k = Math.round(10 ** (step / perDecade));
        if (k >= most) break;
        if (k !== ks.at(-1)) ks.push(k);
    }
    if (most > 0) ks.push(most);
    return ks;
}

/**
 * Up to 20 different `k` at equal steps of `ln k` from 1 to `most`: where laws are fitted.
 * @param {number} most
 */
export function fittingGrid(most) {
    const ks = Array.from({ length: 20 }, (_, i) => Math.round(Math.exp(Math.log(most) * i / 19)));
    return ks.filter((k, i) => k !== ks[i - 1]);
}

/**
 * Distinct counts and how many samples have each: most samples of a hard threshold share a few.
 * @param {ArrayLike<number>} successes
 */
export function cells(successes) {
    /** @type {Map<number, number>} */
    const weights = new Map();
    for (const c of Array.from(successes)) weights.set(c, (weights.get(c) ?? 0) + 1);
    return [...weights].map(([successes, weight]) => ({ successes, weight }));
}

/** @typedef {ReturnType<typeof cells>} Cells */

/**
 * The mean of the unbiased estimates over the samples.
 * @param {number} n
 * @param {Cells} of
 * @param {number} k
 */
export function coverage(n, of, k) {
    let sum = 0, samples = 0;
    for (const { successes, weight } of of) {
        sum += weight * unbiased(n, successes, k);
        samples += weight;
    }
    return sum / samples;
}

/**
 * The curve of the unbiased estimator with intervals for other samples of the same kind: Korn and Graubard's, Clopper and
 * Pearson's at the effective number of yes-or-no observations. It yields after every point, so that the caller can let
 * others run.
 * @param {number} n trials of every sample
 * @param {Cells} of
 * @param {number[]} ks at most `n`
 * @returns {Generator<undefined, Point[]>}
 */
export function* curve(n, of, ks) {
    const samples = of.reduce((sum, { weight }) => sum + weight, 0);
    const widen = samples > 1 ? (studentT(samples - 1) / Z) ** 2 : Infinity;
    /** @type {Point[]} */
    const points = [];
    for (const k of ks) {
        const value = coverage(n, of, k);
        let square = 0, noise = 0;
        for (const { successes, weight } of of) {
            const ln = lnAllFail(n, successes, k);
            square += weight * (oneMinusExp(ln) - value) ** 2;
            noise += weight * (Math.exp(2 * ln) - Math.exp(lnAllFail(n, successes, 2 * k)));
        }
        // One more success of an unsolved sample would add k / nN.
        const unseen = (2 * k / (n * samples)) ** 2;
        const spread = square / samples / (samples - 1) * widen + unseen;
        // Beyond 2k = n the noise of the trials is not available; the spread holds it as well.
        const variance = 2 * k > n ? spread : Math.max(spread, noise / samples ** 2 + unseen);
        const observations = Math.max(value * (1 - value) / variance || 0, samples);
        points.push({ k, value, ...samples > 1 ? proportion(value, observations) : { low: 0, high: 1 } });
        yield;
    }
    return points;
}

/**
 * Clopper and Pearson's 95 % interval of a proportion among `observations`, which need not be whole.
 * @param {number} value
 * @param {number} observations
 */
function proportion(value, observations) {
    const yes = value * observations, no = (1 - value) * observations;
    const low = yes > 0 ? betaQuantile(TAIL, yes, no + 1) : 0;
    const high = no > 0 ? betaQuantile(1 - TAIL, yes + 1, no) : 1;
    return { low: Math.min(low, value), high: Math.max(high, value) };
}

/** @type {Map<number, number>} */
const students = new Map();

/**
 * The 0.975 quantile of Student's t law: `t^2 = d (1/x - 1)` where `x` is Beta(d/2, 1/2).
 * @param {number} d
 */
function studentT(d) {
    let t = students.get(d);
    if (t === undefined) {
        const x = betaQuantile(2 * TAIL, 0.5 * d, 0.5);
        t = Math.sqrt(d * (1 - x) / x);
        students.set(d, t);
    }
    return t;
}
