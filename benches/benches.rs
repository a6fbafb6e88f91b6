//! One file per kernel. `cargo bench` times every kernel at the paper's shape on the CPU and on the first real GPU, through
//! CUDA and through wgpu; a name as argument (`cargo bench -- score`) picks one, `engine` what a run adds. The output of a kernel is validated by `cargo test`, not here, and nothing here
//! asserts a time.

#![allow(unreachable_pub, reason = "a program has no API: what is pub is for its other files")]

mod correlation;
mod decode;
mod encode;
mod engine;
mod l2_error;
mod pass_at_k;
mod sample_latent;
mod score;

use criterion::{Criterion, Throughput};
use retrial_check::{Case, Kernel};
use retrial_cpu::Cpu;
use retrial_cuda::Cuda;
use retrial_spec::{Backend, Shape};
use retrial_wgsl::Wgsl;

/// The paper's model at T = 1, `samples` x `trials`.
fn case(kernel: Kernel, samples: usize, trials: usize) -> Case {
    Case { kernel, shape: Shape::PAPER, samples, trials, first: 0, temperature: 1.0, seed: 11, variant: None }
}

/// All cores of this machine, and its GPU by every way there is.
fn backends() -> Vec<Box<dyn Backend>> {
    let mut backends: Vec<Box<dyn Backend>> =
        vec![Box::new(Cpu::new(None).expect("RETRIAL_CPU names an instruction set of this CPU"))];
    match Cuda::new(Some(0)) {
        Ok(gpu) => backends.push(Box::new(gpu)),
        Err(why) => eprintln!("SKIPPED cuda: {why}"),
    }
    match Wgsl::new(None) {
        Ok(gpu) => backends.push(Box::new(gpu)),
        Err(why) => eprintln!("SKIPPED wgsl: {why}"),
    }
    backends
}

/// Times one kernel; the rate is in trials/s (samples/s for `encode`).
fn time(criterion: &mut Criterion, backend: &dyn Backend, case: &Case, units: usize, mut run: impl FnMut()) {
    let mut group = criterion.benchmark_group(format!("{} {}", case.kernel, backend.device().backend));
    group.throughput(Throughput::Elements(units as u64)).sample_size(10);
    group.bench_function(format!("{} {}x{}", case.shape, case.samples, case.trials), |b| b.iter(&mut run));
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let kernels = [
        encode::bench,
        sample_latent::bench,
        decode::bench,
        l2_error::bench,
        pass_at_k::bench,
        correlation::bench,
        score::bench,
    ];
    for backend in backends() {
        kernels.iter().for_each(|bench| bench(&mut criterion, backend.as_ref()));
    }
    engine::bench(&mut criterion);
    criterion.final_summary();
}
