// The images that came closest, each beside its best trial, which is decoded again from its number alone.

import { Breath } from "retrial/breath.js";
import { whole } from "retrial/words.js";

/** How many are shown. */
const SHOWN = 8;

/** Pairs of an image and its best reconstruction. */
export class Best {
    #host;
    /** What is drawn: a reconstruction is decoded again only where it changed. */
    #drawn = "";

    /** @param {Element} host */
    constructor(host) {
        this.#host = host;
    }

    /**
     * Draws in slices; what is not wanted any more is not finished.
     * @param {import("retrial/tally.js").Tally | null} tally
     * @param {import("retrial/experiment.js").Experiment} experiment
     */
    async draw(tally, { decoder, model }) {
        const found = (tally?.rows ?? []).flatMap((row, sample) => row.best ? [{ sample, ...row.best }] : []);
        const least = found.sort((a, b) => a.error - b.error).slice(0, SHOWN);
        const drawn = [decoder.temperature, ...least.map(({ sample, trial }) => `${sample}: ${trial}`)].join();
        if (drawn === this.#drawn) return;
        this.#drawn = drawn;
        const pixels = model.about.shape.pixels;
        const breath = new Breath(), figures = [];
        for (const { sample, trial, error } of least) {
            const figure = document.createElement("figure"), caption = document.createElement("figcaption");
            const image = model.images.subarray(sample * pixels, (sample + 1) * pixels);
            caption.append(
                `image ${sample}: error ${error.toFixed(4)}`,
                document.createElement("br"),
                `trial ${whole(trial + 1n)}`,
            );
            figure.append(
                canvas(image, `image ${sample}`),
                canvas(decoder.decode(sample, trial), "its best reconstruction"),
                caption,
            );
            figures.push(figure);
            await breath.take();
            if (drawn !== this.#drawn) return;
        }
        this.#host.replaceChildren(...figures);
    }
}

/**
 * Pixels in grey, as square as their number allows.
 * @param {ArrayLike<number>} values
 * @param {string} label
 */
function canvas(values, label) {
    let height = Math.floor(Math.sqrt(values.length));
    while (values.length % height !== 0) height--;
    const made = document.createElement("canvas");
    made.width = values.length / height;
    made.height = height;
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", label);
    const picture = new ImageData(made.width, made.height);
    for (let i = 0; i < values.length; i++) {
        picture.data.fill(255 * values[i], 4 * i, 4 * i + 3); // clamped
        picture.data[4 * i + 3] = 255;
    }
    // Without the GPU, which is busy.
    made.getContext("2d", { willReadFrequently: true })?.putImageData(picture, 0, 0);
    return made;
}
