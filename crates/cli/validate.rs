//! `retrial validate`

use crate::{
    args::{self, DeviceArgs, precision},
    exchange,
    model::{ModelArgs, ReadingArgs},
    selection::Selection,
    ui,
    verdicts::{self, Judged, Outcome},
};
use clap::Args;
use retrial_check::{Accuracy, Case, Kernel, QUANTILES, accuracy, by_variants, cases, cases_of, conformance, random};
use retrial_devices::Opened;
use retrial_spec::{Device, Error, Precision, Problem, Result, Shape, Variant, text::visible};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

/// Hold every kernel of a device against the f64 reference
///
/// Runs each kernel over shapes chosen to break tiles and prints the largest difference beside its bound. Exits 1 when
/// a case fails, with the command that reruns it.
///
/// Kernels written elsewhere, in Triton, JAX or anything that reads NumPy files, are held against the same references: --dump
/// writes every case's inputs and what is expected of it, and --against judges what the kernel wrote, by the same bounds, the
/// same test for bias, and the same band of ambiguous trials for counts. cases.json (schema 1) lists kernel, shape, samples,
/// trials, first trial, temperature, seed, FLOPs, bytes and bounds of each case, and name, type, shape and file of each array.
///
/// The ways of the wgsl device, which all give the same bytes, are forced by the environment variable RETRIAL_WGSL: words out
/// of plain, skip or dense, double or single, device or host, screen or full, with commas between them.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial validate\n  retrial validate --kernel score\n  \
                        retrial validate --device wgsl --adapter llvmpipe\n  \
                        retrial validate --kernel decode --shape 97-61-7 --samples 3 --trials 50\n  \
                        retrial validate --random 20\n  retrial validate --kernel decode --dump cases\n  \
                        retrial validate --against cases --precision f16")]
pub struct Validate {
    #[command(flatten)]
    device: DeviceArgs,
    /// Only this kernel, or this implementation of score (retrial info lists them)
    #[arg(long)]
    kernel: Option<String>,
    /// One shape of your own, pixels-hidden-latent, instead of the built-in ones
    #[arg(long, group = "own")]
    shape: Option<String>,
    /// This many random sizes instead of the built-in ones: widths log-uniform up to 1024-512-64, up to 6 samples x 200 trials
    #[arg(long, value_name = "N", group = "own", value_parser = clap::value_parser!(u16).range(1..))]
    random: Option<u16>,
    /// Samples of your own shape
    #[arg(long, default_value_t = 3, requires = "shape", conflicts_with = "random")]
    samples: usize,
    /// Trials of your own shape
    #[arg(long, default_value_t = 65, requires = "shape", conflicts_with = "random")]
    trials: usize,
    /// First trial of your own shape
    #[arg(long, default_value_t = 0, requires = "shape", conflicts_with = "random")]
    first: u64,
    /// Temperature of your own shape
    #[arg(long, default_value_t = 1.0, requires = "shape", conflicts_with = "random", allow_hyphen_values = true)]
    temperature: f64,
    /// Seed of model, images and noise of your own shape (default: 11), or of random sizes (default: another each time)
    #[arg(long, requires = "own")]
    seed: Option<u64>,
    /// Only this precision of score (default: every one; at your own shape f32)
    #[arg(long, value_parser = precision)]
    precision: Option<Precision>,
    /// Weights of your own, as retrial sample takes them, to tell the accuracy of score on, instead of random ones
    #[arg(long, conflicts_with = "shape")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Data for these weights
    #[arg(long, default_value = "fashion-mnist", requires = "weights")]
    data: String,
    /// Write the cases to a directory, for a kernel that is written elsewhere: inputs, what is expected, and cases.json
    #[arg(long, value_name = "DIR", conflicts_with_all = ["weights", "json"])]
    dump: Option<PathBuf>,
    /// Write into a directory that is not empty
    #[arg(long, requires = "dump")]
    force: bool,
    /// Judge what such a kernel wrote in that directory; --precision says in what it computed
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dump", "own", "weights", "device", "adapter"])]
    against: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Validate {
    pub fn run(&self) -> Result<ExitCode> {
        if let Some(dir) = &self.against {
            return self.judge(dir);
        }
        let chosen = self.device.open()?;
        let backend = chosen.backend.as_ref();
        let cases = self.cases(backend.device())?;
        if let Some(dir) = &self.dump {
            // Once, however many implementations of `score` this device has.
            let first = cases.iter().find_map(|case| case.variant.clone());
            let cases: Vec<Case> =
                cases.into_iter().filter(|case| case.variant.is_none() || case.variant == first).collect();
            exchange::dump(&cases, dir, self.force)?;
            return Ok(ExitCode::SUCCESS);
        }
        let judged: Vec<Judged> = conformance(backend, &cases)?
            .results
            .into_iter()
            .map(|(case, verdict)| Judged {
                name: case.name(),
                command: case.command(&self.device.request().flags(backend.device())),
                outcome: verdict.map_or(Outcome::NoRoom, Outcome::Judged),
                case,
            })
            .collect();
        let accuracies = self.accuracies(&chosen)?;
        self.print(&backend.device().to_string(), json!(backend.device()), &judged, &accuracies)
    }

    /// Judges what another kernel wrote.
    fn judge(&self, dir: &Path) -> Result<ExitCode> {
        let kernel: Option<Kernel> = self.kernel.as_deref().map(str::parse).transpose()?;
        let wanted = |found| kernel.is_none_or(|kernel| kernel == found);
        let judged = exchange::against(dir, self.precision.unwrap_or(Precision::F32), wanted)?;
        let dir = dir.display().to_string();
        self.print(&format!("what was written in {}", visible(&dir)), json!(dir), &judged, &[])
    }

    fn print(&self, title: &str, device: Value, judged: &[Judged], accuracies: &[Accuracy]) -> Result<ExitCode> {
        let passed = judged.iter().all(|judged| judged.fault().is_none());
        if self.json {
            let cases = verdicts::objects(judged);
            ui::print_json(&json!({ "device": device, "passed": passed, "cases": cases, "accuracy": accuracies }))?;
        } else {
            ui::print(&format!("{title}\n{}{}", verdicts::table(judged), accuracy_table(accuracies)))?;
        }
        Ok(if verdicts::tell(judged) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What each precision costs, of the implementations of `score` that were run; none of a shape of one's own.
    fn accuracies(&self, chosen: &Opened) -> Result<Vec<Accuracy>> {
        let backend = chosen.backend.as_ref();
        if self.shape.is_some() || self.random.is_some() {
            return Ok(vec![]);
        }
        let selection = Selection::of(self.kernel.as_deref(), backend.device())?;
        let variants = selection.variants_in(backend.device(), self.precision)?;
        let problem = match &self.weights {
            Some(weights) => {
                let args = ModelArgs { weights: weights.clone(), reading: self.reading.clone() };
                let (model, images) = (args.load()?, args::load(&self.data, Some(16))?);
                let given = args.posterior(images.samples(), &model)?;
                retrial_vae::problem(&model, given.as_ref(), &images, backend, 1.0, 11)?
            }
            None => paper(16)?,
        };
        let cpu = chosen.cpu()?;
        let of = |variant| match accuracy(backend, &problem, variant, cpu) {
            Err(refused) if refused.is_input() => None, // no room for the model
            found => Some(found),
        };
        variants.iter().filter_map(of).collect()
    }

    /// The seed of random sizes, told where it was not asked for.
    fn fresh_seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let seed = now.as_nanos() as u64 % 1_000_000_007;
            ui::note(format_args!("random sizes of --seed {seed}"));
            seed
        })
    }

    fn cases(&self, device: &Device) -> Result<Vec<Case>> {
        let selection = Selection::of(self.kernel.as_deref(), device)?;
        let in_precision = |variant: &Variant| self.precision.is_none_or(|wanted| wanted == variant.precision);
        let variants = match selection {
            Selection::All => device.variants.iter().filter(|&variant| in_precision(variant)).cloned().collect(),
            // A shape of one's own is refused below, where it has none.
            _ if self.shape.is_some() => selection.variants(device),
            _ => selection.variants_in(device, self.precision)?,
        };
        let wanted = |case: &Case| case.variant.as_ref().is_none_or(|variant| variants.contains(variant));
        let Some(shape) = &self.shape else {
            let all = match self.random {
                None => cases_of(device),
                Some(count) => by_variants(random(count.into(), self.fresh_seed()), device),
            };
            let all = all.into_iter().filter(|case| selection.has(case.kernel));
            return Ok(all.filter(wanted).collect());
        };
        let widths: Option<Vec<usize>> = shape.split('-').map(|w| w.parse().ok()).collect();
        let Some(&[pixels, hidden, latent]) = widths.as_deref() else {
            return Err(Error::input("shape", shape, "must be pixels-hidden-latent, such as 784-400-20"));
        };
        let shape = Shape { pixels, hidden, latent }.check()?;
        // The reference is slow: an unbounded case would look like a hang.
        if self.samples == 0 || self.trials == 0 || self.samples.saturating_mul(self.trials) > exchange::MAX_TRIALS {
            let got = format!("{} samples x {} trials", self.samples, self.trials);
            return Err(Error::input("case", got, "must be at least 1 x 1 and at most 2^20 trials in all"));
        }
        if self.first.checked_add(self.trials as u64).is_none() {
            return Err(Error::input("first trial", self.first, "the last trial must be below 2^64"));
        }
        let Self { samples, trials, first, temperature, .. } = *self;
        let seed = self.seed.unwrap_or(11);
        let precision = self.precision.unwrap_or(Precision::F32);
        let case = |kernel| Case { kernel, shape, samples, trials, first, temperature, seed, variant: None };
        let (mut cases, variants) = (vec![], variants.iter().filter(|variant| variant.precision == precision));
        for kernel in Kernel::ALL.into_iter().filter(|&kernel| selection.has(kernel)) {
            match kernel {
                Kernel::Score => cases.extend(variants.clone().map(|variant| case(kernel).by(variant))),
                _ => cases.push(case(kernel)),
            }
        }
        if cases.is_empty() {
            let (got, list) = (self.kernel.as_deref().unwrap_or("score"), device.precisions());
            let list: Vec<String> = list.iter().map(Precision::to_string).collect();
            return Err(Error::input(
                "precision",
                precision,
                format!("{got} of {device} computes in {}", list.join(", ")),
            ));
        }
        Ok(cases)
    }
}

/// A random model of the paper's shape, for `score`.
pub fn paper(samples: usize) -> Result<Problem> {
    let case = Case { kernel: Kernel::Score, shape: Shape::PAPER, samples, temperature: 1.0, ..cases().remove(0) };
    case.problem()
}

/// Mean, spread and largest of what errors are off by, and what it does to counts.
pub fn accuracy_table(accuracies: &[Accuracy]) -> String {
    if accuracies.is_empty() {
        return String::new();
    }
    let mut head = ["score by", "precision", "mean e - f64", "deviation", "largest"].map(String::from).to_vec();
    head.extend(QUANTILES.map(|q| format!("at {} %", 100.0 * q)));
    let mut rows = vec![head];
    rows.extend(accuracies.iter().map(|a| {
        let mut row = vec![a.variant.kernel.clone(), a.variant.precision.to_string()];
        row.extend([a.mean, a.deviation, a.largest].map(|value| format!("{value:.1e}")));
        row.extend(a.counts.iter().map(|c| match c.relative {
            0.0 => "0".into(),
            relative => format!("{relative:+.0e} +- {:.0e}", c.standard_error),
        }));
        row
    }));
    format!(
        "\n{}The last columns: relative bias of the success count at that pass@1 (mean displacement of errors near the \
         threshold)\n",
        ui::table(&rows)
    )
}
