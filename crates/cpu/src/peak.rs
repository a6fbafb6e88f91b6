//! What the machine can do at most: multiply-adds in registers, and nothing else.

use crate::{
    isa::{Isa, Job},
    lanes::Lanes,
    pool::Pool,
};
use retrial_spec::Precision;
use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// FLOP/s of all threads in a precision that they compute in; `None` of another. The best of some short runs.
pub(crate) fn peak(isa: Isa, pool: &Pool, precision: Precision) -> Option<f64> {
    match precision {
        Precision::F32 => Some(measure(pool, |n| isa.run(Chains::<false>(n)))),
        Precision::Bf16 if isa.has_bf16() => Some(measure(pool, |n| isa.run(Chains::<true>(n)))),
        _ => None,
    }
}

/// `work` gives the FLOPs of `n` rounds.
fn measure(pool: &Pool, work: impl Fn(usize) -> u64 + Sync) -> f64 {
    const ROUNDS: usize = 1 << 20;
    let run = || {
        let start = Instant::now();
        let flops = AtomicU64::new(0);
        let task = |(): &mut (), _| {
            flops.fetch_add(work(ROUNDS), Ordering::Relaxed);
            Ok(())
        };
        // No task fails.
        let _ = pool.for_each(0..4 * pool.threads(), || (), task);
        flops.into_inner() as f64 / start.elapsed().as_secs_f64()
    };
    (0..8).map(|_| run()).fold(0.0, f64::max)
}

/// Independent sums, one per accumulator of the register tile, of f32 products or those of bf16 pairs.
struct Chains<const PAIRS: bool>(usize);

impl<const PAIRS: bool> Job for Chains<PAIRS> {
    type Output = u64;
    const PAIRS: bool = PAIRS;

    #[inline(always)]
    fn run<V: Lanes, const R: usize, const C: usize>(self) -> u64 {
        // bf16 1.0 in both halves, as f32 about 1: neither grows beyond what a sum can hold.
        let one = f32::from_bits(black_box(0x3F80_3F80));
        let (w, x) = (V::splat(one), V::splat(black_box(1e-3)));
        let mut sums = [[x; C]; R];
        for _ in 0..self.0 {
            for r in 0..R {
                for c in 0..C {
                    sums[r][c] = if PAIRS { V::dot(w.bits(), x.bits(), sums[r][c]) } else { w.fma(x, sums[r][c]) };
                }
            }
        }
        black_box(sums);
        (self.0 * R * C * V::WIDTH * if PAIRS { 4 } else { 2 }) as u64
    }
}
