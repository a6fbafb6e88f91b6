import assert from "node:assert/strict";
import { Counts } from "retrial/counts.js";
import { binOf, BINS, bitsOf, edge, firstBin, nearestEdge, ofBits, Row, Tally } from "retrial/tally.js";
import { foldWindow, RECORD, STRAY, WORST } from "retrial/window.js";

/** Errors with ties, a zero of either sign, and some far from all others. */
const ERRORS = [2, 1.5, 1.5, 3, 1.25, 1.25, -0, 0, 3, 1e-20, 1e20].map(Math.fround);

/** @param {number[]} errors */
function tallied(errors) {
    const tally = new Tally([firstBin([1, 2])]);
    errors.forEach((error, trial) => tally.add(0, BigInt(trial), error + 0));
    tally.trials = BigInt(errors.length);
    return tally;
}

Deno.test("the page has the bins and the kinds of the shader", async () => {
    const text = await Deno.readTextFile(new URL("../../../../shaders/pass_at_k.wgsl", import.meta.url));
    const constant = (/** @type {string} */ name) => Number(new RegExp(`const ${name} = (\\w+)u;`).exec(text)?.[1]);
    assert.deepEqual([RECORD, STRAY, WORST], ["RECORD", "STRAY", "WORST"].map(constant));
});

Deno.test("bins are the upper halves of the bits", () => {
    assert.equal(bitsOf(1), 0x3f800000);
    assert.equal(bitsOf(-0), 0);
    assert.equal(ofBits(0x3f800000), 1);
    assert.equal(binOf(1), 0x3f80);
    assert.equal(edge(0x3f80), 1);
    assert.equal(edge(0x3f81), 1 + 2 ** -7);
    assert.equal(nearestEdge(1 + 0.4 * 2 ** -7), 0x3f80);
    assert.equal(nearestEdge(1 + 0.6 * 2 ** -7), 0x3f81);
});

Deno.test("counts are those of a plain count, at every edge", () => {
    const tally = tallied(ERRORS);
    for (const threshold of [1e-30, 1e-19, 1, 1.25, 1.2578125, 1.5, 2, 3, 3.015625, 1e21]) {
        const bin = nearestEdge(threshold);
        const wanted = ERRORS.filter((error) => error < edge(bin)).length;
        assert.equal(tally.below(0, bin), BigInt(wanted), `below ${edge(bin)}`);
    }
    const [from, to] = tally.occupied();
    const counts = tally.bins(0, from, to);
    assert.equal(counts.reduce((sum, count) => sum + count, 0n), BigInt(ERRORS.length));
    assert.equal(tally.pooled().counts.reduce((sum, count) => sum + count, 0), ERRORS.length);
});

Deno.test("records are running minima, and ties go to the earliest, in any order of arrival", () => {
    const wanted = [[0n, 2], [1n, 1.5], [4n, 1.25], [6n, 0]];
    const orders = [ERRORS.map((_, i) => i), ERRORS.map((_, i) => ERRORS.length - 1 - i), [
        5,
        4,
        8,
        3,
        0,
        6,
        10,
        7,
        2,
        9,
        1,
    ]];
    for (const order of orders) {
        const row = new Row();
        for (const i of order) {
            row.addCandidate(BigInt(i), ERRORS[i] + 0);
            row.addWorst(BigInt(i), ERRORS[i]);
        }
        assert.deepEqual(row.records.map(({ trial, error }) => [trial, error]), wanted);
        assert.deepEqual(row.worst, { trial: 10n, error: Math.fround(1e20) });
        assert.equal(row.firstSuccess(1.5), 4n);
        assert.equal(row.firstSuccess(1.6), 1n);
        assert.equal(row.firstSuccess(0), null);
    }
});

Deno.test("the worst of equals is the earliest", () => {
    const row = new Row();
    for (const trial of [8n, 3n, 5n]) row.addWorst(trial, 3);
    assert.equal(row.worst?.trial, 3n);
});

Deno.test("counters carry beyond 32 bits", () => {
    const counts = new Counts(3);
    for (let i = 0; i < 5; i++) counts.add(1, 0xffffffff);
    counts.add(2, 7);
    assert.equal(counts.get(1), 5n * 0xffffffffn);
    assert.equal(counts.sum(0, 3), 5n * 0xffffffffn + 7n);
    assert.equal(counts.approximate(1), 5 * 0xffffffff);
    assert.equal(counts.get(0), 0n);
});

/**
 * What a device says of errors that follow `first`.
 * @param {bigint} first
 * @param {number[]} errors
 * @param {Tally} tally
 * @param {number[]} bins
 */
function said(first, errors, tally, bins) {
    const histogram = new Uint32Array(BINS), counts = new Uint32Array(bins.length);
    const found = [];
    for (const [trial, error] of errors.entries()) {
        const at = binOf(error) - tally.firstBins[0], bucket = bins.findIndex((bin) => error < edge(bin));
        if (at >= 0 && at < BINS) histogram[at]++;
        else found.push(0, trial, bitsOf(error), STRAY);
        if (bucket >= 0) counts[bucket]++;
        found.push(0, trial, bitsOf(error), RECORD, 0, trial, bitsOf(error), WORST);
    }
    return { window: { first, trials: errors.length, found: [Uint32Array.from(found)] }, histogram, counts };
}

Deno.test("windows of a device add up to the tally of all errors, beyond trial 2^53", () => {
    const first = 2n ** 60n, bins = [nearestEdge(1.3), nearestEdge(2)];
    const wanted = tallied([]), got = tallied([]);
    for (const [from, to] of [[0, 4], [4, 11]]) {
        const errors = ERRORS.slice(from, to).map((error) => error + 0);
        errors.forEach((error, i) => wanted.add(0, first + BigInt(from + i), error));
        const { window, histogram, counts } = said(first + BigInt(from), errors, got, bins);
        foldWindow(got, window, histogram, counts, bins);
    }
    assert.equal(got.trials, first + 11n);
    assert.deepEqual(got.rows, wanted.rows);
    assert.equal(got.rows[0].records[1].trial, 2n ** 60n + 1n);
    const [from, to] = wanted.occupied();
    assert.deepEqual(got.bins(0, from, to), wanted.bins(0, from, to));
});

Deno.test("a window that does not add up is refused, and changes nothing", () => {
    const bins = [nearestEdge(1.3), nearestEdge(2)];
    const errors = [1, 1.5, 2.5, 1e20];
    /** @type {[string, RegExp, (s: ReturnType<typeof said>) => void][]} */
    const faults = [
        ["a trial is missing", /3 of 4 trials/, ({ histogram }) => histogram[histogram.findLastIndex((n) => n > 0)]--],
        ["a stray is missing", /3 of 4 trials/, ({ window }) => window.found[0].fill(RECORD, 27, 28)],
        ["a success is missing", /successes of image 0/, ({ counts }) => counts[0]--],
        ["a success moved", /successes of image 0/, ({ counts }) => [counts[0], counts[1]] = [0, 2]],
        ["no number", /no finite number/, ({ window }) => window.found[0].set([0, 1, 0x7fc00000, STRAY])],
    ];
    for (const [name, message, fault] of faults) {
        const tally = tallied([]);
        const made = said(0n, errors, tally, bins);
        fault(made);
        assert.throws(() => foldWindow(tally, made.window, made.histogram, made.counts, bins), message, name);
        assert.equal(tally.trials, 0n, name);
        assert.deepEqual(tally.occupied(), [0, 0], name);
    }
});
