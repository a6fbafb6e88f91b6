//! Independent pieces of work on all threads, with a result that does not depend on their number.

use rayon::prelude::*;
use retrial_spec::{Error, Observer, Progress, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// `f(0)` to `f(count - 1)` in order. An error only when the observer cancels.
pub(crate) fn map<T: Send>(
    count: u64,
    (stage, unit): (&str, &str),
    observer: &dyn Observer,
    f: impl Fn(u64) -> T + Sync,
) -> Result<Vec<T>> {
    let done = AtomicU64::new(0);
    let one = |i| {
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        let result = f(i);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        observer.progress(Progress { stage, done, total: count, unit });
        Ok(result)
    };
    (0..count).into_par_iter().map(one).collect()
}
