//! The device's own rate of multiply-adds, measured.

use crate::{
    driver::Fault,
    gpu::{Gpu, Launch},
    source::Program,
};
use bytemuck::{Pod, Zeroable};
use std::time::Duration;

/// As the struct of this name in `peak.cu`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Peak {
    out: u64,
    factor: f32,
    term: f32,
    rounds: u32,
    unused: u32,
}

static PROGRAM: Program = Program {
    kernel: "peak",
    text: include_str!("peak.cu"),
    headers: &[],
    entries: &["peak"],
    params: ("Peak", size_of::<Peak>()),
    only: None,
    budget: (64, 0),
    defines: &[],
};

/// FLOP/s of f32 multiply-adds in registers: rounds double until a launch takes 10 ms, and the best of five counts.
pub(crate) fn peak(gpu: &Gpu) -> Result<f64, Fault> {
    let blocks = 8 * u64::from(gpu.properties().multiprocessors); // eight blocks of 256 threads fill a multiprocessor
    let out = gpu.buffer::<f32>(256 * blocks as usize)?;
    let time = |rounds: u32| -> Result<Duration, Fault> {
        let params = Peak { out: out.address(), factor: 0.999, term: 1e-3, rounds, unused: 0 };
        let before = gpu.busy();
        // SAFETY: `out` holds a value per thread.
        unsafe { gpu.run(&[Launch::new(&PROGRAM, "peak", blocks, 256, &params)], &out, 1)? };
        Ok(gpu.busy() - before)
    };
    let mut rounds = 1;
    while time(rounds)? < Duration::from_millis(10) && rounds < 1 << 24 {
        rounds *= 2;
    }
    let best = (0..5).map(|_| time(rounds)).collect::<Result<Vec<_>, _>>()?.into_iter().min().unwrap_or_default();
    Ok(2.0 * 32.0 * 32.0 * f64::from(rounds) * 256.0 * blocks as f64 / best.as_secs_f64().max(1e-9))
}
