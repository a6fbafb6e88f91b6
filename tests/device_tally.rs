//! The tally that CUDA devices make by themselves: the same bytes as the host's, whatever the errors, and a device that
//! makes another is stopped.
#![cfg(target_os = "linux")]

use crate::emulated::{Emulated, available, emulated};
use retrial_cuda::{
    Cuda, Program,
    driver::{DeviceProperties, Driver, Fault, LaunchParams, Read, Submission},
};
use retrial_emulator::Order;
use retrial_spec::{Backend, Error, Linear, Posterior, Precision, Problem, Result, Tally, Weights};
use std::{ops::Range, ptr::NonNull, sync::Arc, time::Duration};

/// The least problem of so many samples; what it errs by the driver below says.
pub fn problem(samples: usize) -> Problem {
    let one = || Linear { outputs: 1, inputs: 1, weight: vec![1.0], bias: vec![0.0] };
    let weights = Weights {
        encoder_fc1: one(),
        encoder_fc_mu: one(),
        encoder_fc_logvar: one(),
        decoder_fc1: one(),
        decoder_fc2: one(),
    };
    let posterior = Posterior { mu: vec![0.0; samples], logvar: vec![0.0; samples] };
    Problem::new(weights, vec![0.5; samples], &posterior, 1.0, 1).unwrap()
}

/// An error of a sample and trial.
type Script = fn(u64, u64) -> f32;

/// Any number of a pair, well mixed.
fn mixed(sample: u64, trial: u64) -> u64 {
    let x = (trial ^ sample << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
}

/// Between 3 and 7, as trained models err.
pub fn usual(sample: u64, trial: u64) -> f32 {
    3.0 + (mixed(sample, trial) % (1 << 20)) as f32 / (1 << 18) as f32
}

/// One of four values: ties everywhere.
fn tied(sample: u64, trial: u64) -> f32 {
    1.0 + (mixed(sample, trial) % 4) as f32 / 2.0
}

/// Every trial a record, more than any list has room for.
fn falling(sample: u64, trial: u64) -> f32 {
    5.0 + sample as f32 - (trial % 100_000) as f32 / 65_536.0
}

/// Any finite number that is not negative, over all octaves; both zeros, the least and the largest among them.
fn wild(sample: u64, trial: u64) -> f32 {
    match mixed(sample, trial) {
        x if x % 64 == 0 => [0.0, -0.0, f32::MAX, f32::from_bits(1)][(x / 64 % 4) as usize],
        x => f32::from_bits((x % u64::from(f32::INFINITY.to_bits())) as u32),
    }
}

const SCRIPTS: [Script; 4] = [usual, tied, falling, wild];

/// An emulated device whose `score` writes the errors of a script, and whose tally may be another text.
struct Scripted {
    inner: Emulated,
    script: Script,
    mutant: Option<&'static Program>,
}

// SAFETY: the emulated device's, which it asks for everything but errors, which go where its kernel would write them.
unsafe impl Driver for Scripted {
    fn properties(&self) -> &DeviceProperties {
        self.inner.properties()
    }
    fn free_memory(&self) -> Result<u64, Fault> {
        self.inner.free_memory()
    }
    fn allocate(&self, bytes: u64) -> Result<u64, Fault> {
        self.inner.allocate(bytes)
    }
    unsafe fn release(&self, address: u64) {
        // SAFETY: as here.
        unsafe { self.inner.release(address) }
    }
    fn pin(&self, bytes: usize) -> Result<NonNull<u8>, Fault> {
        self.inner.pin(bytes)
    }
    unsafe fn unpin(&self, memory: NonNull<u8>) {
        // SAFETY: as here.
        unsafe { self.inner.unpin(memory) }
    }
    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        // SAFETY: as here.
        unsafe { self.inner.write(address, bytes) }
    }
    unsafe fn read(&self, read: Read) -> Result<(), Fault> {
        // SAFETY: as here.
        unsafe { self.inner.read(read) }
    }
    unsafe fn submit(&self, launches: &[LaunchParams<'_>], read: Option<Read>) -> Result<Submission, Fault> {
        let mut rest = vec![];
        for launch in launches {
            if launch.program.kernel == "score" {
                // SAFETY: as here.
                unsafe { write_errors(launch, self.script) };
            } else {
                rest.push(LaunchParams { program: self.mutant.unwrap_or(launch.program), ..*launch });
            }
        }
        // SAFETY: as here.
        unsafe { self.inner.submit(&rest, read) }
    }
    fn finish(&self, submission: Submission) -> Result<Duration, Fault> {
        self.inner.finish(submission)
    }
}

/// Fills the errors of a launch of `score` by its parameters: errors, first, trials, tiles and pieces are words 8 and 11 to
/// 14 of `Score`.
///
/// # Safety
/// The launch is one that the device could run.
unsafe fn write_errors(launch: &LaunchParams<'_>, script: Script) {
    let word = |at: usize| u64::from_le_bytes(launch.params[8 * at..][..8].try_into().unwrap());
    let (errors, first, trials) = (word(8) as *mut f32, word(11), word(12));
    for at in 0..word(13) / word(14) * trials {
        // SAFETY: `errors` holds a value for each of the samples' trials.
        unsafe { *errors.add(at as usize) = script(at / trials, first + at % trials) };
    }
}

/// So many scripted devices of little memory, which the host checks one window in `every` of.
fn scripted(devices: usize, memory: u64, script: Script, every: u64) -> Cuda {
    let device = || Scripted { inner: Emulated::new(memory, Order::Forward), script, mutant: None };
    Cuda::with_drivers((0..devices).map(|_| Arc::new(device()) as Arc<dyn Driver>).collect()).checking(every)
}

/// What the host makes of the errors of a script, by adding them up one after the other.
fn by_the_host(mut tally: Tally, script: Script, trials: Range<u64>) -> Tally {
    let (thresholds, rows) = tally.rows_mut();
    for (sample, row) in rows.iter_mut().enumerate() {
        let errors: Vec<f32> = trials.clone().map(|trial| script(sample as u64, trial)).collect();
        row.add(thresholds, trials.start, &errors);
    }
    tally.add_trials(trials).unwrap();
    tally
}

fn bytes(tally: &Tally) -> Vec<u8> {
    postcard::to_stdvec(tally).unwrap()
}

/// So many thresholds, some of which errors meet exactly.
fn thresholds(count: usize) -> Vec<f32> {
    (1..=count).map(|t| 7.0 * t as f32 / count.next_power_of_two() as f32).collect()
}

fn kinds(samples: usize, thresholds: &[f32]) -> Vec<Tally> {
    let kinds = [Tally::new(samples, thresholds), Tally::counts_only(samples, thresholds)];
    kinds.into_iter().flatten().collect()
}

/// The kernel by itself: all scripts, numbers of thresholds and of trials around its blocks, trials before and across 2^32
/// and up to the last there is.
#[test]
fn the_kernel_tallies_as_the_host() {
    let Some(cuda) = emulated() else { return };
    let mut firsts = [0, (1 << 32) - 700, u64::MAX - 9000].into_iter().cycle();
    for script in SCRIPTS {
        for (samples, trials, count) in
            [(1, 1, 1), (3, 33, 16), (2, 4096, 1024), (1, 4097, 2), (3, 300, 5000), (2, 9000, 1), (5, 700, 0)]
        {
            let first = firsts.next().unwrap();
            let range = first..first + trials;
            let errors: Vec<f32> =
                (0..samples).flat_map(|n| range.clone().map(move |trial| script(n, trial))).collect();
            for tally in kinds(samples as usize, &thresholds(count)) {
                let want = by_the_host(tally.clone(), script, range.clone());
                let mut got = tally;
                cuda.pass_at_k(&errors, first, &mut got).unwrap();
                assert!(bytes(&got) == bytes(&want), "{samples} x {trials}, {count} thresholds from {first}");
            }
        }
    }
}

/// The pipeline: any number of calls, windows, devices and checks, spans of many windows included.
#[test]
fn the_pipeline_tallies_as_the_host() {
    if !available() {
        return;
    }
    let (problem, ends) = (problem(3), [0, 1, 9_000, 9_500, 17_000]);
    for script in SCRIPTS {
        for (devices, every, first, count) in
            [(1, 1, 0, 3), (1, 0, (1 << 32) - 9_300, 1024), (2, 3, u64::MAX - 17_000, 1)]
        {
            let cuda = scripted(devices, 1 << 18, script, every);
            let mut scorer = cuda.load(&problem, Precision::F32).unwrap();
            assert!(scorer.window() < 16_000 * devices as u64, "launches of {} / 4 are too long", scorer.window());
            for mut tally in kinds(3, &thresholds(count)) {
                let want = by_the_host(tally.clone(), script, first..first + 17_000);
                for cut in ends.windows(2) {
                    scorer.tally(first + cut[0]..first + cut[1], &mut tally).unwrap();
                }
                assert!(bytes(&tally) == bytes(&want), "{devices} devices, one in {every}, {count} thresholds");
            }
        }
    }
}

/// Errors that are none are refused, whether or not the window is checked.
#[test]
fn no_error_is_taken_for_one_that_is_none() {
    if !available() {
        return;
    }
    let problem = problem(2);
    let scripts: [(Script, &str); 3] = [
        (|n, trial| if (n, trial) == (1, 3000) { f32::NAN } else { 1.0 }, "error NaN in sample 1"),
        (|n, trial| if (n, trial) == (1, 3000) { f32::INFINITY } else { 1.0 }, "error inf in sample 1"),
        (|n, trial| if (n, trial) == (0, 3000) { -1.0 } else { 1.0 }, "error -1 in sample 0"),
    ];
    for (script, words) in scripts {
        for every in [0, 1] {
            for mut tally in kinds(2, &[2.0]) {
                let cuda = scripted(1, 1 << 20, script, every);
                let mut scorer = cuda.load(&problem, Precision::F32).unwrap();
                let error = scorer.tally(0..6000, &mut tally).unwrap_err().to_string();
                assert!(error.contains(words), "{error}");
            }
        }
    }
}

/// A kernel that is wrong anywhere is stopped by the first window that is checked, with both results.
#[test]
fn a_wrong_tally_is_stopped() {
    if !available() {
        return;
    }
    let problem = problem(2);
    let truth = retrial_cuda::programs().into_iter().find(|program| program.kernel == "pass_at_k").unwrap();
    for (right, wrong, words) in [
        ("error < thresholds[middle]", "error <= thresholds[middle]", "threshold 1.5: the device counts"),
        ("atomicAdd(&bins[bin], 1u)", "atomicExch(&bins[bin], 1u)", "errors, the host"),
        ("~(p.base + offset)", "(p.base + offset)", "worst: the device counts trial"),
        ("candidate < record", "candidate <= record", "trial"),
        ("if (least >= record) return;", "return;", "record 1: the device counts none"),
        ("offset < p.trials ? ", "offset + 1 < p.trials ? ", "record"),
        ("p.counts[i] = 0", "p.counts[i] = 1", "threshold"),
    ] {
        assert_eq!(truth.text.matches(right).count(), 1, "{right}");
        let text = Box::leak(truth.text.replace(right, wrong).into_boxed_str());
        let mutant = Some(&*Box::leak(Box::new(Program { text, ..*truth })));
        // Ties, and a last trial that is the best of its window.
        let script: Script = |n, trial| if trial % 128 == 127 { 0.5 } else { tied(n, trial) };
        let inner = Emulated::new(1 << 20, Order::Forward);
        let cuda = Cuda::with_drivers(vec![Arc::new(Scripted { inner, script, mutant })]);
        let mut tally = Tally::new(2, &[1.5, 2.0]).unwrap();
        let done = cuda.load(&problem, Precision::F32).unwrap().tally(0..128, &mut tally);
        if wrong.contains("candidate <=") {
            assert!(done.is_ok(), "a tie too many is no record: it costs room in the list alone");
            continue;
        }
        let error = done.unwrap_err();
        assert!(!error.is_input() && error.to_string().contains(words), "{wrong}: {error}");
    }
}

/// Memory for 1,024 thresholds is kept free when windows are cut; more shrink them, and too many are an error.
#[test]
fn counts_have_room_beside_the_windows() {
    if !available() {
        return;
    }
    let problem = problem(600);
    for (memory, count, fits) in
        [(10 << 20, 1024, true), (64 << 20, 1024, true), (20 << 20, 2400, true), (8 << 20, 5000, false)]
    {
        let cuda = scripted(1, memory, usual, 0);
        let mut scorer = cuda.load(&problem, Precision::F32).unwrap();
        let mut tally = Tally::new(600, &thresholds(count)).unwrap();
        let done = scorer.tally(0..200, &mut tally);
        match fits {
            true => {
                done.unwrap();
                let want = by_the_host(tally.empty(), usual, 0..200);
                assert!(bytes(&tally) == bytes(&want));
            }
            false => {
                let error = done.unwrap_err();
                assert!(
                    matches!(&error, Error::Device { fault, .. } if fault.contains("bytes of memory were refused"))
                );
            }
        }
    }
}
