use crate::{case, cpu, time};
use criterion::Criterion;
use retrial_check::{Kernel, images, weights};
use retrial_spec::Backend;
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion) {
    let (case, cpu) = (case(Kernel::Encode, 400, 1), cpu());
    let (weights, images) = (weights(case.shape, case.seed), images(case.shape, case.samples, case.seed));
    time(criterion, &case, case.samples, || {
        black_box(cpu.encode(&weights, &images)).expect("a valid case");
    });
}
