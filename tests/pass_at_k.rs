use crate::{cpus, validate};
use retrial_check::Kernel;
use retrial_reference as reference;
use retrial_spec::{Backend, Tally};

#[test]
fn matches_the_reference() {
    validate(Kernel::PassAtK);
}

/// Counts and first successes of f32 errors are integers of f32 comparisons: equal, without any band.
#[test]
fn counts_exactly() {
    let errors: Vec<f32> = (0..3 * 40).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as f32 / 64.0).collect();
    let thresholds = [0.25, 1.0, 1.015_625, 2.0, 100.0];
    let want = reference::pass_at_k(&errors, 3, 7, &thresholds);
    for cpu in cpus() {
        let mut tally = Tally::new(3, &thresholds).unwrap();
        cpu.pass_at_k(&errors, 7, &mut tally).unwrap();
        for (sample, row) in tally.rows().iter().enumerate() {
            for (t, &threshold) in thresholds.iter().enumerate() {
                let want = &want[sample * thresholds.len() + t];
                assert_eq!((row.successes()[t], row.first_success(threshold)), (want.successes, want.first_success));
            }
        }
    }
}

#[test]
fn a_nan_error_is_refused() {
    let mut tally = Tally::new(1, &[1.0]).unwrap();
    assert!(cpus()[0].pass_at_k(&[0.5, f32::NAN], 0, &mut tally).is_err());
}
