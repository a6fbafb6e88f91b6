// Special functions, ported from crates/theory/src/special.rs: differences of ln Gamma leave no digits where trials are
// many, so everything is built on the ratio of Gamma functions, whose large parts cancel on paper.

/** Above this argument seven terms of Stirling's series are exact to rounding. */
const STIRLING = 10;

const LN_GAMMA = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
const DIGAMMA = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12];

/**
 * `1 - e^x`, exact also near 0.
 * @param {number} x
 */
export const oneMinusExp = (x) => 0 - Math.expm1(x);

/**
 * `ln Gamma(x) - (x - 1/2) ln x + x - ln(2 pi)/2` for `x >= 10`.
 * @param {number} x
 */
function stirling(x) {
    const square = 1 / (x * x);
    return LN_GAMMA.reduceRight((sum, c) => sum * square + c, 0) / x;
}

/**
 * `ln(1 + u) - u` for `u > -1`, with a small relative error also where the two terms nearly cancel.
 * @param {number} u
 */
export function ln1pMinus(u) {
    if (!(u >= -0.5 && u < 1)) return Math.log1p(u) - u;
    // ln(1+u) = 2 atanh z with z = u/(2+u), and 2z - u = -uz.
    const z = u / (2 + u), square = z * z;
    let series = 0;
    for (let j = 16; j >= 1; j--) series = series * square + 1 / (2 * j + 1);
    return 2 * z * square * series - u * z;
}

/**
 * `g` in `Gamma(x+d) / Gamma(x) = (x+d)^d e^g`, for `x >= 10` and `d >= 0`.
 * @param {number} x
 * @param {number} d
 */
function gammaRatioExponent(x, d) {
    const u = d / x;
    return x * ln1pMinus(u) - 0.5 * Math.log1p(u) + (stirling(x + d) - stirling(x));
}

/**
 * `ln` of the ratio of rising factorials `Gamma(a+m) Gamma(a+d) / (Gamma(a) Gamma(a+d+m))`, for `a > 0` and `d, m >= 0`:
 * `<p^k>` of a Beta law and `C(n-c, k) / C(n, k)` are values of it.
 * @param {number} a
 * @param {number} d
 * @param {number} m
 */
export function lnRisingRatio(a, d, m) {
    [d, m] = [Math.min(d, m), Math.max(d, m)];
    let sum = 0;
    while (a < STIRLING) {
        const lost = d / (a + d) * (m / (a + m));
        sum += lost < 0.5 ? Math.log1p(-lost) : Math.log(a / (a + d) * ((a + d + m) / (a + m)));
        a += 1;
    }
    return sum + (gammaRatioExponent(a, d) - gammaRatioExponent(a + m, d)) - d * Math.log1p(m / (a + d));
}

/**
 * `psi(x + d) - psi(x)` for `x > 0` and `d >= 0`, psi being the derivative of ln Gamma.
 * @param {number} x
 * @param {number} d
 */
export function digammaRise(x, d) {
    let sum = 0;
    while (x < STIRLING) {
        sum += d / (x + d) / x;
        x += 1;
    }
    // The series is u C(u) at u = 1/x^2, v = 1/(x+d)^2: by Horner's scheme with its divided difference.
    const u = 1 / (x * x), v = 1 / ((x + d) * (x + d));
    let p = 0, divided = 0;
    for (const c of [0, ...DIGAMMA].reverse()) [p, divided] = [p * u + c, divided * v + p];
    const fall = d * (2 * x + d) * u * v;
    return sum + Math.log1p(d / x) + 0.5 * (d / (x + d)) / x + divided * fall;
}

/**
 * `ln Gamma(x)` for `x > 0`.
 * @param {number} x
 */
export function lnGamma(x) {
    let shift = 0;
    while (x < STIRLING) {
        shift -= Math.log(x);
        x += 1;
    }
    return shift + (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + stirling(x);
}

/**
 * `ln n! - (n + 1/2) ln n + n - ln(2 pi)/2` for `n > 0`.
 * @param {number} n
 */
function stirlingError(n) {
    if (n >= STIRLING) return stirling(n);
    return lnGamma(n + 1) - (n + 0.5) * Math.log(n) + n - 0.5 * Math.log(2 * Math.PI);
}

/**
 * `ln` of the largest density of the log odds of a Beta(a, b) variable.
 * @param {number} a
 * @param {number} b
 */
export function lnBetaPeak(a, b) {
    const ratio = Math.min(a, b) * (Math.max(a, b) / (a + b)) / (2 * Math.PI);
    return stirlingError(a + b) - stirlingError(a) - stirlingError(b) + 0.5 * Math.log(ratio);
}
