//! Maximum likelihood of Eq 8 from success counts.
//!
//! A sample with failure probability drawn from Beta(alpha, beta) succeeds `c` times in `n` trials with the
//! beta-binomial probability
//!
//! ```text
//! P(c | n) = C(n, c) B(alpha + n-c, beta + c) / B(alpha, beta) = W(beta, c) W(alpha, n-c) / W(alpha + beta, n)
//! ```
//!
//! with `W(x, m) = Gamma(x+m) / (Gamma(x) m!)`, and with probability `[c = 0]` if it belongs to the share `1-A` that
//! cannot be solved. Counts from runs that stop at a success have the same likelihood, since that rule does not depend
//! on `p`.

use super::{Misfit, NoFit, beta, minimise::bfgs};
use crate::{Data, coverage::Counts, laws::BetaLaw};
use retrial_spec::{Error, Result};

/// Eq 8, fitted to counts.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BetaFit {
    /// `A`, the share of samples that can be solved at all.
    pub max_coverage: f64,
    /// The law of the failure probability among those.
    pub law: BetaLaw,
    /// Negative log likelihood of the counts, in nats, binomial coefficients included.
    pub nll: f64,
    /// How far the law misses the curve.
    pub misfit: Misfit,
}

impl BetaFit {
    /// The fitted coverage of `k` trials (Eq 8).
    pub fn coverage(&self, k: f64) -> f64 {
        self.law.coverage(k, self.max_coverage)
    }
}

/// A fit, or the reason why no Beta law is the most likely one: its parameters would run off to 0 or infinity.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub enum Outcome {
    /// There is a most likely law.
    Fitted(BetaFit),
    /// No trial succeeded.
    NoSuccess,
    /// No trial failed.
    NoFailure,
    /// The success rates of the samples that can be solved differ no more than equal ones would by chance (also when
    /// there is one trial per sample, and nothing can be told).
    NoSpread,
    /// Each sample was solved always or never.
    AllOrNothing,
}

impl Outcome {
    /// The fit, if there is one.
    pub fn fitted(&self) -> Option<&BetaFit> {
        match self {
            Self::Fitted(fit) => Some(fit),
            _ => None,
        }
    }

    /// `A` and the law.
    pub(super) fn into_law(self) -> std::result::Result<(f64, BetaLaw), NoFit> {
        match self {
            Self::Fitted(fit) => Ok((fit.max_coverage, fit.law)),
            none => Err(none.no_fit()),
        }
    }

    /// Why there is none.
    pub(super) fn no_fit(&self) -> NoFit {
        match self {
            Self::NoSuccess => NoFit::NoSuccess,
            Self::NoFailure => NoFit::NoFailure,
            Self::AllOrNothing => NoFit::AllOrNothing,
            Self::Fitted(_) | Self::NoSpread => NoFit::NoSpread,
        }
    }
}

/// The most likely Beta law of the failure probability (Eq 8 with `A = 1`), from counts with any numbers of trials.
/// `curve` is only compared with. An error without samples.
pub fn beta_binomial(counts: &[Counts], curve: &[(f64, f64)]) -> Result<Outcome> {
    fit(counts, curve, all_solvable)
}

/// The most likely Eq 8, with the share `A` of samples that can be solved at all, `0 < A <= 1`.
/// `curve` is only compared with. An error without samples.
pub fn zero_inflated(counts: &[Counts], curve: &[(f64, f64)]) -> Result<Outcome> {
    fit(counts, curve, likeliest_share)
}

/// `A = 1`.
pub(super) fn all_solvable(_: &[Group], _: &BetaLaw) -> f64 {
    1.0
}

/// Equal counts and how many samples have them: few distinct ones carry most samples, above all `c = 0`.
pub(super) type Group = (Counts, f64);

/// Maximises over `ln alpha` and `ln beta`, with `A` eliminated: `share` yields it from the groups and the law, and
/// where it is the likeliest the gradient needs no term for it.
fn fit(counts: &[Counts], curve: &[(f64, f64)], share: Share) -> Result<Outcome> {
    let data = Data::new(counts).map_err(|_| Error::input("samples", 0, "a fit needs at least one"))?;
    let mut outcome = likeliest(data.cells(), share, None, 0.0);
    if let Outcome::Fitted(fit) = &mut outcome {
        fit.misfit = Misfit::of(curve, |k| fit.law.coverage(k, fit.max_coverage));
    }
    Ok(outcome)
}

/// Yields `A` from the groups and the law.
pub(super) type Share = fn(&[Group], &BetaLaw) -> f64;

/// The fit to distinct counts, from `start` (none: from several that suit the data), until a step promises less than
/// `gain` nats. The misfit is left empty.
pub(super) fn likeliest(groups: &[Group], share: Share, start: Option<BetaLaw>, gain: f64) -> Outcome {
    let rate = match success_rate(groups) {
        Ok(rate) => rate,
        Err(no_optimum) => return no_optimum,
    };
    let objective = |[a, b]: [f64; 2]| match BetaLaw::new(a.exp(), b.exp()) {
        Ok(law) => negative_log_likelihood(groups, &law, share(groups, &law)),
        Err(_) => (f64::INFINITY, [0.0; 2]),
    };
    let from = |[alpha, beta]: [f64; 2]| bfgs(objective, [alpha.ln(), beta.ln()], gain);
    let ([a, b], nll) = match start {
        Some(law) => from([law.alpha(), law.beta()]),
        None => {
            // These have the overall success rate and much, some or little spread.
            let [mut best, rest @ ..] = [0.3, 30.0, 3000.0].map(|sum: f64| from([(1.0 - rate) * sum, rate * sum]));
            for end in rest {
                if end.1 < best.1 {
                    best = end;
                }
            }
            best
        }
    };
    // The variance of a count is the binomial one times 1 + (n-1) / (alpha + beta + 1): no data can show a factor of
    // 1.0001.
    let most_trials = groups.last().map_or(0.0, |(s, _)| s.trials() as f64);
    match BetaLaw::new(a.exp(), b.exp()) {
        Ok(law) if law.alpha() + law.beta() <= 1e4 * most_trials => {
            Outcome::Fitted(BetaFit { max_coverage: share(groups, &law), law, nll, misfit: Misfit::of(&[], |_| 0.0) })
        }
        _ => Outcome::NoSpread,
    }
}

/// The overall success rate, or the reason why the likelihood has no maximum inside.
pub(super) fn success_rate(groups: &[Group]) -> std::result::Result<f64, Outcome> {
    let total = |f: fn(&Counts) -> u64| groups.iter().map(|(s, weight)| f(s) as f64 * weight).sum::<f64>();
    let (trials, successes) = (total(Counts::trials), total(Counts::successes));
    if successes == 0.0 {
        return Err(Outcome::NoSuccess);
    }
    if total(Counts::failures) == 0.0 {
        return Err(Outcome::NoFailure);
    }
    // Tarone's score (Biometrika 66, 1979): the slope of the log likelihood as 1 / (alpha + beta) leaves 0.
    let rate = successes / trials;
    let excess = |s: &Counts| (s.successes() as f64 - s.trials() as f64 * rate).powi(2) / (rate * (1.0 - rate));
    let dispersion: f64 = groups.iter().map(|(s, weight)| excess(s) * weight).sum();
    if dispersion <= trials * (1.0 + 1e-9) {
        return Err(Outcome::NoSpread);
    }
    if groups.iter().all(|(s, _)| s.successes() == 0 || s.failures() == 0) {
        return Err(Outcome::AllOrNothing);
    }
    Ok(rate)
}

/// The `A` that maximises `m ln A + sum over unsolved ln(1 - A (1 - <p^n>))`, `m` samples being solved. The sum is
/// concave: bisection of its slope.
pub(super) fn likeliest_share(groups: &[Group], law: &BetaLaw) -> f64 {
    let (unsolved, solved): (Vec<&Group>, Vec<_>) = groups.iter().partition(|(s, _)| s.successes() == 0);
    let unsolved: Vec<(f64, f64)> = unsolved.iter().map(|(s, w)| (law.coverage(s.trials() as f64, 1.0), *w)).collect();
    let solved: f64 = solved.iter().map(|(_, weight)| weight).sum();
    let slope = |a: f64| solved / a - unsolved.iter().map(|(found, w)| w * found / (1.0 - a * found)).sum::<f64>();
    if slope(1.0) >= 0.0 {
        return 1.0;
    }
    // If every unsolved sample that could be solved had been, A would be the share of the solved.
    let (mut low, mut high) = (solved / (solved + unsolved.iter().map(|(_, weight)| weight).sum::<f64>()), 1.0);
    // To the last bit: the share of the solved is no less than one in all samples.
    for _ in 0..128 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if slope(middle) > 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The negative log likelihood and its gradient in `(ln alpha, ln beta)` at fixed `A`.
fn negative_log_likelihood(groups: &[Group], law: &BetaLaw, share: f64) -> (f64, [f64; 2]) {
    let (mut sum, mut gradient) = (0.0, [0.0; 2]);
    for (s, weight) in groups {
        let (n, c) = (s.trials() as f64, s.successes() as f64);
        let (ln, [by_alpha, by_beta]) = match share < 1.0 {
            true => {
                let (ln, [a, b, _]) = beta::ln_inflated([share, 1.0 - share], law, n, c);
                (ln, [a, b])
            }
            false => beta::ln_probability(law, n, c),
        };
        sum -= weight * ln;
        gradient[0] -= weight * by_alpha;
        gradient[1] -= weight * by_beta;
    }
    (sum, gradient)
}
