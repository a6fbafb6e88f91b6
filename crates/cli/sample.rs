//! `retrial sample`, and what it shares with `retrial reproduce`.

use crate::{
    args::{DataArgs, DeviceArgs, KernelArgs},
    made::Made,
    model::{ModelArgs, ReadingArgs},
    progress::Terminal,
    ranks::{self, Job},
    report,
    summary::{self, Speed},
    train::existing,
    ui,
};
use clap::Args;
use retrial_devices::Opened;
use retrial_engine::{
    DataInfo, Ledger, Manifest, ModelInfo, RunDir, Shard, State, TrainingInfo, arrays,
    lock::Sampling,
    run,
    sample::{self, Moment, PILOT_QUANTILES, Pace},
};
use retrial_spec::{Error, Noise, Observer, Problem, Result, Tally};
use retrial_vae::{GivenPosterior, Images, WeightFile};
use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How to sample. What is not said is what the run that goes on had, or else the default.
#[derive(Args, Clone)]
pub struct SampleArgs {
    /// Trials per sample (default: 20000)
    #[arg(long, value_name = "K")]
    pub trials: Option<u64>,
    /// Temperature T in z = mu + T sigma eps (default: 1)
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub temperature: Option<f64>,
    /// Error thresholds, increasing (default: error quantiles at pass@1 = 1e-4, 1e-3, 1e-2, 0.1, 0.5 of a pilot)
    #[arg(long, value_delimiter = ',', value_name = "A,B,C", allow_hyphen_values = true)]
    pub thresholds: Option<Vec<f32>>,
    /// Seed of the noise (default: 1)
    #[arg(long)]
    pub seed: Option<u64>,
    /// Trials whose errors are kept and correlated, from the first on (default: 1000)
    #[arg(long, value_name = "K")]
    pub correlate: Option<u64>,
    /// Correlate all trials: keep their Gram matrix, for retrial correlation; every error is read back for it
    #[arg(long)]
    pub gram: bool,
    /// Trials per sample of a window; results do not depend on it (default: by device)
    #[arg(long, value_name = "W")]
    pub window: Option<u64>,
    /// Time between checkpoints, such as 30s, 10m or 1h
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub checkpoint: Duration,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// Keep only what lies below the largest threshold, several times faster where few trials do: counts and first
    /// successes are the same, histogram, error quantiles and worst trials are left out
    #[arg(long)]
    pub counts_only: bool,
    /// Do the i-th of n equal shares of the trials, i from 1; retrial merge puts them together
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Write over a directory that is not empty
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Go on from what an interrupted run kept in a directory, with its model, data and settings
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,
    /// Let a run that goes on, finished or not, have K trials per sample in all
    #[arg(long, value_name = "K", requires = "resume", conflicts_with = "trials")]
    pub extend: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl SampleArgs {
    /// Refuses what can be refused before anything is computed or written.
    pub fn check(&self) -> Result<()> {
        let trials = self.extend.or(self.trials).unwrap_or(1);
        if trials == 0 {
            return Err(Error::input("trials", 0, "must be at least 1"));
        }
        if trials > 1 << 62 {
            return Err(Error::input("trials", trials, "must be at most 2^62"));
        }
        if self.window == Some(0) {
            return Err(Error::input("window", 0, "must be at least 1"));
        }
        let temperature = self.temperature.unwrap_or(1.0);
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(Error::input("temperature", temperature, "must be a finite number >= 0"));
        }
        match &self.thresholds {
            Some(given) if self.counts_only => Tally::counts_only(0, given).map(drop),
            given => Tally::new(0, given.as_deref().unwrap_or_default()).map(drop),
        }
    }

    /// Whether to go on from what is there.
    pub fn resumes(&self) -> bool {
        self.resume.is_some()
    }

    /// The directory: of `--out`, or that of `--resume`.
    pub fn directory(&self, out: Option<&Path>) -> Result<Option<PathBuf>> {
        match (self.resume.iter().flatten().next(), out) {
            (Some(resume), Some(out)) if resume != out => {
                let limit = format!("--resume {} names another directory; drop one of them", resume.display());
                Err(Error::input("--out", out.display(), limit))
            }
            (resume, out) => Ok(out.or(resume.map(PathBuf::as_path)).map(Path::to_path_buf)),
        }
    }
}

/// Sample a trained VAE: errors to pass@k, correlations, fits and a report
///
/// Writes run.json, thresholds.npy, successes.npy and first_success.npy (u64 [samples, thresholds]; first success from
/// 1, 0 = never), histogram.npy with histogram_edges.npy, errors.npy (the first trials), records.csv, pass_at_k.csv,
/// fits.csv, eq12.csv, spectrum.csv, figures/ and report.html. With --counts-only there is no histogram, and records.csv holds
/// successes alone.
///
/// The directory always holds a state to go on from: tally.bin and the one before it, tally.previous.bin, each with the
/// settings and a checksum. A run is lost by nothing but the loss of both; then --resume computes the same trials again.
/// One process works in a directory at a time; retrial status RUN looks at it meanwhile.
///
/// Many machines: --shard and retrial merge, or mpirun -n N retrial sample where retrial was built with --features mpi.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial sample --weights weights.safetensors --out run\n  \
                        retrial sample --weights w.safetensors --data images.npy --trials 1000000 --temperature 2 \
                        --thresholds 1.5,2,2.5 --seed 1 --out run\n  \
                        retrial sample --weights w.safetensors --trials 1000000 --thresholds 1.2,1.4 --counts-only \
                        --out run\n  \
                        retrial sample --weights checkpoint.pt --rename net.lin1=encoder.fc1 --out run\n  \
                        retrial sample --weights decoder.pt --mu mu.npy --logvar logvar.npy --out run\n  \
                        retrial sample --resume run\n  \
                        retrial sample --resume run --extend 2000000\n  \
                        retrial sample --weights w.safetensors --trials 1000000000 --thresholds 1.2 --shard 3/8 --out shard-3")]
pub struct Sample {
    /// Weights: safetensors, or the zip archive of a PyTorch state dict (.pt, .pth)
    ///
    /// The model is pixels -> hidden -> mean and log variance, latent -> hidden -> pixels, with ReLU in both hidden
    /// layers, a sigmoid at the pixels and no clamp of the log variance; a file does not say its activations, so make
    /// sure. A file with any other tensor is refused. Understood are Retrial's own names, those of PyTorch's example
    /// (fc1, fc21, fc22, fc3, fc4), and any with encoder and decoder in them beside heads such as fc_mu and
    /// fc_logvar, behind any prefix, in PyTorch's layout or as kernels of Flax and Keras; what was taken for what is said.
    #[arg(long, required_unless_present = "resume")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    sampling: SampleArgs,
    /// Directory to write
    #[arg(long, required_unless_present = "resume")]
    out: Option<PathBuf>,
}

impl Sample {
    pub fn run(&self, job: Option<&Job>) -> Result<()> {
        self.sampling.check()?;
        let out = self.sampling.directory(self.out.as_deref())?;
        let out = out.ok_or_else(|| Error::input("--resume", "no directory", "name it: --resume RUN"))?;
        let earlier = match self.sampling.resumes() {
            // Without weights, there must be a run that has them.
            true if self.weights.is_none() || out.join("run.json").exists() => Some(run::manifest(&out)?),
            _ => None,
        };
        let made = self.made(&out, earlier.as_ref())?;
        let mut args = self.sampling.clone();
        if let Some(earlier) = &earlier
            && args.device.device == "auto"
        {
            args.device.device.clone_from(&earlier.device.backend);
        }
        let chosen = ranks::device(job, &args.device).open()?;
        let training = earlier.as_ref().and_then(|earlier| earlier.training.clone());
        Pipeline { args: &args, made, earlier, chosen, training, out: &out, dir: None, job }.run()
    }

    /// What to sample: as the flags say, or as the run that goes on has it.
    fn made(&self, out: &Path, earlier: Option<&Manifest>) -> Result<Made> {
        let images = match earlier {
            Some(earlier) if self.data.data.is_none() && self.data.samples.is_none() => Made::images(out, earlier)?,
            Some(earlier) if self.data.data.is_none() => {
                DataArgs { data: Some(earlier.data.source.clone()), ..self.data.clone() }.load()?
            }
            _ => self.data.load()?,
        };
        let (model, given) = match (&self.weights, earlier) {
            (None, Some(_)) if self.reading.is_given() => {
                let limit = "need --weights; the run that goes on has its own model";
                return Err(Error::input("--rename, --mu and --logvar", "no weights", limit));
            }
            (None, Some(earlier)) => Made::model(out, earlier)?,
            (weights, _) => {
                let weights = weights.clone().unwrap_or_default();
                let args = ModelArgs { weights, reading: self.reading.clone() };
                let model = args.load()?;
                let given = args.posterior(images.samples(), &model)?;
                (model, given)
            }
        };
        Ok(Made { model, given, images })
    }
}

/// From a model to a finished run directory.
pub struct Pipeline<'a> {
    pub args: &'a SampleArgs,
    pub made: Made,
    /// The run that goes on.
    pub earlier: Option<Manifest>,
    pub chosen: Opened,
    pub training: Option<TrainingInfo>,
    pub out: &'a Path,
    /// The directory, where it was taken for the training.
    pub dir: Option<RunDir>,
    /// The MPI job that shares the run.
    pub job: Option<&'a Job>,
}

impl Pipeline<'_> {
    pub fn run(self) -> Result<()> {
        let Self { args, made, earlier, chosen, training, out, dir, job } = self;
        let Made { model, given, images } = &made;
        let (backend, terminal) = (chosen.backend.as_ref(), Terminal::new());
        let before = earlier.as_ref();
        let trials = args.extend.or(args.trials).or(before.map(|m| m.trials)).unwrap_or(20_000);
        let temperature = args.temperature.or(before.map(|m| m.temperature)).unwrap_or(1.0);
        let seed = args.seed.or(before.map(|m| m.seed)).unwrap_or(1);
        let problem = problem(model, given.as_ref(), images, backend, temperature, seed)?;
        let kernel = match before {
            Some(before) => args.kernel.request().as_before(&before.variant, backend.device())?,
            None => args.kernel.request(),
        };
        let (mut scorer, device) = kernel.load(&chosen, &problem, &mut |text| ui::note(text))?;
        let mut dir = match dir {
            Some(dir) => dir,
            None => RunDir::create(out, existing(args.force, args.resumes()))?,
        };
        let thresholds = match (&args.thresholds, before) {
            (Some(given), _) => given.clone(),
            (None, Some(before)) => before.thresholds.clone(),
            (None, None) => sample::pilot(&mut scorer, trials, &PILOT_QUANTILES)?,
        };
        let shard = args.shard.or(before.and_then(|m| m.shard));
        if let Some(before) = before.filter(|before| before.shard != shard) {
            let was = before.shard.map_or("all trials".into(), |shard| format!("shard {shard}"));
            let got = shard.map_or("all trials".into(), |shard| shard.to_string());
            return Err(Error::input("shard", got, format!("{} is for {was}; choose another --out", out.display())));
        }
        let manifest = Manifest {
            version: env!("CARGO_PKG_VERSION").into(),
            model: ModelInfo {
                shape: problem.shape(),
                sha256: model.sha256.clone(),
                posterior: given.as_ref().map(|given| given.sha256.clone()),
            },
            data: DataInfo { source: images.name().into(), samples: images.samples(), sha256: images.sha256().into() },
            temperature,
            seed,
            trials,
            thresholds_from_pilot: before.map_or(args.thresholds.is_none(), |m| m.thresholds_from_pilot),
            thresholds,
            counts_only: args.counts_only || before.is_some_and(|m| m.counts_only),
            gram: args.gram || before.is_some_and(|m| m.gram),
            correlate: args.correlate.or(before.map(|m| m.correlate)).unwrap_or(1000),
            shard,
            variant: scorer.variant().clone(),
            device: device.clone(),
            training,
        };
        let state = match dir.kept(&manifest)? {
            Some((state, fault)) => {
                let kept = state.trials().count();
                if let Some(fault) = fault {
                    let kept = ui::thousands(kept);
                    ui::note(format_args!(
                        "{fault}; the checkpoint before it has {kept} trials per sample, others are computed again"
                    ));
                }
                if !state.trials().without(&manifest.goal()).is_empty() {
                    let limit = format!("{} already holds {kept}; ask for no fewer", out.display());
                    return Err(Error::input("trials", trials, limit));
                }
                state
            }
            None => manifest.state()?,
        };
        made.keep(&dir)?;
        dir.write_manifest(&manifest)?;

        let (start, from) = (Instant::now(), state.trials().count());
        let mut ledger = Ledger::new(manifest.goal(), state);
        let pace = Pace { window: args.window, checkpoint: args.checkpoint };
        let (saved, every) = (Cell::new(from), args.checkpoint.as_secs_f64());
        let kept = || {
            format!(
                "stopped: {} of {} trials per sample are kept in {}; --resume goes on from there",
                ui::thousands(saved.get()),
                ui::thousands(manifest.goal().count()),
                out.join("tally.bin").display()
            )
        };
        let mut keep = |state: &State, moment| {
            let trials = state.trials().count();
            let sampling = Sampling { from, kept: trials, seconds: start.elapsed().as_secs_f64(), every };
            match dir.keep(&manifest, state, sampling) {
                // A disk that is full for a while ends no run of days.
                Err(fault) if moment == Moment::Checkpoint => {
                    ui::note(format_args!("{fault}; going on, and keeping it at the next checkpoint"));
                    return Ok(());
                }
                kept => kept?,
            }
            saved.set(trials);
            if terminal.cancelled() {
                // Without waiting for the window that the device is at.
                terminal.clear();
                ui::tell(kept());
                ui::stop();
            }
            Ok(())
        };
        let promise = ui::promise();
        let mut crew = ranks::crew(job, args, &manifest, &problem)?;
        let sampled = sample::run(&mut scorer, &mut ledger, crew.as_mut(), pace, &terminal, &mut keep);
        drop(crew);
        terminal.clear();
        if let Err(fault) = sampled {
            ui::tell(kept());
            return Err(fault);
        }
        let state = ledger.into_state();
        dir.finish(&manifest, &state)?;
        saved.set(state.trials().count());
        ui::last_words(kept());
        drop(promise);
        let trials = (state.trials().count() - from) * images.samples() as u64;
        let speed = Speed { trials, seconds: start.elapsed().as_secs_f64() };
        if let Some(shard) = manifest.shard {
            return summary::print_shard(out, &manifest, shard, speed, args.json);
        }
        write_arrays(&dir, &state.tally)?;
        let errors = scorer.errors(Noise::Trials(0..manifest.correlate.min(manifest.trials).max(1)))?;
        let errors = arrays::rows(&errors, images.samples())?.to_owned();
        dir.write("errors.npy", arrays::npy(&errors))?;
        drop(scorer);
        let found = report::write(&dir, &manifest, &state.tally, &errors, &problem, backend)?;
        summary::print(out, &manifest, &found, Some(speed), args.json)
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
