// Eq. 8 of Levi's paper, `A (1 - <p^k>)` with failure probabilities spread as Beta(alpha, beta), and its least-squares fit,
// as crates/theory/src/fit/least_squares.rs: A is linear, so its best value is found exactly and only the shape is searched.

import { bfgs } from "retrial/minimise.js";
import { digammaRise, lnRisingRatio, oneMinusExp } from "retrial/special.js";

/** @typedef {{ maxCoverage: number, alpha: number, beta: number, rmse: number }} Eq8 */
/** @typedef {{ k: number, value: number }} Value */

/**
 * Coverage of `k` trials where every sample can be solved.
 * @param {number} alpha
 * @param {number} beta
 * @param {number} k
 */
const shape = (alpha, beta, k) => oneMinusExp(lnRisingRatio(alpha, beta, k));

/**
 * The fitted coverage of `k` trials.
 * @param {Eq8} law
 * @param {number} k
 */
export const eq8 = ({ maxCoverage, alpha, beta }, k) => maxCoverage * shape(alpha, beta, k);

/**
 * The factor in `[0, 1]` that brings a shape closest to the curve.
 * @param {Value[]} curve
 * @param {number[]} shapes
 */
function bestFactor(curve, shapes) {
    let product = 0, square = 0;
    curve.forEach(({ value }, i) => {
        product += shapes[i] * value;
        square += shapes[i] * shapes[i];
    });
    return square > 0 ? Math.min(1, product / square) : 1;
}

/**
 * The fit to a curve of at least three points, each of the same weight; null of fewer, or of a curve that is 0. It yields
 * often, so that the caller can let others run.
 * @param {Value[]} curve
 * @returns {Generator<undefined, Eq8 | null>}
 */
export function* fitEq8(curve) {
    if (curve.length < 3 || curve.every(({ value }) => value === 0)) return null;
    const objective = (/** @type {import("retrial/minimise.js").Pair} */ [a, b]) => {
        const alpha = Math.exp(a), beta = Math.exp(b);
        /** @type {import("retrial/minimise.js").Pair} */
        const gradient = [0, 0];
        if (!(alpha > 0 && beta > 0 && alpha < Infinity && beta < Infinity)) return { value: Infinity, gradient };
        const lnLosses = curve.map(({ k }) => lnRisingRatio(alpha, beta, k));
        const factor = bestFactor(curve, lnLosses.map(oneMinusExp));
        let value = 0;
        curve.forEach((point, i) => {
            const residual = factor * oneMinusExp(lnLosses[i]) - point.value;
            value += residual * residual;
            const byLnLoss = -2 * residual * factor * Math.exp(lnLosses[i]);
            const byBeta = -digammaRise(alpha + beta, point.k);
            gradient[0] += byLnLoss * (digammaRise(alpha, point.k) + byBeta) * alpha;
            gradient[1] += byLnLoss * byBeta * beta;
        });
        return { value, gradient };
    };
    let best = { x: [0, 0], value: Infinity };
    for (const alpha of [0.5, 5, 50]) {
        for (const beta of [0.05, 0.3, 2]) {
            const end = yield* bfgs(objective, [Math.log(alpha), Math.log(beta)]);
            if (end.value < best.value) best = end;
        }
    }
    const [alpha, beta] = best.x.map(Math.exp);
    const maxCoverage = bestFactor(curve, curve.map(({ k }) => shape(alpha, beta, k)));
    return { maxCoverage, alpha, beta, rmse: Math.sqrt(best.value / curve.length) };
}
