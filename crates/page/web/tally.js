// What is kept of all trials, as crates/spec/src/tally.rs: per sample a histogram on the bfloat16 grid, the running minima
// and the worst. It answers every threshold: counts at any edge of the grid, first successes at any threshold at all.

import { Counts } from "retrial/counts.js";

/** Bins of a sample's histogram, four octaves; errors outside of them are kept one by one. */
export const BINS = 512;

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/**
 * Bits of an f32, whose order is that of non-negative numbers.
 * @param {number} error
 */
export function bitsOf(error) {
    float[0] = error + 0; // which makes a 0 of -0
    return word[0];
}

/**
 * The f32 of these bits.
 * @param {number} bits
 */
export function ofBits(bits) {
    word[0] = bits;
    return float[0];
}

/**
 * The bin of an error: its upper 16 bits.
 * @param {number} error
 */
export const binOf = (error) => bitsOf(error) >>> 16;

/**
 * Lower edge of a bin, which is also the upper edge of the bin before.
 * @param {number} bin
 */
export const edge = (bin) => ofBits(bin << 16 >>> 0);

/**
 * The bin whose lower edge is closest to a threshold.
 * @param {number} threshold
 */
export function nearestEdge(threshold) {
    const bin = binOf(threshold);
    return threshold - edge(bin) <= edge(bin + 1) - threshold ? bin : bin + 1;
}

/**
 * The first of BINS bins, four octaves, around some errors.
 * @param {Iterable<number>} errors
 */
export function firstBin(errors) {
    let low = 0x7f80, high = 0;
    for (const error of errors) {
        const bin = binOf(error);
        low = Math.min(low, bin);
        high = Math.max(high, bin);
    }
    return Math.max(0, Math.floor((low + high) / 2) - BINS / 2);
}

/** @typedef {{ trial: bigint, error: number }} Found a trial and its error, an f32 */

/** What is kept of one sample beside its histogram. */
export class Row {
    /** @type {Found[]} the trials that beat all before them */
    records = [];
    /** @type {Found | null} the earliest of the largest errors */
    worst = null;
    /** @type {Map<number, bigint>} counts of bins outside of the histogram */
    strays = new Map();

    /**
     * Keeps a trial if it is a running minimum, in whatever order trials arrive.
     * @param {bigint} trial
     * @param {number} error
     */
    addCandidate(trial, error) {
        const records = this.records;
        let at = records.length;
        while (at > 0 && records[at - 1].trial >= trial) at--;
        if (at > 0 && records[at - 1].error <= error) return;
        let beaten = 0;
        while (at + beaten < records.length && records[at + beaten].error >= error) beaten++;
        records.splice(at, beaten, { trial, error });
    }

    /**
     * Keeps a trial if it is the worst so far, in whatever order trials arrive.
     * @param {bigint} trial
     * @param {number} error
     */
    addWorst(trial, error) {
        const worst = this.worst;
        if (worst === null || error > worst.error || (error === worst.error && trial < worst.trial)) {
            this.worst = { trial, error };
        }
    }

    /** @param {number} bin */
    addStray(bin) {
        this.strays.set(bin, (this.strays.get(bin) ?? 0n) + 1n);
    }

    /**
     * The first trial below a threshold, or null: it is the first record below.
     * @param {number} threshold
     */
    firstSuccess(threshold) {
        return this.records.find((record) => record.error < threshold)?.trial ?? null;
    }

    /** The least error and its trial, the earliest among equals. */
    get best() {
        return this.records.at(-1) ?? null;
    }
}

/** The summary of trials 0 to `trials` of every sample. */
export class Tally {
    trials = 0n;
    rows;
    firstBins;
    #histogram;

    /** @param {ArrayLike<number>} firstBins the first of the bins of each sample */
    constructor(firstBins) {
        this.firstBins = Uint32Array.from(firstBins);
        this.rows = Array.from(firstBins, () => new Row());
        this.#histogram = new Counts(BINS * firstBins.length);
    }

    /** The number of samples. */
    get samples() {
        return this.rows.length;
    }

    /**
     * Adds one error; the caller counts the trials.
     * @param {number} sample
     * @param {bigint} trial
     * @param {number} error an f32
     */
    add(sample, trial, error) {
        const row = this.rows[sample];
        const bin = binOf(error);
        const at = bin - this.firstBins[sample];
        if (at >= 0 && at < BINS) this.#histogram.add(sample * BINS + at, 1);
        else row.addStray(bin);
        row.addCandidate(trial, error);
        row.addWorst(trial, error);
    }

    /**
     * Adds histograms `[samples, BINS]`.
     * @param {Uint32Array} counts
     */
    addBins(counts) {
        for (let at = 0; at < counts.length; at++) {
            if (counts[at] > 0) this.#histogram.add(at, counts[at]);
        }
    }

    /**
     * Errors of a sample below the lower edge of a bin, exactly.
     * @param {number} sample
     * @param {number} bin
     */
    below(sample, bin) {
        const [from, to] = this.#reach(sample);
        const end = Math.min(to, bin - this.firstBins[sample]);
        let sum = from < end ? this.#histogram.sum(sample * BINS + from, sample * BINS + end) : 0n;
        for (const [stray, count] of this.rows[sample].strays) if (stray < bin) sum += count;
        return sum;
    }

    /**
     * Where in a sample's histogram there can be counts, as `[from, to]`; the latter is not among them.
     * @param {number} sample
     */
    #reach(sample) {
        const { best, worst } = this.rows[sample], first = this.firstBins[sample];
        if (best === null || worst === null) return [0, 0];
        return [Math.max(0, binOf(best.error) - first), Math.min(BINS, binOf(worst.error) + 1 - first)];
    }

    /**
     * The histogram of a sample from bin `from` up to `to`.
     * @param {number} sample
     * @param {number} from
     * @param {number} to
     * @returns {bigint[]}
     */
    bins(sample, from, to) {
        return Array.from({ length: to - from }, (_, i) => {
            const bin = from + i, at = bin - this.firstBins[sample];
            if (at >= 0 && at < BINS) return this.#histogram.get(sample * BINS + at);
            return this.rows[sample].strays.get(bin) ?? 0n;
        });
    }

    /** The bins from the first to the last that any sample occupies, as `[from, to]`; the latter is not among them. */
    occupied() {
        let from = 0x7f80, to = 0;
        for (const { best, worst } of this.rows) {
            if (best) from = Math.min(from, binOf(best.error));
            if (worst) to = Math.max(to, binOf(worst.error) + 1);
        }
        return from < to ? [from, to] : [0, 0];
    }

    /** The histogram of all samples together, from the first bin of `occupied` on, for drawing. */
    pooled() {
        const [from, to] = this.occupied();
        const counts = new Float64Array(to - from);
        this.rows.forEach((row, sample) => {
            const first = this.firstBins[sample];
            const [begin, end] = this.#reach(sample);
            for (let at = begin; at < end; at++) {
                counts[first + at - from] += this.#histogram.approximate(sample * BINS + at);
            }
            for (const [bin, count] of row.strays) counts[bin - from] += Number(count);
        });
        return { from, counts };
    }
}
