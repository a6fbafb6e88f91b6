//! How many problems and how many attempts: what a measurement that is yet to be made will show.

use crate::{
    compare::{FOUND, Pairs},
    coverage::{TAIL, proportion},
    fit::Law,
    hypergeometric,
    npmle::{Atom, Npmle},
};
use retrial_spec::{Error, Result, rng::Stream};
use serde::Serialize;

/// Problems as difficult as those of a pilot, or of a law.
#[derive(Clone, Debug)]
pub struct Population {
    atoms: Vec<Atom>,
}

/// A measurement: so many problems, so many attempts at each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Design {
    /// Problems.
    pub problems: f64,
    /// Attempts at each.
    pub attempts: u64,
}

/// What makes an estimate of pass@k vary, per problem.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Variance {
    /// Problems differ: the variance of their pass@k. More attempts leave it as it is.
    pub problems: f64,
    /// Attempts fall one way or the other: the mean variance of the unbiased estimate at a problem.
    pub attempts: f64,
}

/// Draws that stand for a law; the variance of pass@k is known from them to about one per cent.
const DRAWS: usize = 20_000;
/// Neighbours among them that are taken for one.
const ALIKE: usize = 50;
const STREAM: u32 = u32::from_be_bytes(*b"plan");
/// More problems or attempts nobody plans.
const MAX_PROBLEMS: u64 = 1_000_000_000;

impl Population {
    /// Problems as the NPMLE of a pilot has them: what its few attempts add to the spread is taken out.
    ///
    /// ```
    /// use retrial_theory::{Data, coverage::Counts, npmle::npmle, plan::Population};
    ///
    /// # fn main() -> retrial_spec::Result<()> {
    /// let pilot: Vec<Counts> = (0..30).map(|i| Counts::new(20, i % 12)).collect::<Result<_, _>>()?;
    /// let population = Population::of_pilot(&npmle(&Data::new(&pilot)?));
    /// let [few, many] = [0.2, 0.1].map(|width| population.problems(1, 20, width));
    /// assert!(few?.expect("few are enough") < many?.expect("more are enough"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn of_pilot(npmle: &Npmle) -> Self {
        Self { atoms: npmle.atoms.clone() }
    }

    /// Problems of a law, by 20,000 draws, neighbours together. An error for a law of the curve alone.
    pub fn of_law(law: &Law) -> Result<Self> {
        let (draw, mut stream) = (law.sampler()?, Stream::new(1, STREAM));
        let mut draws: Vec<(f64, f64)> = (0..DRAWS).map(|_| draw(&mut stream)).collect();
        draws.sort_by(|a, b| a.1.total_cmp(&b.1));
        let atom = |alike: &[(f64, f64)]| {
            let mean = |of: fn(&(f64, f64)) -> f64| alike.iter().map(of).sum::<f64>() / alike.len() as f64;
            let weight = alike.len() as f64 / DRAWS as f64;
            Atom { failure: mean(|draw| draw.0), success: mean(|draw| draw.1), weight }
        };
        Ok(Self { atoms: draws.chunks(ALIKE).map(atom).collect() })
    }

    /// pass@k of all problems of this kind.
    pub fn coverage(&self, k: u64) -> f64 {
        self.atoms.iter().map(|atom| atom.weight * atom.solved(k as f64)).sum()
    }

    /// What makes the estimate of pass@k from `attempts` a problem vary. An error unless `1 <= k <= attempts`.
    ///
    /// At a problem of failure probability `p` the estimate is one less a U-statistic of degree `k`, whose variance is
    /// the sum over `c` of the hypergeometric probability that two choices of `k` attempts share `c`, times `p^(2k-c) -
    /// p^2k` (Hoeffding 1948).
    pub fn variance(&self, k: u64, attempts: u64) -> Result<Variance> {
        if !(1..=attempts).contains(&k) {
            return Err(Error::input("k", k, format!("must be from 1 to the attempts, {attempts}")));
        }
        let mean = self.coverage(k);
        let problems = self.atoms.iter().map(|atom| atom.weight * (atom.solved(k as f64) - mean).powi(2)).sum();
        let shared = hypergeometric::chances(attempts, k, k);
        let noise = self.atoms.iter().map(|atom| atom.weight * noise(&shared, k, atom.ln_failure())).sum();
        Ok(Variance { problems, attempts: noise })
    }

    /// The 95 % intervals of pass@k that a design will show, about: for these problems, and for others of their kind.
    pub fn intervals(&self, k: u64, design: Design) -> Result<[[f64; 2]; 2]> {
        let value = self.coverage(k);
        let variance = self.variance(k, design.attempts)?;
        let interval = |variance: f64| {
            let observations = value * (1.0 - value) * design.problems / variance;
            proportion(value, if observations.is_finite() { observations } else { design.problems * 1e9 }, TAIL)
        };
        Ok([interval(variance.attempts), interval(variance.problems + variance.attempts)])
    }

    /// The fewest problems, tried `attempts` times each, that give an interval for others no wider than `width`; `None`
    /// where a billion are not enough.
    pub fn problems(&self, k: u64, attempts: u64, width: f64) -> Result<Option<u64>> {
        self.variance(k, attempts)?;
        Ok(least(2, |problems| {
            let design = Design { problems: problems as f64, attempts };
            self.intervals(k, design).is_ok_and(|[_, [low, high]]| high - low <= width)
        }))
    }

    /// The fewest attempts at each of so many problems that give an interval for these very problems no wider than
    /// `width`.
    pub fn attempts(&self, k: u64, problems: f64, width: f64) -> Option<u64> {
        least(k, |attempts| {
            self.intervals(k, Design { problems, attempts }).is_ok_and(|[[low, high], _]| high - low <= width)
        })
    }
}

/// Two models whose difference is to be found.
#[derive(Clone, Debug)]
pub struct Paired {
    models: [Population; 2],
    /// The variance of the difference of their pass@k across problems, for each `k` that was asked for.
    between: Vec<(u64, f64)>,
}

impl Paired {
    /// Two models of a pilot, with the NPMLE of each: what the noise of its attempts adds to the spread of differences is
    /// taken out. A `k` beyond the pilot's attempts is left out.
    pub fn of_pilot(pairs: &Pairs, npmles: [&Npmle; 2], ks: &[u64]) -> Self {
        let models = npmles.map(Population::of_pilot);
        let between = ks.iter().filter_map(|&k| {
            let noise =
                pairs.noise(k, |side, attempts| models[side].variance(k, attempts).map_or(0.0, |v| v.attempts))?;
            Some((k, (pairs.spread(k)? - noise).max(0.0)))
        });
        Self { between: between.collect(), models: models.clone() }
    }

    /// A model and another of the same spread, whose success on a problem has this correlation with the first one's.
    pub fn of_one(model: &Population, correlation: f64, ks: &[u64]) -> Result<Self> {
        if !(-1.0..=1.0).contains(&correlation) {
            return Err(Error::input("correlation", correlation, "must be from -1 to 1"));
        }
        let between = |&k: &u64| Ok((k, 2.0 * (1.0 - correlation) * model.variance(k, k)?.problems));
        let between = ks.iter().map(between).collect::<Result<_>>()?;
        Ok(Self { models: [model.clone(), model.clone()], between })
    }

    /// pass@k of the first on all problems of this kind.
    pub fn coverage(&self, k: u64) -> f64 {
        self.models[0].coverage(k)
    }

    /// What makes the difference of pass@k vary, per problem.
    pub fn variance(&self, k: u64, attempts: u64) -> Result<Variance> {
        let between = self.between.iter().find(|(of, _)| *of == k).map(|(_, variance)| *variance);
        let between = between.ok_or_else(|| Error::input("k", k, "must be at most the attempts of the pilot"))?;
        let [a, b] = [self.models[0].variance(k, attempts)?, self.models[1].variance(k, attempts)?];
        Ok(Variance { problems: between, attempts: a.attempts + b.attempts })
    }

    /// The fewest problems, tried `attempts` times by both, on which an interval for others shows a difference of
    /// `difference` in 4 cases of 5.
    pub fn problems(&self, k: u64, attempts: u64, difference: f64) -> Result<Option<u64>> {
        let Variance { problems, attempts } = self.variance(k, attempts)?;
        let wanted = ((problems + attempts) * (FOUND / difference).powi(2)).ceil().max(2.0);
        Ok((wanted <= MAX_PROBLEMS as f64).then_some(wanted as u64))
    }

    /// The fewest attempts of both at each of so many problems with which an interval for these very problems does.
    pub fn attempts(&self, k: u64, problems: f64, difference: f64) -> Option<u64> {
        least(k, |attempts| {
            let error = |v: Variance| (v.attempts / problems).sqrt() * FOUND <= difference;
            self.variance(k, attempts).is_ok_and(error)
        })
    }
}

/// The least number from `from` on that is enough, if a billion are.
fn least(from: u64, enough: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (from.saturating_sub(1), from);
    while !enough(high) {
        if high >= MAX_PROBLEMS {
            return None;
        }
        (low, high) = (high, (2 * high).min(MAX_PROBLEMS));
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// The variance of the estimate at a problem: `shared` are the chances that two choices of `k` attempts share so many.
fn noise(shared: &[(u64, f64)], k: u64, ln_failure: f64) -> f64 {
    if ln_failure == f64::NEG_INFINITY {
        return 0.0;
    }
    // p^(2k-c) - p^2k = p^(2k-c) (1 - p^c).
    let part = |&(c, chance): &(u64, f64)| {
        let [different, c] = [2 * k - c, c].map(|count| count as f64);
        chance * (different * ln_failure).exp() * -(c * ln_failure).exp_m1()
    };
    shared.iter().map(part).sum::<f64>() + 0.0
}
