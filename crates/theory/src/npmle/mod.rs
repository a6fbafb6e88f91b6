//! The most likely law of the failure probability among all laws (Kiefer and Wolfowitz 1956; Koenker and Mizera 2014).

mod quadratic;
mod solver;

use crate::{
    Data,
    coverage::Counts,
    special::{ln_largest_binomial, one_minus_exp},
};
pub(crate) use solver::{Mixing, Solver, Tilt};

/// One failure probability and the share of samples that have it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Atom {
    /// The failure probability, `1 - success`.
    pub failure: f64,
    /// The success probability, which keeps its digits where it is small.
    pub success: f64,
    /// The share of samples.
    pub weight: f64,
}

/// The nonparametric maximum-likelihood estimate of the mixing law: always a law of few atoms.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Npmle {
    /// In order of increasing success probability; weights sum to 1.
    pub atoms: Vec<Atom>,
    /// Negative log likelihood of the counts, in nats, binomial coefficients included.
    pub nll: f64,
    /// The certificate: `max_p D(p) - 1` over all `p` in `[0, 1]`, with `D(p) = 1/N sum_i Bin_i(p) / f_i`. No law
    /// whatever is likelier by more than `N gap` nats (Lindsay 1983).
    pub gap: f64,
}

impl Npmle {
    /// The share of samples that `k >= 0` trials solve, `sum_j w_j (1 - p_j^k)`. Beyond the trials that were counted
    /// it says more about where atoms happened to fall than about the samples: use bounds there.
    pub fn coverage(&self, k: f64) -> f64 {
        self.atoms.iter().map(|atom| atom.weight * atom.solved(k)).sum()
    }

    /// Whether it is what its name says: no law is likelier by more than one part in a thousand.
    pub fn is_certified(&self) -> bool {
        self.gap < 1e-3
    }

    /// The weights of the atoms for a sample with `c` successes in `n` trials, by Bayes' rule; they sum to 1.
    pub(crate) fn posterior(&self, n: u64, c: u64) -> Vec<f64> {
        // 0 ln 0 is 0.
        let times = |count: u64, ln: f64| if count == 0 { 0.0 } else { count as f64 * ln };
        let ln = |atom: &Atom| atom.weight.ln() + times(c, atom.success.ln()) + times(n - c, atom.ln_failure());
        let likely = self.atoms.iter().map(ln).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = self.atoms.iter().map(|atom| (ln(atom) - likely).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| w / sum).collect()
    }
}

impl Atom {
    /// `1 - p^k`.
    pub fn solved(&self, k: f64) -> f64 {
        // 1^0 and 0^0 are 1.
        if k == 0.0 { 0.0 } else { one_minus_exp(k * self.ln_failure()) }
    }

    pub(crate) fn ln_failure(&self) -> f64 {
        if self.success < 0.5 { (-self.success).ln_1p() } else { self.failure.ln() }
    }
}

/// The NPMLE of `data`, to a certified gap of 1e-6 (or to rounding, where many samples keep it above: see
/// [`Npmle::gap`]).
///
/// ```
/// use retrial_theory::{Data, coverage::Counts, npmle::npmle};
///
/// # fn main() -> retrial_spec::Result<()> {
/// // Half of the samples are easy and half are hard, and the likeliest law says so.
/// let counts: Vec<Counts> = (0..40).map(|i| Counts::new(200, if i % 2 == 0 { 4 } else { 160 })).collect::<Result<_, _>>()?;
/// let law = npmle(&Data::new(&counts)?);
/// assert_eq!(law.atoms.len(), 2);
/// assert!((law.coverage(1.0) - 0.41).abs() < 1e-3 && law.gap < 1e-6);
/// # Ok(())
/// # }
/// ```
pub fn npmle(data: &Data) -> Npmle {
    let mixing = Solver::new(data.cells(), 0.0).solve(Tilt::default(), &[], 1e-6, true);
    let atom = |&(t, weight): &(f64, f64)| {
        let (sin, cos) = t.sin_cos();
        Atom { failure: cos * cos, success: sin * sin, weight }
    };
    let nll = best_nll(data) - data.samples() * mixing.ln_likelihood;
    Npmle { atoms: mixing.atoms.iter().map(atom).collect(), nll, gap: mixing.gap }
}

/// The negative log likelihood were every sample's success rate its own: what relative likelihoods are relative to.
pub(crate) fn best_nll(data: &Data) -> f64 {
    let nats = |s: &Counts| -ln_largest_binomial(s.trials() as f64, s.successes() as f64);
    data.orders() + data.cells().iter().map(|(s, weight)| weight * nats(s)).sum::<f64>()
}
