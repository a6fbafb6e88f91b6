//! Threads over a list of independent tasks.

use rayon::{ThreadPool, ThreadPoolBuilder};
use retrial_spec::{Error, Result};
use std::sync::Mutex;

/// The threads of a device.
#[derive(Debug)]
pub(crate) struct Pool {
    /// `None` for all that the program has.
    own: Option<ThreadPool>,
}

impl Pool {
    /// Of so many threads, or of all.
    pub(crate) fn new(threads: Option<usize>) -> Result<Self> {
        let own = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
        let fault =
            |e| Error::Device { device: "cpu".into(), fault: format!("{e}"), fix: "ask for fewer threads".into() };
        Ok(Self { own: threads.map(own).transpose().map_err(fault)? })
    }

    /// How many.
    pub(crate) fn threads(&self) -> usize {
        self.own.as_ref().map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
    }

    /// Runs every task once, each thread with a scratch of its own. The first error stops the rest.
    pub(crate) fn for_each<T: Send, S>(
        &self,
        tasks: impl ExactSizeIterator<Item = T> + Send,
        scratch: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, T) -> Result<()> + Sync,
    ) -> Result<()> {
        let alone = self.threads().min(tasks.len()) <= 1;
        let tasks = Mutex::new(Some(tasks));
        let next = || tasks.lock().ok()?.as_mut()?.next();
        let run = || {
            let Some(mut task) = next() else { return Ok(()) };
            let mut scratch = scratch();
            loop {
                if let Err(error) = work(&mut scratch, task) {
                    if let Ok(mut tasks) = tasks.lock() {
                        *tasks = None;
                    }
                    return Err(error);
                }
                let Some(following) = next() else { return Ok(()) };
                task = following;
            }
        };
        match &self.own {
            _ if alone => run(),
            Some(pool) => pool.broadcast(|_| run()).into_iter().collect(),
            None => rayon::broadcast(|_| run()).into_iter().collect(),
        }
    }
}
