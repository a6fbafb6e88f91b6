//! Long work: without the interpreter's lock, with progress, and stopped by Ctrl-C.

use crate::fault::{Fault, Result, RetrialError};
use pyo3::{Py, PyAny, PyErr, PyResult, Python};
use rayon::ThreadPoolBuilder;
use retrial_spec::{Observer, Progress};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// Time between two looks at the interpreter.
const LOOK: Duration = Duration::from_millis(50);

/// What the work reports to, and learns from that it should stop. It never waits for the interpreter.
#[derive(Default)]
pub(crate) struct Watch {
    stop: AtomicBool,
    /// Units finished, and in all, since the last look.
    news: Mutex<Option<(u64, u64)>>,
}

impl Observer for Watch {
    fn progress(&self, progress: Progress<'_>) {
        *self.news.lock().unwrap_or_else(PoisonError::into_inner) = Some((progress.done, progress.total));
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Watch {
    /// Asks for signals, and calls `progress(done, total)` where there is news.
    fn look(&self, progress: Option<&Py<PyAny>>) -> PyResult<()> {
        let news = self.news.lock().unwrap_or_else(PoisonError::into_inner).take();
        Python::attach(|py| {
            py.check_signals()?;
            match (progress, news) {
                (Some(progress), Some(news)) => progress.call1(py, news).map(drop),
                _ => Ok(()),
            }
        })
    }
}

/// Does work on threads of its own, while the one that called, which alone gets signals, looks at the interpreter now and
/// then. Work that is not cancelled by its observer ends before the exception is raised.
///
/// No thread outlives the call: a process that Python forks has the one that forked, and would wait for others for ever.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&Watch) -> retrial_spec::Result<T> + Send,
) -> Result<T> {
    let none = |error| RetrialError::new_err(format!("no threads to compute on: {error}"));
    let pool = ThreadPoolBuilder::new().build().map_err(none)?;
    let watch = Watch::default();
    let progress = progress.as_ref();
    let mut raised: Option<PyErr> = None;
    let mut look = |watch: &Watch| match watch.look(progress) {
        Err(error) if raised.is_none() => {
            watch.stop.store(true, Ordering::Relaxed);
            raised = Some(error);
        }
        _ => {}
    };
    let done = py.detach(|| {
        thread::scope(|scope| {
            let (end, ended) = mpsc::channel::<()>();
            let watch = &watch;
            let worker = scope.spawn(move || {
                let _end = end; // dropped at the end, whatever happens
                pool.install(|| work(watch))
            });
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                look(watch);
            }
            let done = worker.join();
            look(watch);
            done
        })
    });
    match (raised, done) {
        (Some(raised), _) => Err(raised.into()),
        (None, Ok(done)) => done.map_err(Fault::from),
        (None, Err(_)) => Err(RetrialError::new_err("a computation broke off; please report it as a bug").into()),
    }
}
