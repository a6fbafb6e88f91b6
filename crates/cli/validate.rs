//! `retrial validate`

use crate::{
    args::{self, Chosen, DeviceArgs},
    kernel::precision,
    model::{ModelArgs, ReadingArgs},
    sample,
    selection::Selection,
    ui,
};
use clap::Args;
use retrial_check::{Accuracy, Case, Kernel, QUANTILES, Verdict, accuracy, cases, cases_of};
use retrial_spec::{Device, Error, Precision, Problem, Result, Shape, Variant};
use serde_json::json;
use std::{path::PathBuf, process::ExitCode};

/// Hold every kernel of a device against the f64 reference
///
/// Runs each kernel over shapes chosen to break tiles and prints the largest difference beside its bound. Exits 1 when
/// a case fails, with the command that reruns it.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial validate\n  retrial validate --kernel score\n  \
                        retrial validate --device wgsl --adapter llvmpipe\n  \
                        retrial validate --kernel decode --shape 97-61-7 --samples 3 --trials 50")]
pub struct Validate {
    #[command(flatten)]
    device: DeviceArgs,
    /// Only this kernel, or this implementation of score (retrial info lists them)
    #[arg(long)]
    kernel: Option<String>,
    /// One shape of your own, pixels-hidden-latent, instead of the built-in ones
    #[arg(long)]
    shape: Option<String>,
    /// Samples of your own shape
    #[arg(long, default_value_t = 3, requires = "shape")]
    samples: usize,
    /// Trials of your own shape
    #[arg(long, default_value_t = 65, requires = "shape")]
    trials: usize,
    /// First trial of your own shape
    #[arg(long, default_value_t = 0, requires = "shape")]
    first: u64,
    /// Temperature of your own shape
    #[arg(long, default_value_t = 1.0, requires = "shape", allow_hyphen_values = true)]
    temperature: f64,
    /// Seed of model, images and noise of your own shape
    #[arg(long, default_value_t = 11, requires = "shape")]
    seed: u64,
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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Validate {
    pub fn run(&self) -> Result<ExitCode> {
        let chosen = self.device.open()?;
        let backend = chosen.backend.as_ref();
        let cases = self.cases(backend.device())?;
        let mut rows = vec![
            ["kernel", "precision", "shape", "samples", "trials", "max error", "of bound", "verdict"]
                .map(String::from)
                .to_vec(),
        ];
        let (mut results, mut failures) = (vec![], vec![]);
        for case in &cases {
            let run = case.run(backend);
            let mut row = vec![
                case.name(),
                case.precision().to_string(),
                case.shape.to_string(),
                case.samples.to_string(),
                case.trials.to_string(),
            ];
            let verdict = match run {
                // An implementation may have no room for a model; the next one of its precision then has.
                Err(refused) if refused.is_input() && case.variant.is_some() => {
                    row.extend(["-".into(), "-".into(), "no room".into()]);
                    rows.push(row);
                    continue;
                }
                other => other?,
            };
            match &verdict {
                Verdict::Agrees(a) => {
                    row.extend([format!("{:.1e}", a.max_error), format!("{:.0} %", 100.0 * a.used), "ok".into()])
                }
                Verdict::Differs(_) => row.extend(["-".into(), "-".into(), "FAILED".into()]),
            }
            rows.push(row);
            let command = case.command(&self.device.flags(backend.device()));
            results.push(json!({
                "kernel": case.kernel.name(),
                "variant": case.variant.as_ref().map(|variant| &variant.kernel),
                "precision": case.precision(),
                "shape": case.shape,
                "samples": case.samples,
                "trials": case.trials,
                "max_error": verdict.agreement().map(|a| a.max_error),
                "of_bound": verdict.agreement().map(|a| a.used),
                "fault": verdict.fault().map(ToString::to_string),
                "command": command,
            }));
            if let Verdict::Differs(fault) = verdict {
                failures.push(format!("{} {}: {fault}\n  rerun: {command}\n", case.name(), case.shape));
            }
        }
        let accuracies = self.accuracies(&chosen)?;
        if self.json {
            ui::print_json(&json!({
                "device": backend.device(),
                "passed": failures.is_empty(),
                "cases": results,
                "accuracy": accuracies,
            }))?;
        } else {
            let passed = results.len() - failures.len();
            ui::print(&format!(
                "{}\n{}\n{passed} of {} cases passed\n{}",
                backend.device(),
                ui::table(&rows),
                results.len(),
                accuracy_table(&accuracies)
            ))?;
        }
        failures.iter().flat_map(|failure| failure.lines()).for_each(ui::tell);
        Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What each precision costs, of the implementations of `score` that were run; none of a shape of one's own.
    fn accuracies(&self, chosen: &Chosen) -> Result<Vec<Accuracy>> {
        let backend = chosen.backend.as_ref();
        if self.shape.is_some() {
            return Ok(vec![]);
        }
        let selection = Selection::of(self.kernel.as_deref(), backend.device())?;
        let variants = selection.variants_in(backend.device(), self.precision)?;
        let problem = match &self.weights {
            Some(weights) => {
                let args = ModelArgs { weights: weights.clone(), reading: self.reading.clone() };
                let (model, images) = (args.load()?, args::load(&self.data, Some(16))?);
                let given = args.posterior(images.samples(), &model)?;
                sample::problem(&model, given.as_ref(), &images, backend, 1.0, 11)?
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
            let all = cases_of(device).into_iter().filter(|case| selection.has(case.kernel));
            return Ok(all.filter(wanted).collect());
        };
        let widths: Option<Vec<usize>> = shape.split('-').map(|w| w.parse().ok()).collect();
        let Some(&[pixels, hidden, latent]) = widths.as_deref() else {
            return Err(Error::input("shape", shape, "must be pixels-hidden-latent, such as 784-400-20"));
        };
        let shape = Shape { pixels, hidden, latent }.check()?;
        // The reference is slow: an unbounded case would look like a hang.
        if self.samples == 0 || self.trials == 0 || self.samples.saturating_mul(self.trials) > 1 << 20 {
            let got = format!("{} samples x {} trials", self.samples, self.trials);
            return Err(Error::input("case", got, "must be at least 1 x 1 and at most 2^20 trials in all"));
        }
        if self.first.checked_add(self.trials as u64).is_none() {
            return Err(Error::input("first trial", self.first, "the last trial must be below 2^64"));
        }
        let Self { samples, trials, first, temperature, seed, .. } = *self;
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
