//! Screening on CUDA devices: what it lists is scored with the bits of the full kernel, and what it does not list is no
//! success, so that a tally that only counts is what the full kernel makes it.
#![cfg(target_os = "linux")]

use crate::{
    emulated::{Emulated, MEMORY, available},
    golden::paper,
};
use retrial_check::{Case, Kernel, cases};
use retrial_cuda::{
    Cuda,
    driver::{DeviceProperties, Driver, Fault, LaunchParams, Read, Submission},
};
use retrial_emulator::Order;
use retrial_spec::{Backend, Noise, Precision, Problem, Result, Shape, Tally, Variant};
use std::{
    ops::Range,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// An emulated device that tells how much was screened, and may screen falsely.
struct Watched {
    inner: Emulated,
    limits: Limits,
    seen: Arc<Seen>,
}

/// Limits are multiplied by a factor, from so many screened windows on; the first is the device's proof.
#[derive(Clone, Copy)]
struct Limits {
    factor: f32,
    from: u64,
}

const FAITHFUL: Limits = Limits { factor: 1.0, from: 0 };

/// Screened windows, tiles of such windows, and those of them that were listed.
#[derive(Default)]
struct Seen {
    windows: AtomicU64,
    tiles: AtomicU64,
    listed: AtomicU64,
}

/// Which words of 8 bytes of a kernel's parameters are the tiles, and of their `Screen` the counts; the limit and the pass
/// share one.
struct Words {
    tiles: usize,
    counts: usize,
    limit: usize,
}

const MMA: Words = Words { tiles: 11, counts: 18, limit: 21 };
const WGMMA: Words = Words { tiles: 10, counts: 14, limit: 17 };
const SCREEN: u64 = 1;
const LIST: u64 = 2;

// SAFETY: as the emulated device, to which everything goes.
unsafe impl Driver for Watched {
    fn properties(&self) -> &DeviceProperties {
        self.inner.properties()
    }
    fn free_memory(&self) -> std::result::Result<u64, Fault> {
        self.inner.free_memory()
    }
    fn allocate(&self, bytes: u64) -> std::result::Result<u64, Fault> {
        self.inner.allocate(bytes)
    }
    unsafe fn release(&self, address: u64) {
        // SAFETY: as here.
        unsafe { self.inner.release(address) }
    }
    fn pin(&self, bytes: usize) -> std::result::Result<NonNull<u8>, Fault> {
        self.inner.pin(bytes)
    }
    unsafe fn unpin(&self, memory: NonNull<u8>) {
        // SAFETY: as here.
        unsafe { self.inner.unpin(memory) }
    }
    unsafe fn write(&self, address: u64, bytes: &[u8]) -> std::result::Result<(), Fault> {
        // SAFETY: as here.
        unsafe { self.inner.write(address, bytes) }
    }
    unsafe fn read(&self, read: Read) -> std::result::Result<(), Fault> {
        // SAFETY: as here.
        unsafe { self.inner.read(read) }
    }
    unsafe fn submit(
        &self,
        launches: &[LaunchParams<'_>],
        read: Option<Read>,
    ) -> std::result::Result<Submission, Fault> {
        let (last, before) = launches.split_last().map_or((None, launches), |(last, before)| (Some(last), before));
        for launch in before {
            // SAFETY: launches of a submission run in order, so apart too.
            unsafe { self.one(launch, None)? };
        }
        match last {
            // SAFETY: as here.
            None => unsafe { self.inner.submit(&[], read) },
            // SAFETY: as above.
            Some(launch) => unsafe { self.one(launch, read) },
        }
    }
    fn finish(&self, submission: Submission) -> std::result::Result<Duration, Fault> {
        self.inner.finish(submission)
    }
}

impl Watched {
    /// # Safety
    /// As [`Driver::submit`].
    unsafe fn one(&self, launch: &LaunchParams<'_>, read: Option<Read>) -> std::result::Result<Submission, Fault> {
        let mut params = launch.params.to_vec();
        let words = match launch.program.kernel {
            "score_wgmma" => Some(WGMMA),
            kernel => kernel.starts_with("score_mma").then_some(MMA),
        };
        if let Some(Words { tiles, counts, limit: at }) = words {
            let word = |at: usize| u64::from_le_bytes(launch.params[8 * at..][..8].try_into().unwrap());
            match word(at) >> 32 {
                SCREEN => {
                    let window = self.seen.windows.fetch_add(1, Relaxed);
                    let factor = if window >= self.limits.from { self.limits.factor } else { 1.0 };
                    let limit = f32::from_bits(word(at) as u32) * factor;
                    params[8 * at..][..4].copy_from_slice(&limit.to_le_bytes());
                }
                LIST => {
                    // SAFETY: the counts are allocated, and the emulated device's memory is the host's.
                    let listed = unsafe { *(word(counts) as *const u32) };
                    self.seen.tiles.fetch_add(word(tiles), Relaxed);
                    self.seen.listed.fetch_add(listed.into(), Relaxed);
                }
                _ => {}
            }
        }
        // SAFETY: as here.
        unsafe { self.inner.submit(&[LaunchParams { params: &params, ..*launch }], read) }
    }
}

/// A device of which all windows are checked, or only the first, and what is seen of it.
fn watched(inner: Emulated, limits: Limits, every: u64) -> (Cuda, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    (Cuda::with_drivers(vec![Arc::new(Watched { inner, limits, seen: seen.clone() })]).checking(every), seen)
}

/// With multiprocessors of so much shared memory.
fn device(order: Order, shared: u32) -> Emulated {
    Emulated::new(MEMORY, order).with_shared(shared)
}

/// A problem whose trials differ enough that a few pixels tell most failures.
fn spread(samples: usize) -> Problem {
    let shape = Shape { pixels: 241, hidden: 61, latent: 2 };
    let case = Case { kernel: Kernel::Score, shape, samples, temperature: 3.0, ..cases().remove(0) };
    case.problem().unwrap()
}

/// A tally of some trials in calls cut anywhere.
fn tally(cuda: &Cuda, problem: &Problem, variant: &Variant, cuts: &[u64], mut tally: Tally) -> Result<Tally> {
    let mut scorer = cuda.load_variant(problem, variant)?;
    cuts.windows(2).try_for_each(|cut| scorer.tally(cut[0]..cut[1], &mut tally))?;
    Ok(tally)
}

/// Whether a tally that only counts has what a full one has below the largest threshold.
fn agrees(counts: &Tally, full: &Tally) -> bool {
    let limit = *full.thresholds().last().unwrap();
    counts.trials() == full.trials()
        && counts.rows().iter().zip(full.rows()).all(|(counts, full)| {
            let below: Vec<_> = full.records().iter().filter(|record| record.error < limit).copied().collect();
            counts.successes() == full.successes() && counts.records() == below
        })
}

/// Thresholds of which the largest lets a share of errors through.
fn thresholds(errors: &[f32], share: f64) -> [f32; 2] {
    let mut sorted = errors.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = sorted[(share * errors.len() as f64) as usize];
    [0.99 * at, at]
}

/// Whether counts, records and first successes are right at a share of successes, and which share of tiles was listed where
/// any was screened.
fn holds(
    (cuda, seen): &(Cuda, Arc<Seen>),
    problem: &Problem,
    variant: &Variant,
    cuts: &[u64],
    share: f64,
) -> Result<(bool, Option<f64>)> {
    let mut scorer = cuda.load_variant(problem, variant).unwrap();
    let trials: Range<u64> = cuts[0]..cuts[cuts.len() - 1];
    let errors = scorer.errors(Noise::Trials(trials.clone())).unwrap();
    let (samples, thresholds) = (problem.samples(), thresholds(&errors, share));
    let mut full = Tally::new(samples, &thresholds).unwrap();
    let width = errors.len() / samples;
    let (_, rows) = full.rows_mut();
    for (row, errors) in rows.iter_mut().zip(errors.chunks(width)) {
        row.add(&thresholds, trials.start, errors);
    }
    full.add_trials(trials).unwrap();
    let counts = tally(cuda, problem, variant, cuts, Tally::counts_only(samples, &thresholds).unwrap())?;
    let [tiles, listed] = [&seen.tiles, &seen.listed].map(|seen| seen.load(Relaxed));
    Ok((agrees(&counts, &full), (tiles > 0).then(|| listed as f64 / tiles as f64)))
}

const PRECISIONS: [Precision; 3] = [Precision::F16, Precision::Bf16, Precision::F16x3];

/// Shared memory of a multiprocessor of an RTX 40, an A100 and an H100, bytes.
const SHARED: [u32; 3] = [100 << 10, 164 << 10, 228 << 10];

/// Calls that end anywhere, the first too short for a plan; trials on both sides of 2^32.
const CUTS: [u64; 4] = [(1 << 32) - 700, (1 << 32) - 690, (1 << 32) + 100, (1 << 32) + 401];

/// Tiles of all sizes, in whatever order blocks and threads run.
#[test]
fn screening_changes_no_count() {
    if !available() {
        return;
    }
    let problem = spread(3);
    for (precision, shared, order) in [
        (PRECISIONS[0], SHARED[0], Order::Forward),
        (PRECISIONS[0], SHARED[2], Order::Shuffled(1)),
        (PRECISIONS[1], SHARED[1], Order::Reverse),
        (PRECISIONS[2], SHARED[0], Order::Shuffled(2)),
        (PRECISIONS[2], SHARED[1], Order::Forward),
    ] {
        let variant = Variant::new("mma", precision);
        let of = |share| holds(&watched(device(order, shared), FAITHFUL, 1), &problem, &variant, &CUTS, share).unwrap();
        for (share, most) in [(0.002, 0.4), (0.03, 0.6)] {
            let (same, listed) = of(share);
            let case = format!("{precision} {shared} {order:?} {share}: {listed:?}");
            assert!(same && listed.is_some_and(|listed| listed < most), "{case}");
        }
        assert_eq!(of(0.5), (true, None), "half of the trials pass");
    }
}

/// On Hopper, where the passes are compiled apart, one block or a pair of them makes a tile, and agents are late.
#[test]
fn screening_changes_no_count_on_hopper() {
    if !available() {
        return;
    }
    let problem = spread(3);
    let cuts = [(1 << 32) - 1600, (1 << 32) - 1590, (1 << 32) + 100, (1 << 32) + 401];
    for (kernel, precision, order) in [
        ("wgmma", Precision::F16, Order::Forward),
        ("wgmma", Precision::F16, Order::Shuffled(1)),
        ("wgmma", Precision::Bf16, Order::Reverse),
        ("wgmma-b1", Precision::F16, Order::Shuffled(2)),
        ("wgmma-b0", Precision::F16, Order::Forward),
    ] {
        let variant = Variant::new(kernel, precision);
        let hopper = watched(Emulated::hopper(order), FAITHFUL, 1);
        let (same, listed) = holds(&hopper, &problem, &variant, &cuts, 0.002).unwrap();
        assert!(same && listed.is_some_and(|listed| listed < 0.7), "{variant} {order:?}: {listed:?}");
    }
}

/// The trained model, some of whose samples are screened and others not, at shares of successes from rare to common.
#[test]
fn counts_of_the_paper_are_those_of_the_full_kernel() {
    if !available() {
        return;
    }
    let problem = paper(8, 1.0);
    for (precision, trials) in [(Precision::F16, 512), (Precision::Bf16, 256), (Precision::F16x3, 256)] {
        for (share, most) in [(0.001, 0.3), (0.01, 0.5), (0.1, 0.8), (0.5, 1.0)] {
            let emulated = watched(device(Order::Forward, SHARED[0]), FAITHFUL, 256);
            let cuts = [7, 7 + trials];
            let (same, listed) = holds(&emulated, &problem, &Variant::new("mma", precision), &cuts, share).unwrap();
            assert!(same, "{precision} {share}");
            assert!(listed.map_or(share == 0.5, |listed| listed < most), "{precision} {share}: {listed:?}");
        }
    }
}

/// The tests above can fail: a limit that is too small loses successes. The device is then stopped by its own proof, or by
/// a window that the host checks, and where neither saw anything the counts differ. A limit that rules nothing out is slow
/// and right.
#[test]
fn a_false_limit_is_noticed() {
    if !available() {
        return;
    }
    let (problem, variant) = (spread(3), Variant::new("mma", Precision::F16));
    let of = |limits, every| {
        let device = watched(device(Order::Forward, SHARED[0]), limits, every);
        holds(&device, &problem, &variant, &[0, 1000, 2000], 0.03)
    };
    let (same, listed) = of(Limits { factor: f32::INFINITY, from: 0 }, 1).unwrap();
    assert!(same && listed.unwrap() > 0.9, "{listed:?}");
    let noticed = |from, every| of(Limits { factor: 0.5, from }, every).unwrap_err().to_string();
    let proof = noticed(0, 256);
    assert!(proof.contains("screening gives trial ") && proof.contains("take another kernel"), "{proof}");
    for (from, every) in [(1, 256), (2, 1)] {
        let check = noticed(from, every);
        assert!(check.contains("the device counts") && check.contains("the host"), "{check}");
    }
    assert!(!of(Limits { factor: 0.5, from: 2 }, 256).unwrap().0, "successes were lost");
}

/// Samples for whose pixels there is no room are scored in full; without room for lists all are.
#[test]
fn little_memory_screens_fewer_samples() {
    if !available() {
        return;
    }
    let problem = spread(12);
    let mut seen = vec![];
    for memory in (0..16).map(|step| (700 << 10) + step * (50 << 10)) {
        let device = watched(Emulated::new(memory, Order::Forward), FAITHFUL, 1);
        let (same, listed) = holds(&device, &problem, &Variant::new("mma", Precision::F16), &[0, 600], 0.002).unwrap();
        assert!(same, "{memory} bytes");
        seen.push(listed);
    }
    let some = |range: Range<f64>| seen.iter().flatten().any(|listed| range.contains(listed));
    assert!(seen.contains(&None) && some(0.0..0.3) && some(0.3..1.0), "{seen:?}");
}
