//! One file per kernel. `cargo bench` times every kernel of the CPU backend at the paper's shape; a name as argument
//! (`cargo bench -- score`) picks one. The output of a kernel is validated by `cargo test`, not here, and nothing here
//! asserts a time.

mod correlation;
mod decode;
mod encode;
mod l2_error;
mod pass_at_k;
mod sample_latent;
mod score;

use criterion::{Criterion, Throughput};
use retrial_check::{Case, Kernel};
use retrial_cpu::Cpu;
use retrial_spec::{Precision, Shape};

/// The paper's model at T = 1, `samples` x `trials`.
fn case(kernel: Kernel, samples: usize, trials: usize) -> Case {
    Case {
        kernel,
        shape: Shape::PAPER,
        samples,
        trials,
        first: 0,
        temperature: 1.0,
        seed: 11,
        precision: Precision::F32,
    }
}

/// All cores of this machine.
fn cpu() -> Cpu {
    Cpu::new(None).expect("RETRIAL_CPU names an instruction set of this CPU")
}

/// Times one kernel; the rate is in trials/s (samples/s for `encode`).
fn time(criterion: &mut Criterion, case: &Case, units: usize, mut run: impl FnMut()) {
    let mut group = criterion.benchmark_group(case.kernel.name());
    group.throughput(Throughput::Elements(units as u64)).sample_size(10);
    group.bench_function(format!("{} {}x{}", case.shape, case.samples, case.trials), |b| b.iter(&mut run));
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    encode::bench(&mut criterion);
    sample_latent::bench(&mut criterion);
    decode::bench(&mut criterion);
    l2_error::bench(&mut criterion);
    pass_at_k::bench(&mut criterion);
    correlation::bench(&mut criterion);
    score::bench(&mut criterion);
    criterion.final_summary();
}
