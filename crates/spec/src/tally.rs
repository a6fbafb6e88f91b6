//! The mergeable summary of a set of trials.
//!
//! A [`Tally`] is a commutative monoid: merging is exact, associative and order-free, and an empty tally is its unit.
//! One run therefore answers every question about coverage, however it was cut into windows, threads and machines:
//! success counts at the declared thresholds and at every histogram edge, and, through the records, the first
//! success at *any* threshold. A counts-only tally keeps what lies below its largest threshold and nothing else, so
//! that a backend need not compute the other errors.

mod unchecked;

pub use unchecked::Unchecked;

use crate::{Error, Result, Trials, model::numbered, values::room};
use std::ops::Range;

/// A trial and its error.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// Trial index, from 0.
    pub trial: u64,
    /// Its L2 error.
    pub error: f32,
}

/// Counts of errors on the grid of bfloat16 numbers: the bin of an error is its upper 16 bits.
///
/// Bins are `2^-7` of an octave wide (0.4 to 0.8 % of the error), need no search, and are the same on every backend
/// and in every run, so any two histograms merge. Only the occupied range is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Histogram {
    first: usize,
    counts: Vec<u64>,
}

impl Histogram {
    /// Bins that finite errors can fall into.
    pub const BINS: usize = 0x7F80;

    /// The bin of a non-negative finite error, below [`Histogram::BINS`].
    pub fn bin(error: f32) -> usize {
        ((error + 0.0).to_bits() >> 16) as usize // the sum makes a 0 of -0
    }

    /// Lower edge of a bin, which is also the upper edge of the bin before.
    pub fn edge(bin: usize) -> f32 {
        f32::from_bits((bin as u32) << 16)
    }

    /// Adds `count` errors to a bin.
    pub fn add(&mut self, bin: usize, count: u64) {
        if count == 0 {
            return;
        }
        if self.counts.is_empty() {
            self.first = bin;
        }
        if bin < self.first {
            let missing = self.first - bin;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bin;
        }
        if bin - self.first >= self.counts.len() {
            self.counts.resize(bin - self.first + 1, 0);
        }
        self.counts[bin - self.first] += count;
    }

    /// The bins from the first to the last occupied one.
    pub fn bins(&self) -> Range<usize> {
        self.first..self.first + self.counts.len()
    }

    /// Count of one bin, 0 outside the occupied range.
    pub fn count(&self, bin: usize) -> u64 {
        bin.checked_sub(self.first).and_then(|i| self.counts.get(i)).copied().unwrap_or(0)
    }

    fn merge(&mut self, other: &Self) {
        for (bin, &count) in other.bins().zip(&other.counts) {
            self.add(bin, count);
        }
    }
}

/// What a tally knows of one sample.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Row {
    counts_only: bool,
    successes: Vec<u64>,
    records: Vec<Record>,
    worst: Option<Record>,
    histogram: Histogram,
}

impl Row {
    /// Trials with an error below each threshold of the tally.
    pub fn successes(&self) -> &[u64] {
        &self.successes
    }

    /// The running minima: every trial that beat all trials before it. About `ln k` of them. Of a counts-only row, those
    /// below the largest threshold.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The trial of the largest error, the earliest among equals. `None` of a counts-only row.
    pub fn worst(&self) -> Option<Record> {
        self.worst
    }

    /// The trial of the smallest error, the earliest among equals.
    pub fn best(&self) -> Option<Record> {
        self.records.last().copied()
    }

    /// Errors counted on the bfloat16 grid. Empty in a counts-only row.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// The first trial with an error below `threshold`, whatever the threshold: it is the first record below. A
    /// counts-only row answers up to the largest of its tally's thresholds.
    pub fn first_success(&self, threshold: f32) -> Option<u64> {
        let at = self.records.partition_point(|r| r.error >= threshold);
        self.records.get(at).map(|r| r.trial)
    }

    /// The row before any trial, that keeps what this one keeps.
    pub fn empty(&self) -> Self {
        Self { counts_only: self.counts_only, successes: vec![0; self.successes.len()], ..Self::default() }
    }

    /// Adds consecutive trials that start at `first`. `thresholds` are the tally's.
    pub fn add(&mut self, thresholds: &[f32], first: u64, errors: &[f32]) {
        // The errors come first, so that none is left when trials end at `u64::MAX`.
        self.extend(thresholds, errors.iter().zip(first..).map(|(&error, trial)| Record { trial, error }));
    }

    /// Adds trials in any order. `thresholds` are the tally's.
    pub fn extend(&mut self, thresholds: &[f32], trials: impl IntoIterator<Item = Record>) {
        let largest = thresholds.last().copied().unwrap_or(f32::NEG_INFINITY);
        // A trial's bucket is the first threshold above its error: one search a trial, whatever the thresholds.
        let mut buckets = vec![0u64; thresholds.len()];
        for Record { trial, error } in trials {
            let trial = Record { trial, error: error + 0.0 }; // which makes a 0 of -0
            if trial.error < largest {
                buckets[thresholds.partition_point(|&t| t <= trial.error)] += 1;
            } else if self.counts_only {
                continue;
            }
            self.add_candidate(trial);
            if !self.counts_only {
                self.add_worst(trial);
                self.histogram.add(Histogram::bin(trial.error), 1);
            }
        }
        self.add_buckets(buckets);
    }

    /// Adds success counts by bucket: bucket `t` counts trials whose error is below threshold `t`, but not below threshold
    /// `t - 1`. With [`Row::add_bins`], [`Row::add_candidate`] and [`Row::add_worst`], for a device that tallies by
    /// itself.
    pub fn add_buckets(&mut self, buckets: impl IntoIterator<Item = u64>) {
        let mut below = 0;
        for (count, bucket) in self.successes.iter_mut().zip(buckets) {
            below += bucket;
            *count += below;
        }
    }

    /// Adds counts of consecutive bins of the histogram.
    pub fn add_bins(&mut self, first: usize, counts: impl IntoIterator<Item = u64>) {
        (first..).zip(counts).for_each(|(bin, count)| self.histogram.add(bin, count));
    }

    /// Keeps `r` if it is the largest error so far, in whatever order trials arrive.
    pub fn add_worst(&mut self, r: Record) {
        if self.worst.is_none_or(|w| (r.error, w.trial) > (w.error, r.trial)) {
            self.worst = Some(r);
        }
    }

    /// Keeps `r` if it is a running minimum, in whatever order trials arrive.
    pub fn add_candidate(&mut self, r: Record) {
        let at = match self.records.last() {
            Some(last) if last.trial < r.trial => self.records.len(),
            _ => self.records.partition_point(|q| q.trial < r.trial),
        };
        if at > 0 && self.records[at - 1].error <= r.error {
            return;
        }
        let beaten = self.records[at..].iter().take_while(|q| q.error >= r.error).count();
        self.records.splice(at..at + beaten, [r]);
    }

    /// Adds a row of other trials of the same sample, for the same thresholds. Panics where there are more or fewer.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.successes.len(), other.successes.len(), "rows of the same thresholds");
        self.successes.iter_mut().zip(&other.successes).for_each(|(a, b)| *a += b);
        other.records.iter().for_each(|&r| self.add_candidate(r));
        other.worst.into_iter().for_each(|r| self.add_worst(r));
        self.histogram.merge(&other.histogram);
    }
}

/// The summary of a set of trials of all samples.
///
/// It is read back as [`Unchecked`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Tally {
    thresholds: Vec<f32>,
    rows: Vec<Row>,
    trials: Trials,
    counts_only: bool,
}

impl Tally {
    /// The empty tally of `samples` rows, at most 2^32 - 1; none is allowed, and no backend adds to it. Thresholds must be
    /// positive, finite and strictly increasing; none is allowed here too.
    ///
    /// ```
    /// use retrial_spec::Tally;
    ///
    /// # fn main() -> retrial_spec::Result<()> {
    /// let mut tally = Tally::new(1, &[1.0, 2.0])?;
    /// let (thresholds, rows) = tally.rows_mut();
    /// rows[0].add(thresholds, 0, &[2.5, 1.5, 0.5]);
    /// tally.add_trials(0..3)?;
    /// assert_eq!((tally.successes(0), tally.successes(1)), (vec![1], vec![2]));
    /// assert_eq!(tally.rows()[0].first_success(2.0), Some(1)); // any threshold, asked for later
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(samples: usize, thresholds: &[f32]) -> Result<Self> {
        check_thresholds(thresholds)?;
        numbered("tally", samples)?;
        room::<u8>("tally", &[samples, size_of::<Row>() + size_of_val(thresholds) * 2])?;
        let row = Row { successes: vec![0; thresholds.len()], ..Row::default() };
        Ok(Self {
            thresholds: thresholds.to_vec(),
            rows: vec![row; samples],
            trials: Trials::none(),
            counts_only: false,
        })
    }

    /// As [`Tally::new`], for success counts, and for records and first successes below the largest threshold, of which
    /// there must be one: no histogram and no worst trial, and so no need of errors that are no success.
    pub fn counts_only(samples: usize, thresholds: &[f32]) -> Result<Self> {
        let mut tally = Self::new(samples, thresholds)?;
        if thresholds.is_empty() {
            return Err(Error::input("thresholds", "none", "counting alone needs one; name it, or keep all errors"));
        }
        tally.counts_only = true;
        tally.rows.iter_mut().for_each(|row| row.counts_only = true);
        Ok(tally)
    }

    /// The tally before any trial, that keeps what this one keeps.
    pub fn empty(&self) -> Self {
        let rows = self.rows.iter().map(Row::empty).collect();
        Self { thresholds: self.thresholds.clone(), rows, trials: Trials::none(), counts_only: self.counts_only }
    }

    /// Whether it keeps only what lies below its largest threshold.
    pub fn is_counts_only(&self) -> bool {
        self.counts_only
    }

    /// The declared thresholds, increasing.
    pub fn thresholds(&self) -> &[f32] {
        &self.thresholds
    }

    /// One row per sample.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The trials that it counts, the same of every sample.
    pub fn trials(&self) -> &Trials {
        &self.trials
    }

    /// Thresholds and rows for a backend that fills rows itself; it must call [`Tally::add_trials`] once per window.
    pub fn rows_mut(&mut self) -> (&[f32], &mut [Row]) {
        (&self.thresholds, &mut self.rows)
    }

    /// Counts these trials, after the rows were filled.
    ///
    /// # Errors
    /// As of [`Trials::add`].
    pub fn add_trials(&mut self, trials: Range<u64>) -> Result<()> {
        self.trials.add(&trials.into())
    }

    /// Refuses trials that it counts already.
    pub(crate) fn lacks(&self, trials: Range<u64>) -> Result<()> {
        let twice = self.trials.overlap(&trials.into());
        if twice.is_empty() {
            return Ok(());
        }
        Err(Error::input("tally", format!("trials {twice} again"), "a trial counts once; take another tally"))
    }

    /// Adds another tally of the same kind, samples and thresholds, and of other trials.
    ///
    /// # Errors
    /// [`Error::Input`] where it is of another kind, or counts a trial that this one counts; this one stays as it is.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.accepts(other)?;
        self.trials.add(&other.trials)?;
        self.rows.iter_mut().zip(&other.rows).for_each(|(a, b)| a.merge(b));
        Ok(())
    }

    /// Whether another can be [merged](Tally::merge), for a caller that has more to merge than this.
    ///
    /// # Errors
    /// Those of merging.
    pub fn accepts(&self, other: &Self) -> Result<()> {
        let kind = |t: &Self| {
            let keeps = if t.counts_only { "counts only" } else { "all errors" };
            format!("{} samples, thresholds {:?}, {keeps}", t.rows.len(), t.thresholds)
        };
        if (&self.thresholds, self.rows.len(), self.counts_only)
            != (&other.thresholds, other.rows.len(), other.counts_only)
        {
            return Err(Error::input("tally to merge", kind(other), format!("must match {}", kind(self))));
        }
        self.trials.clone().add(&other.trials)
    }

    /// Success counts of all samples at threshold number `threshold`.
    pub fn successes(&self, threshold: usize) -> Vec<u64> {
        self.rows.iter().map(|row| row.successes[threshold]).collect()
    }

    /// Histogram bins from the first to the last that any sample occupies; none of a counts-only tally.
    pub fn bins(&self) -> Range<usize> {
        let occupied = || self.rows.iter().map(|row| row.histogram.bins()).filter(|bins| !bins.is_empty());
        let first = occupied().map(|bins| bins.start).min().unwrap_or(0);
        first..occupied().map(|bins| bins.end).max().unwrap_or(first)
    }

    /// First successes of all samples below any error, trials from 0.
    pub fn first_successes(&self, threshold: f32) -> Vec<Option<u64>> {
        self.rows.iter().map(|row| row.first_success(threshold)).collect()
    }
}

fn check_thresholds(thresholds: &[f32]) -> Result<()> {
    for (at, &t) in thresholds.iter().enumerate() {
        if !(t.is_finite() && t > 0.0) {
            return Err(Error::input(format!("threshold {}", at + 1), t, "must be a finite number > 0"));
        }
        if at > 0 && t <= thresholds[at - 1] {
            let got = format!("{t} after {}", thresholds[at - 1]);
            return Err(Error::input("thresholds", got, "must increase strictly; sort them and drop repeats"));
        }
    }
    Ok(())
}

/// Above this sum of squares of some pixels, an error over all `pixels` is certainly not below `threshold`: what screening
/// holds partial sums against. Pixels that are computed in another order, or share a reciprocal with another, are others by
/// at most 2e-6, twice the error of a sigmoid, which moves an error by no more than their norm; and the margin is twice
/// what the rounding of two sums over all pixels can amount to.
pub fn screening_limit(threshold: f32, pixels: usize) -> f32 {
    let margin = (pixels + 8) as f64 * 2.0 * f64::from(f32::EPSILON);
    ((f64::from(threshold) + 2e-6 * (pixels as f64).sqrt()).powi(2) * (1.0 + margin)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_screening_leaves_room_for_rounding() {
        for threshold in [1e-3f32, 1.0, 1.3864, 40.0] {
            let (square, limit) = (f64::from(threshold).powi(2), f64::from(screening_limit(threshold, 784)));
            let worst = 784.0 * f64::from(f32::EPSILON); // half an epsilon for each addition, in both sums
            let shift = 2.0 * f64::from(threshold) * 28.0 * 2e-6;
            assert!(limit > square * (1.0 + worst) + shift);
            assert!(limit < 1.01 * (square * (1.0 + 4.0 * worst) + shift) + 1e-8);
        }
    }
}
