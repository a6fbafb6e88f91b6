// What a device says of a window of trials, checked against itself and added to a tally.

import { BINS, ofBits } from "retrial/tally.js";

/** Kinds of entries, as in shaders/pass_at_k.wgsl. */
export const RECORD = 0;
export const STRAY = 1;
export const WORST = 2;

const INFINITE = 0x7f800000;

/**
 * Adds a window to a tally; throws, and adds nothing, where its sums do not agree.
 * @param {import("retrial/tally.js").Tally} tally
 * @param {{ first: bigint, trials: number, found: Uint32Array[] }} window
 * @param {Uint32Array} histograms `[samples, BINS]`
 * @param {Uint32Array} counts `[samples, thresholds]`, by bucket
 * @param {number[]} bins whose lower edges are the thresholds
 */
export function foldWindow(tally, window, histograms, counts, bins) {
    const entries = window.found.flatMap((words) =>
        Array.from({ length: words.length / 4 }, (_, i) => {
            const [sample, trial, bits, kind] = words.subarray(4 * i, 4 * i + 4);
            return { sample, trial, bits, kind };
        })
    );
    const strays = entries.filter((entry) => entry.kind === STRAY);
    const broken = strays.find(({ bits }) => bits >= INFINITE);
    if (broken) throw new Error(`the GPU made an error of image ${broken.sample} that is no finite number`);
    for (let sample = 0; sample < tally.samples; sample++) {
        const beyond = strays.filter((stray) => stray.sample === sample).map(({ bits }) => bits >>> 16);
        const histogram = histograms.subarray(sample * BINS, (sample + 1) * BINS);
        let counted = 0, below = 0, at = 0;
        bins.forEach((bin, t) => {
            counted += counts[sample * bins.length + t];
            while (at < Math.min(BINS, bin - tally.firstBins[sample])) below += histogram[at++];
            const all = below + beyond.filter((stray) => stray < bin).length;
            if (counted !== all) throw new Error(`the GPU counted ${counted} and ${all} successes of image ${sample}`);
        });
        let total = below + beyond.length;
        while (at < BINS) total += histogram[at++];
        if (total !== window.trials) {
            throw new Error(`the GPU counted ${total} of ${window.trials} trials of image ${sample}`);
        }
    }
    tally.addBins(histograms);
    for (const { sample, trial, bits, kind } of entries) {
        const row = tally.rows[sample], at = window.first + BigInt(trial), error = ofBits(bits);
        if (kind === STRAY) row.addStray(bits >>> 16);
        if (kind === RECORD) row.addCandidate(at, error);
        if (kind === WORST) row.addWorst(at, error);
    }
    tally.trials = window.first + BigInt(window.trials);
}
