//! The incomplete Beta function and its inverse, for every `a, b > 0`.
//!
//! The log odds of a Beta(a, b) variable have the density `peak * exp(-n kappa(s))` at a distance `s` from their mode
//! `ln(a/b)`, with `n = a + b` and
//!
//! ```text
//! kappa(s) = ln(q + p e^s) - p s,    p = a/n,    q = b/n
//! ```
//!
//! convex and 0 at the mode. A tail is the integral of that over panels, by the rule of Gauss and Legendre. Nothing in
//! it cancels, nothing that underflows matters, and the number of panels has a bound.

use super::{ln_1p_minus, ln_beta_peak};

/// The regularised incomplete Beta function `I_x(a, b)`: the probability that a Beta(a, b) variable is below `x`.
///
/// Relative error below 1e-12 as far as the rounding of `x` allows: of `I` up to the mean `a / (a + b)`, of `1 - I`
/// beyond it.
pub(crate) fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    let y = 1.0 - x;
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let odds = x / y * (b / a);
    let s = if odds.is_normal() { odds.ln() } else { x.ln() - y.ln() + b.ln() - a.ln() };
    if s < 0.0 { Bell::new(b, a).mass(-s).min(1.0) } else { 1.0 - Bell::new(a, b).mass(s).min(1.0) }
}

/// The quantile `x` of a Beta(a, b) variable at `0 < level < 1`, as `(x, 1 - x)`, either to its own last digits, and 0
/// where it underflows.
pub(crate) fn beta_quantile(level: f64, a: f64, b: f64) -> (f64, f64) {
    let down = Bell::new(b, a);
    let s = if level < down.mass(0.0) { -down.distance(level) } else { Bell::new(a, b).distance(1.0 - level) };
    let share = |odds: f64| 1.0 / (1.0 + odds);
    (share(b / a * (-s).exp()), share(a / b * s.exp()))
}

/// The log odds of a Beta(a, b) variable, seen upwards from their mode.
struct Bell {
    a: f64,
    b: f64,
    p: f64,
    q: f64,
    ln_peak: f64,
}

/// The exponent at some distance.
struct Exponent {
    /// `n kappa` and its first two derivatives.
    value: f64,
    slope: f64,
    bend: f64,
    /// `1 - slope / b`: the slope grows from 0 to `b`.
    rest: f64,
}

impl Bell {
    fn new(a: f64, b: f64) -> Self {
        let n = a + b;
        Self { a, b, p: a / n, q: b / n, ln_peak: ln_beta_peak(a, b) }
    }

    fn exponent(&self, s: f64) -> Exponent {
        let (a, b, p, q) = (self.a, self.b, self.p, self.q);
        if s > 700.0 {
            // e^s is about to overflow.
            let lost = q / p * (-s).exp();
            let rest = (-s).exp() / p / (1.0 + lost);
            let value = (a + b) * (p.ln() + lost.ln_1p()) + b * s;
            return Exponent { value, slope: b * (1.0 - rest), bend: b * rest, rest };
        }
        // kappa is the same with p and q, s and -s exchanged.
        let (share, t) = if p <= 0.5 { (p, s) } else { (q, -s) };
        let growth = share * t.exp_m1();
        let kappa = if s < 1.0 { ln_1p_minus(growth) + share * exp_m1_minus(t) } else { growth.ln_1p() - share * t };
        let growth = p * s.exp_m1();
        let rest = 1.0 / (1.0 + growth);
        Exponent { value: (a + b) * kappa, slope: b * growth * rest, bend: b * rest * (p * s.exp() * rest), rest }
    }

    /// The probability beyond a distance `s >= 0`.
    fn mass(&self, s: f64) -> f64 {
        (self.ln_peak + self.tail(s).ln()).exp()
    }

    /// The integral of `exp(-n kappa)` from `s` to infinity.
    ///
    /// As the slope grows towards `b`, what lies beyond a point is between `e^-value / b` and `e^-value / slope`: the sum
    /// ends where the two agree, or are nothing beside it. The bound: the longest panels bring `s` to where they agree,
    /// `ln(1e17 / p)`, in `(39 + 1420) / LONGEST` at most. A shorter one has `slope` or `sqrt(bend)` times its length
    /// above `LOAD / 2`; the bend falls by less than `e^-LONGEST` on it, so it brings a factor of `e^-0.07` or more, and
    /// after 540 of them nothing is left of `e^-value`.
    fn tail(&self, mut s: f64) -> f64 {
        const MAX_TERMS: u32 = 1100;
        const LONGEST: f64 = 3.0;
        const LOAD: f64 = 3.5;
        let mut sum = 0.0;
        for _ in 0..MAX_TERMS {
            let Exponent { value, slope, bend, rest } = self.exponent(s);
            let here = (-value).exp();
            // The difference of the two, times the slope, against the whole.
            if here * rest <= 1e-17 * (sum * slope + here) {
                return if here > 0.0 { sum + here / slope } else { sum };
            }
            let half = 0.5 * LONGEST.min(LOAD / (slope + bend.sqrt()));
            let at = |node: f64| (-self.exponent(s + half * (1.0 + node)).value).exp();
            sum += half * GAUSS.iter().map(|&(node, weight)| weight * (at(node) + at(-node))).sum::<f64>();
            s += 2.0 * half;
        }
        sum
    }

    /// The distance beyond which the probability is `mass`; 0 where it is less everywhere.
    ///
    /// `ln tail` falls and is concave, so that Newton's step from the mode overshoots, which brackets the root, and steps
    /// from there come down to it. Each round halves the step, or else the bracket: 150 of either end on neighbours.
    fn distance(&self, mass: f64) -> f64 {
        const ROUNDS: u32 = 300;
        // By how much the logarithm is above its goal at s, and the step that would mend it.
        let newton = |s: f64| {
            let tail = self.tail(s);
            let over = self.ln_peak + tail.ln() - mass.ln();
            (over, over * tail * self.exponent(s).value.exp())
        };
        let (mut low, mut high) = (0.0, newton(0.0).1);
        let (mut s, mut last) = (high, high);
        if high.is_nan() || high <= 0.0 {
            return 0.0;
        }
        for _ in 0..ROUNDS {
            let (over, step) = newton(s);
            // The step leaves less than the square of what it mends, as the hazard grows by less than its own square.
            if over.abs() <= 1e-8 {
                return s + step;
            }
            if over > 0.0 {
                low = s
            } else {
                high = s
            }
            let next = s + step;
            (s, last) = if next > low && next < high && step.abs() <= 0.5 * last {
                (next, step.abs())
            } else {
                (0.5 * (low + high), high - low)
            };
        }
        s
    }
}

/// `e^x - 1 - x` for `|x| <= 1`, with a small relative error.
fn exp_m1_minus(x: f64) -> f64 {
    0.5 * x * x * (3..=20).rev().fold(1.0, |sum, j| 1.0 + sum * x / f64::from(j))
}

/// Nodes and weights of Gauss and Legendre's rule of order 16 on `[-1, 1]`, the half above 0.
const GAUSS: [(f64, f64); 8] = [
    (0.09501250983763744, 0.1894506104550685),
    (0.2816035507792589, 0.18260341504492358),
    (0.45801677765722737, 0.16915651939500254),
    (0.6178762444026438, 0.14959598881657674),
    (0.755404408355003, 0.12462897125553388),
    (0.8656312023878318, 0.09515851168249279),
    (0.9445750230732326, 0.062253523938647894),
    (0.9894009349916499, 0.027152459411754096),
];
