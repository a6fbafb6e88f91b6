// The experiment as a whole: what phase it is in, what it has counted, and what a visitor may do to it.

import { compute } from "retrial/computing.js";
import { pilot } from "retrial/pilot.js";
import { Rate } from "retrial/rate.js";
import { edge, nearestEdge } from "retrial/tally.js";
import { edgesAt, edgesOf, SHARES } from "retrial/thresholds.js";

/** @typedef {"proving" | "running" | "paused" | "stopped" | "failed" | "lost"} Phase */
/** @typedef {import("retrial/proof.js").Proof} Proof */

/** Trials of each sample at which sampling ends: beyond, not every number has a double. */
const LAST = 2n ** 53n;

/** Sampling, from the proof on. */
export class Experiment {
    /** @type {Phase} */
    phase = "proving";
    /** What went wrong, in words. */
    fault = "";
    /** Why there is no GPU, and what to do about it. */
    notice = "";
    /** @type {Proof | null} */
    proof = null;
    /** @type {import("retrial/tally.js").Tally | null} none before a proof, and after the temperature changed */
    tally = null;
    /** @type {Record<string, string | number>} */
    adapter = {};
    rate = new Rate();
    bins; // at whose lower edges the kernels count too
    /** The bin whose lower edge is the threshold; 0 until errors suggest one. */
    bin = 0;

    /** @type {import("retrial/computing.js").Computing["sampler"] | null} */
    #sampler = null;
    /** @type {GPUDevice | null} */
    #device = null;
    /** Whether the tally is of another temperature, or none. */
    #stale = true;
    /** Whether the sampler must begin again, from the tally. */
    #again = false;
    #looping = false;
    #target = LAST;
    /** @type {(() => void)[]} */
    #reached = [];

    /**
     * @param {import("retrial/model.js").Model} model
     * @param {bigint} seed
     * @param {import("retrial/decoder.js").Decoder} decoder
     * @param {() => void} changed is called after every change
     */
    constructor(model, seed, decoder, changed) {
        this.model = model;
        this.seed = seed;
        this.decoder = decoder;
        this.changed = changed;
        this.temperature = model.about.temperature;
        this.bins = edgesOf(model.about.thresholds);
        if (this.bins.length > 0) this.bin = this.bins[Math.floor(this.bins.length / 2)];
    }

    /** How trials are computed. */
    get mode() {
        return this.#sampler?.mode ?? (this.notice ? "javascript" : "webgpu");
    }

    get threshold() {
        return edge(this.bin);
    }

    /** The share of the window that is done. */
    get progress() {
        return this.#sampler?.progress ?? 0;
    }

    /**
     * Opens the GPU, or does without, and proves what will compute. A tally that is there already goes on.
     * @param {boolean} javascript do without the GPU
     */
    async prove(javascript) {
        this.proof = null;
        this.#sampler = null;
        const old = this.#device;
        this.#device = null; // so that its end is no loss
        old?.destroy();
        this.#set("proving");
        try {
            const early = this.#stale ? this.#restart() : null; // while the kernels compile
            const computing = await compute(
                { ...this, count: this.bins.length || SHARES.length, javascript },
                (device) => this.#watch(device),
            );
            await early;
            if (this.phase !== "proving") return; // the device reported something in the meantime
            this.proof = computing.proof;
            this.adapter = computing.adapter;
            this.notice = computing.notice;
            if (!this.proof.passed) return this.#fail(`The check failed: ${this.proof.faults.join("; ")}.`);
            this.#sampler = computing.sampler;
            if (this.tally) await this.#sampler.begin(this.tally, this.temperature, this.bins);
            this.#set("stopped");
        } catch (error) {
            this.#fail(error);
        }
    }

    /** @param {GPUDevice} device */
    #watch(device) {
        this.#device = device;
        device.lost.then(({ reason, message }) => this.#lost(device, message || reason));
        device.onuncapturederror = ({ error }) => this.#fail(`The GPU reports: ${error.message}`);
    }

    /** Samples on; before the proof has passed, nothing happens. */
    start() {
        if (this.phase !== "stopped" && this.phase !== "paused") return;
        this.rate.reset();
        this.#set("running");
        this.#loop();
    }

    stop() {
        if (this.phase === "running" || this.phase === "paused") this.#set("stopped");
    }

    /** Stops, until the page is seen again. */
    pause() {
        if (this.phase === "running") this.#set("paused");
    }

    /** @param {number} temperature */
    setTemperature(temperature) {
        const most = Math.max(10, this.model.about.temperature);
        if (!(temperature >= 0 && temperature <= most) || temperature === this.temperature) return;
        this.temperature = temperature;
        this.tally = null;
        this.#stale = true;
        this.rate.reset();
        this.changed();
    }

    /** @param {number} threshold is moved to the closest edge */
    setThreshold(threshold) {
        this.bin = nearestEdge(threshold);
        this.changed();
    }

    /**
     * Samples until every image has had so many trials, exactly, and stops.
     * @param {bigint} trials
     */
    async runTo(trials) {
        this.#target = trials;
        this.#again = true; // windows under way may be longer
        const { promise, resolve } = /** @type {PromiseWithResolvers<void>} */ (Promise.withResolvers());
        this.#reached.push(resolve);
        this.start();
        await promise;
    }

    /** Ends the device, as a driver that crashes does. */
    loseDevice = () => this.#device?.destroy();

    async #loop() {
        if (this.#looping) return;
        this.#looping = true;
        try {
            while (this.phase === "running") await this.#turn();
            await this.#sampler?.rest();
            this.changed();
        } catch (error) {
            // A lost device says so itself.
            if (!(await this.#isLost())) this.#fail(error);
        }
        this.#looping = false;
        if (this.phase === "running") this.#loop(); // started again while it came to rest
    }

    async #turn() {
        const sampler = this.#sampler;
        if (sampler === null) return this.stop();
        if (this.#stale) {
            await this.#restart();
            this.#again = true;
        }
        const tally = this.tally;
        if (tally === null) return; // the temperature changed again
        if (this.#again) {
            this.#again = false;
            await sampler.begin(tally, this.temperature, this.bins);
        }
        if (tally.trials >= this.#target) {
            this.#target = LAST;
            this.stop();
            this.#reached.splice(0).forEach((resolve) => resolve());
            return;
        }
        const before = tally.trials;
        await sampler.step(this.#target);
        if (tally.trials !== before) {
            this.rate.add(Number(tally.trials - before) * tally.samples);
            this.changed();
        }
    }

    /** A tally of this temperature, with its first few trials. */
    async #restart() {
        const { temperature } = this;
        this.decoder.setTemperature(temperature);
        const first = await pilot(this.decoder, this.model.samples, () => this.temperature !== temperature);
        if (first === null) return;
        if (this.model.about.thresholds.length === 0) this.bins = edgesAt(first.errors, SHARES);
        this.bin ||= this.bins[0];
        this.tally = first.tally;
        this.#stale = false;
        this.changed();
    }

    /**
     * @param {GPUDevice} device
     * @param {string} message
     */
    #lost(device, message) {
        if (device !== this.#device) return;
        this.#device = null;
        this.#sampler = null;
        this.fault = `The GPU was lost (${message}). Windows that were finished are kept.`;
        this.#set("lost");
    }

    /** Whether the device is lost, once that had time to be told. */
    async #isLost() {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return this.#device === null && this.mode === "webgpu";
    }

    /** @param {unknown} error */
    #fail(error) {
        if (this.phase === "lost") return;
        this.fault = error instanceof Error ? error.message : `${error}`;
        this.#set("failed");
    }

    /** @param {Phase} phase */
    #set(phase) {
        this.phase = phase;
        this.changed();
    }
}
