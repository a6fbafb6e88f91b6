//! Threads over a list of independent tasks.

use retrial_spec::Result;
use std::sync::Mutex;

/// Runs every task once, on up to `threads` threads, each with a scratch of its own. The first error stops the rest.
pub(crate) fn for_each<T: Send, S>(
    threads: usize,
    tasks: impl ExactSizeIterator<Item = T> + Send,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<()> + Sync,
) -> Result<()> {
    let threads = threads.min(tasks.len()).max(1);
    let tasks = Mutex::new(Some(tasks));
    let next = || tasks.lock().ok()?.as_mut()?.next();
    let run = || {
        let mut scratch = scratch();
        while let Some(task) = next() {
            if let Err(error) = work(&mut scratch, task) {
                if let Ok(mut tasks) = tasks.lock() {
                    *tasks = None;
                }
                return Err(error);
            }
        }
        Ok(())
    };
    if threads == 1 {
        return run();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
