//! What the crate promises, from outside. Reference values are mpmath's (40 digits or more) and scipy's.

#![allow(unreachable_pub, reason = "a program has no API: what is pub is for its other files")]

mod backtest;
mod budget;
mod compare;
mod coverage;
mod data;
mod fit;
mod forecast;
mod intervals;
mod laws;
mod npmle;
mod plan;
mod simulate;
mod spectrum;
mod study;
mod sweep;

/// Does it on so many threads.
fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// Fails unless `got` is within a relative error of `want`.
#[track_caller]
fn close(got: f64, want: f64, relative: f64) {
    assert!((got - want).abs() <= relative * want.abs(), "{got:e} is not {want:e} to {relative:e}");
}
