//! One module per kernel, under the kernel's name, and one per promise of the program.

#![allow(unreachable_pub, reason = "a program has no API: what is pub is for its other files")]

mod census;
mod circles;
mod cli;
mod compare;
mod contract;
mod correlation;
mod counts;
mod cuda;
mod damaged;
mod data;
mod decode;
#[cfg(target_os = "linux")]
mod device_tally;
#[cfg(unix)]
mod directories;
#[cfg(target_os = "linux")]
mod discovery;
mod emulated;
mod encode;
mod examples;
mod exchange;
mod faults;
mod figures;
mod golden;
mod golden_full;
mod gram;
mod hazards;
mod honest;
#[cfg(target_os = "linux")]
mod host_cost;
#[cfg(unix)]
mod hostile;
mod l2_error;
mod layout;
#[cfg(unix)]
mod limits;
mod massive;
mod models;
mod names;
mod nvrtc;
mod page;
mod pass_at_k;
mod prove;
mod sample_latent;
mod score;
mod screen;
mod shaders;
#[cfg(target_os = "linux")]
mod signals;
mod statistics;
mod stopped;
mod tail;
mod tally;
mod tensor;
#[cfg(target_os = "linux")]
mod wgmma;

use retrial_check::{Kernel, Verdict, cases_of};
use retrial_cpu::{Cpu, Isa};
use retrial_cuda::Cuda;
use retrial_spec::{Backend, Result};
use retrial_wgsl::Wgsl;
use std::sync::OnceLock;

/// Says that something is missing; a failure where `RETRIAL_REQUIRE`, a comma-separated list, names it.
fn skip(what: &str, why: &str) {
    eprintln!("SKIPPED {what}: {why}");
    let required = std::env::var("RETRIAL_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == what), "{what} is required: {why}");
}

/// Every CPU backend this machine can run, on two threads.
fn cpus() -> Vec<Cpu> {
    let (can, cannot): (Vec<_>, Vec<_>) = Isa::ALL.into_iter().partition(|isa| isa.available());
    cannot.into_iter().for_each(|isa| skip(&isa.to_string(), "this CPU lacks it"));
    can.into_iter().map(|isa| Cpu::with_isa(Some(2), isa).unwrap()).collect()
}

/// The software adapter, which runs the shaders on any machine. One for all tests: compiling shaders takes a while.
fn llvmpipe() -> Option<&'static Wgsl> {
    static ADAPTER: OnceLock<Result<Wgsl>> = OnceLock::new();
    let adapter = ADAPTER.get_or_init(|| Wgsl::new(Some("llvmpipe")));
    adapter.as_ref().inspect_err(|why| skip("wgsl", &why.to_string())).ok()
}

/// The first CUDA GPU.
fn cuda_gpu() -> Option<&'static Cuda> {
    static GPU: OnceLock<Result<Cuda>> = OnceLock::new();
    let gpu = GPU.get_or_init(|| Cuda::new(Some(0)));
    gpu.as_ref().inspect_err(|why| skip("cuda", &why.to_string())).ok()
}

/// Does something with every backend there is, the emulated one included.
fn each_backend(work: impl FnMut(&dyn Backend)) {
    let cpus = cpus();
    let backends = cpus.iter().map(|cpu| cpu as &dyn Backend).chain(llvmpipe().map(|gpu| gpu as &dyn Backend));
    let backends = backends.chain(cuda_gpu().map(|gpu| gpu as &dyn Backend));
    #[cfg(target_os = "linux")]
    let backends = backends.chain(emulated::emulated().map(|gpu| gpu as &dyn Backend));
    backends.for_each(work);
}

/// Holds a kernel against the reference, at every shape, in every precision and on every backend.
fn validate(kernel: Kernel) {
    each_backend(|backend| {
        for case in cases_of(backend.device()).into_iter().filter(|case| case.kernel == kernel) {
            if let Verdict::Differs(fault) = case.run(backend).unwrap() {
                panic!(
                    "{} {kernel} {}: {fault}\nrerun: {}",
                    backend.device(),
                    case.shape,
                    case.command(&backend.device().backend)
                );
            }
        }
    });
}
