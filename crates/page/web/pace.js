// Sizes of submissions, so that each takes about as long as it may, as crates/wgsl/src/plan.rs: an operating system kills
// a submission that holds a display's GPU for seconds.

/** Longest that a submission may take, in milliseconds. */
const TARGET = 50;

/** How many tiles a submission should have. Starts small and follows the measured times. */
export class Pace {
    #next;
    /** Tiles a millisecond, of the last submissions. */
    rate = 0;

    /** @param {number} first */
    constructor(first) {
        this.#next = first;
    }

    /**
     * Tiles of the next submission, at most `max`.
     * @param {number} max
     */
    next(max) {
        return Math.min(this.#next, max);
    }

    /**
     * Learns that `tiles` took `time` milliseconds. At most doubles, for the first time includes the driver's compilation
     * and a small one says little; aims at 80 % of the target, to stay below it.
     * @param {number} tiles
     * @param {number} time
     */
    took(tiles, time) {
        let rate = tiles / Math.max(time, 1e-3);
        // A submission that waited for the host to look says nothing of the device.
        if (this.rate > 0) rate = Math.min(rate, 2 * this.rate);
        this.rate = this.rate === 0 ? rate : 0.7 * this.rate + 0.3 * rate;
        this.#next = Math.max(1, Math.min(Math.floor(0.8 * TARGET * rate), Math.max(2 * tiles, this.#next)));
    }
}
