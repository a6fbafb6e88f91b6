// What the page carries: the decoder, the images' posteriors, the images, and what is to be proven.

import { Breath, yieldOnce } from "retrial/breath.js";

/**
 * @typedef {object} About
 * @property {string} version
 * @property {{ pixels: number, hidden: number, latent: number }} shape
 * @property {number} samples
 * @property {string} seed
 * @property {number} temperature
 * @property {"u8" | "f32"} images
 * @property {{ weights: string, data: string }} model
 * @property {number[]} thresholds
 * @property {{ score: string, pass_at_k: string, pass_at_k_subgroup: string }} shaders
 * @property {{ first: string, trials: number, samples: number[], tolerance: number }} golden
 */

/**
 * @typedef {object} Model
 * @property {About} about
 * @property {number} samples images that take part, from the first on
 * @property {Float32Array} w3 `[hidden, latent]`
 * @property {Float32Array} b3
 * @property {Float32Array} w4 `[pixels, hidden]`
 * @property {Float32Array} b4
 * @property {Float32Array} mu `[samples, latent]`
 * @property {Float32Array} logvar
 * @property {Float32Array} images `[samples, pixels]`
 * @property {Float64Array} golden `[golden samples, golden trials]`
 */

/** Characters decoded at a time; a multiple of 4. */
const CHUNK = 1 << 16;

/**
 * Bytes of a base64 text, in slices.
 * @param {string} text
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function fromBase64(text) {
    const clean = text.trim();
    const padding = clean.endsWith("==") ? 2 : clean.endsWith("=") ? 1 : 0;
    const bytes = new Uint8Array(clean.length / 4 * 3 - padding);
    const breath = new Breath();
    for (let from = 0; from < clean.length; from += CHUNK) {
        const part = atob(clean.slice(from, from + CHUNK));
        const at = from / 4 * 3;
        for (let i = 0; i < part.length; i++) bytes[at + i] = part.charCodeAt(i);
        await breath.take();
    }
    return bytes;
}

/**
 * Reads the blocks of the page, of the first `most` images.
 * @param {(id: string) => string} text
 * @param {number} most
 * @returns {Promise<Model>}
 */
export async function readModel(text, most) {
    /** @type {About} */
    const about = JSON.parse(text("about"));
    const bytes = async (/** @type {string} */ id) => {
        await yieldOnce();
        return (await fromBase64(text(id))).buffer;
    };
    const floats = async (/** @type {string} */ id) => new Float32Array(await bytes(id));
    const images = about.images === "u8" ? unit(new Uint8Array(await bytes("images"))) : await floats("images");
    return {
        about,
        samples: Math.min(about.samples, Math.max(most, ...about.golden.samples.map((sample) => sample + 1))),
        w3: await floats("w3"),
        b3: await floats("b3"),
        w4: await floats("w4"),
        b4: await floats("b4"),
        mu: await floats("mu"),
        logvar: await floats("logvar"),
        images,
        golden: new Float64Array(await bytes("golden")),
    };
}

/**
 * Pixels of bytes, from 0 to 1.
 * @param {Uint8Array} bytes
 */
function unit(bytes) {
    const pixels = new Float32Array(bytes.length);
    for (let i = 0; i < bytes.length; i++) pixels[i] = bytes[i] / 255;
    return pixels;
}

/**
 * `T exp(logvar / 2)`, in f64 and rounded once, as every backend starts from.
 * @param {Float32Array} logvar
 * @param {number} temperature
 */
export function scales(logvar, temperature) {
    return Float32Array.from(logvar, (value) => temperature * Math.exp(0.5 * value));
}
