//! Programs: compiled once per content, launched from any number of threads.

use crate::{
    Error, Fault,
    compile::{self, Source, compiler},
    instance::{Failure, Instance, Launch},
    memory,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// The order in which threads of a block run, between the points where they wait for each other. Correct kernels do not
/// depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The lowest that can run.
    #[default]
    Forward,
    /// The highest that can run.
    Reverse,
    /// Any that can run, the same for the same seed.
    Shuffled(u64),
}

/// The shape of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks.
    pub blocks: [u32; 3],
    /// Threads of a block.
    pub threads: [u32; 3],
    /// Blocks of a cluster, along x: what `__cluster_dims__` says.
    pub cluster: u32,
    /// Bytes of dynamic shared memory, of each block.
    pub shared_bytes: usize,
}

impl Grid {
    /// Without clusters and dynamic shared memory.
    pub const fn new(blocks: [u32; 3], threads: [u32; 3]) -> Self {
        Self { blocks, threads, cluster: 1, shared_bytes: 0 }
    }

    /// With so many bytes of dynamic shared memory.
    pub const fn shared(self, shared_bytes: usize) -> Self {
        Self { shared_bytes, ..self }
    }

    /// In clusters of so many blocks.
    pub const fn clusters(self, cluster: u32) -> Self {
        Self { cluster, ..self }
    }
}

/// How to run a launch.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// OS threads that blocks are distributed over.
    pub threads: usize,
    /// Of a block's threads.
    pub order: Order,
}

impl Default for Options {
    /// All of the machine's threads, forward.
    fn default() -> Self {
        Self { threads: thread::available_parallelism().map_or(1, usize::from), order: Order::Forward }
    }
}

/// A compiled program.
#[derive(Clone)]
pub struct Program {
    name: String,
    entries: Vec<String>,
    library: Arc<Library>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("name", &self.name).field("entries", &self.entries).finish_non_exhaustive()
    }
}

/// Instances of a library, of which a launch takes as many as it has threads.
struct Library {
    path: PathBuf,
    idle: Mutex<Vec<Instance>>,
}

type Slot = Arc<OnceLock<Result<Arc<Library>, Error>>>;

/// A panic elsewhere leaves these in order.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Program {
    /// Compiles `files` (name and text; the first includes the others) with `defines` (`-DX=4`), for launches of
    /// `entries`. Libraries are kept in a folder of the user's below [`std::env::temp_dir`]. An error holds the
    /// compiler's messages, or says that there is no [`compiler`].
    pub fn compile(name: &str, files: &[(&str, &str)], defines: &[String], entries: &[&str]) -> Result<Self, Error> {
        Self::compile_in(&compile::cache()?, name, files, defines, entries)
    }

    /// [`compile`](Self::compile) with another folder, whose contents are trusted.
    pub fn compile_in(
        cache: &Path,
        name: &str,
        files: &[(&str, &str)],
        defines: &[String],
        entries: &[&str],
    ) -> Result<Self, Error> {
        static LIBRARIES: Mutex<Option<HashMap<PathBuf, Slot>>> = Mutex::new(None);
        let compiler = compiler().ok_or(Error::NoCompiler)?;
        let source = Source { name, files, defines, entries };
        let path = cache.join(source.key(compiler)).with_extension("so");
        let slot = lock(&LIBRARIES).get_or_insert_default().entry(path.clone()).or_default().clone();
        let build = || {
            source.build(compiler, &path)?;
            // Loaded here, so that what is wrong with it shows now.
            let idle = Mutex::new(vec![Instance::load(&path)?]);
            Ok(Arc::new(Library { path, idle }))
        };
        let library = slot.get_or_init(build).clone()?;
        Ok(Self { name: name.to_owned(), entries: entries.iter().map(|&e| e.to_owned()).collect(), library })
    }

    /// Runs one of the entries on a grid with the parameter whose bytes are `params`. An error names the first block
    /// that failed, its thread, and the fault; what was written before it stays.
    ///
    /// # Safety
    /// Addresses in `params` are of [`Memory`](crate::Memory), or of other memory that the kernel keeps the bounds of,
    /// and nothing else writes to what the kernel reads, or reads or writes what it writes. (Most faults are caught,
    /// but not an access that goes astray and yet meets memory of the process.)
    pub unsafe fn launch(&self, entry: &str, grid: Grid, params: &[u8], options: &Options) -> Result<(), Error> {
        let fail = |fault| Error::Kernel { entry: entry.to_owned(), program: self.name.clone(), fault };
        let at = self.entries.iter().position(|e| e == entry).ok_or_else(|| fail(Fault::Entry))?;
        check_limits(grid).map_err(fail)?;
        let Grid { blocks, threads, cluster, shared_bytes } = grid;
        let clusters = blocks.into_iter().map(u64::from).product::<u64>() / u64::from(cluster);
        let workers = options.threads.max(1).min(clusters as usize);
        let mut instances = self.take(workers)?;
        // SAFETY: `at` is a place in the list of entries.
        let expected = unsafe { instances[0].entry(at) }.parameter_bytes;
        let (order, seed) = match options.order {
            Order::Forward => (0, 0),
            Order::Reverse => (1, 0),
            Order::Shuffled(seed) => (2, seed),
        };
        let next = AtomicU64::new(0);
        let result = if params.len() == expected {
            let work = |instance: &mut Instance| {
                // SAFETY: `at` is a place in the list of entries.
                let kernel = unsafe { instance.entry(at) }.kernel;
                let params = params.as_ptr();
                let launch = Launch {
                    grid: blocks,
                    block: threads,
                    cluster,
                    shared_bytes,
                    kernel,
                    params,
                    order,
                    seed,
                    next: &next,
                };
                // SAFETY: the sizes agree; the rest is the caller's promise.
                let result = unsafe { instance.run(&launch) };
                if result.is_err() {
                    next.store(clusters, Ordering::Relaxed);
                }
                result
            };
            spread(&mut instances, work).map_err(|failure| failure.fault)
        } else {
            Err(Fault::Parameter { got: params.len(), want: expected })
        };
        lock(&self.library.idle).append(&mut instances);
        result.and_then(|()| memory::check_named(params).map_err(Fault::Overrun)).map_err(fail)
    }

    /// So many instances for this launch alone.
    fn take(&self, count: usize) -> Result<Vec<Instance>, Error> {
        let mut taken = {
            let mut idle = lock(&self.library.idle);
            let keep = idle.len().saturating_sub(count);
            idle.split_off(keep)
        };
        while taken.len() < count {
            taken.push(Instance::load(&self.library.path)?);
        }
        Ok(taken)
    }
}

/// Runs all instances at once, one of them here, and returns the failure of the lowest block.
fn spread(
    instances: &mut [Instance],
    work: impl Fn(&mut Instance) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let (first, others) = instances.split_at_mut(1);
    let failures = thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = others.iter_mut().map(|instance| scope.spawn(move || work(instance))).collect();
        let mut failures = vec![work(&mut first[0]).err()];
        for thread in running {
            failures.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).err());
        }
        failures
    });
    // Blocks start in order and end once started: the lowest that can fail has.
    failures.into_iter().flatten().min_by_key(|failure| failure.number).map_or(Ok(()), Err)
}

/// The limits of CUDA devices since compute capability 3.0, 227 KiB of shared memory as on 9.0, and clusters of at most
/// 8 blocks, as on every device that has them.
fn check_limits(Grid { blocks, threads, cluster, shared_bytes }: Grid) -> Result<(), Fault> {
    const SHARED: usize = 227 << 10;
    let within =
        |sizes: [u32; 3], limits: [u32; 3]| sizes.iter().zip(limits).all(|(&size, limit)| 0 < size && size <= limit);
    if !within(blocks, [i32::MAX as u32, 65_535, 65_535]) {
        return Err(Fault::Grid(blocks));
    }
    if !within(threads, [1024, 1024, 64]) || threads.into_iter().product::<u32>() > 1024 {
        return Err(Fault::Block(threads));
    }
    if !(1..=8).contains(&cluster) || !blocks[0].is_multiple_of(cluster) {
        return Err(Fault::Cluster { got: cluster, blocks: blocks[0] });
    }
    if shared_bytes > SHARED {
        return Err(Fault::SharedBytes { got: shared_bytes, most: SHARED });
    }
    Ok(())
}
