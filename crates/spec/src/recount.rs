//! What a GPU's host side does with errors it reads back: folds them into rows, and holds what the device counted by
//! itself against the result.
//!
//! A tally needs more than counts: records, the worst trial and the histogram come from the errors, which cross the bus
//! anyway (4 bytes a trial). The device's own success counts and first successes, made of the same errors before they
//! crossed, must then agree exactly. A run of billions of trials so never trusts a transfer or a driver blindly.

use crate::{Result, Row};
use std::{num::NonZero, thread};

/// Does `work` for every row, on threads when there are enough errors to be worth it.
pub fn fold(rows: &mut [Row], errors: usize, work: impl Fn(usize, &mut Row) -> Result<()> + Sync) -> Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(errors >> 15).max(1);
    let share = rows.len().div_ceil(threads);
    let each = |start: usize, rows: &mut [Row]| (start..).zip(rows).try_for_each(|(sample, row)| work(sample, row));
    if threads == 1 {
        return each(0, rows);
    }
    thread::scope(|scope| {
        let parts = rows.chunks_mut(share).enumerate();
        let workers: Vec<_> = parts.map(|(i, part)| scope.spawn(move || each(i * share, part))).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// A device's count that is not the host's. Successes and the first of them, trials from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "sample {sample}, threshold {threshold}: the device counts {} successes, the first {:?}, the host {} and {:?} of the \
     errors it read back", device.0, device.1, host.0, host.1
)]
pub struct Disagreement {
    /// The sample.
    pub sample: usize,
    /// The threshold.
    pub threshold: f32,
    /// What the device counted.
    pub device: (u64, Option<u64>),
    /// What the host made of the errors it read back.
    pub host: (u64, Option<u64>),
}

/// What rows held before a device's trials were added to them.
pub struct Recount {
    before: Vec<(Vec<u64>, Vec<Option<u64>>)>,
    thresholds: Vec<f32>,
}

impl Recount {
    /// Begins before anything is added to `rows`, of which the first successes at these thresholds will be recounted.
    pub fn begin(thresholds: &[f32], rows: &[Row]) -> Self {
        Self { before: rows.iter().map(|row| of(row, thresholds)).collect(), thresholds: thresholds.to_vec() }
    }

    /// Holds a device's *buckets* against the rows. Bucket `t` of a sample counts the trials whose error is below
    /// threshold `t` but not below threshold `t - 1`, and knows the first of them; `bucket` gives both. Buckets start
    /// again at each multiple of `at_once`, as for a device that takes so many thresholds at a time.
    pub fn check(
        &self,
        rows: &[Row],
        at_once: usize,
        bucket: impl Fn(usize, usize) -> (u64, Option<u64>),
    ) -> Result<(), Disagreement> {
        for (sample, (row, before)) in rows.iter().zip(&self.before).enumerate() {
            let after = of(row, &self.thresholds);
            let (mut count, mut earliest) = (0, None);
            for (t, threshold) in self.thresholds.iter().enumerate() {
                if t % at_once == 0 {
                    (count, earliest) = (0, None);
                }
                let (more, first) = bucket(sample, t);
                count += more;
                earliest = [earliest, first].into_iter().flatten().min();
                let want = [before.1[t], earliest].into_iter().flatten().min();
                if (before.0[t] + count, want) != (after.0[t], after.1[t]) {
                    return Err(Disagreement {
                        sample,
                        threshold: *threshold,
                        device: (count, earliest),
                        host: (after.0[t] - before.0[t], after.1[t]),
                    });
                }
            }
        }
        Ok(())
    }
}

fn of(row: &Row, thresholds: &[f32]) -> (Vec<u64>, Vec<Option<u64>>) {
    let firsts = thresholds.iter().map(|&t| row.first_success(t)).collect();
    (row.successes()[..thresholds.len()].to_vec(), firsts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tally;

    const THRESHOLDS: [f32; 3] = [1.0, 2.0, 3.0];

    /// Counts of trials 10.. with errors 2.5, 0.5, 9, 1.5 after an earlier failure, and the true buckets of one sample.
    fn example() -> (Tally, Recount, [(u64, Option<u64>); 3]) {
        let mut tally = Tally::new(1, &THRESHOLDS).unwrap();
        tally.rows_mut().1[0].add(&THRESHOLDS, 3, &[9.0]);
        let recount = Recount::begin(&THRESHOLDS, tally.rows());
        tally.rows_mut().1[0].add(&THRESHOLDS, 10, &[2.5, 0.5, 9.0, 1.5]);
        (tally, recount, [(1, Some(11)), (1, Some(13)), (1, Some(10))])
    }

    #[test]
    fn true_buckets_pass_and_false_ones_do_not() {
        let (tally, recount, buckets) = example();
        recount.check(tally.rows(), 3, |_, t| buckets[t]).unwrap();
        for at in 0..3 {
            let mut more = buckets;
            more[at].0 += 1;
            assert!(recount.check(tally.rows(), 3, |_, t| more[t]).unwrap_err().to_string().contains("device counts"));
            let mut earlier = buckets;
            earlier[at].1 = Some(7);
            let found = recount.check(tally.rows(), 3, |_, t| earlier[t]).unwrap_err();
            assert_eq!(found.device.1, Some(7));
        }
    }

    #[test]
    fn buckets_start_again_where_the_device_does() {
        let (tally, recount, buckets) = example();
        // Two at a time: the third threshold counts alone, all three successes, the first of them trial 10.
        let apart = [buckets[0], buckets[1], (3, Some(10))];
        recount.check(tally.rows(), 2, |_, t| apart[t]).unwrap();
        assert!(recount.check(tally.rows(), 3, |_, t| apart[t]).is_err());
    }
}
