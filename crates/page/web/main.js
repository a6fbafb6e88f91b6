// Starts the page: reads it, proves it, and lets a visitor at it.

import { Breath } from "retrial/breath.js";
import { Decoder } from "retrial/decoder.js";
import { Experiment } from "retrial/experiment.js";
import { countsCsv, download, runJson } from "retrial/export.js";
import { readModel } from "retrial/model.js";
import { edge } from "retrial/tally.js";
import { byId, View } from "retrial/view.js";

/** What the address asks for behind its #: fallback, seed=7, samples=40. */
const asked = new URLSearchParams(location.hash.slice(1));

/** Whether the visitor wants the page to keep still. */
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Says what nothing else has caught. @param {string} message */
function report(message) {
    byId("status").textContent = `The page failed: ${message}.`;
    byId("status").dataset.final = "";
    byId("status").classList.add("fault");
}
addEventListener("error", ({ error, message }) => report(error instanceof Error ? error.message : message));
addEventListener("unhandledrejection", ({ reason }) => report(reason instanceof Error ? reason.message : `${reason}`));

/**
 * A whole number that the address asks for.
 * @param {string} name
 * @param {string} otherwise
 */
function wholeOf(name, otherwise) {
    const text = asked.get(name) ?? otherwise;
    if (!/^\d{1,20}$/.test(text)) throw new Error(`${name} in the address must be a whole number, not "${text}"`);
    return BigInt(text);
}

const most = Number(wholeOf("samples", `${2 ** 32}`));
if (most === 0) throw new Error("samples in the address must be at least 1");
const model = await readModel((id) => byId(id).textContent ?? "", most);
const seed = wholeOf("seed", model.about.seed);
if (seed >= 2n ** 64n) throw new Error(`seed in the address must be below 2^64, not ${seed}`);
const decoder = await Decoder.create(model, seed, model.about.temperature);
const experiment = new Experiment(model, seed, decoder, () => view.update());
const view = new View(experiment);

/** @param {boolean} javascript */
async function begin(javascript) {
    await experiment.prove(javascript);
    if (experiment.phase === "stopped" && !still) experiment.start();
    if (document.hidden) experiment.pause();
}

function toggle() {
    if (experiment.phase === "stopped") experiment.start();
    else experiment.stop();
}

/** What the exports say, at the present threshold besides those that the kernels count at. */
function run() {
    const { tally, temperature, bins, bin, adapter } = experiment;
    if (tally === null) throw new Error("there are no trials yet");
    const all = [...new Set([...bins, bin])].sort((a, b) => a - b);
    return { about: model.about, seed, temperature, tally, bins: all, adapter, userAgent: navigator.userAgent };
}

const exportCsv = () => countsCsv(run(), experiment.bin);
const exportJson = () => JSON.stringify(runJson(run()));

byId("toggle").addEventListener("click", toggle);
byId("again").addEventListener("click", () => begin(false));
byId("javascript").addEventListener("click", () => begin(true));
byId("csv").addEventListener("click", () => download("retrial-counts.csv", "text/csv", exportCsv()));
byId("json").addEventListener("click", () => download("retrial.json", "application/json", exportJson()));
byId("temperature").addEventListener("input", ({ target }) => {
    experiment.setTemperature(Number(/** @type {HTMLInputElement} */ (target).value));
});
byId("threshold").addEventListener("input", ({ target }) => {
    experiment.setThreshold(edge(Number(/** @type {HTMLInputElement} */ (target).value)));
});
document.addEventListener("keydown", (event) => {
    const { target } = event;
    // A button has its own use for the space bar.
    const modified = event.ctrlKey || event.shiftKey || event.altKey || event.metaKey;
    if (event.key !== " " || event.repeat || modified || target instanceof HTMLButtonElement) return;
    event.preventDefault();
    toggle();
});
document.addEventListener("visibilitychange", () => {
    if (document.hidden) experiment.pause();
    else if (experiment.phase === "paused") experiment.start();
});

let longest = 0;
if (PerformanceObserver.supportedEntryTypes.includes("longtask")) {
    new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
    }).observe({ type: "longtask", buffered: true });
}

/** What tests, and the curious, can use from the console. */
const hook = {
    state: () => {
        const { phase, mode, proof, tally, bin, threshold, temperature, fault, notice } = experiment;
        const successes = tally?.rows.map((_, sample) => tally.below(sample, bin).toString()) ?? [];
        return {
            phase,
            mode,
            fault,
            notice,
            proof,
            temperature,
            threshold,
            trials: `${tally?.trials ?? 0n}`,
            successes,
            rate: experiment.rate.value,
            longestTask: Math.max(longest, Breath.longest),
        };
    },
    start: () => experiment.start(),
    stop: () => experiment.stop(),
    setTemperature: (/** @type {number} */ temperature) => experiment.setTemperature(temperature),
    setThreshold: (/** @type {number} */ threshold) => experiment.setThreshold(threshold),
    exportCsv,
    exportJson,
    loseDevice: () => experiment.loseDevice(),
    restart: () => begin(false),
    runTo: (/** @type {number | string} */ trials) => experiment.runTo(BigInt(trials)),
};
Object.assign(globalThis, { retrial: hook });

const slider = /** @type {HTMLInputElement} */ (byId("temperature"));
slider.min = `${Math.min(Number(slider.min), experiment.temperature)}`;
slider.max = `${Math.max(Number(slider.max), experiment.temperature)}`;
slider.value = `${experiment.temperature}`;
view.update();
await begin(asked.has("fallback"));
