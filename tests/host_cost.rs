//! What the host does beside a device that is never waited for: CPU time of a billion errors, printed by
//! `cargo test --release host_cost -- --ignored --nocapture`. It runs alone and asserts nothing of the clock.
#![cfg(target_os = "linux")]

use crate::device_tally::{problem, usual};
use retrial_cuda::{
    Cuda,
    driver::{DeviceProperties, Driver, Fault, LaunchParams, Read, Submission},
};
use retrial_spec::{Backend, Precision, Tally};
use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    collections::HashMap,
    ptr::{self, NonNull},
    slice,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A device without a clock: the errors of every window are the same, and what the tally makes of them is known.
struct Ideal {
    properties: DeviceProperties,
    /// Sizes of allocations.
    memory: Mutex<HashMap<usize, usize>>,
    made: Mutex<Option<Made>>,
    /// Errors scored, and nanoseconds of the CPU spent in here.
    errors: AtomicU64,
    simulating: AtomicU64,
}

/// What a window is, and what the kernel makes of it, per sample.
#[derive(Default)]
struct Made {
    trials: u64,
    errors: Vec<f32>,
    counts: Vec<Vec<u32>>,
    bins: Vec<HashMap<u32, u32>>,
    worst: Vec<u64>,
    records: Vec<Vec<(u32, u32)>>,
}

/// Nanoseconds of the CPU, of the process or of this thread.
fn cpu(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the place it is given.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Ideal {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            properties: DeviceProperties {
                name: "ideal".into(),
                detail: "without a clock".into(),
                capability: (9, 0),
                multiprocessors: 132,
                shared_per_multiprocessor: 228 << 10,
                shared_per_block: 227 << 10,
            },
            memory: Mutex::default(),
            made: Mutex::default(),
            errors: AtomicU64::new(0),
            simulating: AtomicU64::new(0),
        })
    }

    fn take(&self, bytes: usize) -> NonNull<u8> {
        // SAFETY: the layout is not empty.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout(bytes)) }).unwrap();
        self.memory.lock().unwrap().insert(memory.as_ptr() as usize, bytes);
        memory
    }

    fn give(&self, address: usize) {
        let bytes = self.memory.lock().unwrap().remove(&address).unwrap();
        // SAFETY: `take` allocated it with this layout.
        unsafe { dealloc(address as *mut u8, layout(bytes)) }
    }

    /// # Safety
    /// The launch is one of the backend's.
    unsafe fn launch(&self, launch: &LaunchParams<'_>) {
        let word = |at: usize| u64::from_le_bytes(launch.params[8 * at..][..8].try_into().unwrap());
        let half = |at: usize| u32::from_le_bytes(launch.params[4 * at..][..4].try_into().unwrap()) as usize;
        let mut made = self.made.lock().unwrap();
        // SAFETY: addresses and lengths are as the contract of each kernel says.
        unsafe {
            match launch.entry {
                "score" => {
                    let (trials, samples) = (word(12), word(13) / word(14));
                    self.errors.fetch_add(trials * samples, Relaxed);
                    let made = made.get_or_insert_default();
                    if made.trials != trials {
                        *made = Made { trials, ..Made::default() };
                        made.errors = (0..samples).flat_map(|n| (0..trials).map(move |j| usual(n, j))).collect();
                    }
                    let errors = slice::from_raw_parts_mut(word(8) as *mut f32, made.errors.len());
                    // The same place holds the same window, once it was written.
                    if errors[0] != made.errors[0] || errors[errors.len() - 1] != made.errors[errors.len() - 1] {
                        errors.copy_from_slice(&made.errors);
                    }
                }
                "clear" => {
                    ptr::write_bytes(word(2) as *mut u32, 0, word(10) as usize);
                    *(word(8) as *mut u32) = 0;
                }
                _ => {
                    let made = made.as_mut().unwrap();
                    let (count, stride, base) = (half(23), half(24), half(25) as u32);
                    if made.counts.is_empty() {
                        made.tally(slice::from_raw_parts(word(1) as *const f32, count));
                    }
                    let samples = made.counts.len();
                    let counts = slice::from_raw_parts_mut(word(2) as *mut u32, samples * stride);
                    let bins = slice::from_raw_parts(word(5) as *const u32, samples);
                    let histogram = slice::from_raw_parts_mut(word(3) as *mut u32, 256 * samples);
                    let worst = slice::from_raw_parts_mut(word(4) as *mut u64, samples);
                    let least = slice::from_raw_parts(word(6) as *const u32, samples);
                    let next = slice::from_raw_parts_mut(word(7) as *mut u32, samples);
                    let found = word(8) as *mut [u32; 4];
                    for n in 0..samples {
                        counts[n * stride..].iter_mut().zip(&made.counts[n]).for_each(|(a, b)| *a += b);
                        made.bins[n]
                            .iter()
                            .for_each(|(bin, more)| histogram[256 * n + (bin - bins[n]) as usize] += more);
                        worst[n] = worst[n].max(made.worst[n] - u64::from(base));
                        for &(offset, bits) in made.records[n].iter().filter(|(_, bits)| *bits < least[n]) {
                            (*found)[0] += 1;
                            *found.add((*found)[0] as usize) = [n as u32, offset, bits, 0];
                            next[n] = next[n].min(bits);
                        }
                        next[n] = next[n].min(least[n]);
                    }
                }
            }
        }
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 256).unwrap()
}

impl Made {
    fn tally(&mut self, thresholds: &[f32]) {
        for errors in self.errors.chunks(self.trials as usize) {
            let (mut counts, mut bins) = (vec![0; thresholds.len()], HashMap::new());
            let (mut worst, mut records) = (0, vec![]);
            for (offset, error) in errors.iter().enumerate() {
                let bits = error.to_bits();
                if let Some(count) = counts.get_mut(thresholds.partition_point(|t| t <= error)) {
                    *count += 1;
                }
                *bins.entry(bits >> 16).or_insert(0) += 1;
                worst = worst.max(u64::from(bits) << 32 | u64::from(!(offset as u32)));
                if records.last().is_none_or(|&(_, least)| bits < least) {
                    records.push((offset as u32, bits));
                }
            }
            self.counts.push(counts);
            self.bins.push(bins);
            self.worst.push(worst);
            self.records.push(records);
        }
    }
}

// SAFETY: allocations are the system's own, and a submission is over when it returns.
unsafe impl Driver for Ideal {
    fn properties(&self) -> &DeviceProperties {
        &self.properties
    }
    fn free_memory(&self) -> Result<u64, Fault> {
        Ok(80 << 30)
    }
    fn allocate(&self, bytes: u64) -> Result<u64, Fault> {
        Ok(self.take(bytes as usize).as_ptr() as u64)
    }
    unsafe fn release(&self, address: u64) {
        self.give(address as usize);
    }
    fn pin(&self, bytes: usize) -> Result<NonNull<u8>, Fault> {
        Ok(self.take(bytes))
    }
    unsafe fn unpin(&self, memory: NonNull<u8>) {
        self.give(memory.as_ptr() as usize);
    }
    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        // SAFETY: the caller's promise.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
        Ok(())
    }
    unsafe fn read(&self, Read { from, to, bytes }: Read) -> Result<(), Fault> {
        // SAFETY: the caller's promise.
        unsafe { ptr::copy_nonoverlapping(from as *const u8, to.as_ptr(), bytes) };
        Ok(())
    }
    unsafe fn submit(&self, launches: &[LaunchParams<'_>], read: Option<Read>) -> Result<Submission, Fault> {
        let begin = cpu(libc::CLOCK_THREAD_CPUTIME_ID);
        // SAFETY: the caller's promise.
        launches.iter().for_each(|launch| unsafe { self.launch(launch) });
        self.simulating.fetch_add(cpu(libc::CLOCK_THREAD_CPUTIME_ID) - begin, Relaxed);
        // SAFETY: the caller's promise.
        read.map_or(Ok(()), |read| unsafe { self.read(read) })?;
        Ok(Submission(0))
    }
    fn finish(&self, _: Submission) -> Result<Duration, Fault> {
        Ok(Duration::from_millis(4))
    }
}

#[test]
#[ignore = "prints a figure; run it by name, alone"]
fn host_cost_of_a_billion_errors() {
    let problem = problem(400);
    for (count, every) in [(16, 256), (16, 0), (1024, 256)] {
        let device = Ideal::new();
        let cuda = Cuda::with_drivers(vec![device.clone()]).checking(every);
        let mut scorer = cuda.load(&problem, Precision::F32).unwrap();
        let thresholds: Vec<f32> = (0..count).map(|t| 3.0 + 4.0 * t as f32 / count as f32 + 0.01).collect();
        // A quarter of a second of 1e9 errors a second: 60 launches.
        let window = 15 * scorer.window();
        let mut tally = Tally::new(400, &thresholds).unwrap();
        let call = |scorer: &mut retrial_spec::Scorer<'_>, tally: &mut Tally| {
            let first = tally.trials().end();
            let mut part = tally.empty();
            scorer.tally(first..first + window, &mut part).unwrap();
            tally.merge(&part).unwrap();
        };
        call(&mut scorer, &mut tally);
        let spent = || cpu(libc::CLOCK_PROCESS_CPUTIME_ID) - device.simulating.load(Relaxed);
        let (begin, before) = (spent(), device.errors.load(Relaxed));
        (0..16).for_each(|_| call(&mut scorer, &mut tally));
        let (time, errors) = (spent() - begin, device.errors.load(Relaxed) - before);
        println!(
            "{count} thresholds, checking one window in {every}: {:.3} CPU seconds a billion errors ({errors} errors)",
            time as f64 / errors as f64
        );
    }
}
