//! `retrial sample`, and what it shares with `retrial reproduce`.

use crate::{
    args::{Chosen, DataArgs, DeviceArgs},
    kernel::KernelArgs,
    model::ModelArgs,
    report,
    summary::{self, Speed},
    train::existing,
    ui::{self, Terminal},
};
use clap::Args;
use retrial_engine::{
    DataInfo, Manifest, ModelInfo, RunDir, TrainingInfo, arrays,
    sample::{self, PILOT_QUANTILES},
};
use retrial_spec::{Error, Noise, Observer, Problem, Result, Tally};
use retrial_vae::{GivenPosterior, Images, WeightFile};
use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::Instant,
};

/// How to sample.
#[derive(Args, Clone)]
pub struct SampleArgs {
    /// Trials per sample
    #[arg(long, default_value_t = 20_000, value_name = "K")]
    pub trials: u64,
    /// Temperature T in z = mu + T sigma eps
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true)]
    pub temperature: f64,
    /// Error thresholds, increasing (default: error quantiles at pass@1 = 1e-4, 1e-3, 1e-2, 0.1, 0.5 of a pilot)
    #[arg(long, value_delimiter = ',', value_name = "A,B,C", allow_hyphen_values = true)]
    pub thresholds: Option<Vec<f32>>,
    /// Seed of the noise
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Trials whose errors are kept and correlated, from the first on
    #[arg(long, default_value_t = 1000, value_name = "K")]
    pub correlate: u64,
    /// Trials per sample between checkpoints; results do not depend on it (default: by device)
    #[arg(long, value_name = "W")]
    pub window: Option<u64>,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// Keep only what lies below the largest threshold, several times faster where few trials do: counts and first
    /// successes are the same, histogram, error quantiles and worst trials are left out
    #[arg(long)]
    pub counts_only: bool,
    /// Write over a directory that is not empty
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Go on from what an interrupted run kept in the directory; more --trials extend a finished one
    #[arg(long)]
    pub resume: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl SampleArgs {
    /// Refuses what can be refused before anything is computed or written.
    pub fn check(&self) -> Result<()> {
        if self.trials == 0 {
            return Err(Error::input("trials", 0, "must be at least 1"));
        }
        if self.trials > 1 << 62 {
            return Err(Error::input("trials", self.trials, "must be at most 2^62"));
        }
        if self.window == Some(0) {
            return Err(Error::input("window", 0, "must be at least 1"));
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(Error::input("temperature", self.temperature, "must be a finite number >= 0"));
        }
        match &self.thresholds {
            Some(given) if self.counts_only => Tally::counts_only(0, given).map(drop),
            given => Tally::new(0, given.as_deref().unwrap_or_default()).map(drop),
        }
    }
}

/// Sample a trained VAE: errors to pass@k, correlations, fits and a report
///
/// Writes run.json, thresholds.npy, successes.npy and first_success.npy (u64 [samples, thresholds]; first success from
/// 1, 0 = never), histogram.npy with histogram_edges.npy, errors.npy (the first trials), records.csv, pass_at_k.csv,
/// fits.csv, spectrum.csv, figures/ and report.html. With --counts-only there is no histogram, and records.csv holds
/// successes alone.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial sample --weights weights.safetensors --out run\n  \
                        retrial sample --weights w.safetensors --data images.npy --trials 1000000 --temperature 2 \
                        --thresholds 1.5,2,2.5 --seed 1 --out run\n  \
                        retrial sample --weights w.safetensors --trials 1000000 --thresholds 1.2,1.4 --counts-only \
                        --out run\n  \
                        retrial sample --weights checkpoint.pt --rename net.lin1=encoder.fc1 --out run\n  \
                        retrial sample --weights decoder.pt --mu mu.npy --logvar logvar.npy --out run\n  \
                        retrial sample --weights w.safetensors --trials 2000000 --out run --resume")]
pub struct Sample {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    sampling: SampleArgs,
    /// Directory to write
    #[arg(long)]
    out: PathBuf,
}

impl Sample {
    pub fn run(&self) -> Result<()> {
        self.sampling.check()?;
        let model = self.model.load()?;
        let images = self.data.load()?;
        let given = self.model.posterior(images.samples(), &model)?;
        let chosen = self.sampling.device.open()?;
        Pipeline { args: &self.sampling, model, given, images, chosen, training: None, out: &self.out }.run()
    }
}

/// From a model to a finished run directory.
pub struct Pipeline<'a> {
    pub args: &'a SampleArgs,
    pub model: WeightFile,
    /// What stands in for the encoder.
    pub given: Option<GivenPosterior>,
    pub images: Images,
    pub chosen: Chosen,
    pub training: Option<TrainingInfo>,
    pub out: &'a Path,
}

impl Pipeline<'_> {
    pub fn run(self) -> Result<()> {
        let Self { args, model, given, images, chosen, training, out } = self;
        let (backend, terminal) = (chosen.backend.as_ref(), Terminal::new());
        let earlier = if args.resume { RunDir::open(out).ok().map(|(_, manifest)| manifest) } else { None };
        let problem = problem(&model, given.as_ref(), &images, backend, args.temperature, args.seed)?;
        let kernel = match &earlier {
            Some(earlier) => args.kernel.as_before(earlier, backend.device())?,
            None => args.kernel.clone(),
        };
        let (mut scorer, device) = kernel.load(&chosen, &problem)?;
        let dir = match &training {
            // The directory was made for the training.
            Some(_) => RunDir::create(out, retrial_engine::Existing::Resume)?,
            None => RunDir::create(out, existing(args.force, args.resume))?,
        };
        let thresholds = match (&args.thresholds, earlier) {
            (Some(given), _) => given.clone(),
            (None, Some(earlier)) => earlier.thresholds.clone(),
            (None, None) => sample::pilot(&mut scorer, args.trials, &PILOT_QUANTILES)?,
        };
        let manifest = Manifest {
            version: env!("CARGO_PKG_VERSION").into(),
            model: ModelInfo {
                shape: problem.shape(),
                sha256: model.sha256.clone(),
                posterior: given.as_ref().map(|given| given.sha256.clone()),
            },
            data: DataInfo { source: images.name().into(), samples: images.samples(), sha256: images.sha256().into() },
            temperature: args.temperature,
            seed: args.seed,
            trials: args.trials,
            thresholds_from_pilot: args.thresholds.is_none(),
            thresholds,
            counts_only: args.counts_only,
            variant: scorer.variant().clone(),
            device: device.clone(),
            training,
        };
        let mut tally = match dir.kept(&manifest)? {
            Some(kept) if kept.trials() > args.trials => {
                let limit = format!("{} already holds {}; ask for no fewer", out.display(), kept.trials());
                return Err(Error::input("trials", args.trials, limit));
            }
            Some(kept) => kept,
            None => manifest.tally()?,
        };
        model.save(&dir.path().join("weights.safetensors"))?;
        if let Some(GivenPosterior { posterior, .. }) = &given {
            for (name, values) in [("mu.npy", &posterior.mu), ("logvar.npy", &posterior.logvar)] {
                dir.write(name, arrays::npy(&arrays::rows(values, images.samples())?))?;
            }
        }
        dir.write_manifest(&manifest)?;

        let (start, before) = (Instant::now(), tally.trials());
        let saved = Cell::new(before);
        let kept = || {
            format!(
                "stopped: {} of {} trials per sample are kept in {}; --resume goes on from there",
                ui::thousands(saved.get()),
                ui::thousands(args.trials),
                out.join("tally.bin").display()
            )
        };
        let mut keep = |tally: &Tally| {
            dir.keep(&manifest, tally)?;
            saved.set(tally.trials());
            if terminal.cancelled() {
                // Without waiting for the window that the device is at.
                terminal.clear();
                ui::tell(kept());
                ui::stop();
            }
            Ok(())
        };
        let promise = ui::promise();
        let sampled = sample::run(&mut scorer, &mut tally, args.trials, args.window, &terminal, &mut keep);
        terminal.clear();
        match sampled {
            Ok(()) => keep(&tally)?,
            Err(fault) => {
                ui::tell(kept());
                return Err(fault);
            }
        }
        ui::last_words(kept());
        drop(promise);
        let speed = Speed {
            trials: (tally.trials() - before) * images.samples() as u64,
            seconds: start.elapsed().as_secs_f64(),
        };
        write_arrays(&dir, &tally)?;
        let errors = scorer.errors(Noise::Trials(0..args.correlate.min(args.trials).max(1)))?;
        let errors = arrays::rows(&errors, images.samples())?.to_owned();
        dir.write("errors.npy", arrays::npy(&errors))?;
        drop(scorer);
        let analysis = report::write(&dir, &manifest, &tally, &errors, &problem, backend)?;
        summary::print(out, &manifest, &tally, &analysis, Some(speed), args.json)
    }
}

/// Encodes the images, unless what they encode to is given, and checks everything.
pub fn problem(
    model: &WeightFile,
    given: Option<&GivenPosterior>,
    images: &Images,
    backend: &dyn retrial_spec::Backend,
    temperature: f64,
    seed: u64,
) -> Result<Problem> {
    let shape = model.weights.shape()?;
    if shape.pixels != images.pixels() {
        let limit = format!("the model was made for {}", shape.pixels);
        return Err(Error::input(images.name(), format!("{} pixels per image", images.pixels()), limit));
    }
    let posterior = match given {
        Some(given) => given.posterior.clone(),
        None => backend.encode(&model.weights, images.values())?,
    };
    Problem::new(model.weights.clone(), images.values().to_vec(), &posterior, temperature, seed)
}

fn write_arrays(dir: &RunDir, tally: &Tally) -> Result<()> {
    dir.write("thresholds.npy", arrays::npy(&arrays::thresholds(tally)))?;
    dir.write("successes.npy", arrays::npy(&arrays::successes(tally)))?;
    dir.write("first_success.npy", arrays::npy(&arrays::first_success(tally)))?;
    if !tally.is_counts_only() {
        let (counts, edges) = arrays::histogram(tally);
        dir.write("histogram.npy", arrays::npy(&counts))?;
        dir.write("histogram_edges.npy", arrays::npy(&edges))?;
    }
    dir.write("records.csv", arrays::records_csv(tally))
}
