use crate::{case, time};
use criterion::Criterion;
use retrial_check::{Kernel, weights};
use retrial_spec::{Backend, rng::Stream};
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion, backend: &dyn Backend) {
    let case = case(Kernel::Decode, 1, 10_000);
    let weights = weights(case.shape, case.seed);
    let mut latents = vec![0.0; case.trials * case.shape.latent];
    Stream::new(case.seed, 3).fill_normal(&mut latents);
    time(criterion, backend, &case, case.trials, || {
        black_box(backend.decode(&weights, &latents)).expect("a valid case");
    });
}
