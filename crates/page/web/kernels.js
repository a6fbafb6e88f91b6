// The kernels of shaders/score.wgsl and shaders/pass_at_k.wgsl on a device: pipelines, buffers, and one batch of tiles.

import { groupOf, layoutOf, storage } from "retrial/bindings.js";
import { DARK, padded, paddedRows, tiled } from "retrial/layout.js";
import { BINS, bitsOf, edge } from "retrial/tally.js";
import { halves } from "retrial/philox.js";

/** Batches of one submission, at most. Each has two blocks of parameters, as far apart as any device wants them. */
export const BATCHES = 32;
const APART = 256;

/** Entries that `found` holds, and those that are read without a look at their number. */
const ROOM = 1 << 16;
export const READ = 1 << 10;

/** @typedef {{ first: bigint, trials: number, tile: number, tiles: number }} Batch tiles of a window, from `tile` on */
/** @typedef {{ params: GPUBuffer, found: GPUBuffer, groups: Record<string, GPUBindGroup> }} Slot */

/** A model on a device. */
export class Kernels {
    /** @type {Record<string, GPUComputePipeline>} */
    #pipelines = {};
    /** @type {Record<string, GPUBuffer>} */
    #buffers = {};
    /** @type {Slot[]} */
    slots = [];
    /** Entries that a submission may find. */
    room = ROOM;

    /**
     * @param {GPUDevice} device
     * @param {import("retrial/model.js").Model} model
     * @param {import("retrial/layout.js").Plan} plan
     * @param {number} count of thresholds
     */
    constructor(device, model, plan, count) {
        this.device = device;
        this.plan = plan;
        this.model = model;
        this.count = count;
    }

    /**
     * Compiles the kernels and uploads the model.
     * @param {import("retrial/device.js").Opened} opened
     * @param {import("retrial/model.js").Model} model
     * @param {import("retrial/layout.js").Plan} plan
     * @param {number} count
     */
    static async create(opened, model, plan, count) {
        const kernels = new Kernels(opened.device, model, plan, count);
        const compiling = kernels.#compile(opened.subgroups);
        await kernels.#upload();
        await compiling;
        kernels.slots = [0, 1].map(() => kernels.#slot());
        return kernels;
    }

    /** @param {boolean} subgroups */
    async #compile(subgroups) {
        const { device, plan, model: { about } } = this;
        const score = device.createShaderModule({ code: about.shaders.score });
        const tally = device.createShaderModule({
            code: subgroups ? about.shaders.pass_at_k_subgroup : about.shaders.pass_at_k,
        });
        const SKIP = 1, PASS = 0;
        const { tx: TX, ty: TY, depth: DEPTH, lanes: LANES, stages: STAGES } = plan;
        /** @type {[string, GPUShaderModule, Record<string, number>][]} */
        const entries = [
            ["hidden", score, { LATENT: about.shape.latent, LANES, TX, SKIP, PASS }],
            ["alive", score, { DEPTH }],
            ["score", score, { TX, TY, DEPTH, STAGES, SKIP, PASS }],
            ["pass_at_k", tally, { TRIALS: plan.trials, BINS, THRESHOLDS: this.count }],
        ];
        const compiling = entries.map(async ([entryPoint, module, constants]) => {
            const layout = device.createPipelineLayout({ bindGroupLayouts: [layoutOf(device, entryPoint)] });
            const described = { layout, compute: { module, entryPoint, constants } };
            this.#pipelines[entryPoint] = await device.createComputePipelineAsync(described);
        });
        try {
            await Promise.all(compiling);
        } catch (error) {
            // What is wrong with a text, the module knows better than the pipeline.
            const told = await Promise.all([score, tally].map((module) => module.getCompilationInfo()));
            const said = told.flatMap(({ messages }) => messages).find(({ type }) => type === "error");
            throw said ? new Error(`The browser refuses line ${said.lineNum} of a shader: ${said.message}.`) : error;
        }
    }

    async #upload() {
        const { model, plan, device, count } = this;
        const { latent, hidden, pixels } = model.about.shape;
        const { samples } = model;
        const w3 = await tiled(model.w3, latent, 8, plan.hidden, latent);
        const w4 = await tiled(model.w4, hidden, 8 * plan.ty, plan.pixels, plan.hidden);
        const lanes = plan.tiles * plan.trials;
        /** Sizes in bytes of what the host does not write. @type {Record<string, number>} */
        const empty = {
            scale: 4 * samples * latent,
            h: 4 * lanes * plan.hidden,
            flags: 4 * plan.tiles * Math.ceil(plan.hidden / 32),
            units: 4 * plan.tiles * (1 + plan.hidden),
            errors: 4 * lanes,
            thresholds: 4 * count,
            counts: 4 * samples * count,
            histogram: 4 * samples * BINS,
            bins: 4 * samples,
            before: 8 * samples,
            after: 8 * samples,
            // Bound where a pass that is not run would read or write.
            unread: 16,
            unwritten: 16,
        };
        for (const [name, size] of Object.entries(empty)) this.#buffers[name] = storage(device, size);
        const given = {
            mu: model.mu.subarray(0, samples * latent),
            w3,
            b3: padded(model.b3, plan.hidden, 0),
            w4,
            b4: padded(model.b4, plan.pixels, DARK),
            images: paddedRows(model.images, samples, pixels, plan.pixels),
        };
        for (const [name, values] of Object.entries(given)) {
            this.#buffers[name] = storage(device, values.byteLength);
            device.queue.writeBuffer(this.#buffers[name], 0, values);
        }
    }

    /** @returns {Slot} */
    #slot() {
        const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
        const params = this.device.createBuffer({ size: 2 * APART * BATCHES, usage });
        const found = storage(this.device, 16 + 16 * ROOM);
        const buffers = { ...this.#buffers, found };
        const groups = Object.entries(this.#pipelines).map(([entry, pipeline]) => [
            entry,
            groupOf(this.device, entry, pipeline, params, buffers),
        ]);
        return { params, found, groups: Object.fromEntries(groups) };
    }

    /** The buffers that a caller reads: errors, counts and histogram. */
    get read() {
        return { errors: this.#buffers.errors, counts: this.#buffers.counts, histogram: this.#buffers.histogram };
    }

    /**
     * Starts from what a tally holds, at a temperature. Nothing is under way.
     * @param {Float32Array<ArrayBuffer>} scale
     * @param {import("retrial/tally.js").Tally} tally
     * @param {number[]} bins whose lower edges are the thresholds
     */
    begin(scale, tally, bins) {
        const { queue } = this.device;
        const extremes = tally.rows.flatMap(({ best, worst }) => [
            best ? bitsOf(best.error) : 0x7f800000,
            worst ? bitsOf(worst.error) + 1 : 0,
        ]);
        queue.writeBuffer(this.#buffers.scale, 0, scale.subarray(0, this.#buffers.scale.size / 4));
        queue.writeBuffer(this.#buffers.thresholds, 0, Uint32Array.from(bins, (bin) => bitsOf(edge(bin))));
        queue.writeBuffer(this.#buffers.bins, 0, tally.firstBins);
        queue.writeBuffer(this.#buffers.after, 0, Uint32Array.from(extremes));
        const encoder = this.device.createCommandEncoder();
        this.clear(encoder);
        queue.submit([encoder.finish()]);
    }

    /** @param {GPUCommandEncoder} encoder */
    clear(encoder) {
        encoder.clearBuffer(this.#buffers.counts);
        encoder.clearBuffer(this.#buffers.histogram);
    }

    /**
     * Samples, scores and tallies batches in one command buffer, in order.
     * @param {GPUCommandEncoder} encoder
     * @param {Slot} slot
     * @param {bigint} seed
     * @param {Batch[]} batches
     */
    encode(encoder, slot, seed, batches) {
        const { model: { samples }, plan, count, room } = this;
        const blocks = new Uint32Array(2 * APART / 4 * batches.length);
        batches.forEach(({ first, trials, tile, tiles }, i) => {
            const skip = tile % samples, piece = Math.floor(tile / samples);
            const score = [...halves(seed), ...halves(first), tiles, skip, samples, piece, trials, 0];
            const tally = [tiles, skip, samples, piece, trials, 0, count, count, room, 1, 1, 0];
            blocks.set([...score, plan.hidden, plan.pixels], 2 * i * APART / 4);
            blocks.set(tally, (2 * i + 1) * APART / 4);
        });
        this.device.queue.writeBuffer(slot.params, 0, blocks);
        encoder.clearBuffer(slot.found, 0, 16);
        batches.forEach(({ tiles }, i) => {
            encoder.copyBufferToBuffer(this.#buffers.after, 0, this.#buffers.before, 0, this.#buffers.before.size);
            const pass = encoder.beginComputePass();
            const slots = Math.min(tiles, samples);
            // A workgroup tallies 4,096 trials of a sample.
            const blocks = slots * Math.ceil(tiles / (4096 / plan.trials * samples));
            this.#dispatch(pass, slot, "hidden", 2 * i, tiles * plan.trials / plan.lanes);
            this.#dispatch(pass, slot, "alive", 2 * i, tiles);
            this.#dispatch(pass, slot, "score", 2 * i, tiles);
            this.#dispatch(pass, slot, "pass_at_k", 2 * i + 1, blocks);
            pass.end();
        });
    }

    /**
     * @param {GPUComputePassEncoder} pass
     * @param {Slot} slot
     * @param {string} entry
     * @param {number} block of parameters
     * @param {number} groups
     */
    #dispatch(pass, slot, entry, block, groups) {
        const most = this.device.limits.maxComputeWorkgroupsPerDimension;
        const rows = Math.ceil(groups / most);
        pass.setPipeline(this.#pipelines[entry]);
        pass.setBindGroup(0, slot.groups[entry], [APART * block]);
        pass.dispatchWorkgroups(Math.ceil(groups / rows), rows);
    }
}
