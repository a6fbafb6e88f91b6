//! The tally is a commutative monoid, and its derived answers are those of the plain list of errors.

use proptest::{collection::vec, prelude::*};
use retrial_spec::{Tally, tally::Histogram};

const THRESHOLDS: [f32; 3] = [0.5, 1.0, 1.75];

/// Tallies of one list of errors (few distinct values, so that ties happen), cut into pieces that hold disjoint trials.
fn pieces() -> impl Strategy<Value = (Vec<f32>, Vec<Tally>)> {
    (vec((0u8..16).prop_map(|v| 0.125 + f32::from(v) * 0.125), 1..60), vec(1usize..20, 1..6), any::<u64>()).prop_map(
        |(errors, cuts, shuffle)| {
            let mut tallies = vec![];
            let mut first = 0usize;
            for size in cuts.into_iter().chain([usize::MAX]) {
                let end = first.saturating_add(size).min(errors.len());
                let mut tally = Tally::new(1, &THRESHOLDS).unwrap();
                let (thresholds, rows) = tally.rows_mut();
                rows[0].add(thresholds, first as u64, &errors[first..end]);
                tally.add_trials(first as u64..end as u64).unwrap();
                tallies.push(tally);
                first = end;
            }
            let middle = shuffle as usize % tallies.len();
            tallies.rotate_left(middle);
            (errors, tallies)
        },
    )
}

fn merged(tallies: &[Tally]) -> Tally {
    let mut sum = Tally::new(1, &THRESHOLDS).unwrap();
    tallies.iter().for_each(|t| sum.merge(t).unwrap());
    sum
}

proptest! {
    #[test]
    fn merging_commutes_and_associates((_, tallies) in pieces()) {
        let forward = merged(&tallies);
        let backward: Vec<Tally> = tallies.iter().rev().cloned().collect();
        prop_assert_eq!(&merged(&backward), &forward);
        let (left, right) = tallies.split_at(tallies.len() / 2);
        prop_assert_eq!(&merged(&[merged(left), merged(right)]), &forward);
    }

    #[test]
    fn the_empty_tally_is_the_unit((_, tallies) in pieces()) {
        let mut sum = tallies[0].clone();
        sum.merge(&Tally::new(1, &THRESHOLDS).unwrap()).unwrap();
        prop_assert_eq!(&sum, &tallies[0]);
    }

    #[test]
    fn answers_are_those_of_the_list((errors, tallies) in pieces(), threshold in 0.1f32..2.5) {
        let tally = merged(&tallies);
        let row = &tally.rows()[0];
        prop_assert_eq!(tally.trials(), &(0..errors.len() as u64).into());
        for (t, &count) in THRESHOLDS.iter().zip(row.successes()) {
            prop_assert_eq!(count, errors.iter().filter(|e| **e < *t).count() as u64);
        }
        prop_assert_eq!(row.first_success(threshold), errors.iter().position(|e| *e < threshold).map(|at| at as u64));
        let edge = Histogram::edge(Histogram::bin(threshold));
        let below: u64 = row.histogram().bins().filter(|&b| Histogram::edge(b) < edge).map(|b| row.histogram().count(b)).sum();
        prop_assert_eq!(below, errors.iter().filter(|e| **e < edge).count() as u64);
        let extreme = |better: fn(f32, f32) -> bool| errors.iter().enumerate().fold(0, |best, (i, &e)| if better(e, errors[best]) { i } else { best });
        prop_assert_eq!(row.best().unwrap().trial, extreme(|a, b| a < b) as u64);
        prop_assert_eq!(row.worst().unwrap().trial, extreme(|a, b| a > b) as u64);
    }
}

/// Every threshold of every trial compared, one by one: what counting by buckets must equal.
fn counted_one_by_one(thresholds: &[f32], errors: &[f32]) -> Vec<u64> {
    let mut counts = vec![0; thresholds.len()];
    for error in errors {
        for (count, threshold) in counts.iter_mut().zip(thresholds) {
            *count += u64::from(error < threshold);
        }
    }
    counts
}

proptest! {
    /// Thresholds that errors meet exactly, 0 to 40 of them, and two windows of errors, the least and the greatest of all
    /// among them.
    #[test]
    fn buckets_count_as_comparing_does(
        steps in vec(1u32..4, 0..40),
        errors in vec(prop_oneof![8 => 0u32..100, 1 => Just(u32::MAX)], 0..200),
        cut in 0usize..200,
    ) {
        let of = |step: u32| f32::from_bits(1.0f32.to_bits() + step);
        let thresholds: Vec<f32> = steps.iter().scan(0, |at, step| { *at += step; Some(of(*at)) }).collect();
        let errors: Vec<f32> = errors.into_iter().map(|e| match e { 0 => 0.0, u32::MAX => f32::MAX, e => of(e) }).collect();
        let cut = cut.min(errors.len());
        let tallies = [Tally::new(1, &thresholds), Tally::counts_only(1, &thresholds)];
        for mut tally in tallies.into_iter().flatten() {
            let (thresholds, rows) = tally.rows_mut();
            rows[0].add(thresholds, 5, &errors[..cut]);
            rows[0].add(thresholds, 5 + cut as u64, &errors[cut..]);
            prop_assert_eq!(rows[0].successes(), counted_one_by_one(thresholds, &errors));
        }
    }
}

#[test]
fn tallies_of_different_questions_do_not_merge() {
    let mut tally = Tally::new(2, &THRESHOLDS).unwrap();
    assert!(tally.merge(&Tally::new(3, &THRESHOLDS).unwrap()).unwrap_err().is_input());
    assert!(tally.merge(&Tally::new(2, &[0.5]).unwrap()).unwrap_err().is_input());
}

/// A counts-only tally is what remains of the full one below the largest threshold, and never merges with it.
#[test]
fn counting_alone_keeps_what_lies_below_the_largest_threshold() {
    let errors = [2.0, 0.9, 1.7, 0.9, 0.3, 1.75];
    let add = |mut tally: Tally, at: usize| {
        let (thresholds, rows) = tally.rows_mut();
        rows[0].add(thresholds, at as u64, &errors[at..at + 3]);
        tally.add_trials(at as u64..at as u64 + 3).unwrap();
        tally
    };
    let mut full = add(Tally::new(1, &THRESHOLDS).unwrap(), 0);
    full.merge(&add(full.empty(), 3)).unwrap();
    let mut counts = add(Tally::counts_only(1, &THRESHOLDS).unwrap(), 3);
    counts.merge(&add(counts.empty(), 0)).unwrap();
    for (t, threshold) in THRESHOLDS.into_iter().enumerate() {
        assert_eq!(counts.successes(t), full.successes(t));
        assert_eq!(counts.first_successes(threshold), full.first_successes(threshold));
    }
    let row = &counts.rows()[0];
    assert_eq!((row.best().map(|r| r.trial), row.worst(), counts.bins().len()), (Some(4), None, 0));
    assert!(full.merge(&counts).unwrap_err().is_input() && counts.merge(&full).unwrap_err().is_input());
    assert!(Tally::counts_only(1, &[]).unwrap_err().is_input());
}

#[test]
fn bad_thresholds_are_refused() {
    for bad in [&[-1.0][..], &[0.0], &[f32::NAN], &[f32::INFINITY], &[2.0, 1.0], &[1.0, 1.0]] {
        assert!(Tally::new(1, bad).unwrap_err().is_input(), "{bad:?}");
    }
}
