//! Laws of the success probability without a closed form: integrals over `u`, the log odds of a Beta variable that the
//! success probability is a function of.
//!
//! The integrands are unimodal and analytic around the real line and fall off exponentially on both sides, so that the
//! trapezoidal rule converges exponentially (Trefethen and Weideman 2014): relative error about 1e-10.

use super::mixing::{Gradient, NONE};
use crate::{
    laws::BetaLaw,
    special::{digamma_rise, ln_beta, ln_likelihood_ratio, one_minus_exp},
};

/// One point of the integral.
struct Node {
    /// Success probability `q` and `1 - q`.
    success: f64,
    failure: f64,
    ln_failure: f64,
    /// `ln` of the density in `u`.
    ln_weight: f64,
    /// `d ln q / du`, and that of `ln_weight`.
    slope: [f64; 2],
    /// Derivatives of `q` and of `ln_weight` by the coordinates of the law.
    by_success: Gradient,
    by_weight: Gradient,
}

/// A law of the success probability by its nodes.
pub trait Family {
    /// `d u / d ln q` at `q = 1/n`, at most 1: singularities are so much closer.
    fn scale(&self, n: f64) -> f64;

    /// The node at `u`.
    #[expect(private_interfaces, reason = "nodes are of no use outside of this file")]
    fn node(&self, u: f64) -> Node;
}

/// `A` times a Beta variable. Coordinates: `ln alpha`, `ln beta`, log odds of `A`.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    /// `A` and `1 - A`.
    pub scale: [f64; 2],
    /// The law of the failure probability, were it not scaled.
    pub law: BetaLaw,
    ln_beta: f64,
    /// `psi(alpha + beta) - psi(alpha)`, and with `psi(beta)`.
    digamma: [f64; 2],
}

impl Scaled {
    /// The law of these parameters.
    pub fn new(scale: [f64; 2], law: BetaLaw) -> Self {
        let (alpha, beta) = (law.alpha(), law.beta());
        let digamma = [digamma_rise(alpha, beta), digamma_rise(beta, alpha)];
        Self { scale, law, ln_beta: ln_beta(alpha, beta), digamma }
    }
}

impl Family for Scaled {
    fn scale(&self, _: f64) -> f64 {
        1.0
    }

    #[expect(private_interfaces, reason = "nodes are of no use outside of this file")]
    fn node(&self, u: f64) -> Node {
        let ([ln_x, ln_y], [x, y]) = logistic(u);
        let ([scale, rest], alpha, beta) = (self.scale, self.law.alpha(), self.law.beta());
        let success = scale * x;
        let mut by_success = NONE;
        by_success[2] = success * rest;
        let mut by_weight = NONE;
        by_weight[0] = alpha * (ln_y + self.digamma[0]);
        by_weight[1] = beta * (ln_x + self.digamma[1]);
        Node {
            success,
            failure: rest + scale * y,
            ln_failure: if success < 0.5 { (-success).ln_1p() } else { (rest + scale * y).ln() },
            ln_weight: beta * ln_x + alpha * ln_y - self.ln_beta,
            slope: [y, beta * y - alpha * x],
            by_success,
            by_weight,
        }
    }
}

/// `Y^(1/beta)` for a Beta(1, alpha) variable `Y`: Kumaraswamy's law. Coordinates: `ln alpha`, `ln beta`.
#[derive(Clone, Copy, Debug)]
pub struct Kumaraswamy {
    /// The exponent of success probabilities near 1.
    pub alpha: f64,
    /// The exponent of small success probabilities.
    pub beta: f64,
}

impl Family for Kumaraswamy {
    fn scale(&self, n: f64) -> f64 {
        (self.beta / one_minus_exp(-self.beta * n.max(3.0).ln())).min(1.0)
    }

    #[expect(private_interfaces, reason = "nodes are of no use outside of this file")]
    fn node(&self, u: f64) -> Node {
        let ([ln_x, ln_y], [x, y]) = logistic(u);
        let ln_success = ln_x / self.beta;
        let (success, failure) = (ln_success.exp(), one_minus_exp(ln_success));
        let mut by_success = NONE;
        by_success[1] = -success * ln_success;
        let mut by_weight = NONE;
        by_weight[0] = 1.0 + self.alpha * ln_y;
        Node {
            success,
            failure,
            ln_failure: if success < 0.5 { (-success).ln_1p() } else { failure.ln() },
            ln_weight: self.alpha.ln() + ln_x + self.alpha * ln_y,
            slope: [y / self.beta, y - self.alpha * x],
            by_success,
            by_weight,
        }
    }
}

/// `([ln x, ln(1-x)], [x, 1-x])` of the probability `x` with log odds `u`.
fn logistic(u: f64) -> ([f64; 2], [f64; 2]) {
    let small = (-u.abs()).exp();
    let (large, ln_large) = (1.0 / (1.0 + small), -small.ln_1p());
    let (minor, ln_minor) = (small * large, ln_large - u.abs());
    if u < 0.0 { ([ln_minor, ln_large], [minor, large]) } else { ([ln_large, ln_minor], [large, minor]) }
}

/// `ln` of the mean over the law of the binomial likelihood relative to its maximum, and its derivatives.
pub fn ln_likelihood(family: &impl Family, successes: f64, failures: f64) -> (f64, Gradient) {
    if successes == 0.0 {
        let (solved, by) = solved(family, failures);
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
    integral(family, successes + failures, slope, value)
}

/// The mean of `1 - (1-q)^k` and its derivatives.
pub fn solved(family: &impl Family, k: f64) -> (f64, Gradient) {
    let rate = |node: &Node| k * ((k - 1.0) * node.ln_failure).exp() / one_minus_exp(k * node.ln_failure);
    // Where the success probability underflows, the top is ahead.
    let slope = |node: &Node| match node.success {
        0.0 => 1.0,
        success => rate(node) * success * node.slope[0] + node.slope[1],
    };
    let value = |node: &Node| (one_minus_exp(k * node.ln_failure).ln() + node.ln_weight, rate(node));
    let (ln, by) = integral(family, k, slope, value);
    let solved = ln.exp().min(1.0);
    (solved, by.map(|d| d * solved))
}

/// `ln` of the integral of `exp(value)` over `u` for about `n` trials, and its derivatives by the coordinates. `slope` is the derivative of
/// `value` by `u` up to a positive factor; `value` returns with it the derivative by `q`.
fn integral(
    family: &impl Family,
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
    const MOST: u32 = 4000;
    let (mut low, mut high) = (-740.0, 740.0);
    // Scales are above 1/50: after 28 halvings the bracket is a thousandth of one, after 40 it would be of any.
    for _ in 0..40 {
        if high - low <= 1e-3 * family.scale(n) {
            break;
        }
        let middle = 0.5 * (low + high);
        if slope(&family.node(middle)) > 0.0 { low = middle } else { high = middle }
    }
    let mode = 0.5 * (low + high);
    let top = value(&family.node(mode)).0;
    let width = 1e-2 * family.scale(n);
    let bend =
        (2.0 * top - value(&family.node(mode - width)).0 - value(&family.node(mode + width)).0) / (width * width);
    let longest = STEP * family.scale(n);
    let step = if bend > 0.0 { (0.6 / bend.sqrt()).min(longest) } else { longest };
    let (mut sum, mut by) = (0.0, NONE);
    let mut add = |u: f64| {
        let node = family.node(u);
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
        let _ = (1..MOST).map(f64::from).take_while(|&i| add(mode + i * direction)).count();
    }
    ((sum * step).ln() + top, by.map(|d| d / sum))
}
