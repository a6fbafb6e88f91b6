// The decoder in plain JavaScript, in double precision: the page's own reference, its fallback, and what draws the best
// reconstructions.
//
//   z = mu + scale eps;  h = relu(W3 z + b3);  y = sigmoid(W4 h + b4);  e = ||x - y||

import { tiled } from "retrial/layout.js";
import { scales } from "retrial/model.js";
import { trialNormals } from "retrial/normals.js";

/** Decodes any trial of a model, at any temperature. */
export class Decoder {
    #model;
    #seed;
    /** `W4` by hidden unit, `[hidden, pixels]`: units that are 0 are then left out whole. */
    #columns;
    #scale;
    #noise;
    #hidden;
    #sums;

    /**
     * @param {import("retrial/model.js").Model} model
     * @param {bigint} seed
     * @param {number} temperature
     * @param {Float32Array} columns
     */
    constructor(model, seed, temperature, columns) {
        const { pixels, hidden, latent } = model.about.shape;
        this.#model = model;
        this.#seed = seed;
        this.#columns = columns;
        this.temperature = temperature;
        this.#scale = scales(model.logvar, temperature);
        this.#noise = new Float64Array(latent);
        this.#hidden = new Float64Array(hidden);
        this.#sums = new Float64Array(pixels);
    }

    /**
     * @param {import("retrial/model.js").Model} model
     * @param {bigint} seed
     * @param {number} temperature
     */
    static async create(model, seed, temperature) {
        const { hidden, pixels } = model.about.shape;
        return new Decoder(model, seed, temperature, await tiled(model.w4, hidden, pixels, pixels, hidden));
    }

    /**
     * A decoder of the same model, with another seed and temperature.
     * @param {bigint} seed
     * @param {number} temperature
     */
    alike(seed, temperature) {
        return new Decoder(this.#model, seed, temperature, this.#columns);
    }

    /** @param {number} temperature */
    setTemperature(temperature) {
        this.temperature = temperature;
        this.#scale = scales(this.#model.logvar, temperature);
    }

    /**
     * The image that a trial decodes to. It is overwritten by the next.
     * @param {number} sample
     * @param {bigint} trial
     */
    decode(sample, trial) {
        const { hidden, latent, pixels } = this.#model.about.shape;
        const { w3, b3, b4, mu } = this.#model;
        const z = this.#noise, sums = this.#sums;
        trialNormals(this.#seed, sample, trial, z);
        for (let d = 0; d < latent; d++) z[d] = mu[sample * latent + d] + this.#scale[sample * latent + d] * z[d];
        let alive = 0;
        const units = this.#hidden;
        /** @type {number[]} */
        const rows = [];
        for (let unit = 0; unit < hidden; unit++) {
            let sum = b3[unit];
            for (let d = 0; d < latent; d++) sum += w3[unit * latent + d] * z[d];
            if (sum > 0) {
                rows.push(unit * pixels);
                units[alive++] = sum;
            }
        }
        sums.set(b4);
        let unit = 0;
        for (; unit + 4 <= alive; unit += 4) this.#addFour(rows, unit);
        for (; unit < alive; unit++) {
            for (let pixel = 0; pixel < pixels; pixel++) sums[pixel] += units[unit] * this.#columns[rows[unit] + pixel];
        }
        for (let pixel = 0; pixel < pixels; pixel++) sums[pixel] = 1 / (1 + Math.exp(-sums[pixel]));
        return sums;
    }

    /**
     * Adds four hidden units at once: the sums are then read and written a quarter as often.
     * @param {number[]} rows
     * @param {number} unit
     */
    #addFour(rows, unit) {
        const sums = this.#sums, columns = this.#columns;
        const [r0, r1, r2, r3] = [rows[unit], rows[unit + 1], rows[unit + 2], rows[unit + 3]];
        const h0 = this.#hidden[unit], h1 = this.#hidden[unit + 1];
        const h2 = this.#hidden[unit + 2], h3 = this.#hidden[unit + 3];
        for (let pixel = 0; pixel < sums.length; pixel++) {
            sums[pixel] += h0 * columns[r0 + pixel] + h1 * columns[r1 + pixel] +
                h2 * columns[r2 + pixel] + h3 * columns[r3 + pixel];
        }
    }

    /**
     * The L2 error of a trial.
     * @param {number} sample
     * @param {bigint} trial
     */
    error(sample, trial) {
        const decoded = this.decode(sample, trial);
        const at = sample * decoded.length;
        let sum = 0;
        for (let pixel = 0; pixel < decoded.length; pixel++) {
            const difference = decoded[pixel] - this.#model.images[at + pixel];
            sum += difference * difference;
        }
        return Math.sqrt(sum);
    }
}
