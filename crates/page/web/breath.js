// Long work in slices, so that the page stays responsive.

/** Longest that work holds the main thread at a time, in milliseconds. */
export const SLICE = 8;

const channel = new MessageChannel();
/** @type {(() => void)[]} */
const waiting = [];
channel.port1.onmessage = () => waiting.shift()?.();

/** Lets everything else that waits run first. A message is not held back for milliseconds, as a timer is. */
export function yieldOnce() {
    return new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
        waiting.push(resolve);
        channel.port2.postMessage(0);
    });
}

/** The main thread's time, to be given back whenever a slice is over. */
export class Breath {
    #start = performance.now();
    /** The longest slice so far, in milliseconds. */
    static longest = 0;

    /** Whether the slice is over. */
    get due() {
        return performance.now() - this.#start > SLICE;
    }

    /** Lets others run where the slice is over. */
    async take() {
        if (!this.due) return;
        Breath.longest = Math.max(Breath.longest, performance.now() - this.#start);
        await yieldOnce();
        this.#start = performance.now();
    }
}
