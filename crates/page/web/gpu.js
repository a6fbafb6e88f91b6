// Sampling on the GPU: windows of trials, cut into submissions of which two are under way, so that the GPU need not wait
// for the host nor the host for the GPU.

import { staging } from "retrial/bindings.js";
import { BATCHES, Kernels, READ } from "retrial/kernels.js";
import { plan } from "retrial/layout.js";
import { scales } from "retrial/model.js";
import { Pace } from "retrial/pace.js";
import { BINS, Tally } from "retrial/tally.js";
import { foldWindow } from "retrial/window.js";

/** How long a window may take, in milliseconds: numbers change at its end. */
const WINDOW = 400;

/** Trials of a window, at most, so that their offsets fit 32 bits with room to spare. */
const LONGEST = 1 << 30;

/** A tile finds so many records, strays and worst trials at most, two a trial and one. */
const FINDS = 257;

/**
 * @typedef {object} Window
 * @property {bigint} first
 * @property {number} trials of each sample
 * @property {number} tiles
 * @property {number} sent tiles
 * @property {number} done tiles
 * @property {Uint32Array[]} found
 */

/**
 * @typedef {object} Flight
 * @property {import("retrial/kernels.js").Slot} slot
 * @property {Window} window
 * @property {number} tiles
 * @property {number} sentAt
 * @property {GPUBuffer} entries
 * @property {GPUBuffer | null} sums of the window, with its last submission
 * @property {Promise<unknown>} mapped
 */

/** Samples a model's trials on a device. */
export class GpuSampler {
    mode = /** @type {const} */ ("webgpu");
    #kernels;
    #seed;
    #tally;
    /** @type {Flight[]} */
    #flights = [];
    /** @type {Window | null} */
    #sending = null;
    #pace = new Pace(2);
    #finished = 0;
    #mostTiles;
    #temperature = 1;
    /** @type {number[]} */
    #bins = [];

    /**
     * @param {Kernels} kernels
     * @param {bigint} seed
     */
    constructor(kernels, seed) {
        this.#kernels = kernels;
        this.#seed = seed;
        this.#tally = new Tally([]);
        this.#mostTiles = kernels.plan.tiles * BATCHES;
    }

    /**
     * @param {import("retrial/device.js").Opened} opened
     * @param {import("retrial/model.js").Model} model
     * @param {bigint} seed
     * @param {number} count of thresholds
     */
    static async create(opened, model, seed, count) {
        const cut = plan(model.about.shape, model.samples, opened.limits);
        return new GpuSampler(await Kernels.create(opened, model, cut, count), seed);
    }

    get kernels() {
        return this.#kernels;
    }

    /** The share of the window that is done. */
    get progress() {
        const window = this.#flights[0]?.window;
        return window ? window.done / window.tiles : 0;
    }

    /**
     * Continues after the trials of a tally. What is under way is forgotten.
     * @param {import("retrial/tally.js").Tally} tally
     * @param {number} temperature
     * @param {number[]} bins whose lower edges are the thresholds
     */
    async begin(tally, temperature, bins) {
        await Promise.all(this.#flights.map((flight) => flight.mapped));
        this.#flights.splice(0).forEach(free);
        this.#sending = null;
        this.#tally = tally;
        this.#temperature = temperature;
        this.#bins = bins;
        this.#kernels.begin(scales(this.#kernels.model.logvar, temperature), tally, bins);
    }

    /**
     * Sends what there is room for and takes one submission back; adds a window to the tally where it was the last of it.
     * @param {bigint} target no new window goes beyond so many trials
     */
    async step(target) {
        while (this.#flights.length < this.#kernels.slots.length) {
            const window = this.#open(target);
            if (window === null) break;
            this.#send(window);
        }
        await this.#land();
    }

    /** Takes back all that is under way. */
    async rest() {
        while (this.#flights.length > 0) await this.#land();
    }

    /** Takes one submission back. */
    async #land() {
        const flight = this.#flights[0];
        if (flight === undefined) return;
        await flight.mapped;
        this.#flights.shift();
        const now = performance.now();
        this.#pace.took(flight.tiles, now - Math.max(flight.sentAt, this.#finished));
        this.#finished = now;
        await this.#take(flight);
        free(flight);
    }

    /**
     * The window that has tiles to send: this one, or the next while this one's last are under way.
     * @param {bigint} target
     */
    #open(target) {
        const last = this.#sending;
        if (last !== null && last.sent < last.tiles) return last;
        const first = last === null ? this.#tally.trials : last.first + BigInt(last.trials);
        const left = target - first;
        if (left <= 0n) return null;
        const { samples } = this.#kernels.model, { trials } = this.#kernels.plan;
        const pieces = Math.max(1, Math.floor(WINDOW * this.#pace.rate / samples));
        const most = Math.min(LONGEST, pieces * trials);
        const length = left < BigInt(most) ? Number(left) : most;
        const tiles = samples * Math.ceil(length / trials);
        this.#sending = { first, trials: length, tiles, sent: 0, done: 0, found: [] };
        return this.#sending;
    }

    /** @param {Window} window */
    #send(window) {
        const { device, plan: cut, slots, read } = this.#kernels;
        const slot = slots.find((slot) => this.#flights.every((flight) => flight.slot !== slot)) ?? slots[0];
        const tiles = this.#pace.next(Math.min(window.tiles - window.sent, this.#mostTiles));
        const batches = [];
        for (let from = 0; from < tiles; from += cut.tiles) {
            const { first, trials, sent } = window;
            batches.push({ first, trials, tile: sent + from, tiles: Math.min(cut.tiles, tiles - from) });
        }
        const encoder = device.createCommandEncoder();
        this.#kernels.encode(encoder, slot, this.#seed, batches);
        const entries = staging(device, 16 + 16 * READ);
        encoder.copyBufferToBuffer(slot.found, 0, entries, 0, entries.size);
        window.sent += tiles;
        let sums = null;
        if (window.sent === window.tiles) {
            sums = staging(device, read.histogram.size + read.counts.size);
            encoder.copyBufferToBuffer(read.histogram, 0, sums, 0, read.histogram.size);
            encoder.copyBufferToBuffer(read.counts, 0, sums, read.histogram.size, read.counts.size);
            this.#kernels.clear(encoder);
        }
        device.queue.submit([encoder.finish()]);
        const mapped = Promise.all([entries, sums].map((buffer) => buffer?.mapAsync(GPUMapMode.READ)));
        mapped.catch(() => {}); // whoever awaits it learns of it
        this.#flights.push({ slot, window, tiles, sentAt: performance.now(), entries, sums, mapped });
    }

    /** @param {Flight} flight */
    async #take({ slot, window, tiles, entries, sums }) {
        const words = new Uint32Array(entries.getMappedRange().slice(0));
        const count = words[0];
        if (count > this.#kernels.room) {
            // More than there is room for: the window is sampled again, in submissions that cannot find so many.
            this.#mostTiles = Math.max(1, Math.floor(this.#kernels.room / FINDS));
            await this.begin(this.#tally, this.#temperature, this.#bins);
            return;
        }
        window.found.push(words.subarray(4, 4 + 4 * Math.min(count, READ)));
        if (count > READ) window.found.push(await this.#more(slot, count - READ));
        window.done += tiles;
        if (sums !== null) {
            const { samples } = this.#kernels.model;
            const all = new Uint32Array(sums.getMappedRange().slice(0));
            foldWindow(this.#tally, window, all.subarray(0, samples * BINS), all.subarray(samples * BINS), this.#bins);
        }
    }

    /**
     * Reads entries beyond the first. No later submission uses this slot yet.
     * @param {import("retrial/kernels.js").Slot} slot
     * @param {number} count
     */
    async #more(slot, count) {
        const { device } = this.#kernels;
        const buffer = staging(device, 16 * count);
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(slot.found, 16 + 16 * READ, buffer, 0, buffer.size);
        device.queue.submit([encoder.finish()]);
        await buffer.mapAsync(GPUMapMode.READ);
        const words = new Uint32Array(buffer.getMappedRange().slice(0));
        buffer.destroy();
        return words;
    }
}

/** @param {Flight} flight */
function free({ entries, sums }) {
    entries.destroy();
    sums?.destroy();
}
