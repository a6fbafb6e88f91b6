//! The counts of many samples, equal ones together.

use crate::{
    coverage::{Counts, Estimator, PER_DECADE, Point, ProductLimit, Scope, cells, log_grid, unbiased, unbiased_cells},
    special::ln_rising_ratio,
};
use retrial_spec::{Error, Result};

/// Counts of the samples that one law is to describe. Equal counts are kept once with their number, so a million
/// samples of equally many trials cost what their distinct counts cost.
///
/// ```
/// use retrial_theory::{Data, coverage::Counts};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let data = Data::new(&[Counts::new(20, 5)?, Counts::new(20, 0)?, Counts::new(20, 5)?])?;
/// assert_eq!((data.samples(), data.solved(), data.reach()), (3.0, 2.0, 20));
/// assert_eq!(data.cells().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Sorted and distinct, each with the number of samples that have them.
    cells: Vec<(Counts, f64)>,
    batch: Option<u64>,
}

impl Data {
    /// Samples whose numbers of trials were set beforehand. An error without samples.
    pub fn new(counts: &[Counts]) -> Result<Self> {
        Self::of_cells(cells(counts), None)
    }

    /// Samples that were tried until their first success or until attempts ran out: [`Self::batched`] by one.
    pub fn stopped(counts: &[Counts]) -> Result<Self> {
        Self::batched(counts, 1)
    }

    /// Samples that were tried in batches of `batch` trials until a batch held a success or attempts ran out, which may
    /// cut a batch short. All successes lie in the last batch. An error without samples or a batch, or where a sample
    /// has more successes than its last batch has trials, or has a batch cut short though others have more trials.
    ///
    /// When to stop depends on the outcomes and not on `p`, so the likelihood is the same, `p^(n-c) (1-p)^c`; only the
    /// number of orders differs, of `c` successes in the last batch and not in all `n` trials. The *unbiased* estimator
    /// is not unbiased here: [`Self::curve`] gives the product limit instead.
    pub fn batched(counts: &[Counts], batch: u64) -> Result<Self> {
        if batch == 0 {
            return Err(Error::input("trials of a batch", 0, "must be at least 1"));
        }
        let most = counts.iter().map(Counts::trials).max().unwrap_or(0);
        let last = |s: &Counts| s.last_batch(batch);
        if let Some(bad) = counts.iter().find(|s| s.successes() > last(s) || last(s) < batch && s.trials() < most) {
            let got = format!("{} successes in {} trials", bad.successes(), bad.trials());
            let limit = match batch {
                1 => "a sample stops at its first success".into(),
                _ => format!("trials come by {batch}, at most {most}, and only the last batch holds successes"),
            };
            return Err(Error::input("counts of a stopped sample", got, limit));
        }
        Ok(Self { batch: Some(batch), ..Self::new(counts)? })
    }

    /// The same from distinct sorted counts and their weights, and the trials of a batch where samples stopped.
    pub(crate) fn of_cells(cells: Vec<(Counts, f64)>, batch: Option<u64>) -> Result<Self> {
        if cells.is_empty() {
            return Err(Error::input("samples", 0, "need at least one"));
        }
        Ok(Self { cells, batch })
    }

    /// Distinct counts, sorted, each with the number of samples that have them.
    pub fn cells(&self) -> &[(Counts, f64)] {
        &self.cells
    }

    /// Whether samples stopped at a success, or at the end of the batch that held it.
    pub fn is_stopped(&self) -> bool {
        self.batch.is_some()
    }

    /// Trials of a batch, after which samples stopped if it held a success; `None` where numbers of trials were set
    /// beforehand.
    pub fn batch(&self) -> Option<u64> {
        self.batch
    }

    /// Number of samples.
    pub fn samples(&self) -> f64 {
        self.cells.iter().map(|(_, weight)| weight).sum()
    }

    /// Number of samples with a success.
    pub fn solved(&self) -> f64 {
        self.cells.iter().filter(|(s, _)| s.successes() > 0).map(|(_, weight)| weight).sum()
    }

    /// The largest `k` at which coverage can be estimated: the fewest trials of a sample, or where samples stopped at
    /// a success, the most.
    pub fn reach(&self) -> u64 {
        let trials = self.cells.iter().map(|(s, _)| s.trials());
        let reach = if self.is_stopped() { trials.max() } else { trials.min() };
        reach.unwrap_or(0)
    }

    /// The number of trials, where all samples have the same.
    pub fn equal_trials(&self) -> Option<u64> {
        let n = self.cells[0].0.trials();
        (!self.is_stopped() && self.cells.iter().all(|(s, _)| s.trials() == n)).then_some(n)
    }

    /// `ln` of the number of orders in which successes can lie among all trials over that in which they can have come
    /// about, in the last batch: nats that a likelihood with binomial coefficients is short of the right one.
    pub(crate) fn orders(&self) -> f64 {
        let Some(batch) = self.batch else { return 0.0 };
        let ratio = |s: &Counts| {
            let (last, c) = (s.last_batch(batch), s.successes());
            -ln_rising_ratio((last - c) as f64 + 1.0, (s.trials() - last) as f64, c as f64)
        };
        let solved = self.cells.iter().filter(|(s, _)| s.successes() > 0);
        // An empty sum is a negative zero.
        solved.map(|(s, weight)| weight * ratio(s)).sum::<f64>() + 0.0
    }

    /// The mean failure probability of one trial: the mean over samples of the share of failures; for stopped samples,
    /// whose shares are biased, the share in their first batch.
    pub fn failure(&self) -> f64 {
        let share = |s: &Counts| match self.batch {
            Some(batch) if s.trials() > batch => 1.0,
            _ => s.failures() as f64 / s.trials() as f64,
        };
        self.cells.iter().map(|(s, weight)| share(s) * weight).sum::<f64>() / self.samples()
    }

    /// The coverage curve that laws are compared with: unbiased pass@k, or for stopped samples the product limit over
    /// batches. A `k` beyond [`Self::reach`] is not available and left out.
    pub fn curve(&self, ks: &[u64], scope: Scope) -> Vec<Point> {
        match self.batch {
            Some(batch) => ProductLimit::new(&self.cells, batch).curve(ks, scope),
            None => unbiased_cells(&self.cells, ks, Estimator::Pass, scope),
        }
    }

    /// The curve at [`PER_DECADE`] `k` per factor of ten, with intervals for other samples of the same kind: what laws are
    /// held against.
    pub fn band(&self) -> Vec<Point> {
        self.curve(&log_grid(self.reach(), PER_DECADE), Scope::Population)
    }

    /// The estimates alone of [`Self::curve`], as `(k, coverage)`: intervals take most of the time.
    pub fn values(&self, ks: &[u64]) -> Vec<(f64, f64)> {
        let limit = self.batch.map(|batch| ProductLimit::new(&self.cells, batch));
        let samples = self.samples();
        let value = |k: u64| match &limit {
            Some(limit) => limit.coverage(k),
            None => {
                let solved = self.cells.iter().map(|(s, w)| Some(w * unbiased(s.trials(), s.successes(), k)?));
                solved.sum::<Option<f64>>().map(|sum| sum / samples)
            }
        };
        ks.iter().filter_map(|&k| Some((k as f64, value(k)?))).collect()
    }

    /// The curve of another unbiased estimator, as [`Self::curve`]. An error for stopped samples, where it is biased.
    pub fn unbiased(&self, estimator: Estimator, ks: &[u64], scope: Scope) -> Result<Vec<Point>> {
        if self.is_stopped() {
            let limit = "unbiased estimators need numbers of trials set beforehand; use the product-limit curve";
            return Err(Error::input("samples", "trials stopped at a success", limit));
        }
        Ok(unbiased_cells(&self.cells, ks, estimator, scope))
    }

    /// The mean numbers of trials of solved and of unsolved samples, where these numbers are said to have been set
    /// beforehand and yet the solved have fewer than chance allows: trials seem to have stopped at a success.
    ///
    /// By the share of pairs of a solved and an unsolved sample in which the solved one has fewer trials (Mann and
    /// Whitney 1947, ties corrected): all of them, or three standard deviations more than half. More trials solve more
    /// samples, so that samples which did not stop are further from it than by chance.
    pub fn seems_stopped(&self) -> Option<[f64; 2]> {
        let solved = self.solved();
        let unsolved = self.samples() - solved;
        if self.is_stopped() || solved == 0.0 || unsolved == 0.0 {
            return None;
        }
        let (mut pairs, mut ties, mut below) = (0.0, 0.0, 0.0);
        let mut trials = [0.0; 2];
        for same in self.cells.chunk_by(|a, b| a.0.trials() == b.0.trials()) {
            let of = |is: bool| same.iter().filter(|(s, _)| (s.successes() > 0) == is).map(|(_, w)| w).sum::<f64>();
            let (yes, no) = (of(true), of(false));
            pairs += no * (below + 0.5 * yes);
            below += yes;
            ties += (yes + no).powi(3) - (yes + no);
            let n = same[0].0.trials() as f64;
            trials = [trials[0] + yes * n, trials[1] + no * n];
        }
        let (all, samples) = (solved * unsolved, solved + unsolved);
        let variance = all / 12.0 * (samples + 1.0 - ties / (samples * (samples - 1.0)));
        let fewer = pairs == all || pairs - 0.5 * all > 3.0 * variance.sqrt();
        fewer.then(|| [trials[0] / solved, trials[1] / unsolved])
    }
}
