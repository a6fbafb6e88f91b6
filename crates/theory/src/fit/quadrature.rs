//! Laws of the success probability without a closed form: integrals over `u`, the log odds of a Beta variable that the
//! success probability is a function of.
//!
//! The integrands are unimodal and analytic around the real line and fall off exponentially on both sides, so that the
//! trapezoidal rule converges exponentially (Trefethen and Weideman 2014): relative error about 1e-10.

use super::family::{Gradient, NONE};
use crate::special::{ln_largest_binomial, ln_likelihood_ratio, one_minus_exp};

/// One point of the integral.
pub(super) struct Node {
    /// Success probability `q`.
    pub success: f64,
    /// `1 - q`.
    pub failure: f64,
    /// Its logarithm.
    pub ln_failure: f64,
    /// `ln` of the density in `u`.
    pub ln_weight: f64,
    /// `d ln q / du`, and that of `ln_weight`.
    pub slope: [f64; 2],
    /// Derivatives of `q` by the coordinates of the law.
    pub by_success: Gradient,
    /// Those of `ln_weight`.
    pub by_weight: Gradient,
}

/// A law of the success probability by its nodes.
pub(super) trait Nodes {
    /// `d u / d ln q` at `q = 1/n`, at most 1: singularities are so much closer.
    fn scale(&self, n: f64) -> f64;

    /// The node at `u`.
    fn node(&self, u: f64) -> Node;
}

/// `([ln x, ln(1-x)], [x, 1-x])` of the probability `x` with log odds `u`.
pub(super) fn logistic(u: f64) -> ([f64; 2], [f64; 2]) {
    let small = (-u.abs()).exp();
    let (large, ln_large) = (1.0 / (1.0 + small), -small.ln_1p());
    let (minor, ln_minor) = (small * large, ln_large - u.abs());
    if u < 0.0 { ([ln_minor, ln_large], [minor, large]) } else { ([ln_large, ln_minor], [large, minor]) }
}

/// `ln` of the probability of `c` successes in `n` trials, binomial coefficient included, and its derivatives.
pub(super) fn ln_probability(law: &impl Nodes, n: f64, c: f64) -> (f64, Gradient) {
    let (ln, by) = ln_likelihood(law, c, n - c);
    (ln_largest_binomial(n, c) + ln, by)
}

/// `ln` of the mean over the law of the binomial likelihood relative to its maximum, and its derivatives.
fn ln_likelihood(law: &impl Nodes, successes: f64, failures: f64) -> (f64, Gradient) {
    if successes == 0.0 {
        let (solved, by) = solved(law, failures);
        if solved < 0.9 {
            let loss = 1.0 - solved;
            return ((-solved).ln_1p(), by.map(|d| -d / loss));
        }
    }
    let slope = |node: &Node| {
        let by_success = successes - failures * node.success / node.failure;
        let [success, weight] = node.slope;
        (if success > 0.0 { by_success * success } else { 0.0 }) + weight
    };
    let value = |node: &Node| {
        let ln = ln_likelihood_ratio(successes, failures, node.success, node.failure) + node.ln_weight;
        // Where nothing failed, the failure probability may be 0.
        let rate = successes / node.success - if failures > 0.0 { failures / node.failure } else { 0.0 };
        (ln, rate)
    };
    integral(law, successes + failures, slope, value)
}

/// The mean of `1 - (1-q)^k` and its derivatives.
pub(super) fn solved(law: &impl Nodes, k: f64) -> (f64, Gradient) {
    let rate = |node: &Node| k * ((k - 1.0) * node.ln_failure).exp() / one_minus_exp(k * node.ln_failure);
    // Where the success probability underflows, the top is ahead.
    let slope = |node: &Node| match node.success {
        0.0 => 1.0,
        success => rate(node) * success * node.slope[0] + node.slope[1],
    };
    let value = |node: &Node| (one_minus_exp(k * node.ln_failure).ln() + node.ln_weight, rate(node));
    let (ln, by) = integral(law, k, slope, value);
    let solved = ln.exp().min(1.0);
    (solved, by.map(|d| d * solved))
}

/// `ln` of the integral of `exp(value)` over `u` for about `n` trials, and its derivatives by the coordinates. `slope` is the derivative of
/// `value` by `u` up to a positive factor; `value` returns with it the derivative by `q`.
fn integral(
    law: &impl Nodes,
    n: f64,
    slope: impl Fn(&Node) -> f64,
    value: impl Fn(&Node) -> (f64, f64),
) -> (f64, Gradient) {
    /// The longest step; the nearest singularities are pi/2 away or more, scaled.
    const STEP: f64 = 0.4;
    /// What is `e^-32` times the largest value is left out.
    const DEPTH: f64 = 32.0;
    /// Points to a side: more than any law takes that describes counts. Searches may stray to laws that would take
    /// millions.
    const MAX_NODES: u32 = 4000;
    let (mut low, mut high) = (-740.0, 740.0);
    // Scales are above 1/50: after 28 halvings the bracket is a thousandth of one, after 40 it would be of any.
    for _ in 0..40 {
        if high - low <= 1e-3 * law.scale(n) {
            break;
        }
        let middle = 0.5 * (low + high);
        if slope(&law.node(middle)) > 0.0 { low = middle } else { high = middle }
    }
    let mode = 0.5 * (low + high);
    let top = value(&law.node(mode)).0;
    let width = 1e-2 * law.scale(n);
    let bend = (2.0 * top - value(&law.node(mode - width)).0 - value(&law.node(mode + width)).0) / (width * width);
    let longest = STEP * law.scale(n);
    let step = if bend > 0.0 { (0.6 / bend.sqrt()).min(longest) } else { longest };
    let (mut sum, mut by) = (0.0, NONE);
    let mut add = |u: f64| {
        let node = law.node(u);
        let (ln, rate) = value(&node);
        let part = (ln - top).exp();
        if part > 0.0 && part.is_finite() {
            sum += part;
            for (by, (success, weight)) in by.iter_mut().zip(node.by_success.iter().zip(&node.by_weight)) {
                *by += part * (weight + if *success == 0.0 { 0.0 } else { rate * success });
            }
        }
        ln > top - DEPTH && u.abs() < 740.0
    };
    let _ = add(mode);
    for direction in [-step, step] {
        let _ = (1..MAX_NODES).map(f64::from).take_while(|&i| add(mode + i * direction)).count();
    }
    ((sum * step).ln() + top, by.map(|d| d / sum))
}
