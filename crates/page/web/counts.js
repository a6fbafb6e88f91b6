// 64-bit counters. A Number is exact to 2^53 only, and a BigInt per bin is slow: a pair of words is neither.

/** Counters that start at 0. */
export class Counts {
    #low;
    #high;

    /** @param {number} length */
    constructor(length) {
        this.#low = new Uint32Array(length);
        this.#high = new Uint32Array(length);
    }

    /**
     * @param {number} at
     * @param {number} count below 2^32
     */
    add(at, count) {
        const sum = this.#low[at] + count;
        this.#low[at] = sum; // the low 32 bits
        if (sum >= 2 ** 32) this.#high[at]++;
    }

    /**
     * @param {number} at
     */
    get(at) {
        return (BigInt(this.#high[at]) << 32n) | BigInt(this.#low[at]);
    }

    /**
     * For drawing: exact up to 2^53.
     * @param {number} at
     */
    approximate(at) {
        return this.#high[at] * 2 ** 32 + this.#low[at];
    }

    /**
     * The exact sum of counters `from` to `to`, the latter not among them. Half sums stay below 2^53.
     * @param {number} from
     * @param {number} to
     */
    sum(from, to) {
        let low = 0, high = 0;
        for (let at = from; at < to; at++) {
            low += this.#low[at];
            high += this.#high[at];
        }
        return high === 0 ? BigInt(low) : (BigInt(high) << 32n) + BigInt(low);
    }
}
