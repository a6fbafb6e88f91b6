//! `retrial sample`, and what it shares with `retrial reproduce`.

use crate::{
    args::DataArgs,
    made::Made,
    model::{ModelArgs, ReadingArgs},
    progress::Terminal,
    ranks::{self, Job},
    report,
    sampling::SampleArgs,
    summary::{self, Speed},
    train::existing,
    ui,
};
use clap::Args;
use retrial_devices::Opened;
use retrial_engine::{
    DataInfo, Ledger, Manifest, ModelInfo, RunDir, State, TrainingInfo, arrays,
    lock::Sampling,
    run,
    sample::{self, Moment, PILOT_QUANTILES, Schedule},
};
use retrial_spec::{Error, Noise, Observer, Result, Tally};
use retrial_vae::problem;
use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::Instant,
};

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
        let schedule = Schedule { window: args.window, checkpoint: args.checkpoint };
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
        let sampled = sample::run(&mut scorer, &mut ledger, crew.as_mut(), schedule, &terminal, &mut keep);
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
