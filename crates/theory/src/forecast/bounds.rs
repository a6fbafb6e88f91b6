//! Worst-case bounds: what the counts say about `K` trials whatever the law.

use crate::{
    Data,
    npmle::{Mixing, Solver, Tilt},
};

/// The least and the greatest coverage that any law of the failure probability which fits the counts gives.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Bounds {
    /// Trials per sample.
    pub k: f64,
    /// The least coverage.
    pub low: f64,
    /// The greatest coverage.
    pub high: f64,
}

/// `-ln 0.05`: the most nats by which a law that "fits" is less likely than the NPMLE.
const DROP: f64 = 2.995_732_273_553_991;

/// Worst-case bounds of coverage at each of `ks`: the range of `int 1 - (1-q)^K dG` over *all* laws `G` of the success
/// probability whose likelihood is at least 1/20 of the NPMLE's.
///
/// Why this is honest:
/// - No family of laws is assumed. Below `1/n` the counts are blind, and the bounds open up to say so.
/// - With the threshold `ln 20` they hold with at least 95 % even where no success was seen (all-zero counts have
///   probability 1/20 or more under any law kept), where chi squared's 1.92 nats would not do. Where the coverage at `K`
///   is a smooth function of what was measured, twice the drop is chi squared with one degree of freedom and they hold
///   with 98.6 %. They are for samples drawn from a population, and wider than needed for a fixed benchmark.
/// - Each end is a bound by duality, `(max_G [l(G) + lambda psi(G)] - l_least) / lambda`, with the certified gap of the
///   maximum added: an unfinished search makes them wider, never narrower.
pub fn bounds(data: &Data, ks: &[f64]) -> Vec<Bounds> {
    let largest = ks.iter().copied().fold(1.0, f64::max);
    let solver = Solver::new(data.cells(), largest);
    let free = solver.solve(Tilt::default(), &[], 1e-6, true);
    let least = free.ln_likelihood - DROP / data.samples();
    let at = |&k: &f64| {
        let [low, high] = [-1.0, 1.0].map(|side| end(&solver, &free, data.samples(), least, k, side));
        Bounds { k, low, high }
    };
    ks.iter().map(at).collect()
}

/// The end on one side: the dual bound is least where the tilted law is just likely enough.
fn end(solver: &Solver, free: &Mixing, samples: f64, least: f64, k: f64, side: f64) -> f64 {
    const STEPS: u32 = 12;
    const GAP: f64 = 1e-7;
    // Multipliers that trade a few nats in all for anything from all to a millionth of the samples.
    let (mut low, mut high) = ((0.1 / samples).ln(), (1e7 / samples).ln());
    let bound = |strength: f64, law: &Mixing| {
        let excess = law.ln_likelihood + strength * side * law.solved(k) + law.gap - least;
        (side * excess / strength).clamp(0.0, 1.0)
    };
    let tighter = |a: f64, b: f64| if side > 0.0 { a.min(b) } else { a.max(b) };
    let mut best = if side > 0.0 { 1.0 } else { 0.0 };
    let mut start = free.atoms.clone();
    for _ in 0..STEPS {
        let strength = (0.5 * (low + high)).exp();
        let tilt = Tilt { strength: side * strength, k };
        let law = solver.solve(tilt, &start, GAP.max(1e-3 * strength / samples), true);
        best = tighter(best, bound(strength, &law));
        if law.ln_likelihood > least {
            low = strength.ln()
        } else {
            high = strength.ln()
        }
        start = law.atoms;
    }
    best
}
