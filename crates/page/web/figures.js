// The two charts: coverage with its law, and the errors.

import { eq8 } from "retrial/eq8.js";
import { Frame } from "retrial/svg.js";
import { edge } from "retrial/tally.js";
import { power } from "retrial/words.js";

/** @typedef {import("retrial/svg.js").Tick} Tick */

/** @type {Tick[]} */
const SHARES = [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, label: `${100 * at} %` }));

/**
 * pass@k with its band, and Eq. 8 where there is a fit.
 * @param {Element} host
 * @param {import("retrial/coverage.js").Point[]} points
 * @param {import("retrial/eq8.js").Eq8 | null} law
 */
export function drawCoverage(host, points, law) {
    const most = Math.max(10, points.at(-1)?.k ?? 1);
    const decades = Math.log10(most);
    const x = {
        label: "trials k of each image",
        ticks: Array.from({ length: Math.floor(decades) + 1 }, (_, i) => ({ at: 10 ** i, label: power(i) })),
        place: (/** @type {number} */ k) => Math.log10(k) / decades,
    };
    const y = { label: "pass@k", ticks: SHARES, place: (/** @type {number} */ share) => share };
    const last = points.at(-1);
    const title = last
        ? `pass@k rises from ${points[0].value.toFixed(4)} at k = 1 to ${last.value.toFixed(4)} at k = ${last.k}`
        : "pass@k: no trials yet";
    const frame = new Frame(host, title, x, y);
    if (points.length === 0) return;
    frame.area("band", [
        ...points.map(({ k, low }) => /** @type {[number, number]} */ ([k, low])),
        ...points.map(({ k, high }) => /** @type {[number, number]} */ ([k, high])).reverse(),
    ]);
    frame.line("curve", points.map(({ k, value }) => [k, value]));
    const entries = [{ kind: "curve", label: "measured, with its 95 % band" }];
    if (law) {
        const ks = Array.from({ length: 81 }, (_, i) => most ** (i / 80));
        frame.line("law", ks.map((k) => [k, eq8(law, k)]));
        entries.push({ kind: "law", label: "Eq. 8, least squares" });
    }
    frame.legend(entries);
}

/**
 * All errors, and the threshold.
 * @param {Element} host
 * @param {{ from: number, counts: Float64Array }} pooled
 * @param {number} bin whose lower edge is the threshold
 */
export function drawErrors(host, { from, counts }, bin) {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const low = edge(Math.max(0, Math.min(from, bin) - 2)), high = edge(Math.max(from + counts.length, bin) + 2);
    // Bins grow with the error: a density does not show their steps.
    const densities = Array.from(counts, (count, i) => count / total / (edge(from + i + 1) - edge(from + i)));
    const most = Math.max(1e-9, ...densities);
    const x = {
        label: "L2 error of a trial",
        ticks: ticks(low, high),
        place: (/** @type {number} */ error) => (error - low) / (high - low),
    };
    const y = {
        label: "density, per unit of error",
        ticks: ticks(0, most),
        place: (/** @type {number} */ density) => density / (1.08 * most),
    };
    const frame = new Frame(host, `errors of all trials, with the threshold at ${edge(bin)}`, x, y);
    for (
        const [kind, begin, end] of /** @type {[string, number, number][]} */ ([
            ["bar success", 0, Math.max(0, bin - from)],
            ["bar", Math.max(0, bin - from), counts.length],
        ])
    ) {
        /** @type {[number, number][]} */
        const outline = [];
        for (let i = begin; i < Math.min(end, counts.length); i++) {
            outline.push([edge(from + i), densities[i]], [edge(from + i + 1), densities[i]]);
        }
        if (outline.length === 0) continue;
        frame.area(kind, [[outline[0][0], 0], ...outline, [outline[outline.length - 1][0], 0]]);
    }
    frame.mark(edge(bin), `threshold ${edge(bin).toPrecision(4)}`);
}

/**
 * About five round numbers between two others.
 * @param {number} low
 * @param {number} high
 * @returns {Tick[]}
 */
function ticks(low, high) {
    const raw = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * ([1, 2, 5, 10].find((factor) => factor * unit >= raw) ?? 10);
    const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const first = Math.ceil(low / step), count = Math.floor(high / step) - first + 1;
    return Array.from({ length: Math.max(0, count) }, (_, i) => {
        const at = (first + i) * step;
        return { at, label: at.toFixed(places) };
    });
}
