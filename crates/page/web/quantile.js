// Quantiles of Beta variables, for confidence intervals, ported from crates/theory/src/special/incomplete.rs: the log odds
// have the density `peak exp(-n kappa(s))` at a distance s from their mode, with kappa convex and 0 there.

import { ln1pMinus, lnBetaPeak } from "retrial/special.js";

/** Nodes and weights of the rule of Gauss and Legendre of 16 points, those above 0. */
const GAUSS = [
    [0.0950125098376374, 0.1894506104550685],
    [0.2816035507792589, 0.1826034150449236],
    [0.4580167776572274, 0.1691565193950025],
    [0.6178762444026438, 0.1495959888165767],
    [0.755404408355003, 0.1246289712555339],
    [0.8656312023878318, 0.0951585116824928],
    [0.9445750230732326, 0.0622535239386479],
    [0.9894009349916499, 0.0271524594117541],
];

/** Panels of a tail, at most: the bound of the original. */
const PANELS = 1100;
const LONGEST = 3;
const LOAD = 3.5;

/** The log odds of a Beta(a, b) variable, seen upwards from their mode. */
class Bell {
    #a;
    #b;
    #p;
    #q;
    #lnPeak;

    /**
     * @param {number} a
     * @param {number} b
     */
    constructor(a, b) {
        this.#a = a;
        this.#b = b;
        this.#p = a / (a + b);
        this.#q = b / (a + b);
        this.#lnPeak = lnBetaPeak(a, b);
    }

    /**
     * `n kappa` at a distance, its first two derivatives, and what is left of the slope's growth to `b`.
     * @param {number} s
     */
    #exponent(s) {
        const p = this.#p, q = this.#q, a = this.#a, b = this.#b;
        if (s > 700) {
            // e^s is about to overflow.
            const lost = q / p * Math.exp(-s), rest = Math.exp(-s) / p / (1 + lost);
            const value = (a + b) * (Math.log(p) + Math.log1p(lost)) + b * s;
            return { value, slope: b * (1 - rest), bend: b * rest, rest };
        }
        // kappa is the same with p and q, s and -s exchanged.
        const [share, t] = p <= 0.5 ? [p, s] : [q, -s];
        const raised = share * Math.expm1(t);
        const kappa = s < 1 ? ln1pMinus(raised) + share * expm1Minus(t) : Math.log1p(raised) - share * t;
        const growth = p * Math.expm1(s), rest = 1 / (1 + growth);
        return {
            value: (a + b) * kappa,
            slope: b * growth * rest,
            bend: b * rest * (p * Math.exp(s) * rest),
            rest,
        };
    }

    /**
     * The integral of `exp(-n kappa)` from `s` to infinity.
     * @param {number} s
     */
    #tail(s) {
        let sum = 0;
        for (let panel = 0; panel < PANELS; panel++) {
            const { value, slope, bend, rest } = this.#exponent(s);
            const here = Math.exp(-value);
            // What lies beyond is between here / b and here / slope.
            if (here * rest <= 1e-17 * (sum * slope + here)) return here > 0 ? sum + here / slope : sum;
            const half = 0.5 * Math.min(LONGEST, LOAD / (slope + Math.sqrt(bend)));
            const at = (/** @type {number} */ node) => Math.exp(-this.#exponent(s + half * (1 + node)).value);
            for (const [node, weight] of GAUSS) sum += half * weight * (at(node) + at(-node));
            s += 2 * half;
        }
        return sum;
    }

    /**
     * The probability beyond a distance.
     * @param {number} s
     */
    mass(s) {
        return Math.exp(this.#lnPeak + Math.log(this.#tail(s)));
    }

    /**
     * The distance beyond which the probability is `mass`; 0 where it is less everywhere. Newton's steps, bracketed.
     * @param {number} mass
     */
    distance(mass) {
        const newton = (/** @type {number} */ s) => {
            const tail = this.#tail(s);
            const over = this.#lnPeak + Math.log(tail) - Math.log(mass);
            return { over, step: over * tail * Math.exp(this.#exponent(s).value) };
        };
        let low = 0, high = newton(0).step;
        if (!(high > 0)) return 0;
        let s = high, last = high;
        for (let round = 0; round < 300; round++) {
            const { over, step } = newton(s);
            if (Math.abs(over) <= 1e-8) return s + step;
            if (over > 0) low = s;
            else high = s;
            const next = s + step;
            const good = next > low && next < high && Math.abs(step) <= 0.5 * last;
            [s, last] = good ? [next, Math.abs(step)] : [0.5 * (low + high), high - low];
        }
        return s;
    }
}

/**
 * `e^t - 1 - t`, with a small relative error also near 0.
 * @param {number} t
 */
function expm1Minus(t) {
    if (Math.abs(t) > 0.5) return Math.expm1(t) - t;
    let sum = 0;
    for (let n = 20; n >= 2; n--) sum = (sum + 1) * t / n;
    return sum * t;
}

/**
 * The quantile of a Beta(a, b) variable at `0 < level < 1`.
 * @param {number} level
 * @param {number} a
 * @param {number} b
 */
export function betaQuantile(level, a, b) {
    const down = new Bell(b, a);
    const s = level < down.mass(0) ? -down.distance(level) : new Bell(a, b).distance(1 - level);
    return 1 / (1 + b / a * Math.exp(-s));
}
