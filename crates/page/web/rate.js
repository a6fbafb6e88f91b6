// Trials a second, of the last few seconds.

/** How far back, in milliseconds. */
const SPAN = 5000;

export class Rate {
    /** @type {{ at: number, trials: number }[]} */
    #marks = [];

    /** Starts to measure: what was done before, and the time since, do not count. */
    reset() {
        this.#marks = [{ at: performance.now(), trials: 0 }];
    }

    /** @param {number} trials that were done since the last time */
    add(trials) {
        const at = performance.now();
        this.#marks.push({ at, trials });
        while (this.#marks.length > 2 && at - this.#marks[1].at > SPAN) this.#marks.shift();
    }

    /** Trials a second; 0 where none were done yet. */
    get value() {
        const [first, ...later] = this.#marks;
        if (later.length === 0) return 0;
        const trials = later.reduce((sum, mark) => sum + mark.trials, 0);
        return 1000 * trials / Math.max(1, later[later.length - 1].at - first.at);
    }
}
