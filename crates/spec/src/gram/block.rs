//! The share of one block of trials.

use super::{Gram, Sums};
use crate::rng::{counter, key, philox};

/// Samples of a panel: a square of so many sums fits the registers of any processor.
const PANEL: usize = 4;

/// Standardised errors of some samples, trial by trial.
type Panel = [[f64; PANEL]; Gram::BLOCK];

/// Room to work on a block.
pub(super) struct Block {
    /// Errors of all samples, in the order in which they are correlated.
    errors: Vec<[f64; Gram::BLOCK]>,
    panels: Vec<Panel>,
}

impl Block {
    pub(super) fn new(samples: usize) -> Self {
        Self {
            errors: vec![[0.0; Gram::BLOCK]; samples],
            panels: vec![[[0.0; PANEL]; Gram::BLOCK]; samples.div_ceil(PANEL)],
        }
    }

    /// Adds the block whose errors are `rows`, one of every sample. `shuffle` is the seed, the block's number and the
    /// shuffle's.
    pub(super) fn add<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a [f32]>,
        shuffle: Option<(u64, u64, u32)>,
        sums: &mut Sums,
    ) {
        for ((sample, errors), row) in (0..).zip(&mut self.errors).zip(rows) {
            match shuffle {
                None => errors.iter_mut().zip(row).for_each(|(to, &error)| *to = error.into()),
                Some(shuffle) => {
                    let order = Order::new(shuffle, sample);
                    (0..).zip(errors).for_each(|(at, to)| *to = row[order.of(at)].into());
                }
            }
        }
        sums.trials += self.standardise();
        for (sample, sum) in sums.u.iter_mut().enumerate() {
            let u = self.panels[sample / PANEL].iter().map(|trial| trial[sample % PANEL]);
            *sum += round(u.sum());
        }
        let mut rest = &mut sums.products[..];
        for (a, left) in self.panels.iter().enumerate() {
            // Up to `PANEL` rows of the triangle, which start one after the other.
            let mut rows: [&mut [i64]; PANEL] = Default::default();
            for (row, sample) in rows.iter_mut().zip(a * PANEL..self.errors.len()) {
                (*row, rest) = std::mem::take(&mut rest).split_at_mut(sample + 1);
            }
            for (b, right) in self.panels[..=a].iter().enumerate() {
                for (row, products) in rows.iter_mut().zip(square(left, right)) {
                    let entries = row.iter_mut().skip(b * PANEL); // as many as the row has
                    entries.zip(products).for_each(|(sum, product)| *sum += round(product));
                }
            }
        }
    }

    /// Writes `u` of all errors, 0 in trials that have none; returns how many have.
    fn standardise(&mut self) -> u64 {
        let samples = self.errors.len() as f64;
        let (mut mean, mut deviation) = ([0.0; Gram::BLOCK], [0.0; Gram::BLOCK]);
        for errors in &self.errors {
            mean.iter_mut().zip(errors).for_each(|(sum, e)| *sum += e);
        }
        mean.iter_mut().for_each(|sum| *sum /= samples);
        for errors in &self.errors {
            deviation.iter_mut().zip(errors.iter().zip(&mean)).for_each(|(sum, (e, m))| *sum += (e - m) * (e - m));
        }
        let mut trials = 0;
        for (m, s) in mean.iter_mut().zip(&mut deviation) {
            *s = (*s / samples).sqrt();
            if *s > 0.0 && s.is_finite() {
                trials += 1;
            } else {
                (*m, *s) = (0.0, f64::INFINITY); // which makes a 0 of any error that is finite
            }
        }
        for (panel, errors) in self.panels.iter_mut().zip(self.errors.chunks(PANEL)) {
            for (column, errors) in errors.iter().enumerate() {
                for (u, (e, (m, s))) in panel.iter_mut().zip(errors.iter().zip(mean.iter().zip(&deviation))) {
                    let value = (e - m) / s;
                    u[column] = if value.is_nan() { 0.0 } else { value };
                }
            }
        }
        trials
    }
}

/// Products of two panels, each summed over the trials in order.
fn square(left: &Panel, right: &Panel) -> [[f64; PANEL]; PANEL] {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx") {
        // SAFETY: this processor has AVX.
        return unsafe { square_avx(left, right) };
    }
    square_in_order(left, right)
}

/// The same in vectors of four: twice as fast, and the same bits, since no sum goes across a vector.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
fn square_avx(left: &Panel, right: &Panel) -> [[f64; PANEL]; PANEL] {
    square_in_order(left, right)
}

#[inline(always)]
fn square_in_order(left: &Panel, right: &Panel) -> [[f64; PANEL]; PANEL] {
    let mut sums = [[0.0; PANEL]; PANEL];
    for (left, right) in left.iter().zip(right) {
        for (sums, a) in sums.iter_mut().zip(left) {
            for (sum, b) in sums.iter_mut().zip(right) {
                *sum += a * b;
            }
        }
    }
    sums
}

/// In units of the quantum.
fn round(sum: f64) -> i64 {
    (sum / Gram::QUANTUM).round_ties_even() as i64
}

/// A permutation of a block's trials: one of 2^30, which differ in what lies beside what.
struct Order([u32; 4]);

impl Order {
    /// Of blocks of random numbers that neither trials nor streams reach.
    fn new((seed, block, shuffle): (u64, u64, u32), sample: u32) -> Self {
        Self(philox(counter(sample, block, u32::MAX - 1 - shuffle), key(seed)))
    }

    /// Which trial comes at a place. Every step can be undone: odd factors, sums and shifts.
    fn of(&self, place: u32) -> usize {
        const MASK: u32 = Gram::BLOCK as u32 - 1;
        let [a, b, c, d] = self.0;
        let x = place.wrapping_mul(a | 1).wrapping_add(b) & MASK;
        let x = x ^ x >> 4;
        (x.wrapping_mul(c | 1).wrapping_add(d) & MASK) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_change_no_bit() {
        let mut stream = crate::rng::Stream::new(1, 2);
        let [left, right] = [(); 2].map(|()| {
            let mut panel = [[0.0; PANEL]; Gram::BLOCK];
            panel.as_flattened_mut().iter_mut().for_each(|u| *u = 4.0 * stream.uniform() - 2.0);
            panel
        });
        assert_eq!(square(&left, &right), square_in_order(&left, &right));
    }

    #[test]
    fn orders_are_permutations_and_differ() {
        let order = |block, shuffle, sample| {
            let order = Order::new((3, block, shuffle), sample);
            (0..Gram::BLOCK as u32).map(|place| order.of(place)).collect::<Vec<_>>()
        };
        let orders = [order(0, 0, 0), order(1, 0, 0), order(0, 1, 0), order(0, 0, 1)];
        for (at, order) in orders.iter().enumerate() {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..Gram::BLOCK));
            assert!(orders[..at].iter().all(|other| other != order));
        }
    }
}
