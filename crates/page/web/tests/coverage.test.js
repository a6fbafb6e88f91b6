import assert from "node:assert/strict";
import { cells, coverage, curve, fittingGrid, logGrid, unbiased } from "retrial/coverage.js";
import { eq8, fitEq8 } from "retrial/eq8.js";
import { lnRisingRatio, oneMinusExp } from "retrial/special.js";

/**
 * @param {number} got
 * @param {number} wanted
 * @param {number} tolerance relative
 */
function close(got, wanted, tolerance) {
    assert.ok(Math.abs(got - wanted) <= tolerance * Math.abs(wanted), `${got} instead of ${wanted}`);
}

/**
 * @template T
 * @param {Generator<undefined, T>} work
 */
function finish(work) {
    let step = work.next();
    while (!step.done) step = work.next();
    return step.value;
}

/** What `retrial coverage` and `retrial fit` say of these counts, of 1,000 trials each. */
const COUNTS = [0, 0, 1, 3, 17, 40, 250, 999, 2, 0, 610, 88];
const NATIVE = [
    [1, 0.1675, 0.02444253033377899, 0.467132582911074],
    [3, 0.24539286982373154, 0.054294945718624754, 0.5623900010491643],
    [10, 0.3418683132892278, 0.10427111896369236, 0.6588295305015062],
    [100, 0.5319593432748133, 0.2353984323487267, 0.8125680341448067],
    [500, 0.6771349151320004, 0.3584261598073398, 0.9068034374209721],
    [1000, 0.75, 0.4281415381218109, 0.9451393554720072],
];
const NATIVE_FIT = { maxCoverage: 1, alpha: 1.1157051815493164, beta: 0.16357597479007646, rmse: 0.0239027117667748 };

Deno.test("pass@k agrees with all choices of k trials", () => {
    for (let n = 1; n <= 9; n++) {
        for (let c = 0; c <= n; c++) {
            for (let k = 1; k <= n; k++) {
                let choices = 0, solved = 0;
                for (let chosen = 0; chosen < 2 ** n; chosen++) {
                    const bits = Array.from({ length: n }, (_, i) => (chosen >> i) & 1);
                    if (bits.reduce((sum, bit) => sum + bit, 0) !== k) continue;
                    choices++;
                    if (bits.some((bit, i) => bit === 1 && i < c)) solved++;
                }
                assert.ok(Math.abs(unbiased(n, c, k) - solved / choices) < 1e-14, `n ${n}, c ${c}, k ${k}`);
            }
        }
    }
    assert.ok(Number.isNaN(unbiased(5, 2, 6)), "beyond the trials it is not available");
});

Deno.test("pass@k keeps its digits where trials are many", () => {
    close(unbiased(1e12, 1, 1), 1e-12, 1e-12);
    close(unbiased(1e12, 3, 1e12 / 2), 1 - 0.125, 1e-10);
    assert.equal(unbiased(1e12, 0, 1e12), 0);
    assert.equal(unbiased(1e12, 1, 1e12), 1);
});

Deno.test("the ratio of Gamma functions holds to k = 1e15", () => {
    const exact = [
        [1e3, 0.140851004841428],
        [1e6, 0.0117336949966994],
        [1e9, 9.75967759755061e-4],
        [1e12, 8.11774625592624e-5],
        [1e15, 6.75204723869432e-6],
    ];
    for (const [k, loss] of exact) close(Math.exp(lnRisingRatio(4.65, 0.36, k)), loss, 1e-12);
    for (const k of [1, 2, 10, 1e6]) close(oneMinusExp(lnRisingRatio(1, 1, k)), k / (k + 1), 1e-14);
});

Deno.test("the curve and its band are the native ones", () => {
    const points = finish(curve(1000, cells(COUNTS), NATIVE.map(([k]) => k)));
    points.forEach((point, i) => {
        const [k, value, low, high] = NATIVE[i];
        assert.equal(point.k, k);
        close(point.value, value, 1e-12);
        close(point.low, low, 1e-9);
        close(point.high, high, 1e-9);
    });
});

Deno.test("the band of nothing, of all, and of one sample", () => {
    const [none] = finish(curve(100, cells([0, 0, 0, 0]), [1]));
    assert.equal(none.value, 0);
    assert.equal(none.low, 0);
    close(none.high, 1 - 0.025 ** (1 / 4), 1e-9);
    const [all] = finish(curve(100, cells([100, 100]), [1]));
    assert.equal(all.value, 1);
    assert.equal(all.high, 1);
    assert.deepEqual(finish(curve(10, cells([5]), [1])), [{ k: 1, value: 0.5, low: 0, high: 1 }]);
});

Deno.test("grids have both ends and no number twice", () => {
    assert.deepEqual(logGrid(1, 10), [1]);
    assert.deepEqual(logGrid(3, 2), [1, 3]);
    for (const most of [2, 100, 12345, 1e9]) {
        for (const ks of [logGrid(most, 10), fittingGrid(most)]) {
            assert.equal(ks[0], 1);
            assert.equal(ks.at(-1), most);
            assert.ok(ks.every((k, i) => i === 0 || k > ks[i - 1]), ks.join());
        }
    }
});

Deno.test("Eq. 8 finds the law that made a curve", () => {
    for (const law of [{ maxCoverage: 1, alpha: 4.65, beta: 0.361 }, { maxCoverage: 0.7, alpha: 1.5, beta: 0.8 }]) {
        const points = fittingGrid(1e5).map((k) => ({ k, value: eq8({ ...law, rmse: 0 }, k) }));
        const fit = finish(fitEq8(points));
        assert.ok(fit);
        close(fit.maxCoverage, law.maxCoverage, 1e-4);
        close(fit.alpha, law.alpha, 1e-3);
        close(fit.beta, law.beta, 1e-3);
        assert.ok(fit.rmse < 1e-7);
    }
});

Deno.test("Eq. 8 fits counts as the native fit does", () => {
    const of = cells(COUNTS);
    const fit = finish(fitEq8(fittingGrid(1000).map((k) => ({ k, value: coverage(1000, of, k) }))));
    assert.ok(fit);
    for (const name of /** @type {const} */ (["maxCoverage", "alpha", "beta", "rmse"])) {
        close(fit[name], NATIVE_FIT[name], 1e-5);
    }
});

Deno.test("Eq. 8 is not fitted to nothing", () => {
    assert.equal(finish(fitEq8([{ k: 1, value: 0.1 }, { k: 2, value: 0.2 }])), null);
    assert.equal(finish(fitEq8([1, 2, 3].map((k) => ({ k, value: 0 })))), null);
});
