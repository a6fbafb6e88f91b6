use crate::{case, cpu, time};
use criterion::Criterion;
use retrial_check::Kernel;
use retrial_spec::{Backend, rng::Stream};
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion) {
    let (case, cpu) = (case(Kernel::Correlation, 400, 1000), cpu());
    let mut stream = Stream::new(case.seed, 3);
    let errors: Vec<f32> = (0..case.samples * case.trials).map(|_| 1.0 + stream.uniform() as f32).collect();
    time(criterion, &case, case.trials, || {
        black_box(cpu.correlation(&errors, case.samples)).expect("a valid case");
    });
}
