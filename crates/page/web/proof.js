// The page proves itself before it shows a number: on trials whose errors a slow double-precision reference computed, and
// whose counter crosses 2^32.

import { Breath } from "retrial/breath.js";
import { staging } from "retrial/bindings.js";
import { READ } from "retrial/kernels.js";
import { scales } from "retrial/model.js";
import { BINS, edge, firstBin, Tally } from "retrial/tally.js";
import { edgesAt, SHARES } from "retrial/thresholds.js";
import { foldWindow } from "retrial/window.js";

/**
 * @typedef {object} Proof
 * @property {boolean} passed
 * @property {number} errors how many were compared
 * @property {number} worst largest relative error
 * @property {number} bound that it must not exceed
 * @property {string[]} faults in words
 */

/**
 * Compares errors `[golden samples][golden trials]` with the reference.
 * @param {import("retrial/model.js").Model} model
 * @param {ArrayLike<number>[]} errors
 * @param {string[]} faults of another kind
 * @returns {Proof}
 */
export function compare(model, errors, faults) {
    const { trials, tolerance, samples } = model.about.golden;
    let worst = 0;
    errors.forEach((row, s) => {
        for (let j = 0; j < trials; j++) {
            const wanted = model.golden[s * trials + j];
            const off = Math.abs(row[j] - wanted) / wanted;
            worst = off <= worst ? worst : Number.isFinite(off) ? off : Infinity;
        }
    });
    const all = worst <= tolerance ? faults : ["errors differ from the reference by more than rounding", ...faults];
    return { passed: all.length === 0, errors: samples.length * trials, worst, bound: tolerance, faults: all };
}

/**
 * Proves the JavaScript sampler: its errors against the reference, and its tally against a plain count.
 * @param {import("retrial/model.js").Model} model
 * @param {import("retrial/decoder.js").Decoder} decoder of the model's own seed and temperature
 */
export async function proveDecoder(model, decoder) {
    const { first, trials, samples } = model.about.golden;
    const breath = new Breath();
    const errors = [], faults = [];
    for (const sample of samples) {
        const row = new Float32Array(trials);
        const tally = new Tally([firstBin(model.golden)]);
        for (let j = 0; j < trials; j++) {
            const trial = BigInt(first) + BigInt(j);
            row[j] = decoder.error(sample, trial);
            tally.add(0, trial, row[j]);
            await breath.take();
        }
        errors.push(row);
        const bins = edgesAt(row, SHARES);
        const wrong = bins.some((bin) =>
            Number(tally.below(0, bin)) !== row.filter((error) => error < edge(bin)).length
        );
        if (wrong) faults.push(`the tally of image ${sample} is not that of its errors`);
    }
    return compare(model, errors, faults);
}

/**
 * Proves the kernels: their errors against the reference, and what they tally against what JavaScript tallies of the same
 * errors.
 * @param {import("retrial/kernels.js").Kernels} kernels
 */
export async function proveKernels(kernels) {
    const { model, count } = kernels;
    const { first, trials, samples } = model.about.golden;
    const scale = scales(model.logvar, model.about.temperature);
    const errors = [], faults = [];
    for (const [s, sample] of samples.entries()) {
        const golden = model.golden.subarray(s * trials, (s + 1) * trials);
        const from = firstBin(golden);
        const bins = edgesAt(golden, Array.from({ length: count }, (_, i) => (i + 1) / (count + 1)));
        kernels.begin(scale, new Tally(new Uint32Array(model.samples).fill(from)), bins);
        const read = await run(kernels, sample);
        errors.push(read.errors);
        const host = new Tally([from]), device = new Tally([from]);
        read.errors.forEach((error, j) => host.add(0, BigInt(first) + BigInt(j), error));
        try {
            const window = { first: BigInt(first), trials, found: read.found };
            foldWindow(device, window, read.histogram, read.counts, bins);
            if (!alike(host, device)) faults.push(`the tally of image ${sample} is not that of its errors`);
        } catch (error) {
            faults.push(/** @type {Error} */ (error).message);
        }
    }
    return compare(model, errors, faults);
}

/**
 * Samples, scores and tallies the golden trials of one sample, and reads everything back, as of the only sample.
 * @param {import("retrial/kernels.js").Kernels} kernels
 * @param {number} sample
 */
async function run(kernels, sample) {
    const { device, plan, model, count, read, slots: [slot] } = kernels;
    const { golden, seed } = model.about;
    const sources = [read.errors, slot.found, read.histogram, read.counts];
    const sizes = [4 * plan.trials, 16 + 16 * READ, read.histogram.size, read.counts.size];
    /** @type {number[]} */
    const errors = [];
    /** @type {Uint32Array[]} */
    const found = [];
    let histogram = new Uint32Array(), counts = new Uint32Array();
    for (let piece = 0; piece * plan.trials < golden.trials; piece++) {
        // The tiles of one sample lie as far apart as there are samples: each is a batch of its own.
        const tile = piece * model.samples + sample;
        const batch = { first: BigInt(golden.first), trials: golden.trials, tile, tiles: 1 };
        const buffers = sizes.map((size) => staging(device, size));
        const encoder = device.createCommandEncoder();
        kernels.encode(encoder, slot, BigInt(seed), [batch]);
        sources.forEach((source, i) => encoder.copyBufferToBuffer(source, 0, buffers[i], 0, sizes[i]));
        device.queue.submit([encoder.finish()]);
        await Promise.all(buffers.map((buffer) => buffer.mapAsync(GPUMapMode.READ)));
        const words = buffers.map((buffer) => new Uint32Array(buffer.getMappedRange().slice(0)));
        buffers.forEach((buffer) => buffer.destroy());
        errors.push(...new Float32Array(words[0].buffer));
        const entries = words[1].slice(4, 4 + 4 * Math.min(words[1][0], READ));
        for (let at = 0; at < entries.length; at += 4) entries[at] -= sample;
        found.push(entries);
        histogram = words[2].subarray(sample * BINS, (sample + 1) * BINS);
        counts = words[3].subarray(sample * count, (sample + 1) * count);
    }
    return { errors: errors.slice(0, golden.trials), found, histogram, counts };
}

/**
 * Whether two tallies of one sample hold the same.
 * @param {Tally} a
 * @param {Tally} b
 */
function alike(a, b) {
    const told = (/** @type {Tally} */ tally) => {
        const [from, to] = tally.occupied();
        const { records, worst } = tally.rows[0];
        const trials = [...records, worst].map((found) => `${found?.trial}: ${found?.error}`);
        return [from, to, ...tally.bins(0, from, to), ...trials].join();
    };
    return told(a) === told(b);
}
