//! Two models on the same problems, and many.
//!
//! Differences are taken problem by problem: what makes a problem hard for one model mostly makes it hard for the other,
//! and that part of the noise cancels. As for one model, an interval or a test speaks either of these very problems
//! ([`Scope::Benchmark`](crate::coverage::Scope)) or of others of their kind ([`Scope::Population`](crate::coverage::Scope)).

mod bayes;
mod difference;
mod permutation;
mod ranks;

pub use bayes::{Bayes, Better};
pub(crate) use difference::FOUND;
pub use difference::{Difference, Ends};
pub use permutation::{MAX_DEALT, PValues};
pub use ranks::{Rank, ranks};

use crate::coverage::Counts;
use retrial_spec::{Error, Result};

/// Attempts of two models at the same problems.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    /// Sorted and distinct, with the number of problems that have them.
    cells: Vec<([Counts; 2], f64)>,
}

impl Pairs {
    /// Counts of the same problems in the same order. An error where there are none, or not as many of both.
    ///
    /// ```
    /// use retrial_theory::{compare::Pairs, coverage::Counts};
    ///
    /// # fn main() -> retrial_spec::Result<()> {
    /// let counts = |successes: [u64; 3]| successes.map(|c| Counts::new(10, c)).into_iter().collect::<Result<Vec<_>, _>>();
    /// let pairs = Pairs::new(&counts([1, 5, 9])?, &counts([0, 4, 9])?)?;
    /// let at = &pairs.differences(&[1])[0];
    /// assert!((at.difference - 0.2 / 3.0).abs() < 1e-12);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(a: &[Counts], b: &[Counts]) -> Result<Self> {
        if a.len() != b.len() || a.is_empty() {
            let got = format!("{} and {}", a.len(), b.len());
            return Err(Error::input("problems of two models", got, "need the same problems of both, at least one"));
        }
        let mut pairs: Vec<[Counts; 2]> = a.iter().zip(b).map(|(&a, &b)| [a, b]).collect();
        pairs.sort_unstable();
        let cells = pairs.chunk_by(|one, two| one == two).map(|same| (same[0], same.len() as f64)).collect();
        Ok(Self { cells })
    }

    /// Number of problems.
    pub fn problems(&self) -> f64 {
        self.cells.iter().map(|(_, weight)| weight).sum()
    }

    /// The largest `k` at which both are estimated: the fewest attempts at a problem.
    pub fn reach(&self) -> u64 {
        self.cells.iter().flat_map(|(pair, _)| pair).map(Counts::trials).min().unwrap_or(0)
    }

    /// Problems on which the first, the second, and neither has the larger share of successes.
    pub fn wins(&self) -> [f64; 3] {
        let mut wins = [0.0; 3];
        for ([a, b], weight) in &self.cells {
            // Exact, where shares would be rounded.
            let share = |one: &Counts, other: &Counts| u128::from(one.successes()) * u128::from(other.trials());
            let ahead = match share(a, b).cmp(&share(b, a)) {
                std::cmp::Ordering::Greater => 0,
                std::cmp::Ordering::Less => 1,
                std::cmp::Ordering::Equal => 2,
            };
            wins[ahead] += weight;
        }
        wins
    }

    /// One model's counts and their weights.
    fn side(&self, side: usize) -> Vec<(Counts, f64)> {
        self.cells.iter().map(|(pair, weight)| (pair[side], *weight)).collect()
    }

    /// pass@k of both on every distinct pair; `None` beyond the [reach](Self::reach).
    fn values(&self, k: u64) -> Option<Vec<[f64; 2]>> {
        let value = |s: Counts| crate::coverage::unbiased(s.trials(), s.successes(), k);
        self.cells.iter().map(|([a, b], _)| Some([value(*a)?, value(*b)?])).collect()
    }
}
