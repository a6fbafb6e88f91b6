// Minimisation in two dimensions, ported from crates/theory/src/fit/minimise.rs.

/** @typedef {[number, number]} Pair */
/** @typedef {{ value: number, gradient: Pair }} Slope */

const STEPS = 500;
/** The longest step. Parameters are logarithms, and a factor e^2 at a time keeps a poor start from overshooting. */
const LONGEST = 2;
/** After so many the longest step is below the rounding of a logarithm. */
const HALVINGS = 60;

/**
 * @param {Pair} a
 * @param {Pair} b
 */
const dot = (a, b) => a[0] * b[0] + a[1] * b[1];

/**
 * A local minimum of `f` from `start`: BFGS with backtracking. A value that is not finite counts as too large. It yields
 * after every step, so that the caller can let others run.
 * @param {(x: Pair) => Slope} f
 * @param {Pair} start
 * @returns {Generator<undefined, { x: Pair, value: number }>}
 */
export function* bfgs(f, start) {
    let x = start;
    let { value, gradient } = f(x);
    /** @type {[Pair, Pair]} */
    let inverse = [[1, 0], [0, 1]];
    let steepest = true;
    for (let step = 0; step < STEPS; step++) {
        /** @type {Pair} */
        let direction = [-dot(inverse[0], gradient), -dot(inverse[1], gradient)];
        if (dot(direction, gradient) >= 0) {
            inverse = [[1, 0], [0, 1]];
            steepest = true;
            direction = [-gradient[0], -gradient[1]];
        }
        const slope = dot(direction, gradient);
        // A gain below the rounding of the value cannot be seen.
        const rounding = 1e-16 * Math.max(Math.abs(value), 1e-12);
        if (!Number.isFinite(slope) || -slope <= rounding) break;
        const next = search(f, x, value, direction, slope, rounding);
        if (next === null) {
            // Either the minimum, to rounding, or a direction spoilt by old curvature: try straight downhill once.
            if (steepest || -slope <= 1e4 * rounding) break;
            inverse = [[1, 0], [0, 1]];
            steepest = true;
            continue;
        }
        /** @type {Pair} */
        const moved = [next.x[0] - x[0], next.x[1] - x[1]];
        /** @type {Pair} */
        const change = [next.gradient[0] - gradient[0], next.gradient[1] - gradient[1]];
        const curvature = dot(moved, change);
        if (curvature > 0) {
            update(inverse, moved, change, curvature);
            steepest = false;
        }
        ({ x, value, gradient } = next);
        yield;
    }
    return { x, value };
}

/**
 * The first of ever shorter steps that lowers `f` enough.
 * @param {(x: Pair) => Slope} f
 * @param {Pair} x
 * @param {number} value
 * @param {Pair} direction
 * @param {number} slope
 * @param {number} rounding
 */
function search(f, x, value, direction, slope, rounding) {
    let t = Math.min(1, LONGEST / Math.sqrt(dot(direction, direction)));
    for (let halvings = 0; halvings < HALVINGS && t * -slope > rounding; halvings++) {
        /** @type {Pair} */
        const trial = [x[0] + t * direction[0], x[1] + t * direction[1]];
        const found = f(trial);
        if (found.value <= value + 1e-4 * t * slope) return { x: trial, ...found };
        t /= 2;
    }
    return null;
}

/**
 * The BFGS update: inverse += (1 + y'Hy / s'y) ss' / s'y - (Hy s' + s y'H) / s'y.
 * @param {[Pair, Pair]} inverse
 * @param {Pair} step
 * @param {Pair} change
 * @param {number} curvature
 */
function update(inverse, step, change, curvature) {
    const bent = [dot(inverse[0], change), dot(inverse[1], change)];
    const scale = 1 + (change[0] * bent[0] + change[1] * bent[1]) / curvature;
    for (const i of [0, 1]) {
        for (const j of [0, 1]) {
            inverse[i][j] += (scale * step[i] * step[j] - bent[i] * step[j] - step[i] * bent[j]) / curvature;
        }
    }
}
