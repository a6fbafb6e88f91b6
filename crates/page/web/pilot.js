// The first few trials of every sample, by JavaScript: they place the bins of the histograms, and there is something to
// see while a GPU is still small or slow.

import { Breath } from "retrial/breath.js";
import { firstBin, Tally } from "retrial/tally.js";

/** Trials of each sample. */
export const PILOT = 2;

/**
 * Errors `[samples, trials]` from trial `first` on; null where `cancelled` says so.
 * @param {import("retrial/decoder.js").Decoder} decoder
 * @param {number} samples
 * @param {bigint} first
 * @param {number} trials
 * @param {() => boolean} cancelled
 */
export async function errorsOf(decoder, samples, first, trials, cancelled) {
    const errors = new Float32Array(samples * trials);
    const breath = new Breath();
    for (let at = 0; at < errors.length; at++) {
        errors[at] = decoder.error(Math.floor(at / trials), first + BigInt(at % trials));
        await breath.take();
        if (cancelled()) return null;
    }
    return errors;
}

/**
 * The errors of the first few trials, and their tally; null where `cancelled` says so.
 * @param {import("retrial/decoder.js").Decoder} decoder
 * @param {number} samples
 * @param {() => boolean} cancelled
 */
export async function pilot(decoder, samples, cancelled) {
    const errors = await errorsOf(decoder, samples, 0n, PILOT, cancelled);
    if (errors === null) return null;
    const firstBins = Array.from(
        { length: samples },
        (_, n) => firstBin(errors.subarray(n * PILOT, (n + 1) * PILOT)),
    );
    const tally = new Tally(firstBins);
    addErrors(tally, errors, PILOT);
    return { errors, tally };
}

/**
 * Adds the next trials of every sample.
 * @param {Tally} tally
 * @param {Float32Array} errors `[samples, trials]`
 * @param {number} trials
 */
export function addErrors(tally, errors, trials) {
    errors.forEach((error, at) => {
        tally.add(Math.floor(at / trials), tally.trials + BigInt(at % trials), error);
    });
    tally.trials += BigInt(trials);
}
