import assert from "node:assert/strict";
import { Decoder } from "retrial/decoder.js";
import { countsCsv, runJson } from "retrial/export.js";
import { DARK, padded, paddedRows, plan, tiled, workgroupBytes } from "retrial/layout.js";
import { fromBase64, scales } from "retrial/model.js";
import { trialNormals } from "retrial/normals.js";
import { Pace } from "retrial/pace.js";
import { addErrors, PILOT, pilot } from "retrial/pilot.js";
import { compare } from "retrial/proof.js";
import { edge, Tally } from "retrial/tally.js";
import { edgesAt, edgesOf } from "retrial/thresholds.js";

const PAPER = { pixels: 784, hidden: 400, latent: 20 };
const LEAST = { workgroupMemory: 16384, invocations: 256, binding: 128 << 20, software: false };

Deno.test("the pace settles below the target", () => {
    const pace = new Pace(1);
    const time = (/** @type {number} */ n) => 0.03 + 0.7 * n;
    for (let i = 0; i < 20; i++) {
        const n = pace.next(1 << 20);
        assert.ok(time(n) <= 50, `${n} tiles`);
        pace.took(n, time(n));
    }
    assert.ok(time(pace.next(1 << 20)) > 30);
    pace.took(50, 3000);
    assert.equal(pace.next(1 << 20), 1);
    assert.equal(new Pace(64).next(10), 10);
});

Deno.test("the paper's model has no padding, and two stages where there is room", () => {
    const least = plan(PAPER, 400, LEAST);
    assert.deepEqual([least.tx, least.ty, least.depth, least.stages], [16, 14, 16, 1]);
    assert.deepEqual([least.hidden, least.pixels, least.trials], [400, 784, 128]);
    assert.equal(plan(PAPER, 400, { ...LEAST, workgroupMemory: 32768 }).stages, 2);
    assert.equal(plan(PAPER, 400, { ...LEAST, workgroupMemory: 32768, software: true }).stages, 1);
});

Deno.test("every shape fits the least device", () => {
    for (const pixels of [1, 7, 97, 784, 1025, 3072, 4096]) {
        for (const hidden of [1, 5, 400, 401, 1024]) {
            for (const latent of [1, 20, 128]) {
                for (const limits of [LEAST, { ...LEAST, workgroupMemory: 32768 }]) {
                    const p = plan({ pixels, hidden, latent }, 400, limits);
                    assert.ok(workgroupBytes(p.tx, p.ty, p.depth, p.stages) <= limits.workgroupMemory);
                    assert.ok(p.tx * p.ty <= limits.invocations && p.pixels % (8 * p.ty) === 0 && p.pixels >= pixels);
                    assert.ok(p.hidden % p.depth === 0 && p.hidden >= hidden && p.tiles >= 1);
                    assert.ok(4 * p.tiles * p.trials * p.hidden <= limits.binding);
                }
            }
        }
    }
    assert.throws(() => plan(PAPER, 400, { ...LEAST, workgroupMemory: 4096 }), /4096/);
    assert.throws(() => plan(PAPER, 400, { ...LEAST, binding: 1 << 20 }), /1048576/);
    assert.throws(() => plan(PAPER, 60_000, LEAST), /134217728/);
});

Deno.test("thresholds are edges, increasing, named or by shares of errors", () => {
    assert.deepEqual(edgesOf([2, 1, 1.001, 1.5]), [0x3f80, 0x3fc0, 0x4000]);
    const errors = Array.from({ length: 1000 }, (_, i) => 1 + i / 1000);
    for (const [i, bin] of edgesAt(errors, [0.1, 0.5]).entries()) {
        const share = errors.filter((error) => error < edge(bin)).length / 1000;
        assert.ok(Math.abs(share - [0.1, 0.5][i]) < 0.01, `${share}`);
    }
    assert.deepEqual(edgesAt([1, 1], [0.1, 0.2, 0.9]), [0x3f81, 0x3f82, 0x3f83]);
});

Deno.test("weights are tiled, and padded with nothing", async () => {
    const [outputs, inputs, rows] = [5, 3, 2];
    const weight = Float32Array.from({ length: outputs * inputs }, (_, i) => i + 1);
    const out = await tiled(weight, inputs, rows, 6, 4);
    for (let output = 0; output < 6; output++) {
        for (let input = 0; input < 4; input++) {
            const got = out[(Math.floor(output / rows) * 4 + input) * rows + output % rows];
            assert.equal(got, output < outputs && input < inputs ? weight[output * inputs + input] : 0);
        }
    }
    assert.deepEqual([...padded(Float32Array.of(1, 2), 3, DARK)], [1, 2, Math.fround(DARK)]);
    assert.equal(1 / (1 + Math.exp(Math.min(87, -DARK))) < 1e-37, true);
    assert.deepEqual([...paddedRows(Float32Array.of(1, 2, 3, 4), 2, 2, 3)], [1, 2, 0, 3, 4, 0]);
});

Deno.test("base64 is read in pieces of any length", async () => {
    for (const length of [0, 1, 2, 3, 4, 5, 49151, 49152, 49153, 200_000]) {
        const bytes = Uint8Array.from({ length }, (_, i) => (i * 7919) >>> 3);
        let text = "";
        for (const byte of bytes) text += String.fromCharCode(byte);
        assert.deepEqual(await fromBase64(`\n${btoa(text)}\n`), bytes);
    }
});

/** A model of two images of six pixels. */
function small() {
    const shape = { pixels: 6, hidden: 7, latent: 3 };
    const values = (/** @type {number} */ length, /** @type {number} */ by) =>
        Float32Array.from({ length }, (_, i) => Math.sin(by * (i + 1)));
    const golden = { first: "4294967294", trials: 4, samples: [0, 1], tolerance: 1e-5 };
    return {
        about: {
            version: "0.1.0",
            shape,
            samples: 2,
            seed: "1",
            temperature: 1.5,
            images: /** @type {const} */ ("f32"),
            model: { weights: "w", data: "d" },
            thresholds: [1, 1.5],
            shaders: { score: "", pass_at_k: "", pass_at_k_subgroup: "" },
            golden,
        },
        samples: 2,
        w3: values(21, 1.1),
        b3: values(7, 0.3),
        w4: values(42, 0.7),
        b4: values(6, 0.9),
        mu: values(6, 0.5),
        logvar: values(6, 0.2),
        images: values(12, 0.4).map(Math.abs),
        golden: new Float64Array(8),
    };
}

/**
 * The error of a trial, from the formulas alone.
 * @param {ReturnType<typeof small>} model
 * @param {bigint} seed
 * @param {number} sample
 * @param {bigint} trial
 */
function plain(model, seed, sample, trial) {
    const { pixels, hidden, latent } = model.about.shape;
    const noise = new Float64Array(latent), scale = scales(model.logvar, model.about.temperature);
    trialNormals(seed, sample, trial, noise);
    const z = [...noise].map((eps, d) => model.mu[sample * latent + d] + scale[sample * latent + d] * eps);
    const dot = (/** @type {Float32Array} */ w, /** @type {number} */ row, /** @type {number[]} */ x) =>
        x.reduce((sum, value, i) => sum + w[row * x.length + i] * value, 0);
    const h = Array.from({ length: hidden }, (_, unit) => Math.max(0, dot(model.w3, unit, z) + model.b3[unit]));
    const y = Array.from({ length: pixels }, (_, p) => 1 / (1 + Math.exp(-dot(model.w4, p, h) - model.b4[p])));
    return Math.hypot(...y.map((value, p) => value - model.images[sample * pixels + p]));
}

Deno.test("the decoder computes the formulas", async () => {
    const model = small();
    const decoder = await Decoder.create(model, 9n, 1.5);
    for (const trial of [0n, 5n, 2n ** 33n]) {
        for (const sample of [0, 1]) {
            const got = decoder.error(sample, trial), wanted = plain(model, 9n, sample, trial);
            assert.ok(Math.abs(got - wanted) < 1e-12, `${got} ${wanted}`);
            assert.notEqual(decoder.alike(8n, 1.5).error(sample, trial), got);
        }
    }
    const before = decoder.error(0, 0n);
    decoder.setTemperature(0.5);
    assert.notEqual(decoder.error(0, 0n), before);
});

Deno.test("a proof fails by an error that is off, missing or no number", () => {
    const model = small();
    model.golden.fill(2);
    const fine = [[2, 2, 2, 2], [2, 2, 2, 2 + 1e-5]];
    assert.equal(compare(model, fine, []).passed, true);
    assert.ok(Math.abs(compare(model, fine, []).worst - 5e-6) < 1e-12);
    assert.equal(compare(model, [[2, 2, 2, 2], [2, 2, 2, 2.001]], []).passed, false);
    assert.equal(compare(model, [[2, NaN, 2, 2], [2, 2, 2, 2]], []).worst, Infinity);
    assert.equal(compare(model, [[2, NaN, 2, 2], [2, 2, 2, 2]], []).passed, false);
    assert.equal(compare(model, [[2, 2, 2], [2, 2, 2, 2]], []).passed, false);
    assert.equal(compare(model, fine, ["the tally is wrong"]).passed, false);
});

Deno.test("the first trials are tallied, unless something came in between", async () => {
    const model = small();
    const decoder = await Decoder.create(model, 9n, 1.5);
    const first = await pilot(decoder, 2, () => false);
    assert.equal(first?.tally.trials, BigInt(PILOT));
    assert.equal(first?.tally.rows[1].records[0].error, Math.fround(plain(model, 9n, 1, 0n)));
    assert.equal(await pilot(decoder, 2, () => true), null);
});

/** Ten trials of two images. */
function run() {
    const tally = new Tally([0x3f80 - 512, 0x3f80 - 512]);
    addErrors(tally, Float32Array.from([3, 2, 1.25, 4, 1.25, 9, 9, 9, 9, 9]), 5);
    const model = small();
    return {
        about: model.about,
        seed: 2n ** 63n + 1n,
        temperature: 1.5,
        tally,
        bins: [0x3f80, 0x3fc0],
        adapter: { name: "test" },
        userAgent: "test",
    };
}

Deno.test("counts are exported in the columns of success counts", () => {
    assert.deepEqual(countsCsv(run(), 0x3fc0).split("\n"), [
        "model,benchmark,problem_id,num_samples,num_correct",
        "VAE at T = 1.5,error below 1.5,0,5,2",
        "VAE at T = 1.5,error below 1.5,1,5,0",
        "",
    ]);
});

Deno.test("everything is exported as JSON, and no number loses digits", () => {
    const all = run();
    const said = JSON.parse(JSON.stringify(runJson(all)));
    assert.deepEqual(said.thresholds, [1, 1.5]);
    assert.deepEqual(said.successes, [[0, 0], [2, 0]]);
    assert.deepEqual(said.first_success, [[null, null], ["2", null]]);
    assert.deepEqual([said.first, said.end, said.seed], ["0", "5", "9223372036854775809"]);
    assert.equal(said.histogram.first_bin, 0x3fa0);
    assert.equal(said.histogram.counts[0][0], 2);
    assert.deepEqual(said.histogram.counts.map((/** @type {number[]} */ row) => row.reduce((a, b) => a + b)), [5, 5]);
});
