// What a visitor takes away: counts that `retrial fit` and `retrial coverage` read, and everything as JSON.

import { edge } from "retrial/tally.js";

/**
 * @typedef {object} Run
 * @property {import("retrial/model.js").About} about
 * @property {bigint} seed
 * @property {number} temperature
 * @property {import("retrial/tally.js").Tally} tally
 * @property {number[]} bins whose lower edges are the thresholds, increasing
 * @property {Record<string, string | number>} adapter
 * @property {string} userAgent
 */

/**
 * One row per image, at one threshold, in the columns of other tables of success counts.
 * @param {Run} run
 * @param {number} bin
 */
export function countsCsv({ tally, temperature }, bin) {
    const rows = tally.rows.map((_, sample) =>
        `VAE at T = ${temperature},error below ${edge(bin)},${sample},${tally.trials},${tally.below(sample, bin)}`
    );
    return ["model,benchmark,problem_id,num_samples,num_correct", ...rows, ""].join("\n");
}

/**
 * A JSON number of an integer beyond what a Number holds is written as a string.
 * @param {bigint} count
 */
const exact = (count) => count <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(count) : count.toString();

/**
 * Everything that is counted.
 * @param {Run} run
 */
export function runJson({ about, seed, temperature, tally, bins, adapter, userAgent }) {
    const [from, to] = tally.occupied();
    const samples = tally.rows.map((_, sample) => sample);
    return {
        retrial: about.version,
        kind: "page",
        model: about.model,
        seed: seed.toString(),
        temperature,
        first: "0",
        end: tally.trials.toString(),
        precision: "f32",
        thresholds: bins.map(edge),
        successes: bins.map((bin) => samples.map((sample) => exact(tally.below(sample, bin)))),
        first_success: bins.map((bin) => tally.rows.map((row) => row.firstSuccess(edge(bin))?.toString() ?? null)),
        histogram: {
            first_bin: from,
            counts: samples.map((sample) => tally.bins(sample, from, to).map(exact)),
        },
        adapter,
        userAgent,
    };
}

/**
 * Hands a text to the visitor as a file.
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function download(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
