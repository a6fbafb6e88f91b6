// Thresholds where nobody named any.

import { binOf, nearestEdge } from "retrial/tally.js";

/** Thresholds of one dispatch of the kernels, at most. */
const MAX_THRESHOLDS = 1024;

/** Shares of the errors that succeed, where thresholds follow from errors. */
export const SHARES = [0.01, 0.1, 0.5];

/**
 * The edges closest to some thresholds, each once, increasing.
 * @param {number[]} thresholds
 */
export function edgesOf(thresholds) {
    const bins = thresholds.map((threshold) => Math.max(2, nearestEdge(threshold)));
    return [...new Set(bins)].sort((a, b) => a - b).slice(0, MAX_THRESHOLDS);
}

/**
 * Edges below which about such shares of some errors lie, increasing.
 * @param {Iterable<number>} errors
 * @param {number[]} shares
 */
export function edgesAt(errors, shares) {
    const sorted = Float32Array.from(errors).sort();
    let last = 0;
    return shares.map((share) => {
        const at = Math.min(sorted.length - 1, Math.floor(share * sorted.length));
        last = Math.max(last + 1, binOf(sorted[at]) + 1);
        return last;
    });
}
