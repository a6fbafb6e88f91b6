//! Independent pieces of work on several threads, with a result that does not depend on their number.

use retrial_spec::{Error, Observer, Progress, Result};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// `f(0)` to `f(count - 1)` in order. An error only when the observer cancels.
pub fn map<T: Send>(
    count: u64,
    threads: usize,
    (stage, unit): (&str, &str),
    observer: &dyn Observer,
    f: impl Fn(u64) -> T + Sync,
) -> Result<Vec<T>> {
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let mut results = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count || observer.cancelled() {
                return results;
            }
            results.push((i, f(i)));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            observer.progress(Progress { stage, done, total: count, unit });
        }
    };
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    });
    if (results.len() as u64) < count {
        return Err(Error::Cancelled);
    }
    results.sort_by_key(|(i, _)| *i);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
