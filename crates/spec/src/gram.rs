//! How the trials of a run correlate, however many there are: Eq 17 summed up as it streams by.
//!
//! The correlation matrix of `k` trials over `N` samples is `k x k`, and its nonzero eigenvalues are those of the Gram
//! matrix `G / N`, `G = sum_j u_j u_j^T`, where `u_ij = (e_ij - m_j) / s_j` are the errors of trial `j` standardised across
//! the samples. A [`Gram`] keeps `G` and `sum_j u_j`, `O(N^2)` numbers whatever `k`, and, for the null, the same of errors
//! shuffled within each sample. Like a [`Tally`](crate::Tally) it is a commutative monoid: merging is exact and order-free.
//!
//! **Exact.** Sums of floats depend on their order, so trials are taken by aligned *blocks* of [`Gram::BLOCK`], whole ones
//! only. Within a block every sum runs over its trials in order, in f64 and without fused operations; it is then rounded
//! to a multiple of [`Gram::QUANTUM`], and added as an integer. A block's share is so a function of its errors alone, and
//! shares add up the same in any order: windows, threads, shards and machines change no bit. Rounding moves an entry of
//! `G / k` by at most `QUANTUM / 2 / BLOCK`, 2e-9, against the `1/sqrt(k)` of chance.
//!
//! **Drift.** The spectrum depends on `k`. Blocks are kept in *bands*, which end at `k` = 256, 1024, 4096 and so on, each at
//! four times the last: the sums of the first `k` trials are those of the bands up to there ([`Gram::prefixes`]).

mod block;
mod unchecked;

pub use unchecked::Unchecked;

use crate::{Error, Result, values::room};
use block::Block;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The correlation of trials across samples, summed over a set of blocks of trials.
///
/// It takes `8 (SHUFFLES + 1) N (N + 3) / 2` bytes a band: 23 MB for 400 samples and a thousand million trials, in 12
/// bands. It is read back as [`Unchecked`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Gram {
    samples: usize,
    seed: u64,
    /// Those that hold trials, by number.
    bands: BTreeMap<u32, Band>,
}

/// Trials of one band, or of all bands up to one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Band {
    trials: u64,
    data: Sums,
    shuffled: Vec<Sums>,
}

/// Sums over standardised trials, in units of [`Gram::QUANTUM`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sums {
    /// Trials that were standardised.
    trials: u64,
    /// `sum_j u_ij`, `[N]`.
    u: Vec<i64>,
    /// The lower triangle of `sum_j u_aj u_bj`, row by row, `[N (N + 1) / 2]`.
    products: Vec<i64>,
}

impl Gram {
    /// Trials of a block.
    pub const BLOCK: usize = 256;
    /// Nulls: how often errors are shuffled, within each sample and block.
    pub const SHUFFLES: usize = 2;
    /// The unit of a sum.
    pub const QUANTUM: f64 = 1.0 / (1 << 20) as f64;
    /// Most samples, by memory and by the time that eigenvalues take: 13 bands take 650 MB.
    pub const MAX_SAMPLES: usize = 2048;
    /// Trials beyond are left out: an entry of `G` is at most `k (N - 1)`, and so fits 64 bits. The spectrum of so many is
    /// that of infinitely many to 2e-5.
    pub const MAX_TRIALS: u64 = 1 << 32;

    /// The empty Gram matrix of 2 to [`Gram::MAX_SAMPLES`] samples. `seed` shuffles the null.
    pub fn new(samples: usize, seed: u64) -> Result<Self> {
        if !(2..=Self::MAX_SAMPLES).contains(&samples) {
            let limit = format!("must be 2 to {}; correlate the first so many", Self::MAX_SAMPLES);
            return Err(Error::input("samples to correlate", samples, limit));
        }
        room::<i64>("Gram matrix", &[1 + Self::SHUFFLES, triangle(samples)])?;
        Ok(Self { samples, seed, bands: BTreeMap::new() })
    }

    /// The matrix before any trial, of the same samples and seed.
    pub fn empty(&self) -> Self {
        Self { bands: BTreeMap::new(), ..*self }
    }

    /// Samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Trials, whole blocks of them.
    pub fn trials(&self) -> u64 {
        self.bands.values().map(|band| band.trials).sum()
    }

    /// Adds the whole blocks among consecutive trials that start at `first`, a multiple of [`Gram::BLOCK`]; fewer trials
    /// than a block at the end are left out. `errors` are `[N, W]`. Works on up to `threads` threads, which change no bit.
    ///
    /// # Errors
    /// [`Error::Input`] where `first` is within a block, `errors` are no matrix of `N` rows, or more trials come than there
    /// are: some came twice.
    pub fn add(&mut self, first: u64, errors: &[f32]) -> Result<()> {
        let (samples, block) = (self.samples, Self::BLOCK as u64);
        if !first.is_multiple_of(block) {
            return Err(Error::input("first trial of a Gram matrix", first, format!("must be a multiple of {block}")));
        }
        if !errors.len().is_multiple_of(samples) {
            let got = format!("{} errors", errors.len());
            return Err(Error::input(
                "errors of a Gram matrix",
                got,
                format!("must be equally many of {samples} samples"),
            ));
        }
        let width = errors.len() / samples;
        let end = Self::MAX_TRIALS.saturating_sub(first).min(width as u64) as usize;
        let blocks = end / Self::BLOCK;
        let some = |blocks: std::ops::Range<usize>| {
            let (mut part, mut scratch) = (self.empty(), Block::new(samples));
            for at in blocks.map(|block| block * Self::BLOCK) {
                let trial = first + at as u64;
                let band = part.bands.entry(band_of(trial)).or_insert_with(|| Band::empty(samples));
                band.trials += block;
                let rows = errors.chunks_exact(width).map(|row| &row[at..at + Self::BLOCK]);
                scratch.add(rows.clone(), None, &mut band.data);
                for (shuffle, sums) in (0..).zip(&mut band.shuffled) {
                    scratch.add(rows.clone(), Some((self.seed, trial / block, shuffle)), sums);
                }
            }
            part
        };
        let share = blocks.div_ceil(rayon::current_num_threads()).max(1);
        let shares: Vec<_> = (0..blocks).step_by(share).map(|at| at..(at + share).min(blocks)).collect();
        let parts: Vec<Self> = shares.into_par_iter().map(some).collect();
        parts.iter().try_for_each(|part| self.merge(part))
    }

    /// Adds another matrix of the same samples and seed. The two must hold different trials.
    ///
    /// # Errors
    /// [`Error::Input`] where they are of another kind, or hold more trials together than a band has.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.samples, self.seed) != (other.samples, other.seed) {
            let kind = |g: &Self| format!("{} samples, seed {}", g.samples, g.seed);
            return Err(Error::input("Gram matrix to merge", kind(other), format!("must match {}", kind(self))));
        }
        for (number, band) in &other.bands {
            let trials = self.bands.get(number).map_or(0, |band| band.trials) + band.trials;
            if trials > capacity(*number) {
                let got = format!("{trials} trials of band {number}");
                let limit = format!("it has {}; add each trial once", capacity(*number));
                return Err(Error::input("Gram matrix to merge", got, limit));
            }
        }
        for (&number, band) in &other.bands {
            self.bands.entry(number).or_insert_with(|| Band::empty(self.samples)).add(band);
        }
        Ok(())
    }

    /// The sums of the first `k` trials at the end of every band, and of all trials, `k` growing. Behind a band that
    /// lacks trials, as one of a run's shards does, there is no first `k`, and nothing more.
    pub fn prefixes(&self) -> impl Iterator<Item = Band> {
        let mut sum = Band::empty(self.samples);
        let mut whole = true;
        (0..).zip(&self.bands).map_while(move |(expected, (&number, band))| {
            if !whole || number != expected {
                return None;
            }
            whole = band.trials == capacity(number);
            sum.add(band);
            Some(sum.clone())
        })
    }
}

impl Band {
    fn empty(samples: usize) -> Self {
        let data = Sums { trials: 0, u: vec![0; samples], products: vec![0; triangle(samples)] };
        Self { trials: 0, shuffled: vec![data.clone(); Gram::SHUFFLES], data }
    }

    fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.data.add(&other.data);
        self.shuffled.iter_mut().zip(&other.shuffled).for_each(|(a, b)| a.add(b));
    }

    /// Trials, those included that could not be standardised.
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// Sums of the errors as they came.
    pub fn data(&self) -> &Sums {
        &self.data
    }

    /// Sums of errors shuffled within each sample.
    pub fn shuffled(&self) -> &[Sums] {
        &self.shuffled
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.u.iter_mut().zip(&other.u).for_each(|(a, b)| *a += b);
        self.products.iter_mut().zip(&other.products).for_each(|(a, b)| *a += b);
    }

    /// Trials that are correlated: all but those whose errors are equal across the samples, or not finite.
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// `sum_j u_ij` of every sample.
    pub fn u(&self) -> impl Iterator<Item = f64> {
        self.u.iter().map(|&sum| sum as f64 * Gram::QUANTUM)
    }

    /// The Gram matrix `G / N`, `N x N`: its nonzero eigenvalues are those of the trial-correlation matrix.
    pub fn gram(&self) -> Vec<f64> {
        let samples = self.u.len();
        let mut gram = vec![0.0; samples * samples];
        for a in 0..samples {
            for (b, &sum) in self.products[triangle(a)..triangle(a + 1)].iter().enumerate() {
                let value = sum as f64 * Gram::QUANTUM / samples as f64;
                (gram[a * samples + b], gram[b * samples + a]) = (value, value);
            }
        }
        gram
    }
}

/// Entries of a lower triangle with `rows` rows, and where the next row begins.
fn triangle(rows: usize) -> usize {
    rows * (rows + 1) / 2
}

/// The number of the band of a trial.
fn band_of(trial: u64) -> u32 {
    let blocks = trial / Gram::BLOCK as u64;
    blocks.checked_ilog2().map_or(0, |log| log / 2 + 1)
}

/// Trials of a band.
fn capacity(band: u32) -> u64 {
    let end = |band: u32| (Gram::BLOCK as u64) << (2 * band);
    end(band) - if band == 0 { 0 } else { end(band - 1) }
}
