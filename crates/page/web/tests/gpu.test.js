// The sampler on a GPU, by Deno's WebGPU: wgpu, as in Firefox, where tests/browser.py has Chromium's. Mesa's software adapter
// does; without any the tests are ignored, and say so.

import assert from "node:assert/strict";
import { Decoder } from "retrial/decoder.js";
import { openDevice } from "retrial/device.js";
import { GpuSampler } from "retrial/gpu.js";
import { errorsOf, pilot } from "retrial/pilot.js";
import { proveKernels } from "retrial/proof.js";
import { edge, nearestEdge, Tally } from "retrial/tally.js";

Object.assign(globalThis, { isSecureContext: true });
const ignore = !(await navigator.gpu?.requestAdapter());

/** @param {...string} names */
async function shader(...names) {
    const files = names.map((name) => new URL(`../../../../shaders/${name}.wgsl`, import.meta.url));
    return (await Promise.all(files.map((file) => Deno.readTextFile(file)))).join("");
}

const SHARED = ["grid", "philox", "normals", "sigmoid"].map((name) => `shared/${name}`);
const shaders = {
    score: `alias Stored = f32;\n${await shader(...SHARED, "score")}`,
    pass_at_k: await shader("shared/grid", "shared/tally", "pass_at_k"),
    pass_at_k_subgroup: `enable subgroups;\n${await shader("shared/grid", "shared/tally_subgroup", "pass_at_k")}`,
};

/** A model whose every width needs padding, and golden errors from JavaScript. */
async function model() {
    const shape = { pixels: 50, hidden: 21, latent: 6 }, samples = 3;
    const values = (/** @type {number} */ length, /** @type {number} */ by) =>
        Float32Array.from({ length }, (_, i) => Math.sin(by * (i + 1)));
    const about = {
        version: "0.1.0",
        shape,
        samples,
        seed: "12345678901234567890",
        temperature: 1.25,
        images: /** @type {const} */ ("f32"),
        model: { weights: "w", data: "d" },
        thresholds: [2, 2.5, 3],
        shaders,
        golden: { first: "4294967232", trials: 200, samples: [0, 2], tolerance: 1e-5 },
    };
    const made = {
        about,
        samples,
        w3: values(shape.hidden * shape.latent, 1.1),
        b3: values(shape.hidden, 0.3),
        w4: values(shape.pixels * shape.hidden, 0.7),
        b4: values(shape.pixels, 0.9),
        mu: values(samples * shape.latent, 0.5),
        logvar: values(samples * shape.latent, 0.2),
        images: values(samples * shape.pixels, 0.4).map(Math.abs),
        golden: new Float64Array(400),
    };
    const decoder = await Decoder.create(made, BigInt(about.seed), about.temperature);
    [0, 2].forEach((sample, s) => {
        for (let j = 0; j < 200; j++) made.golden[200 * s + j] = decoder.error(sample, 4294967232n + BigInt(j));
    });
    return { made, decoder };
}

/**
 * A sampler, and what to compare it with.
 * @param {(made: Awaited<ReturnType<typeof model>>["made"]) => void} spoil
 * @param {boolean} software whether kernels are those of a software adapter
 */
async function open(spoil = () => {}, software = true) {
    const { made, decoder } = await model();
    spoil(made);
    const opened = await openDevice();
    opened.limits.software = software;
    const bins = made.about.thresholds.map(nearestEdge);
    const sampler = await GpuSampler.create(opened, made, BigInt(made.about.seed), bins.length);
    return { made, decoder, bins, sampler, device: opened.device };
}

/**
 * Samples until every image has had so many trials.
 * @param {{ sampler: GpuSampler, bins: number[] }} opened
 * @param {Tally} tally
 * @param {bigint} target
 */
async function runTo({ sampler, bins }, tally, target) {
    await sampler.begin(tally, 1.25, bins);
    while (tally.trials < target) await sampler.step(target);
    await sampler.rest();
    assert.equal(tally.trials, target);
}

/**
 * Trials whose errors lie within rounding of an edge may count on its other side.
 * @param {Tally} got
 * @param {Tally} wanted
 * @param {number[]} bins
 */
function same(got, wanted, bins) {
    for (let sample = 0; sample < got.samples; sample++) {
        const [from, to] = wanted.occupied();
        const total = got.bins(sample, from - 2, to + 2).reduce((sum, count) => sum + count, 0n);
        assert.equal(total, got.trials, `all trials of sample ${sample}`);
        for (const bin of bins) {
            const off = Number(got.below(sample, bin) - wanted.below(sample, bin));
            assert.ok(Math.abs(off) <= 1, `sample ${sample} below ${edge(bin)}: ${off} off`);
        }
        const trials = (/** @type {Tally} */ tally) => tally.rows[sample].records.map(({ trial }) => trial);
        assert.deepEqual(trials(got), trials(wanted));
        assert.equal(got.rows[sample].worst?.trial, wanted.rows[sample].worst?.trial);
    }
}

/**
 * The tally by JavaScript.
 * @param {Decoder} decoder
 * @param {number} trials
 */
async function byHost(decoder, trials) {
    const errors = await errorsOf(decoder, 3, 0n, trials, () => false) ?? new Float32Array();
    const tally = new Tally([16000, 16000, 16000]);
    errors.forEach((error, at) => tally.add(Math.floor(at / trials), BigInt(at % trials), error));
    return tally;
}

Deno.test({ name: "the kernels pass their proof, those for hardware too", ignore }, async () => {
    for (const software of [true, false]) {
        const { sampler, device } = await open(undefined, software);
        const { depth, stages } = sampler.kernels.plan;
        assert.deepEqual([depth, stages], software ? [8, 1] : [16, 2]);
        const proof = await proveKernels(sampler.kernels);
        assert.deepEqual(proof.faults, []);
        assert.ok(proof.passed && proof.worst > 0 && proof.errors === 400);
        device.destroy();
    }
});

Deno.test({ name: "kernels that are wrong fail it", ignore }, async () => {
    /** @type {[keyof typeof shaders, string, string, RegExp][]} */
    const wrongs = [
        ["score", "0xD2511F53u * c.x", "0xD2511F55u * c.x", /errors differ/],
        ["score", "max(lo[i], 0.0)", "max(lo[i], 0.001)", /errors differ/],
        ["pass_at_k", "atomicAdd(&block_bins[bin], 1u)", "atomicAdd(&block_bins[bin], 2u)", /counted/],
        ["pass_at_k", "+ local, bits, RECORD)", "+ local, bits + 1u, RECORD)", /tally of image/],
        ["pass_at_k", "block_worst - 1u, WORST", "block_worst - 2u, WORST", /tally of image/],
    ];
    for (const [name, right, wrong, message] of wrongs) {
        assert.ok(shaders[name].includes(right), `${name} lacks ${right}`);
        const { sampler, device } = await open((made) => {
            const text = shaders[name].replace(right, wrong);
            made.about.shaders = { ...shaders, [name]: text };
            if (name === "pass_at_k") made.about.shaders.pass_at_k_subgroup = `enable subgroups;\n${text}`;
        });
        const proof = await proveKernels(sampler.kernels);
        assert.equal(proof.passed, false, wrong);
        assert.match(proof.faults.join(), message);
        device.destroy();
    }
});

Deno.test({ name: "windows and submissions add up to the same trials as JavaScript's", ignore }, async () => {
    const { decoder, bins, sampler, device } = await open();
    const first = await pilot(decoder, 3, () => false);
    assert.ok(first);
    const { tally } = first;
    await runTo({ sampler, bins }, tally, 5n);
    await runTo({ sampler, bins }, tally, 700n);
    same(tally, await byHost(decoder, 700), bins);
    await runTo({ sampler, bins }, tally, 5000n);
    same(tally, await byHost(decoder, 5000), bins);
    device.destroy();
});

Deno.test(
    { name: "errors outside of the histograms are found one by one, however many there are", ignore },
    async () => {
        const { decoder, bins, sampler, device } = await open();
        const tally = new Tally([0, 0, 0]); // all errors are far above
        await runTo({ sampler, bins }, tally, 40_000n);
        const wanted = await byHost(decoder, 40_000);
        same(tally, wanted, bins);
        device.destroy();
    },
);

Deno.test(
    { name: "a window that finds more than there is room for is sampled again, in smaller parts", ignore },
    async () => {
        const { decoder, bins, sampler, device } = await open();
        sampler.kernels.room = 600; // of two tiles
        const begin = sampler.begin.bind(sampler);
        let begun = 0;
        sampler.begin = (tally, temperature, bins) => {
            begun++;
            return begin(tally, temperature, bins);
        };
        const tally = new Tally([0, 0, 0]);
        await runTo({ sampler, bins }, tally, 2000n);
        assert.equal(begun, 2, "once, and again after the first that found too many");
        same(tally, await byHost(decoder, 2000), bins);
        device.destroy();
    },
);

Deno.test({ name: "another temperature forgets what was under way", ignore }, async () => {
    const { decoder, bins, sampler, device } = await open();
    const tally = new Tally([16000, 16000, 16000]);
    await sampler.begin(tally, 3, bins);
    await sampler.step(10_000n);
    const other = new Tally([16000, 16000, 16000]);
    await runTo({ sampler, bins }, other, 300n);
    same(other, await byHost(decoder, 300), bins);
    device.destroy();
});
