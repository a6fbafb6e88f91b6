// What follows from the counts at a threshold: the curve with its band, and Eq. 8. It takes tens of milliseconds, so it is
// made in slices, of the newest counts, while older ones are shown.

import { Breath } from "retrial/breath.js";
import { cells, coverage, curve, fittingGrid, logGrid } from "retrial/coverage.js";
import { fitEq8 } from "retrial/eq8.js";

/** Points of the curve per factor of ten. */
const PER_DECADE = 10;

/** @typedef {import("retrial/tally.js").Tally} Tally */
/** @typedef {{ points: import("retrial/coverage.js").Point[], law: import("retrial/eq8.js").Eq8 | null }} Result */

/** @type {Result} */
const NOTHING = { points: [], law: null };

export class Analysis {
    /** @type {Result} */
    result = NOTHING;
    #changed;
    #busy = false;
    /** What was asked for last. */
    #wanted = { tally: /** @type {Tally | null} */ (null), bin: 0, trials: 0n };

    /** @param {() => void} changed is called after every result */
    constructor(changed) {
        this.#changed = changed;
    }

    /**
     * Follows a tally at a threshold, the lower edge of a bin.
     * @param {Tally | null} tally
     * @param {number} bin
     */
    async follow(tally, bin) {
        const { tally: before, bin: old, trials } = this.#wanted;
        if (before === tally && old === bin && trials === (tally?.trials ?? 0n)) return;
        this.#wanted = { tally, bin, trials: tally?.trials ?? 0n };
        if (before !== tally) this.result = NOTHING;
        if (this.#busy) return;
        this.#busy = true;
        try {
            let wanted = null;
            while (wanted !== this.#wanted) {
                wanted = this.#wanted;
                const result = wanted.tally ? await inSlices(analyse(wanted.tally, wanted.bin)) : NOTHING;
                // Of another threshold of the same trials, or fewer trials, it still is what was true a moment ago.
                if (wanted.tally === this.#wanted.tally) this.result = result;
                this.#changed();
            }
        } finally {
            this.#busy = false;
        }
    }
}

/**
 * @param {Tally} tally
 * @param {number} bin
 * @returns {Generator<undefined, Result>}
 */
function* analyse(tally, bin) {
    const n = Number(tally.trials);
    const of = cells(tally.rows.map((_, sample) => Number(tally.below(sample, bin))));
    yield;
    const points = yield* curve(n, of, logGrid(n, PER_DECADE));
    const law = yield* fitEq8(fittingGrid(n).map((k) => ({ k, value: coverage(n, of, k) })));
    return { points, law };
}

/**
 * Runs a generator to its end, and lets others run whenever a slice is over.
 * @template T
 * @param {Generator<undefined, T>} work
 */
async function inSlices(work) {
    const breath = new Breath();
    let step = work.next();
    while (!step.done) {
        await breath.take();
        step = work.next();
    }
    return step.value;
}
