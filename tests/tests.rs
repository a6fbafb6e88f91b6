//! One module per kernel, under the kernel's name, and one per promise of the program.

mod cli;
mod correlation;
mod decode;
mod encode;
mod faults;
mod golden;
mod l2_error;
mod layout;
mod pass_at_k;
mod sample_latent;
mod score;
mod tally;

use retrial_check::{Kernel, cases};
use retrial_cpu::{Cpu, Isa};

/// Every CPU backend this machine can run, on two threads.
fn cpus() -> Vec<Cpu> {
    let available = Isa::ALL.into_iter().filter(|isa| {
        let available = isa.available();
        if !available {
            eprintln!("SKIPPED: this machine lacks {isa}");
            assert!(!std::env::var("RETRIAL_REQUIRE").is_ok_and(|v| v.split(',').any(|v| v == isa.to_string())));
        }
        available
    });
    available.map(|isa| Cpu::with_isa(Some(2), isa).unwrap()).collect()
}

/// Holds a kernel against the reference, at every shape and on every backend.
fn validate(kernel: Kernel) {
    for cpu in cpus() {
        for case in cases().into_iter().filter(|case| case.kernel == kernel) {
            if let Err(fault) = case.run(&cpu).unwrap() {
                panic!("{kernel} {}: {fault}\nrerun: {}", case.shape, case.command("cpu"));
            }
        }
    }
}
