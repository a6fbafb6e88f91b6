// Charts as inline SVG: sharp at any resolution, coloured by the style sheet, and light where they are printed.

const SPACE = "http://www.w3.org/2000/svg";

/**
 * An SVG element.
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
export function element(name, attributes, text) {
    const made = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, `${value}`);
    if (text !== undefined) made.textContent = text;
    return made;
}

/** @typedef {{ at: number, label: string }} Tick */

/**
 * @typedef {object} Axis
 * @property {string} label with its unit
 * @property {Tick[]} ticks
 * @property {(value: number) => number} place from 0 to 1
 */

/** A frame with two axes, to draw in. */
export class Frame {
    #svg;
    #x;
    #y;
    #area;

    /**
     * @param {Element} host takes the place of what it shows
     * @param {string} title for those who do not see it
     * @param {Axis} x
     * @param {Axis} y
     */
    constructor(host, title, x, y) {
        const { width, height } = host.getBoundingClientRect();
        this.#area = { left: 64, right: Math.max(200, width) - 14, top: 12, bottom: Math.max(160, height) - 46 };
        this.#x = x;
        this.#y = y;
        const viewBox = `0 0 ${Math.max(200, width)} ${Math.max(160, height)}`;
        this.#svg = element("svg", { viewBox, role: "img", "aria-label": title });
        this.#axes();
        host.replaceChildren(this.#svg);
    }

    #axes() {
        const { left, right, top, bottom } = this.#area;
        for (const { at, label } of this.#y.ticks) {
            const y = this.y(at);
            this.#svg.append(
                element("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }),
                element("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, label),
            );
        }
        let free = -Infinity;
        for (const { at, label } of this.#x.ticks) {
            const x = this.x(at);
            this.#svg.append(element("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 5 }));
            // Labels that would touch are left out.
            const half = 4 * label.length + 4;
            if (x - half < free) continue;
            free = x + half;
            this.#svg.append(element("text", { x, y: bottom + 19, "text-anchor": "middle" }, label));
        }
        const middle = (top + bottom) / 2;
        this.#svg.append(
            element("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
            element("text", { x: (left + right) / 2, y: bottom + 40, "text-anchor": "middle" }, this.#x.label),
            element("text", {
                x: 14,
                y: middle,
                "text-anchor": "middle",
                transform: `rotate(-90 14 ${middle})`,
            }, this.#y.label),
        );
    }

    /** @param {number} value */
    x(value) {
        const { left, right } = this.#area;
        return left + (right - left) * this.#x.place(value);
    }

    /** @param {number} value */
    y(value) {
        const { top, bottom } = this.#area;
        return bottom - (bottom - top) * this.#y.place(value);
    }

    /**
     * @param {string} kind the class
     * @param {[number, number][]} points
     */
    line(kind, points) {
        this.#svg.append(element("polyline", { class: kind, points: this.#path(points) }));
    }

    /**
     * @param {string} kind
     * @param {[number, number][]} points
     */
    area(kind, points) {
        this.#svg.append(element("polygon", { class: kind, points: this.#path(points) }));
    }

    /** @param {[number, number][]} points */
    #path(points) {
        return points.map(([x, y]) => `${this.x(x).toFixed(1)},${this.y(y).toFixed(1)}`).join(" ");
    }

    /**
     * A vertical line with words at its top, on the side where there is room.
     * @param {number} value
     * @param {string} words
     */
    mark(value, words) {
        const { left, right, top, bottom } = this.#area;
        const x = this.x(value), right_of = x < (left + right) / 2;
        this.#svg.append(
            element("line", { class: "mark", x1: x, x2: x, y1: top, y2: bottom }),
            element("text", {
                class: "strong",
                x: right_of ? x + 8 : x - 8,
                y: top + 12,
                "text-anchor": right_of ? "start" : "end",
            }, words),
        );
    }

    /**
     * Lines with names, in a corner where curves that rise leave room.
     * @param {{ kind: string, label: string }[]} entries
     */
    legend(entries) {
        const { left, top } = this.#area;
        entries.forEach(({ kind, label }, i) => {
            const y = top + 14 + 20 * i;
            this.#svg.append(
                element("line", { class: kind, x1: left + 12, x2: left + 42, y1: y - 4, y2: y - 4 }),
                element("text", { class: "strong", x: left + 50, y }, label),
            );
        });
    }
}
