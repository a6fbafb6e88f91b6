use crate::{case, cpu, time};
use criterion::Criterion;
use retrial_check::Kernel;
use retrial_spec::{Backend, Precision, Tally};
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion) {
    let (case, cpu) = (case(Kernel::Score, 50, 1920), cpu());
    let problem = case.problem().expect("a valid case");
    let mut scorer = cpu.load(&problem, Precision::F32).expect("f32 is always there");
    time(criterion, &case, case.samples * case.trials, || {
        let mut tally = Tally::new(case.samples, &[5.0, 6.0, 7.0]).expect("valid thresholds");
        scorer.tally(0..case.trials as u64, &mut tally).expect("finite errors");
        black_box(tally);
    });
}
