use crate::{case, time};
use criterion::Criterion;
use retrial_check::{Kernel, images, weights};
use retrial_spec::Backend;
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion, backend: &dyn Backend) {
    let case = case(Kernel::Encode, 400, 1);
    let (weights, images) = (weights(case.shape, case.seed), images(case.shape, case.samples, case.seed));
    time(criterion, backend, &case, case.samples, || {
        black_box(backend.encode(&weights, &images)).expect("a valid case");
    });
}
