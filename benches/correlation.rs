use crate::{case, time};
use criterion::Criterion;
use retrial_check::Kernel;
use retrial_spec::{Backend, rng::Stream};
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion, backend: &dyn Backend) {
    let case = case(Kernel::Correlation, 400, 1000);
    let mut stream = Stream::new(case.seed, 3);
    let errors: Vec<f32> = (0..case.samples * case.trials).map(|_| 1.0 + stream.uniform() as f32).collect();
    time(criterion, backend, &case, case.trials, || {
        black_box(backend.correlation(&errors, case.samples)).expect("a valid case");
    });
}
