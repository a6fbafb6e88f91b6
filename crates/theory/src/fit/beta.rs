//! Beta laws as parts of others, with derivatives by `ln alpha` and `ln beta`.

use crate::{
    laws::BetaLaw,
    special::{digamma_rise, ln_rising_ratio, one_minus_exp},
};

/// `ln` of a beta-binomial probability and its derivatives: `W(beta, c) W(alpha, n-c) / W(alpha + beta, n)` with `W(x, m)
/// = Gamma(x+m) / (Gamma(x) m!)`.
pub(super) fn ln_probability(law: &BetaLaw, n: f64, c: f64) -> (f64, [f64; 2]) {
    let (alpha, beta, failures) = (law.alpha(), law.beta(), n - c);
    if c == 0.0 {
        let [by_alpha, by_beta] = law.ln_loss_gradient(n);
        return (law.ln_loss(n), [by_alpha * alpha, by_beta * beta]);
    }
    let ln = ln_weight(beta, c) + ln_weight(alpha, failures) - ln_weight(alpha + beta, n);
    let common = digamma_rise(alpha + beta, n);
    let by_alpha = digamma_rise(alpha, failures) - common;
    let by_beta = digamma_rise(beta, c) - common;
    (ln, [by_alpha * alpha, by_beta * beta])
}

/// The same where a share of the samples cannot be solved: `share` can, and `rest` cannot. The third derivative is by the
/// log odds of the share.
pub(super) fn ln_inflated([share, rest]: [f64; 2], law: &BetaLaw, n: f64, c: f64) -> (f64, [f64; 3]) {
    let (ln, d) = ln_probability(law, n, c);
    if c > 0.0 {
        return (share.ln() + ln, [d[0], d[1], rest]);
    }
    let solvable = share * ln.exp();
    let whole = rest + solvable;
    let part = solvable / whole;
    // d share = share (1 - share) d odds.
    let by_odds = share * rest * (ln.exp() - 1.0) / whole;
    (whole.ln(), [part * d[0], part * d[1], by_odds])
}

/// Coverage of `k` trials and its derivatives.
pub(super) fn coverage(law: &BetaLaw, k: f64) -> (f64, [f64; 2]) {
    let [by_alpha, by_beta] = law.ln_loss_gradient(k);
    let loss = law.loss(k);
    (one_minus_exp(law.ln_loss(k)), [-loss * by_alpha * law.alpha(), -loss * by_beta * law.beta()])
}

/// `ln W(x, m)`.
fn ln_weight(x: f64, m: f64) -> f64 {
    if x < 1.0 { ln_rising_ratio(x, 1.0 - x, m) } else { -ln_rising_ratio(1.0, x - 1.0, m) }
}
