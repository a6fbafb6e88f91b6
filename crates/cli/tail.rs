//! `retrial tail`

use crate::{
    args::{DataArgs, DeviceArgs, KernelArgs},
    figures,
    model::ModelArgs,
    numbers::share,
    progress::Terminal,
    train::existing,
    ui,
};
use clap::Args;
use retrial_devices::Opened;
use retrial_engine::{
    DataInfo, ModelInfo, RunDir,
    tail::{Asked, Decoder, Law, Reached, coverage_csv, csv},
};
use retrial_spec::{Backend, Error, Result, Tally, text::visible};
use retrial_theory::tail::{Estimate, Method, Note, Tail as Found};
use retrial_vae::problem;
use serde_json::json;
use std::{cell::Cell, path::PathBuf};

/// Trials per sample at which tables show coverage.
const SHOWN: [f64; 6] = [1e3, 1e4, 1e6, 1e9, 1e12, 1e15];

/// Success probabilities down to 1e-15, and the coverage that no run of trials reaches
///
/// Two methods that share no random number estimate the probability p that one trial of a sample succeeds. Importance
/// sampling draws trials where successes are likely and weights them; subset simulation pushes a population of trials from
/// level to level of the error. Plain trials are counted first, to check both and to fit Eq. 8 to. The estimate is the mean
/// of ln p weighted by precision; where the methods differ by more than chance allows once in a thousand it says so, and
/// its interval spans them all. A threshold below the smallest error met anywhere (by descent from several starts, by any
/// trial) is not reached: it has an upper bound and no value.
///
/// Coverage then follows for any number of trials, pass@k = mean of 1 - (1 - p)^k, beside Eq. 8 as the counted trials alone
/// would have it: does the power law hold where nobody could look?
///
/// Intervals are 95 %: of importance sampling by the variance of the weights, of subset simulation by that of Lee and
/// Whiteley (2018), which sees that moves leave descendants of a trial alike. ess is the number of successes among plain
/// trials that would be as sure.
///
/// Writes tail.csv (sample, threshold, method, p, low, high, ess, evaluations, warning), tail_coverage.csv (with the
/// exponent that a power law would have at each k, and Eq. 8 with A free and A = 1), tail.json, figures/, and blocks/, from
/// which --resume goes on. A sample's results do not depend on the other samples, nor on threads.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial tail --weights w.safetensors --thresholds 4,5,6 --out tail\n  \
                        retrial tail --weights w.safetensors --data images.npy --samples 100 --temperature 2 \
                        --thresholds 5 --particles 5000 --out tail\n  \
                        retrial tail --weights w.safetensors --thresholds 4,5,6 --out tail --resume")]
pub struct Tail {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Temperature T in z = mu + T sigma eps
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true)]
    temperature: f64,
    /// Error thresholds, increasing
    #[arg(long, value_delimiter = ',', value_name = "A,B,C", allow_hyphen_values = true, required = true)]
    thresholds: Vec<f32>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trials in the population of subset simulation and in a round of importance sampling: four times as many halve the
    /// intervals
    #[arg(long, value_name = "N", default_value_t = 1000)]
    particles: usize,
    /// Plain trials per sample that are counted first, in whole thousands
    #[arg(long, value_name = "K", default_value_t = 10_000)]
    pilot: usize,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    /// Directory to write
    #[arg(long)]
    out: PathBuf,
    /// Write over a directory that is not empty
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Go on from the blocks that an interrupted run kept in the directory
    #[arg(long)]
    resume: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Tail {
    pub fn run(&self) -> Result<()> {
        self.check()?;
        let model = self.model.load()?;
        let images = self.data.load()?;
        let given = self.model.posterior(images.samples(), &model)?;
        let chosen = self.device.open()?;
        let problem = problem(&model, given.as_ref(), &images, chosen.backend.as_ref(), self.temperature, self.seed)?;
        let (scorer, device) = self.kernel.request().load(&chosen, &problem, &mut |text| ui::note(text))?;
        let (variant, device) = (scorer.variant().clone(), device.clone());
        drop(scorer);
        let backend = computes(&chosen, &device.backend)?;
        let dir = RunDir::create(&self.out, existing(self.force, self.resume))?;
        let asked = Asked {
            version: env!("CARGO_PKG_VERSION").into(),
            model: ModelInfo {
                shape: problem.shape(),
                sha256: model.sha256.clone(),
                posterior: given.as_ref().map(|given| given.sha256.clone()),
            },
            data: DataInfo { source: images.name().into(), samples: images.samples(), sha256: images.sha256().into() },
            temperature: self.temperature,
            seed: self.seed,
            thresholds: self.thresholds.clone(),
            particles: self.particles,
            pilot: self.pilot,
            variant: variant.clone(),
            device,
        };
        if self.force {
            Asked::forget(&dir)?;
        }
        let decoder = Decoder::new(backend, variant, &problem);
        let tails = self.estimate(&asked, &decoder, &dir)?;

        let of = |(index, &threshold)| Reached::new(threshold, index, &tails);
        let reached = self.thresholds.iter().enumerate().map(of).collect::<Result<Vec<Reached>>>()?;
        dir.write("tail.csv", csv(&self.thresholds, &tails))?;
        dir.write("tail_coverage.csv", coverage_csv(&reached))?;
        let figure = figures::tail(&reached, self.temperature);
        dir.write(&format!("figures/{}.svg", figure.name), &figure.svg)?;
        dir.write(&format!("figures/{}.png", figure.name), &figure.png)?;
        let answers = self.thresholds.iter().enumerate().map(|(t, threshold)| {
            json!({ "threshold": threshold, "accuracy": Accuracy::of(t, &tails), "answers": answers(&reached[t]) })
        });
        let object = json!({ "asked": asked, "summary": answers.collect::<Vec<_>>(), "coverage": reached });
        let text = serde_json::to_string_pretty(&object)
            .map_err(|e| Error::file(dir.path().join("tail.json"), e, "please report this"))?;
        dir.write("tail.json", text + "\n")?;
        if self.json { ui::print_json(&object) } else { self.print(&asked, &tails, &reached) }
    }

    /// Refuses what can be refused before anything is computed or written.
    fn check(&self) -> Result<()> {
        Tally::counts_only(0, &self.thresholds)?;
        if !(100..=100_000).contains(&self.particles) {
            return Err(Error::input("particles", self.particles, "must be 100 to 100000"));
        }
        if !(1000..=1_000_000_000).contains(&self.pilot) || !self.pilot.is_multiple_of(1000) {
            return Err(Error::input("pilot", self.pilot, "must be whole thousands, 1000 to 1e9"));
        }
        Ok(())
    }

    /// Keeps finished blocks whatever happens, and says so when stopped.
    fn estimate(&self, asked: &Asked, decoder: &Decoder<'_>, dir: &RunDir) -> Result<Vec<Found>> {
        let terminal = Terminal::new();
        let saved = Cell::new(0);
        let kept = || {
            let blocks = self.out.join("blocks");
            format!(
                "stopped: {} of {} samples are kept in {}; --resume goes on from there",
                saved.get(),
                asked.data.samples,
                blocks.display()
            )
        };
        let promise = ui::promise();
        let tails = asked.run(decoder, dir, &terminal, &|samples| saved.set(samples));
        terminal.clear();
        match &tails {
            Ok(_) => ui::last_words(kept()),
            Err(_) => ui::tell(kept()),
        }
        drop(promise);
        tails
    }

    fn print(&self, asked: &Asked, tails: &[Found], reached: &[Reached]) -> Result<()> {
        let evaluations: u64 = tails.iter().filter_map(|tail| Some(tail.thresholds.first()?[3].evaluations)).sum();
        let mut text = ui::facts(&[
            ("Model", asked.model.shape.to_string()),
            ("Data", format!("{}, {} samples", asked.data.source, asked.data.samples)),
            ("Sampling", format!("T = {}, seed {}, {}", asked.temperature, asked.seed, asked.variant)),
            ("Device", asked.device.to_string()),
            ("Trials", format!("{} in all, {} particles", ui::thousands(evaluations), asked.particles)),
        ]);
        text += "\nSuccess probability p of one trial (log10 of its quantiles over samples; median half width of intervals in \
                 log10 p)\n";
        text += &ui::table(&accuracy(&self.thresholds, tails));
        text += "\npass@k from p, beside Eq. 8 as fitted to the counted trials\n";
        text += &ui::table(&coverage(reached));
        text += "\n";
        text += &reached.iter().flat_map(answers).map(|line| line + "\n").collect::<String>();
        text += &format!("\nTables  {}\n", visible(&self.out.join("tail.csv").display().to_string()));
        ui::print(&text)
    }
}

/// The backend that a variant was loaded on.
fn computes<'a>(chosen: &'a Opened, backend: &str) -> Result<&'a dyn Backend> {
    let first = chosen.backend.as_ref();
    Ok(if first.device().backend == backend { first } else { chosen.cpu()? })
}

/// How sure the estimates of one threshold are.
#[derive(serde::Serialize)]
struct Accuracy {
    /// Samples with a value.
    valued: usize,
    /// Quantiles of `log10 p` over these, at 5, 50 and 95 %.
    log10_p: Option<[f64; 3]>,
    /// Median half widths of intervals in `log10 p`, of importance sampling, subset simulation and all methods.
    half_widths: [Option<f64>; 3],
    /// Samples whose methods disagree.
    disagree: usize,
    /// Samples with a value of one method alone.
    alone: usize,
}

impl Accuracy {
    fn of(threshold: usize, tails: &[Found]) -> Self {
        let of = |method: Method| tails.iter().map(move |tail| tail.thresholds[threshold][method as usize]);
        let combined = || of(Method::Combined);
        let ps: Vec<f64> = combined().filter_map(|e| e.p).map(f64::log10).collect();
        let widths = |method| {
            let width = |e: Estimate| e.p.map(|_| 0.5 * (e.high / e.low).log10());
            quantile(of(method).filter_map(width).collect(), 0.5)
        };
        let noted = |note| combined().filter(|e| e.note == Some(note)).count();
        let [low, middle, high] = [0.05, 0.5, 0.95].map(|q| quantile(ps.clone(), q));
        Self {
            valued: ps.len(),
            log10_p: low.zip(middle).zip(high).map(|((a, b), c)| [a, b, c]),
            half_widths: [Method::Importance, Method::Subset, Method::Combined].map(widths),
            disagree: noted(Note::Disagree),
            alone: noted(Note::Alone),
        }
    }
}

fn quantile(mut values: Vec<f64>, q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get((q * values.len() as f64) as usize).copied()
}

fn accuracy(thresholds: &[f32], tails: &[Found]) -> Vec<Vec<String>> {
    let head =
        ["threshold", "samples", "5 %", "50 %", "95 %", "+- importance", "+- subset", "+- all", "disagree", "alone"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (t, threshold) in thresholds.iter().enumerate() {
        let Accuracy { valued, log10_p, half_widths, disagree, alone } = Accuracy::of(t, tails);
        let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
        let mut row = vec![threshold.to_string(), format!("{valued} of {}", tails.len())];
        row.extend((0..3).map(|q| number(log10_p.map(|p| p[q]), 1)));
        row.extend(half_widths.map(|width| number(width, 3)));
        row.extend([disagree, alone].map(|n| n.to_string()));
        rows.push(row);
    }
    rows
}

fn coverage(reached: &[Reached]) -> Vec<Vec<String>> {
    let first = ["threshold".to_string(), "from".into()];
    let mut rows = vec![first.into_iter().chain(SHOWN.map(|k| format!("k = {k:.0e}"))).collect::<Vec<_>>()];
    for Reached { threshold, points, laws, .. } in reached {
        let at = |k: f64| points.iter().position(|point| point.k >= k).unwrap_or(points.len() - 1);
        let measured = SHOWN.map(|k| share(points[at(k)].value));
        rows.push([threshold.to_string(), "p".into()].into_iter().chain(measured).collect());
        for Law { name, curve, .. } in laws {
            let law = SHOWN.map(|k| share(curve[at(k)]));
            rows.push([threshold.to_string(), name.to_string()].into_iter().chain(law).collect());
        }
    }
    rows
}

/// Whether the power law holds where nobody could look, in plain sentences.
fn answers(reached: &Reached) -> Vec<String> {
    let Reached { threshold, reach, laws, .. } = reached;
    let mut lines = vec![];
    for Law { name, fit, leaves_at, .. } in laws {
        let (a, beta) = (fit.max_coverage, fit.law.beta());
        let holds = match leaves_at {
            Some(k) => format!("leaves the 95 % interval of other samples at k = {k:.1e}"),
            None => "stays within the 95 % interval of other samples as far as five samples are unsolved".into(),
        };
        lines.push(format!("threshold {threshold}: {name} (A = {a:.3}, beta = {beta:.3}) {holds}"));
    }
    if laws.is_empty() {
        lines.push(format!("threshold {threshold}: the counted trials have no fit of Eq 8"));
    }
    if let Some((low, high)) = reached.slopes() {
        let exponents = "beyond the counted trials 1 - pass@k falls with a local exponent of";
        lines.push(format!("threshold {threshold}: {exponents} {low:.3} to {high:.3}"));
    }
    if reach.unvalued > 0 {
        lines.push(format!("threshold {threshold}: {} samples have an upper bound and no value", reach.unvalued));
    }
    lines
}
