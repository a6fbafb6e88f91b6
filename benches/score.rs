use crate::{case, time};
use criterion::Criterion;
use retrial_check::Kernel;
use retrial_spec::{Backend, Precision, Tally};
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion, backend: &dyn Backend) {
    let case = case(Kernel::Score, 50, 1920);
    let problem = case.problem().expect("a valid case");
    let mut scorer = backend.load(&problem, Precision::F32).expect("f32 is always there");
    time(criterion, backend, &case, case.samples * case.trials, || {
        let mut tally = Tally::new(case.samples, &[5.0, 6.0, 7.0]).expect("valid thresholds");
        scorer.tally(0..case.trials as u64, &mut tally).expect("finite errors");
        black_box(tally);
    });
}
