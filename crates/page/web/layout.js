// How a model is laid out for the kernels of shaders/score.wgsl. Pure arithmetic, as crates/wgsl/src/plan.rs.

import { Breath } from "retrial/breath.js";
import { BINS } from "retrial/tally.js";

/** A bias that makes a padding pixel exactly 0, so that it adds nothing to an error against 0. */
export const DARK = -1e30;

/** Bytes that the hidden units of one batch of tiles may take: enough tiles to fill any GPU several times over. */
const HIDDEN_BYTES = 64 << 20;

/**
 * @typedef {object} Plan
 * @property {number} tx threads across trials
 * @property {number} ty threads across pixels
 * @property {number} depth hidden units in workgroup memory
 * @property {number} lanes trials of a workgroup of `hidden`
 * @property {number} stages
 * @property {number} trials of a tile
 * @property {number} hidden units, padded to whole steps
 * @property {number} pixels padded to whole tiles
 * @property {number} tiles of a batch, at most
 */

/**
 * @param {number} n
 * @param {number} step
 */
const multiple = (n, step) => Math.ceil(n / step) * step;

/**
 * Bytes of workgroup memory of `score`.
 * @param {number} tx
 * @param {number} ty
 * @param {number} depth
 * @param {number} stages
 */
export const workgroupBytes = (tx, ty, depth, stages) => 32 * depth * (tx + ty) * stages + 32 * tx;

/**
 * The tile with the least padding of pixels, and among those with the most threads. A software adapter gets little workgroup
 * memory: browsers zero it, and some such adapters compile a store for each word of it.
 * @param {{ pixels: number, hidden: number, latent: number }} shape
 * @param {number} samples
 * @param {{ workgroupMemory: number, invocations: number, binding: number, software: boolean }} limits
 * @returns {Plan}
 */
export function plan(shape, samples, limits) {
    const [tx, lanes] = limits.software ? [8, 16] : [16, 32];
    const fitting = [16, 15, 14, 13, 12, 11, 10, 9, 8]
        .flatMap((ty) => (limits.software ? [8] : [16, 8]).map((depth) => ({ ty, depth })))
        .filter(({ ty, depth }) =>
            tx * ty <= limits.invocations && workgroupBytes(tx, ty, depth, 1) <= limits.workgroupMemory
        )
        .map((tile) => ({ ...tile, padded: multiple(shape.pixels, 8 * tile.ty) }));
    const least = Math.min(...fitting.map((tile) => tile.padded));
    const best = fitting.find((tile) => tile.padded === least);
    if (best === undefined || 4 * lanes * shape.latent > limits.workgroupMemory) {
        throw new Error(`workgroups of ${limits.invocations} with ${limits.workgroupMemory} bytes are too small`);
    }
    const { ty, depth } = best;
    const two = !limits.software && workgroupBytes(tx, ty, depth, 2) <= limits.workgroupMemory;
    const trials = 8 * tx, hidden = multiple(shape.hidden, 16), pixels = least;
    const tiles = Math.floor(Math.min(HIDDEN_BYTES, limits.binding) / (4 * trials * hidden));
    const largest = Math.max(hidden * pixels, samples * Math.max(pixels, shape.latent, BINS));
    if (4 * largest > limits.binding || tiles < 1) {
        throw new Error(`buffers of ${limits.binding} bytes are too small`);
    }
    return { tx, ty, depth, lanes, stages: two ? 2 : 1, trials, hidden, pixels, tiles };
}

/**
 * Weights `[outputs, inputs]` as `[padded outputs / rows, padded inputs, rows]`, padded with zeros.
 * @param {Float32Array} weight
 * @param {number} inputs
 * @param {number} rows
 * @param {number} paddedOutputs
 * @param {number} paddedInputs
 */
export async function tiled(weight, inputs, rows, paddedOutputs, paddedInputs) {
    const out = new Float32Array(paddedOutputs * paddedInputs);
    const breath = new Breath();
    for (let output = 0; output * inputs < weight.length; output++) {
        const block = Math.floor(output / rows) * rows * paddedInputs + output % rows;
        for (let input = 0; input < inputs; input++) out[block + input * rows] = weight[output * inputs + input];
        await breath.take();
    }
    return out;
}

/**
 * Values padded to a length.
 * @param {Float32Array} values
 * @param {number} length
 * @param {number} padding
 */
export function padded(values, length, padding) {
    const out = new Float32Array(length).fill(padding);
    out.set(values);
    return out;
}

/**
 * Images with their rows padded with zeros.
 * @param {Float32Array} images
 * @param {number} samples
 * @param {number} pixels
 * @param {number} paddedPixels
 */
export function paddedRows(images, samples, pixels, paddedPixels) {
    const out = new Float32Array(samples * paddedPixels);
    for (let n = 0; n < samples; n++) out.set(images.subarray(n * pixels, (n + 1) * pixels), n * paddedPixels);
    return out;
}
