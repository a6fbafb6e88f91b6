// Shows an experiment, at most once a frame.

import { Analysis } from "retrial/analysis.js";
import { Best } from "retrial/best.js";
import { drawCoverage, drawErrors } from "retrial/figures.js";
import { PILOT } from "retrial/pilot.js";
import { edge } from "retrial/tally.js";
import { percent, rough, whole } from "retrial/words.js";

/** @typedef {import("retrial/experiment.js").Experiment} Experiment */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 */
export const byId = (id) => /** @type {T} */ (document.getElementById(id));

/** Time between two looks at the progress of a window, in milliseconds. */
const TICK = 150;

/** How far below the least error of the first trials the threshold can go, in bins: a factor of two. */
const BELOW = 128;

export class View {
    #experiment;
    /** What is still to be drawn, and whether all of it has changed since. @type {(() => void)[]} */
    #due = [];
    #again = false;
    #best = new Best(byId("best"));
    #analysis = new Analysis(() => this.update());
    /** What the details say. */
    #told = "";
    /** The tally whose range the threshold's slider has. @type {unknown} */
    #ranged = null;

    /** @param {Experiment} experiment */
    constructor(experiment) {
        this.#experiment = experiment;
        new ResizeObserver(() => this.update()).observe(byId("coverage"));
        setInterval(() => this.#tick(), TICK);
    }

    /** Draws from the next frame on. */
    update() {
        if (this.#due.length > 0) {
            this.#again = true;
            return;
        }
        this.#due = [
            () => this.#numbersPart(),
            () => this.#coveragePart(),
            () => this.#errorsPart(),
            () => this.#best.draw(this.#shown, this.#experiment),
        ];
        requestAnimationFrame(() => this.#draw());
    }

    /** Between windows, only how far this one is changes. */
    #tick() {
        const { phase, progress } = this.#experiment;
        byId("progress").setAttribute("value", `${phase === "running" ? progress : 0}`);
    }

    /** One part after the other, a frame each, so that no frame takes long; how things stand, in all of them. */
    #draw() {
        this.#controls();
        this.#due.shift()?.();
        if (this.#due.length > 0) {
            requestAnimationFrame(() => this.#draw());
        } else if (this.#again) {
            this.#again = false;
            this.update();
        }
    }

    /** What is shown: nothing before the proof. */
    get #shown() {
        const { phase, proof, tally } = this.#experiment;
        return proof?.passed && phase !== "failed" ? tally : null;
    }

    #numbersPart() {
        const shown = this.#shown;
        this.#details();
        this.#numbers(shown);
        if (shown) this.#range(shown);
        this.#analysis.follow(shown, this.#experiment.bin);
    }

    #coveragePart() {
        const { points, law } = this.#analysis.result;
        drawCoverage(byId("coverage"), points, law);
        this.#caption(law);
    }

    #errorsPart() {
        const shown = this.#shown;
        if (shown) drawErrors(byId("errors"), shown.pooled(), this.#experiment.bin);
        else byId("errors").replaceChildren();
    }

    #controls() {
        const { phase, mode, notice, proof, temperature, threshold } = this.#experiment;
        const ready = phase === "running" || phase === "stopped" || phase === "paused";
        const status = byId("status");
        const words = this.#status();
        // Said once; what nobody caught stays.
        const final = status.dataset.final !== undefined;
        if (!final && status.textContent !== words) status.textContent = words;
        status.classList.toggle("fault", final || phase === "failed" || phase === "lost");
        byId("notice").hidden = notice === "";
        byId("notice").textContent = `${notice} Until then, JavaScript makes the same trials, at a small rate.`;
        const toggle = byId("toggle");
        toggle.toggleAttribute("disabled", !ready);
        toggle.textContent = phase === "running" || phase === "paused" ? "Stop" : "Start";
        byId("again").hidden = phase !== "lost";
        byId("javascript").hidden = !(mode === "webgpu" && (phase === "failed" || phase === "lost"));
        for (const id of ["temperature", "threshold", "csv", "json"]) byId(id).toggleAttribute("disabled", !ready);
        byId("temperature-value").textContent = temperature.toFixed(2);
        byId("threshold-value").textContent = threshold.toPrecision(4);
        byId("progress").style.visibility = proof?.passed ? "visible" : "hidden";
    }

    #status() {
        const { phase, mode, fault, proof } = this.#experiment;
        if (phase === "failed") return `${fault} No numbers are shown.`;
        if (phase === "proving" || !proof) return "Checking the arithmetic of this device against a reference.";
        const who = mode === "webgpu" ? "Your GPU" : "JavaScript";
        const verdict = `${who} passed the check: ${proof.errors} errors differ from a double-precision reference by ` +
            `${proof.worst.toExponential(1)} at most, of ${
                proof.bound.toExponential(0)
            } allowed, and are counted right.`;
        if (phase === "lost") return `${fault}`;
        const now = { running: "Sampling.", stopped: "Stopped.", paused: "Paused while this page is not visible." };
        return `${verdict} ${now[phase]}`;
    }

    /** @param {import("retrial/tally.js").Tally | null} tally */
    #numbers(tally) {
        const { bin, rate, phase } = this.#experiment;
        byId("rate").textContent = phase === "running" && rate.value > 0 ? rough(rate.value) : "–";
        byId("trials").textContent = tally ? whole(tally.trials) : "–";
        let sum = 0n, solved = 0;
        tally?.rows.forEach((_, sample) => {
            const count = tally.below(sample, bin);
            sum += count;
            solved += count > 0n ? 1 : 0;
        });
        byId("share").textContent = tally ? percent(Number(sum) / (Number(tally.trials) * tally.samples)) : "–";
        byId("solved").textContent = tally ? `${solved} of ${tally.samples}` : "–";
    }

    /**
     * The slider of the threshold goes by bins, around the errors of the first trials.
     * @param {import("retrial/tally.js").Tally} tally
     */
    #range(tally) {
        const slider = byId("threshold");
        if (this.#ranged !== tally) {
            this.#ranged = tally;
            const [from, to] = tally.occupied();
            slider.setAttribute("min", `${Math.min(this.#experiment.bin, from - BELOW)}`);
            slider.setAttribute("max", `${Math.max(this.#experiment.bin, to + 16)}`);
        }
        const { bin } = this.#experiment;
        /** @type {HTMLInputElement} */ (slider).value = `${bin}`;
        slider.setAttribute("aria-valuetext", edge(bin).toPrecision(4));
    }

    /** @param {import("retrial/eq8.js").Eq8 | null} law */
    #caption(law) {
        byId("law").textContent = law
            ? `Eq. 8 of Levi's model, A (1 − ⟨pᵏ⟩) with failure probabilities spread as Beta(α, β): A = ${
                rough(law.maxCoverage)
            }, α = ${rough(law.alpha)}, β = ${rough(law.beta)}; it misses the curve by ${
                rough(100 * law.rmse)
            } points (root mean square).`
            : "Eq. 8 of Levi's model is fitted once some trials succeed.";
    }

    #details() {
        const { adapter, mode, model: { about, samples }, seed } = this.#experiment;
        const gpu = mode === "webgpu" ? Object.entries(adapter) : [];
        const rows = [
            ["computed by", mode === "webgpu" ? "WebGPU" : "JavaScript"],
            ...gpu.map((
                [name, value],
            ) => [name.replaceAll("_", " "), typeof value === "number" ? amount(name, value) : value]),
            [`trials 1 to ${PILOT}`, mode === "webgpu" ? "JavaScript, to place the histograms" : ""],
            ["precision", mode === "webgpu" ? "f32" : "f64, errors rounded to f32"],
            ["images", `${samples}`],
            ["model", `${about.shape.pixels}-${about.shape.hidden}-${about.shape.latent}`],
            ["weights (SHA-256)", about.model.weights],
            ["data (SHA-256)", about.model.data],
            ["seed", `${seed}`],
            ["version", `Retrial ${about.version}`],
        ];
        const told = rows.join();
        if (told === this.#told) return;
        this.#told = told;
        byId("details").replaceChildren(
            ...rows.filter(([, value]) => value !== "").map(([name, value]) => {
                const row = document.createElement("div");
                const term = document.createElement("dt"), said = document.createElement("dd");
                term.textContent = name;
                said.textContent = value;
                row.append(term, said);
                return row;
            }),
        );
    }
}

/**
 * A limit, with its unit.
 * @param {string} name
 * @param {number} value
 */
function amount(name, value) {
    if (name === "invocations") return `${whole(value)} a workgroup`;
    return value < 2 ** 20 ? `${whole(value / 2 ** 10)} KiB` : `${whole(value / 2 ** 20)} MiB`;
}
