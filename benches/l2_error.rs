use crate::{case, time};
use criterion::Criterion;
use retrial_check::{Kernel, images};
use retrial_spec::Backend;
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion, backend: &dyn Backend) {
    let case = case(Kernel::L2Error, 20, 1000);
    let inputs = images(case.shape, case.samples, case.seed);
    let outputs = images(case.shape, case.samples * case.trials, case.seed + 1);
    time(criterion, backend, &case, case.samples * case.trials, || {
        black_box(backend.l2_error(&inputs, &outputs, case.shape.pixels)).expect("a valid case");
    });
}
