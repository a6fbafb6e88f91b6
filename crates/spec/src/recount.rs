//! What a GPU's host side does with errors that it reads back: folds them into rows, and holds what the device made of
//! the same errors against the result, which must agree exactly. A run of billions of trials so never trusts a transfer
//! or a driver blindly.
//!
//! A device that tallies by itself is held against the host in some windows ([`compare`]); one that counts alone, and whose
//! errors all cross the bus for the rest of a tally, in all of them ([`Recount`]).

use crate::{
    Result, Row,
    tally::{Histogram, Record},
};
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

/// What a device made of errors is not what the host made of the same errors.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("sample {sample}, {what}: the device counts {device}, the host {host} of the errors it read back")]
pub struct Disagreement {
    /// The sample.
    pub sample: usize,
    /// What they differ in.
    pub what: String,
    /// What the device says.
    pub device: String,
    /// What the host says.
    pub host: String,
}

/// Refuses two values that differ.
fn equal<T: PartialEq>(
    sample: usize,
    what: impl FnOnce() -> String,
    [device, host]: [T; 2],
    say: impl Fn(T) -> String,
) -> Result<(), Disagreement> {
    if device == host {
        return Ok(());
    }
    Err(Disagreement { sample, what: what(), device: say(device), host: say(host) })
}

/// Holds the row that a device made of some trials of a sample against the one that the host made of the same errors.
/// Of records a device looks only for those below `before`.
pub fn compare(
    sample: usize,
    thresholds: &[f32],
    before: Option<f32>,
    device: &Row,
    host: &Row,
) -> Result<(), Disagreement> {
    let rows = [device, host];
    for (t, threshold) in thresholds.iter().enumerate() {
        let what = || format!("threshold {threshold}");
        equal(sample, what, rows.map(|row| row.successes()[t]), |count| format!("{count} successes"))?;
    }
    let bins = rows.map(|row| row.histogram().bins());
    for bin in bins[0].start.min(bins[1].start)..bins[0].end.max(bins[1].end) {
        let what = || format!("from {} to {}", Histogram::edge(bin), Histogram::edge(bin + 1));
        equal(sample, what, rows.map(|row| row.histogram().count(bin)), |count| format!("{count} errors"))?;
    }
    let trial = |r: Option<Record>| r.map_or("none".into(), |r| format!("trial {} of error {}", r.trial, r.error));
    equal(sample, || "worst".into(), rows.map(Row::worst), trial)?;
    let known = host.records().partition_point(|r| before.is_some_and(|before| r.error >= before));
    let (device, host) = (device.records(), &host.records()[known..]);
    for at in 0..device.len().max(host.len()) {
        equal(sample, || format!("record {}", at + 1), [device, host].map(|list| list.get(at).copied()), trial)?;
    }
    Ok(())
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
                    let say = |(count, first): (u64, Option<u64>)| match first {
                        None => format!("{count} successes"),
                        Some(first) => format!("{count} successes from trial {first} on"),
                    };
                    let what = || format!("threshold {threshold}");
                    let host = (after.0[t] - before.0[t], after.1[t]);
                    equal(sample, what, [(count, earliest), host], say)?;
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
            assert!(found.device.ends_with("from trial 7 on"), "{found}");
        }
    }

    /// A row that differs in anything is named with both results; records that were known before are not asked for.
    #[test]
    fn rows_that_differ_are_told_apart() {
        let row = |errors: &[f32]| {
            let mut tally = Tally::new(1, &THRESHOLDS).unwrap();
            tally.rows_mut().1[0].add(&THRESHOLDS, 10, errors);
            tally.rows()[0].clone()
        };
        let host = row(&[2.5, 1.5, 9.0, 0.5, 1.5]);
        compare(0, &THRESHOLDS, None, &host, &host).unwrap();
        let mut device = Row::clone(&host);
        device.add_candidate(Record { trial: 9, error: 2.0 });
        device.add_candidate(Record { trial: 8, error: 1.5 });
        assert_eq!(device.records().len(), 2);
        let differ = |device: &Row, before| compare(4, &THRESHOLDS, before, device, &host).unwrap_err().to_string();
        assert!(
            differ(&device, None).starts_with("sample 4, record 1: the device counts trial 8 of error 1.5, the host")
        );
        for (errors, what) in [
            ([2.5, 1.5, 9.0, 0.5, 2.5], "threshold 2: the device counts 2 successes, the host 3 successes"),
            ([2.5, 1.5, 9.0, 0.5, 1.75], "from 1.5 to 1.5078125: the device counts 1 errors, the host 2 errors"),
            ([2.5, 1.5, 8.99, 0.5, 1.5], "from 8.9375 to 9: the device counts 1 errors, the host 0 errors"),
            (
                [2.5, 0.5, 9.0, 1.5, 1.5],
                "record 2: the device counts trial 11 of error 0.5, the host trial 11 of error 1.5",
            ),
            (
                [2.5, 1.5, 9.001, 0.5, 1.5],
                "worst: the device counts trial 12 of error 9.001, the host trial 12 of error 9",
            ),
        ] {
            let found = differ(&row(&errors), None);
            assert!(found.starts_with(&format!("sample 4, {what}")), "{found}");
        }
        let mut later = host.empty();
        later.add(&THRESHOLDS, 11, &[1.5, 9.0, 0.5, 1.5]);
        later.add(&THRESHOLDS, 8, &[2.5]); // no record: the trial before is not of this window
        assert!(differ(&later, Some(2.0)).contains("record 1"));
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
