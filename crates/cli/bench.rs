//! `retrial bench`

use crate::{args::DeviceArgs, ui};
use clap::Args;
use retrial_check::{Case, Kernel};
use retrial_spec::{Backend, Error, Noise, Precision, Problem, Result, Shape, Tally};
use serde_json::json;
use std::time::{Duration, Instant};

/// Time every kernel of a device at the paper's shape
///
/// Each kernel is held against the reference first and again after its timing; one that is wrong is not timed. Rates
/// come from the median run after a warm-up, by the device's own clock where it has one, else by the wall clock with
/// transfers included.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial bench\n  retrial bench --device cpu --kernel score --json\n  \
                        retrial bench --device wgsl --samples 400 --trials 8192")]
pub struct Bench {
    #[command(flatten)]
    device: DeviceArgs,
    /// Only this kernel
    #[arg(long)]
    kernel: Option<String>,
    /// Samples
    #[arg(long, default_value_t = 16)]
    samples: usize,
    /// Trials per sample
    #[arg(long, default_value_t = 960)]
    trials: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs of one kernel: at least three, then until half a second has passed.
struct Timing {
    runs: usize,
    median: Duration,
    fastest: Duration,
    slowest: Duration,
}

impl Timing {
    fn of(backend: &dyn Backend, mut run: impl FnMut() -> Result<()>) -> Result<Self> {
        run()?; // compiles, allocates, warms up
        let (start, mut times) = (Instant::now(), vec![]);
        while times.len() < 3 || (start.elapsed() < Duration::from_millis(500) && times.len() < 1000) {
            let (begin, busy) = (Instant::now(), backend.device_time());
            run()?;
            let device = backend.device_time().zip(busy).map(|(after, before)| after - before);
            times.push(device.unwrap_or_else(|| begin.elapsed()));
        }
        times.sort_unstable();
        let runs = times.len();
        Ok(Self { runs, median: times[runs / 2], fastest: times[0], slowest: times[runs - 1] })
    }
}

impl Bench {
    pub fn run(&self) -> Result<()> {
        if self.samples == 0 || self.trials == 0 || self.samples.saturating_mul(self.trials) > 1 << 26 {
            let got = format!("{} samples x {} trials", self.samples, self.trials);
            return Err(Error::input("benchmark", got, "must be at least 1 x 1 and at most 2^26 trials in all"));
        }
        let only: Option<Kernel> = self.kernel.as_deref().map(str::parse).transpose()?;
        let chosen = self.device.open()?;
        let backend = chosen.backend.as_ref();
        let clock = if backend.device_time().is_some() { "device" } else { "wall" };
        let head = ["kernel", "samples", "trials", "runs", "median ms", "spread", "M trials/s", "GFLOP/s", "GB/s"];
        let (mut rows, mut results, mut faults) = (vec![head.map(String::from).to_vec()], vec![], vec![]);
        for kernel in Kernel::ALL.into_iter().filter(|&k| only.is_none_or(|only| only == k)) {
            // The building blocks that write pixels are timed on at most 100 MB of them.
            let writes_pixels = matches!(kernel, Kernel::Decode | Kernel::L2Error);
            let most = if writes_pixels { ((1 << 15) / self.samples).max(1) } else { usize::MAX };
            let case = Case {
                kernel,
                shape: Shape::PAPER,
                samples: self.samples,
                trials: self.trials.min(most),
                first: 0,
                temperature: 1.0,
                seed: 11,
                precision: Precision::F32,
            };
            // The reference is slow, so a small case of the same kernel stands for the timed one.
            let small = Case { samples: 2, trials: 65, ..case };
            let timing = match small.run(backend)? {
                Ok(_) => time(&case, backend)?,
                Err(fault) => {
                    faults.push(format!("{kernel}: {fault}"));
                    continue;
                }
            };
            if let Err(fault) = small.run(backend)? {
                faults.push(format!("{kernel}, after timing: {fault}"));
                continue;
            }
            let seconds = timing.median.as_secs_f64();
            // `encode` knows no trials: its unit is the sample.
            let units = case.samples * if kernel == Kernel::Encode { 1 } else { case.trials };
            let [rate, flops, bytes] = [units as u64, case.flops(), case.bytes()].map(|n| n as f64 / seconds);
            let spread = (timing.slowest - timing.fastest).as_secs_f64() / seconds;
            rows.push(vec![
                kernel.to_string(),
                case.samples.to_string(),
                case.trials.to_string(),
                timing.runs.to_string(),
                format!("{:.3}", 1e3 * seconds),
                format!("{:.0} %", 100.0 * spread),
                format!("{:.4}", rate / 1e6),
                format!("{:.1}", flops / 1e9),
                format!("{:.2}", bytes / 1e9),
            ]);
            results.push(json!({
                "kernel": kernel.name(),
                "shape": case.shape,
                "samples": case.samples,
                "trials": case.trials,
                "runs": timing.runs,
                "median_seconds": seconds,
                "spread": spread,
                "units_per_second": rate,
                "flops": flops,
                "bytes_per_second": bytes,
                "clock": clock,
            }));
        }
        if self.json {
            ui::print_json(&json!({ "device": backend.device(), "kernels": results, "faults": faults }))?;
        } else {
            ui::print(&format!("{}, {}, {clock} clock\n{}", backend.device(), Shape::PAPER, ui::table(&rows)))?;
        }
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Error::Device {
                device: backend.device().to_string(),
                fault: faults.join("; "),
                fix: "run retrial validate on it".into(),
            }),
        }
    }
}

/// Times one kernel on inputs prepared beforehand.
fn time(case: &Case, backend: &dyn Backend) -> Result<Timing> {
    let problem = case.problem()?;
    let (weights, images, pixels) = (problem.weights(), problem.images(), case.shape.pixels);
    let trials = || Noise::Trials(0..case.trials as u64);
    match case.kernel {
        Kernel::Encode => Timing::of(backend, || backend.encode(weights, images).map(drop)),
        Kernel::SampleLatent => Timing::of(backend, || backend.sample_latent(&problem, trials()).map(drop)),
        Kernel::Decode => {
            let latents = backend.sample_latent(&problem, trials())?;
            Timing::of(backend, || backend.decode(weights, &latents).map(drop))
        }
        Kernel::L2Error => {
            let outputs = retrial_check::images(case.shape, case.samples * case.trials, case.seed + 1);
            Timing::of(backend, || backend.l2_error(images, &outputs, pixels).map(drop))
        }
        Kernel::PassAtK => {
            let errors = errors(&problem, backend, trials())?;
            let thresholds = retrial_check::thresholds(&errors);
            Timing::of(backend, || backend.pass_at_k(&errors, 0, &mut Tally::new(case.samples, &thresholds)?))
        }
        Kernel::Correlation => {
            let errors = errors(&problem, backend, trials())?;
            Timing::of(backend, || backend.correlation(&errors, case.samples).map(drop))
        }
        Kernel::Score => {
            let thresholds = retrial_check::thresholds(&errors(&problem, backend, Noise::Trials(0..64))?);
            let mut scorer = backend.load(&problem, Precision::F32)?;
            Timing::of(backend, || scorer.tally(0..case.trials as u64, &mut Tally::new(case.samples, &thresholds)?))
        }
    }
}

fn errors(problem: &Problem, backend: &dyn Backend, noise: Noise<'_>) -> Result<Vec<f32>> {
    backend.load(problem, Precision::F32)?.errors(noise)
}
