use crate::{case, cpu, time};
use criterion::Criterion;
use retrial_check::Kernel;
use retrial_spec::{Backend, Noise};
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion) {
    let (case, cpu) = (case(Kernel::SampleLatent, 20, 10_000), cpu());
    let problem = case.problem().expect("a valid case");
    time(criterion, &case, case.samples * case.trials, || {
        black_box(cpu.sample_latent(&problem, Noise::Trials(0..case.trials as u64))).expect("a valid case");
    });
}
