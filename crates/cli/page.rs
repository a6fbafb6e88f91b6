//! `retrial page`

use crate::{
    args::DataArgs,
    made::Made,
    model::{ModelArgs, ReadingArgs},
    progress::Terminal,
    train::TrainArgs,
    ui,
};
use clap::Args;
use retrial_cpu::Cpu;
use retrial_engine::run;
use retrial_files::write_to;
use retrial_page::{Page as Html, most_samples};
use retrial_spec::{Backend, Error, Result, Tally};
use retrial_vae::{WeightFile, problem};
use serde_json::json;
use std::path::PathBuf;

/// Write a web page that samples on the visitor's own GPU
///
/// One HTML file that needs nothing else, no network, no server, no toolchain: the shaders, the model and its images are in
/// it. A browser with WebGPU runs the same kernels as --device wgsl, and proves them against the f64 reference before it
/// shows a number; one without runs a slow JavaScript twin. Coverage, errors and best reconstructions grow while one looks;
/// temperature and threshold can be moved.
///
/// Behind a # the page's address takes fallback (no GPU, though there is one), samples=40 (the first images only) and seed=7.
///
/// The model is that of a run, that of --weights, or else one that is trained first, as retrial reproduce does. What the page
/// exports, retrial fit reads (counts as CSV) and retrial merge --check holds against a run of the same trials (JSON).
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial page --out page.html\n  retrial page runs/reproduce --out page.html\n  \
                        retrial page --weights w.safetensors --data images.npy --samples 100 --temperature 2 --out page.html")]
pub struct Page {
    /// A run whose model, data, temperature, seed and thresholds the page begins with
    #[arg(value_name = "RUN", conflicts_with_all = ["weights", "data", "samples", "temperature", "seed", "thresholds", "renames", "mu", "logvar", "epochs", "batch", "learning_rate", "hidden", "latent"])]
    run: Option<PathBuf>,
    /// Weights, as retrial sample reads them (default: trained first)
    #[arg(long, conflicts_with_all = ["epochs", "batch", "learning_rate", "hidden", "latent"])]
    weights: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Temperature to begin with
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true)]
    temperature: f64,
    /// Seed of the noise, and of the training if there is one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Error thresholds to begin with, increasing (default: by the errors that the page sees)
    #[arg(long, value_delimiter = ',', value_name = "A,B,C", allow_hyphen_values = true)]
    thresholds: Vec<f32>,
    /// File to write
    #[arg(long)]
    out: PathBuf,
    #[command(flatten, next_help_heading = "Training, where there are no weights")]
    training: TrainArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Page {
    pub fn run(&self) -> Result<()> {
        let (made, temperature, seed, thresholds) = self.made()?;
        let Made { model, given, images } = &made;
        let cpu = Cpu::new(None)?;
        let posterior = match given {
            Some(given) => given.posterior.clone(),
            None => cpu.encode(&model.weights, images.values())?,
        };
        let problem = problem(model, given.as_ref(), images, &cpu, temperature, seed)?;
        let (pixels, samples) = (problem.shape().pixels, problem.samples());
        let most = most_samples(pixels);
        if samples > most {
            let limit =
                format!("must be at most {most} of {pixels} pixels, for which any GPU has room; take --samples {most}");
            return Err(Error::input("samples of a page", samples, limit));
        }
        let sha256 = [&*model.sha256, images.sha256()];
        let html = Html { problem: &problem, posterior: &posterior, sha256, thresholds: &thresholds }.html();
        write_to(&self.out, html.as_bytes())?;
        let (out, megabytes) = (self.out.display(), html.len() as f64 / 1e6);
        if self.json {
            return ui::print_json(&json!({
                "out": out.to_string(),
                "bytes": html.len(),
                "samples": problem.samples(),
                "temperature": temperature,
                "seed": seed,
                "weights_sha256": model.sha256,
                "data_sha256": images.sha256(),
            }));
        }
        ui::print_of(
            &self.out,
            &ui::facts(&[
                ("Page", format!("{out}, {megabytes:.1} MB")),
                (
                    "Model",
                    format!("{}, {} samples, T = {temperature}, seed {seed}", problem.shape(), problem.samples()),
                ),
                ("Next", format!("open {out} in a browser; it needs nothing else")),
            ]),
        )
    }

    /// What the page is about: model, data, temperature, seed, thresholds.
    fn made(&self) -> Result<(Made, f64, u64, Vec<f32>)> {
        if let Some(run) = &self.run {
            let manifest = run::manifest(run)?;
            let made = Made::load(run, &manifest)?;
            return Ok((made, manifest.temperature, manifest.seed, manifest.thresholds));
        }
        Tally::new(0, &self.thresholds)?; // refuses thresholds that are none
        let images = self.data.load()?;
        let (model, given) = match &self.weights {
            Some(weights) => {
                let args = ModelArgs { weights: weights.clone(), reading: self.reading.clone() };
                let model = args.load()?;
                let given = args.posterior(images.samples(), &model)?;
                (model, given)
            }
            None if self.reading.is_given() => {
                return Err(Error::input(
                    "--weights",
                    "none",
                    "--rename, --mu and --logvar go with weights; name them",
                ));
            }
            None => {
                ui::tell("training a model first, as retrial reproduce does");
                let terminal = Terminal::new();
                let trained = self.training.with_seed(self.seed).run(&images, None, &terminal);
                terminal.clear();
                (WeightFile::of(trained?.weights)?, None)
            }
        };
        Ok((Made { model, given, images }, self.temperature, self.seed, self.thresholds.clone()))
    }
}
