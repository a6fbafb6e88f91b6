//! `retrial bench`

mod work;

use crate::{
    args::{self, DeviceArgs, precision},
    model::{ModelArgs, ReadingArgs},
    selection::Selection,
    ui,
    validate::accuracy_table,
};
use clap::Args;
use retrial_check::{Case, Kernel, Verdict, accuracy};
use retrial_spec::{Backend, Error, Precision, Problem, Result, Shape};
use serde_json::json;
use std::path::PathBuf;
use work::Work;

/// Time every kernel of a device
///
/// Each kernel is held against the reference first and again after its timing; one that is wrong is not timed. Rates
/// come from the median run after a warm-up, by the device's own clock where it has one, else by the wall clock with
/// transfers included. Where the device measures its own peak of multiply-adds, right before and after each kernel, the
/// share of it is shown: all FLOPs of the model count, those of work that a kernel may leave out too; and where it measures
/// how fast it copies, the share of that, of bytes that must move whatever the caches hold. `score` is timed in
/// every precision on a model that leaves nothing out (dense), on the model as it is, and counting successes alone.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial bench\n  retrial bench --device cpu --kernel score --json\n  \
                        retrial bench --device wgsl --samples 400 --trials 8192\n  \
                        retrial bench --weights runs/reproduce/weights.safetensors --samples 400 --trials 4000")]
pub struct Bench {
    #[command(flatten)]
    device: DeviceArgs,
    /// Only this kernel; score by every implementation of the device, or by the one named (retrial info lists them)
    #[arg(long)]
    kernel: Option<String>,
    /// Only this precision of score
    #[arg(long, value_parser = precision)]
    precision: Option<Precision>,
    /// Weights of your own, as retrial sample takes them, instead of random ones of the paper's shape
    ///
    /// ReLU in both hidden layers, a sigmoid at the pixels, no clamp of the log variance.
    #[arg(long)]
    weights: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Data for these weights, as retrial sample takes it
    #[arg(long, default_value = "fashion-mnist", requires = "weights")]
    data: String,
    /// Temperature
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true)]
    temperature: f64,
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

impl Bench {
    pub fn run(&self) -> Result<()> {
        if self.samples == 0 || self.trials == 0 || self.samples.saturating_mul(self.trials) > 1 << 26 {
            let got = format!("{} samples x {} trials", self.samples, self.trials);
            return Err(Error::input("benchmark", got, "must be at least 1 x 1 and at most 2^26 trials in all"));
        }
        let chosen = self.device.open()?;
        let backend = chosen.backend.as_ref();
        let clock = if backend.device_time().is_some() { "device" } else { "wall" };
        let selection = Selection::of(self.kernel.as_deref(), backend.device())?;
        let variants = selection.variants_in(backend.device(), self.precision)?;
        let problem = self.problem(backend)?;
        let head = [
            "kernel",
            "precision",
            "work",
            "samples",
            "trials",
            "runs",
            "median ms",
            "spread",
            "M trials/s",
            "GFLOP/s",
            "of peak",
            "GB/s",
            "of copy",
        ];
        let bandwidth = backend.bandwidth()?;
        let (mut rows, mut results, mut faults) = (vec![head.map(String::from).to_vec()], vec![], vec![]);
        for work in Work::all(&selection, &variants) {
            let (kernel, precision, mode) = (work.kernel, work.precision(), work.mode);
            let case = self.case(&problem, &work);
            // The reference is slow, so a small case of the same kernel stands for the timed one.
            let small = Case { samples: 2, trials: 65, ..case.clone() };
            if let Verdict::Differs(fault) = small.run(backend)? {
                faults.push(format!("{} {precision}: {fault}", case.name()));
                continue;
            }
            let peak = || if work.computes() { backend.peak(precision) } else { Ok(None) };
            let before = peak()?;
            let timing = work.time(&problem, case.trials, backend)?;
            let peak = before.zip(peak()?).map(|(before, after)| before.max(after));
            if let Verdict::Differs(fault) = small.run(backend)? {
                faults.push(format!("{} {precision}, after timing: {fault}", case.name()));
                continue;
            }
            let seconds = timing.median.as_secs_f64();
            // `encode` knows no trials: its unit is the sample.
            let units = case.samples * if kernel == Kernel::Encode { 1 } else { case.trials };
            let [rate, flops, bytes] = [units as u64, case.flops(), case.bytes()].map(|n| n as f64 / seconds);
            let spread = (timing.slowest - timing.fastest).as_secs_f64() / seconds;
            let of_peak = peak.map(|peak| flops / peak);
            let of_copy = bandwidth.map(|most| bytes / most);
            let percent = |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.1} %", 100.0 * share));
            rows.push(vec![
                case.name(),
                if kernel == Kernel::Score { precision.to_string() } else { "-".into() },
                if kernel == Kernel::Score { mode.to_string() } else { "-".into() },
                case.samples.to_string(),
                case.trials.to_string(),
                timing.runs.to_string(),
                format!("{:.3}", 1e3 * seconds),
                format!("{:.0} %", 100.0 * spread),
                format!("{:.4}", rate / 1e6),
                format!("{:.1}", flops / 1e9),
                percent(of_peak),
                format!("{:.2}", bytes / 1e9),
                percent(of_copy),
            ]);
            results.push(json!({
                "kernel": kernel.name(),
                "variant": case.variant.as_ref().map(|variant| &variant.kernel),
                "precision": precision,
                "work": mode,
                "shape": case.shape,
                "samples": case.samples,
                "trials": case.trials,
                "runs": timing.runs,
                "median_seconds": seconds,
                "fastest_seconds": timing.fastest.as_secs_f64(),
                "spread": spread,
                "units_per_second": rate,
                "flops": flops,
                "peak_flops": peak,
                "of_peak": of_peak,
                "bytes_per_second": bytes,
                "copy_bytes_per_second": bandwidth,
                "of_copy": of_copy,
                "clock": clock,
            }));
        }
        let cpu = chosen.cpu()?;
        let accuracies = variants.iter().map(|variant| accuracy(backend, &problem, variant, cpu));
        let accuracies = accuracies.collect::<Result<Vec<_>>>()?;
        if self.json {
            let device = backend.device();
            ui::print_json(&json!({ "device": device, "kernels": results, "accuracy": accuracies, "faults": faults }))?;
        } else {
            let model = self.weights.as_ref().map_or("random weights".into(), |path| path.display().to_string());
            let mut text = format!(
                "{}, {} of {model}, T = {}, {clock} clock\n",
                backend.device(),
                problem.shape(),
                self.temperature
            );
            text += &ui::table(&rows);
            text += &accuracy_table(&accuracies);
            ui::print(&text)?;
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

    /// The given model on its data, or a random one of the paper's shape.
    fn problem(&self, backend: &dyn Backend) -> Result<Problem> {
        let Some(weights) = self.weights.clone() else {
            if self.reading.is_given() {
                return Err(Error::input("--weights", "none", "--rename, --mu and --logvar need it"));
            }
            return self.random(Kernel::Score).problem();
        };
        let args = ModelArgs { weights, reading: self.reading.clone() };
        let (model, images) = (args.load()?, args::load(&self.data, Some(self.samples))?);
        let given = args.posterior(images.samples(), &model)?;
        retrial_vae::problem(&model, given.as_ref(), &images, backend, self.temperature, 11)
    }

    /// A kernel at the paper's shape.
    fn random(&self, kernel: Kernel) -> Case {
        Case {
            kernel,
            shape: Shape::PAPER,
            samples: self.samples,
            trials: self.trials,
            first: 0,
            temperature: self.temperature,
            seed: 11,
            variant: None,
        }
    }

    /// What a row's work amounts to.
    fn case(&self, problem: &Problem, work: &Work) -> Case {
        // The building blocks that write pixels are timed on at most 100 MB of them.
        let writes_pixels = matches!(work.kernel, Kernel::Decode | Kernel::L2Error);
        let most = if writes_pixels { ((1 << 15) / self.samples).max(1) } else { usize::MAX };
        let (shape, trials) = (problem.shape(), self.trials.min(most));
        Case { shape, trials, samples: problem.samples(), variant: work.variant.clone(), ..self.random(work.kernel) }
    }
}
