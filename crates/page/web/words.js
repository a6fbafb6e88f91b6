// Numbers in words.

const digits = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/**
 * A whole number with its thousands apart.
 * @param {bigint | number} n
 */
export const whole = (n) => digits.format(n);

/**
 * Three digits of any positive number.
 * @param {number} n
 */
export const rough = (n) => short.format(Number(n.toPrecision(3)));

/**
 * A share as a percentage.
 * @param {number} share
 */
export const percent = (share) =>
    `${share > 0 && share < 1e-4 ? (100 * share).toExponential(1) : rough(100 * share)} %`;

/**
 * A power of ten for an axis.
 * @param {number} exponent
 */
export function power(exponent) {
    if (exponent < 4) return whole(10 ** exponent);
    const raised = [...`${exponent}`].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
    return `10${raised}`;
}
