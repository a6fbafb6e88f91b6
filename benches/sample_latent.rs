use crate::{case, time};
use criterion::Criterion;
use retrial_check::Kernel;
use retrial_spec::{Backend, Noise};
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion, backend: &dyn Backend) {
    let case = case(Kernel::SampleLatent, 20, 10_000);
    let problem = case.problem().expect("a valid case");
    time(criterion, backend, &case, case.samples * case.trials, || {
        black_box(backend.sample_latent(&problem, Noise::Trials(0..case.trials as u64))).expect("a valid case");
    });
}
