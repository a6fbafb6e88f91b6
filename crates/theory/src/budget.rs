//! What a budget buys: Eqs 13 to 15 turned round.

mod outlook;
mod sequential;

use crate::{coverage::Counts, laws::Cost, npmle::Npmle};
pub use outlook::{Bought, Outlook, Reached};
use retrial_spec::{Error, Result};
pub use sequential::{Sequential, sequential};
use std::collections::BTreeMap;

/// The least number of trials, at most `most`, with which `coverage`, a non-decreasing function of `k`, reaches
/// `target`; `None` where it does not.
pub fn trials_to_reach(coverage: impl Fn(f64) -> f64, target: f64, most: f64) -> Option<f64> {
    let reached = |k: f64| coverage(k) >= target;
    let (mut low, mut high) = (0.0, 1.0);
    let most = if most >= 1.0 { most.min(f64::MAX / 4.0) } else { 1.0 };
    // At most 1,022 doublings.
    while !reached(high) {
        if high >= most {
            return None;
        }
        (low, high) = (high, (2.0 * high).min(most));
    }
    // The bracket is half of `high` at most: 53 halvings leave neighbours. Above 2^53 not every whole number is a float,
    // and the middle may be one of the ends.
    loop {
        let middle = ((low + high) / 2.0).floor();
        if middle <= low || middle >= high {
            return Some(high);
        }
        if reached(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
}

/// The interval of [`trials_to_reach`], from `ends`, the interval of coverage at a `k`: the upper end reaches the target
/// first and the lower one last, or not at all. `None` where coverage has no interval at the `k` that are looked at.
pub fn interval_to_reach(ends: impl Fn(f64) -> Option<[f64; 2]>, target: f64, most: f64) -> Option<[Option<f64>; 2]> {
    let missing = std::cell::Cell::new(false);
    let end = |side: usize| {
        let coverage = |k: f64| {
            let end = ends(k).map(|ends| ends[side]).filter(|end| !end.is_nan());
            missing.set(missing.get() || end.is_none());
            end.unwrap_or(1.0) // ends the search
        };
        trials_to_reach(coverage, target, most)
    };
    let found = [end(1), end(0)];
    (!missing.get()).then_some(found)
}

/// The best of several models at a budget per sample: its index and coverage. `None` where no budget pays a prompt.
pub fn best_model(models: &[(Cost, &dyn Fn(f64) -> f64)], budget: f64) -> Option<(usize, f64)> {
    let affordable = models.iter().enumerate().filter_map(|(i, (cost, coverage))| {
        let trials = cost.trials(budget).ok()?;
        Some((i, coverage(trials.floor())))
    });
    // The first among equals.
    affordable.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// Where further trials go.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Allocation {
    /// Further trials of each sample, in the order of the counts.
    pub trials: Vec<u64>,
    /// Samples expected to be solved by them for the first time.
    pub gain: f64,
    /// The same had they been spread evenly over the unsolved samples.
    pub even_gain: f64,
}

/// Unsolved samples that were tried equally often, and so are as likely as each other to be solved.
struct Cell {
    /// Posterior weights with success probabilities and `ln` of failure probabilities.
    posterior: Vec<(f64, f64, f64)>,
    members: Vec<usize>,
    /// Further trials of each member.
    trials: u64,
}

impl Cell {
    /// The unsolved samples by their trials, in that order.
    fn of_unsolved(npmle: &Npmle, counts: &[Counts]) -> Vec<Self> {
        let mut unsolved: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (i, counts) in counts.iter().enumerate().filter(|(_, counts)| counts.successes() == 0) {
            unsolved.entry(counts.trials()).or_default().push(i);
        }
        let cell = |(n, members): (u64, Vec<usize>)| {
            let posterior = npmle.posterior(n, 0);
            let atoms = posterior.iter().zip(&npmle.atoms).filter(|(w, _)| **w > 0.0);
            let posterior = atoms.map(|(&w, atom)| (w, atom.success, atom.ln_failure().max(f64::MIN))).collect();
            Self { posterior, members, trials: 0 }
        };
        unsolved.into_iter().map(cell).collect()
    }

    /// Probability that trial number `m + 1` is the first success.
    fn marginal(&self, m: u64) -> f64 {
        self.posterior.iter().map(|(w, success, ln_failure)| w * success * (m as f64 * ln_failure).exp()).sum()
    }

    /// Probability of a success in `m` trials.
    fn gain(&self, m: u64) -> f64 {
        self.posterior.iter().map(|(w, _, ln_failure)| -w * (m as f64 * ln_failure).exp_m1()).sum()
    }

    /// Trials, at most `most`, that gain at least `worth` each.
    fn worth(&self, worth: f64, most: u64) -> u64 {
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.marginal(middle) >= worth {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Allots `trials` further trials to the samples, each to where it is likeliest to solve an unsolved sample, by the
/// posterior of the NPMLE. Greedy, and optimal because the gain of each further trial of a sample is less than that of
/// the one before. Stops early where no trial gains anything.
///
/// ```
/// use retrial_theory::{Data, budget::allocate, coverage::Counts, npmle::npmle};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let counts: Vec<Counts> = (0..40).map(|i| Counts::new(10, i % 4)).collect::<Result<_, _>>()?;
/// let spent = allocate(&npmle(&Data::new(&counts)?), &counts, 100)?;
/// assert!(spent.trials.iter().zip(&counts).all(|(&more, had)| more == 0 || had.successes() == 0));
/// assert!(spent.gain > 0.0);
/// # Ok(())
/// # }
/// ```
pub fn allocate(npmle: &Npmle, counts: &[Counts], trials: u64) -> Result<Allocation> {
    if trials > 1 << 53 {
        return Err(Error::input("trials to allot", trials, "must be at most 2^53"));
    }
    let mut cells = Cell::of_unsolved(npmle, counts);
    let samples: u64 = cells.iter().map(|cell| cell.members.len() as u64).sum();
    let (each, extra) = (trials.checked_div(samples).unwrap_or(0), trials.checked_rem(samples).unwrap_or(0));

    // The value of the last trial that is paid for, by bisection: what is worth more gets its trial.
    let worth = |cells: &[Cell], ln_worth: f64| -> Vec<u64> {
        cells.iter().map(|cell| cell.worth(ln_worth.exp(), trials)).collect()
    };
    let total = |cells: &[Cell], counts: &[u64]| -> u128 {
        cells.iter().zip(counts).map(|(cell, &m)| u128::from(m) * cell.members.len() as u128).sum()
    };
    let (mut low, mut high) = (-740.0, 1.0); // beyond e^-740 there is no worth that a float can tell from none
    if total(&cells, &worth(&cells, low)) <= trials.into() {
        high = low;
    }
    for _ in 0..80 {
        let middle: f64 = (low + high) / 2.0;
        if total(&cells, &worth(&cells, middle)) <= trials.into() {
            high = middle;
        } else {
            low = middle;
        }
    }
    let (sure, perhaps) = (worth(&cells, high), worth(&cells, low));
    let mut left = trials - total(&cells, &sure) as u64;
    let mut allotted = vec![0; counts.len()];
    for ((cell, &sure), &perhaps) in cells.iter_mut().zip(&sure).zip(&perhaps) {
        // What is left is worth the same wherever it goes, as far as floats can tell.
        let share = (left / cell.members.len() as u64).min(perhaps - sure);
        left -= share * cell.members.len() as u64;
        cell.trials = sure + share;
        for &member in &cell.members {
            let one = u64::from(left > 0 && cell.trials < perhaps);
            left -= one;
            allotted[member] = cell.trials + one;
        }
    }
    let gain = |cell: &Cell| cell.members.iter().map(|&i| cell.gain(allotted[i])).sum::<f64>();
    let mut place = 0;
    let mut even = |cell: &Cell| {
        let more = extra.saturating_sub(place).min(cell.members.len() as u64);
        place += cell.members.len() as u64;
        more as f64 * cell.gain(each + 1) + (cell.members.len() as u64 - more) as f64 * cell.gain(each)
    };
    Ok(Allocation {
        // An empty sum is a negative zero.
        gain: cells.iter().map(gain).sum::<f64>() + 0.0,
        even_gain: cells.iter().map(&mut even).sum::<f64>() + 0.0,
        trials: allotted,
    })
}
