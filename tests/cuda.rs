//! The CUDA backend's host code: on emulated devices, and on devices that fail.
#![cfg(target_os = "linux")]

use crate::emulated::{Emulated, MEMORY, available, devices, emulated, failed};
use retrial_check::{Case, Kernel, cases};
use retrial_cpu::Cpu;
use retrial_cuda::{
    Cuda,
    driver::{DeviceProperties, Driver, Fault, LaunchParams, Read, Submission, unknown},
};
use retrial_emulator::Order;
use retrial_spec::{Backend, Error, Noise, Precision, Problem, Result, Tally};
use std::{
    process::Command,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

fn case(kernel: Kernel, samples: usize) -> Case {
    cases().into_iter().find(|case| case.kernel == kernel && case.samples == samples).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn errors(cuda: &Cuda, problem: &Problem, noise: Noise<'_>) -> Vec<u32> {
    bits(&cuda.load(problem, Precision::F32).unwrap().errors(noise).unwrap())
}

fn tally(backend: &dyn Backend, problem: &Problem, cuts: &[u64]) -> Result<Tally> {
    let mut tally = Tally::new(problem.samples(), &[3.0, 4.0, 5.0])?;
    let mut scorer = backend.load(problem, Precision::F32)?;
    cuts.windows(2).try_for_each(|cut| scorer.tally(cut[0]..cut[1], &mut tally))?;
    Ok(tally)
}

#[test]
fn normals_have_the_bits_of_the_cpu() {
    let Some(cuda) = emulated() else { return };
    let cpu = Cpu::new(Some(2)).unwrap();
    for case in cases().into_iter().filter(|case| case.kernel == Kernel::SampleLatent) {
        let problem = case.problem().unwrap();
        let latents = |backend: &dyn Backend| {
            let noise = Noise::Trials(case.first..case.first + case.trials as u64);
            bits(&backend.sample_latent(&problem, noise).unwrap())
        };
        assert!(latents(cuda) == latents(&cpu), "{}", case.shape);
    }
}

/// Threads of a block in another order, which shows a missing barrier.
#[test]
fn no_bit_depends_on_the_order_of_threads() {
    if !available() {
        return;
    }
    for case in [case(Kernel::Score, 5), case(Kernel::Score, 3), case(Kernel::Score, 2)] {
        let problem = case.problem().unwrap();
        let of = |order| {
            let cuda = devices(1, MEMORY, order);
            let trials = case.first..case.first + case.trials as u64;
            let found = tally(&cuda, &problem, &[trials.start, trials.end]).unwrap();
            let some: Vec<f32> = (0..case.samples * 40).map(|i| 1.0 + (i * 7 % 31) as f32).collect();
            (errors(&cuda, &problem, Noise::Trials(trials)), found, cuda.correlation(&some, case.samples).unwrap())
        };
        let want = of(Order::Forward);
        for order in [Order::Reverse, Order::Shuffled(1), Order::Shuffled(2)] {
            assert!(of(order) == want, "{} {order:?}", case.shape);
        }
    }
}

/// Windows, launches, memory and the number of devices do not change a bit.
#[test]
fn several_devices_and_little_memory_give_the_same_bits() {
    if !available() {
        return;
    }
    let problem = case(Kernel::Score, 5).problem().unwrap();
    let want = tally(emulated().unwrap(), &problem, &[0, 1500]).unwrap();
    assert!(want.successes(2).iter().sum::<u64>() > 0);
    let all = errors(emulated().unwrap(), &problem, Noise::Trials(0..1500));
    let noise: Vec<f32> = (0..5 * 700 * 7).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0).collect();
    let given = errors(emulated().unwrap(), &problem, Noise::Given(&noise));
    for (count, memory) in [(1, 1 << 20), (2, 1 << 20), (3, MEMORY)] {
        let cuda = devices(count, memory, Order::Forward);
        assert_eq!(tally(&cuda, &problem, &[0, 1, 700, 1500]).unwrap(), want, "{count} devices, {memory} bytes");
        assert!(errors(&cuda, &problem, Noise::Trials(0..1500)) == all);
        assert!(errors(&cuda, &problem, Noise::Given(&noise)) == given);
    }
}

/// Steps are deeper where multiprocessors have more shared memory; sums over hidden units stay in order.
#[test]
fn no_bit_depends_on_the_depth_of_a_step() {
    if !available() {
        return;
    }
    for case in cases().into_iter().filter(|case| case.kernel == Kernel::Score) {
        let problem = case.problem().unwrap();
        let of = |shared, entry: &str, order| {
            let device = Arc::new(Emulated::new(MEMORY, order).with_shared(shared));
            let cuda = Cuda::with_drivers(vec![device.clone()]);
            let found = errors(&cuda, &problem, Noise::Trials(case.first..case.first + case.trials as u64));
            assert!(device.has_started(entry), "{} {entry}", case.shape);
            found
        };
        let want = of(100 << 10, "score", Order::Forward);
        for order in [Order::Forward, Order::Shuffled(3)] {
            assert!(of(228 << 10, "score_deep", order) == want, "{} {order:?}", case.shape);
        }
    }
}

/// The program without a GPU, or with one: an answer or one line that says what to do, never a panic.
#[test]
fn the_program_says_what_it_looked_for() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_retrial")).args(args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for (args, words) in [
        (["--device", "cuda:x"], "must be cuda, cuda:all or cuda:N"),
        (["--device", "gpu"], "must be auto, cuda, wgsl or cpu"),
        (["--device", "cpu:1"], "must be auto, cuda, wgsl or cpu"),
    ] {
        let (code, message) = run(&[&["info"], &args[..]].concat());
        assert!(code == 2 && message.contains(words) && message.lines().count() == 1, "{message}");
    }
    assert_eq!(run(&["info", "--device", "cuda", "--adapter", "0"]).0, 2);
    for args in [["info", "--device", "cuda"], ["validate", "--device", "cuda:all"]] {
        if retrial_cuda::devices().is_err() {
            let (code, message) = run(&args);
            assert!(code == 1 && message.starts_with("error: device cuda: no NVIDIA driver"), "{message}");
            assert!(message.contains("libcuda.so.1") && message.contains("another --device"), "{message}");
        }
    }
    if retrial_cuda::devices().is_ok() {
        let (code, message) = run(&["info", "--device", "cuda:4095"]);
        assert!(code == 2 && message.contains("numbered from 0"), "{message}");
    }
    assert_eq!(run(&["info"]).0, 0);
}

#[test]
fn an_unknown_precision_is_refused() {
    let Some(cuda) = emulated() else { return };
    assert!(cuda.load(&case(Kernel::Score, 5).problem().unwrap(), Precision::F64).err().unwrap().is_input());
}

/// A tally of counts alone holds the counts of a full one, and the device's own counts check it too.
#[test]
fn counting_alone_counts_the_same() {
    let Some(cuda) = emulated() else { return };
    let problem = case(Kernel::Score, 5).problem().unwrap();
    let full = tally(cuda, &problem, &[0, 700]).unwrap();
    let mut counts = Tally::counts_only(5, full.thresholds()).unwrap();
    cuda.load(&problem, Precision::F32).unwrap().tally(0..700, &mut counts).unwrap();
    for (t, &threshold) in full.thresholds().iter().enumerate() {
        assert_eq!(counts.successes(t), full.successes(t));
        assert_eq!(counts.first_successes(threshold), full.first_successes(threshold));
    }
    assert!(counts.is_counts_only() && full.successes(2).iter().sum::<u64>() > 0);
}

#[test]
fn the_peak_is_measured_in_f32() {
    let Some(cuda) = emulated() else { return };
    let peak = cuda.peak(Precision::F32).unwrap().unwrap();
    assert!(peak.is_finite() && peak > 1e6, "{peak} FLOP/s");
    assert_eq!(cuda.peak(Precision::F16).unwrap(), None);
}

/// What a device does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    /// Refuses allocations from this size on.
    Large(u64),
    /// Stops working with the submission of this number.
    Dies(u64),
    /// Panics there.
    Panics(u64),
    /// Flips a bit on the way to the host.
    Transfer,
    /// Delivers a NaN.
    NotANumber,
}

struct Failing {
    inner: Emulated,
    failure: Failure,
    submissions: AtomicU64,
    /// Submissions that are not finished, the most at once, and what was given back while there were any.
    flying: AtomicU64,
    most_flying: AtomicU64,
    freed_too_early: AtomicU64,
}

impl Failing {
    fn new(memory: u64, failure: Failure) -> Arc<Self> {
        let inner = Emulated::new(memory, Order::Forward);
        let [submissions, flying, most_flying, freed_too_early] = Default::default();
        Arc::new(Self { inner, failure, submissions, flying, most_flying, freed_too_early })
    }

    fn frees(&self) {
        self.freed_too_early.fetch_add(self.flying.load(Relaxed), Relaxed);
    }
}

// SAFETY: the emulated device's, which it asks for everything.
unsafe impl Driver for Failing {
    fn properties(&self) -> &DeviceProperties {
        self.inner.properties()
    }
    fn free_memory(&self) -> Result<u64, Fault> {
        self.inner.free_memory()
    }
    fn allocate(&self, bytes: u64) -> Result<u64, Fault> {
        match self.failure {
            Failure::Large(limit) if bytes >= limit => Err(Fault::OutOfMemory { bytes }),
            _ => self.inner.allocate(bytes),
        }
    }
    unsafe fn release(&self, address: u64) {
        self.frees();
        // SAFETY: as here.
        unsafe { self.inner.release(address) }
    }
    fn pin(&self, bytes: usize) -> Result<NonNull<u8>, Fault> {
        self.inner.pin(bytes)
    }
    unsafe fn unpin(&self, memory: NonNull<u8>) {
        self.frees();
        // SAFETY: as here.
        unsafe { self.inner.unpin(memory) }
    }
    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        // SAFETY: as here.
        unsafe { self.inner.write(address, bytes) }
    }
    unsafe fn read(&self, read: Read) -> Result<(), Fault> {
        // SAFETY: as here.
        unsafe { self.inner.read(read)? };
        let word = read.to.cast::<u32>().as_ptr();
        match self.failure {
            // The exponent's lowest bit of an error: twice or half of it.
            // SAFETY: at least four bytes were read to there.
            Failure::Transfer => unsafe { *word ^= 1 << 23 },
            // SAFETY: as above.
            Failure::NotANumber => unsafe { *word = f32::NAN.to_bits() },
            _ => {}
        }
        Ok(())
    }
    unsafe fn submit(&self, launches: &[LaunchParams<'_>], read: Option<Read>) -> Result<Submission, Fault> {
        match (self.failure, self.submissions.fetch_add(1, Relaxed)) {
            (Failure::Dies(at), now) if at == now => return Err(failed("CUDA_ERROR_ILLEGAL_ADDRESS")),
            (Failure::Panics(at), now) if at == now => panic!("a driver that panics, as it should in this test"),
            _ => {}
        }
        // SAFETY: as here.
        let submission = unsafe { self.inner.submit(launches, read)? };
        self.most_flying.fetch_max(self.flying.fetch_add(1, Relaxed) + 1, Relaxed);
        Ok(submission)
    }
    fn finish(&self, submission: Submission) -> Result<Duration, Fault> {
        self.flying.fetch_sub(1, Relaxed);
        self.inner.finish(submission)
    }
}

fn failing(failure: Failure) -> Cuda {
    Cuda::with_drivers(vec![Failing::new(MEMORY, failure)]).checking(1)
}

/// A refused allocation halves the window and goes on, with the same results; one that no window avoids is an error.
#[test]
fn out_of_memory_halves_the_window() {
    if !available() {
        return;
    }
    let problem = case(Kernel::Score, 5).problem().unwrap();
    let small = failing(Failure::Large(300 << 10));
    let full = emulated().unwrap().load(&problem, Precision::F32).unwrap().window();
    assert!(small.load(&problem, Precision::F32).unwrap().window() < full / 4);
    let want = tally(emulated().unwrap(), &problem, &[0, 1500]).unwrap();
    assert_eq!(tally(&small, &problem, &[0, 1500]).unwrap(), want);
    let error = failing(Failure::Large(1 << 10)).load(&problem, Precision::F32).err().unwrap();
    assert!(
        matches!(&error, Error::Device { device, fault, .. } if device == "cuda" && fault.contains("bytes of memory were refused"))
    );
    // Building blocks take smaller pieces.
    let case = case(Kernel::Decode, 5);
    assert_eq!(case.run(&failing(Failure::Large(120 << 10))).unwrap().fault(), None);
}

#[test]
fn a_device_that_dies_is_an_error_and_frees_its_memory() {
    if !available() {
        return;
    }
    let problem = case(Kernel::Score, 5).problem().unwrap();
    // The pilot that finds where errors lie, and the window.
    for at in 0..2 {
        let error = tally(&failing(Failure::Dies(at)), &problem, &[0, 1500]).unwrap_err();
        assert!(!error.is_input() && error.to_string().contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{error}");
    }
}

/// A panic while windows are under way, wherever it comes from, frees nothing that the device still uses.
#[test]
fn a_panic_waits_for_the_device() {
    if !available() {
        return;
    }
    let problem = case(Kernel::Score, 5).problem().unwrap();
    let driver = Failing::new(1 << 20, Failure::Panics(3));
    let cuda = Cuda::with_drivers(vec![driver.clone()]).checking(1);
    let work = || {
        let mut scorer = cuda.load(&problem, Precision::F32).unwrap();
        let trials = 0..2 * scorer.window();
        scorer.tally(trials, &mut Tally::new(5, &[3.0]).unwrap())
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
    assert!(driver.most_flying.load(Relaxed) > 1);
    assert_eq!((driver.flying.load(Relaxed), driver.freed_too_early.load(Relaxed)), (0, 0));
}

#[test]
fn a_ticket_is_finished_once() {
    let driver = Emulated::new(MEMORY, Order::Forward);
    // SAFETY: nothing is launched or read.
    let submission = unsafe { driver.submit(&[], None) }.unwrap();
    let again = Submission(submission.0);
    driver.finish(submission).unwrap();
    assert_eq!(driver.finish(again), Err(unknown(Submission(0))));
}

/// The device's own counts are held against the errors read back.
#[test]
fn a_corrupted_transfer_is_noticed() {
    if !available() {
        return;
    }
    let problem = case(Kernel::Score, 5).problem().unwrap();
    let error = tally(&failing(Failure::Transfer), &problem, &[0, 1500]).unwrap_err().to_string();
    assert!(error.contains("the device counts"), "{error}");
    let error = tally(&failing(Failure::NotANumber), &problem, &[0, 1500]).unwrap_err().to_string();
    assert!(error.contains("error NaN in sample 0"), "{error}");
}
