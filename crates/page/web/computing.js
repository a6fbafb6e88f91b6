// What computes, and the proof that it may: a GPU where there is one, else JavaScript.

import { openDevice, Unavailable } from "retrial/device.js";
import { JavaScriptSampler } from "retrial/fallback.js";
import { GpuSampler } from "retrial/gpu.js";
import { proveDecoder, proveKernels } from "retrial/proof.js";

/**
 * @typedef {object} Computing
 * @property {GpuSampler | JavaScriptSampler} sampler
 * @property {import("retrial/proof.js").Proof} proof
 * @property {GPUDevice | null} device
 * @property {Record<string, string | number>} adapter for people and exports
 * @property {string} notice why there is no GPU, and what to do about it
 */

/**
 * @typedef {object} Wanted
 * @property {import("retrial/model.js").Model} model
 * @property {bigint} seed
 * @property {number} count of thresholds
 * @property {import("retrial/decoder.js").Decoder} decoder
 * @property {boolean} javascript do without the GPU
 */

/**
 * Opens what computes and proves it.
 * @param {Wanted} wanted
 * @param {(device: GPUDevice) => void} opened is told of a device before it computes
 * @returns {Promise<Computing>}
 */
export async function compute({ model, seed, count, decoder, javascript }, opened) {
    const own = decoder.alike(BigInt(model.about.seed), model.about.temperature);
    const found = javascript ? { notice: "" } : await open(opened);
    if ("notice" in found) {
        const proof = await proveDecoder(model, own);
        const sampler = new JavaScriptSampler(decoder);
        return { sampler, proof, device: null, adapter: { name: "JavaScript" }, notice: found.notice };
    }
    const { device, adapter } = found;
    // JavaScript is proven while the kernels compile.
    const [sampler, proof] = await Promise.all([
        GpuSampler.create(found, model, seed, count),
        proveDecoder(model, own),
    ]);
    const kernels = proof.passed ? await proveKernels(sampler.kernels) : proof;
    return { sampler, proof: kernels, device, adapter, notice: "" };
}

/**
 * A device, or what a visitor can do to have one.
 * @param {(device: GPUDevice) => void} opened
 */
async function open(opened) {
    try {
        const found = await openDevice();
        opened(found.device);
        return found;
    } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        return { notice: `${error.message}. ${error.advice}` };
    }
}
