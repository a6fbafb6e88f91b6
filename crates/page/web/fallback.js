// Sampling without a GPU: the same trials in plain JavaScript, a slice at a time.

import { Breath } from "retrial/breath.js";
import { addErrors } from "retrial/pilot.js";
import { Tally } from "retrial/tally.js";

/** How long a window may take, in milliseconds: numbers change at its end. */
const WINDOW = 500;

/** Samples a model's trials on the main thread. */
export class JavaScriptSampler {
    mode = /** @type {const} */ ("javascript");
    #decoder;
    #tally = new Tally([]);
    #errors = new Float32Array();
    #done = 0;
    /** Trials a millisecond, of all samples together. */
    #rate = 1;

    /** @param {import("retrial/decoder.js").Decoder} decoder whose temperature the caller sets */
    constructor(decoder) {
        this.#decoder = decoder;
    }

    /** The share of the window that is done. */
    get progress() {
        return this.#errors.length > 0 ? this.#done / this.#errors.length : 0;
    }

    /**
     * Continues after the trials of a tally.
     * @param {Tally} tally
     */
    begin(tally) {
        this.#tally = tally;
        this.#errors = new Float32Array();
        this.#done = 0;
    }

    /** Nothing is under way between two slices. */
    async rest() {}

    /**
     * Computes for a slice; adds a window to the tally where it ends in it.
     * @param {bigint} target no new window goes beyond so many trials
     */
    async step(target) {
        const { samples, trials: first } = this.#tally;
        if (this.#errors.length === 0) {
            const most = Math.max(1, Math.floor(WINDOW * this.#rate / samples)), left = target - first;
            if (left <= 0n) return;
            this.#errors = new Float32Array(samples * (left < BigInt(most) ? Number(left) : most));
        }
        const trials = this.#errors.length / samples;
        const breath = new Breath(), start = performance.now(), before = this.#done;
        while (this.#done < this.#errors.length && !breath.due) {
            const at = this.#done++;
            this.#errors[at] = this.#decoder.error(Math.floor(at / trials), first + BigInt(at % trials));
        }
        this.#rate = (this.#done - before) / Math.max(performance.now() - start, 1e-3);
        if (this.#done === this.#errors.length) {
            addErrors(this.#tally, this.#errors, trials);
            this.begin(this.#tally);
        }
        await breath.take();
    }
}
