use crate::{case, time};
use criterion::Criterion;
use retrial_check::Kernel;
use retrial_spec::{Backend, Tally, rng::Stream};
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion, backend: &dyn Backend) {
    let case = case(Kernel::PassAtK, 400, 10_000);
    let mut stream = Stream::new(case.seed, 3);
    let errors: Vec<f32> = (0..case.samples * case.trials).map(|_| 1.0 + stream.uniform() as f32).collect();
    time(criterion, backend, &case, case.samples * case.trials, || {
        let mut tally = Tally::new(case.samples, &[1.0001, 1.001, 1.01, 1.1, 1.5]).expect("valid thresholds");
        backend.pass_at_k(&errors, 0, &mut tally).expect("finite errors");
        black_box(tally);
    });
}
