//! `retrial score`

use crate::{
    args::{DataArgs, DeviceArgs},
    folder::{Folder, FolderArgs},
    model::ModelArgs,
    ui,
};
use clap::Args;
use ndarray::{Array2, Array3};
use retrial_devices::KernelRequest;
use retrial_engine::arrays;
use retrial_files::{Array, write_to};
use retrial_reference as reference;
use retrial_spec::{Error, Noise, Precision, Result, Variant, text::visible};
use retrial_vae::{GivenPosterior, WeightFile, problem};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Score explicit noise, to compare kernels with another framework
///
/// Reads noise [sample, trial, dimension] and writes the error of every trial, [sample, trial]: the same kernels as
/// sampling, without the random numbers. With --precision f64 the slow reference computes, and the output is f64.
#[derive(Args)]
#[command(after_help = "Example:\n  retrial score --weights weights.safetensors --data fashion-mnist --noise eps.npy \
                        --temperature 1 --out err.npy")]
pub struct Score {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Noise, .npy of [sample, trial, dimension]: of the first --samples of the data, or as many as there is noise for
    #[arg(long)]
    noise: PathBuf,
    /// Temperature T in z = mu + T sigma eps
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true)]
    temperature: f64,
    /// Where to write the errors, .npy [sample, trial]
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    /// Precision: f32, f16x3 (f32 grade), f16 or bf16, as the device computes, or f64 for the reference (default: f32, or
    /// what --kernel computes in)
    #[arg(long)]
    precision: Option<Precision>,
    /// Implementation of score, as retrial info lists them (default: the fastest that proves right on this model)
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    /// Also write what each stage makes of the noise in f64, by the reference: z.npy [sample, trial, dimension], h.npy (hidden
    /// units) and y.npy (pixels), to find the stage at which another kernel goes wrong
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// Write the stages into a directory that is not empty
    #[arg(long, requires = "dump")]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Most values of all stages together: 1 GiB.
const MAX_DUMPED: usize = 1 << 27;

impl Score {
    pub fn run(&self) -> Result<()> {
        let file = self.model.load()?;
        let shape = file.weights.shape()?;
        let noise = Array::open(&self.noise)?;
        let (samples, trials) = match *noise.shape() {
            [samples, trials, latent] if latent == shape.latent && samples > 0 && trials > 0 => (samples, trials),
            ref other => {
                let fix = format!("must be [samples >= 1, trials >= 1, {}] for this model", shape.latent);
                return Err(Error::file(&self.noise, format!("has shape {other:?}"), fix));
            }
        };
        let samples = self.data.samples.unwrap_or(samples);
        let noise = noise.read::<f32>(Some(samples))?;
        noise.notes.iter().for_each(ui::note);
        let noise = noise.values;
        let images = DataArgs { samples: Some(samples), ..self.data.clone() }.load()?;
        if images.pixels() != shape.pixels {
            let got = format!("{} pixels per image", images.pixels());
            return Err(Error::input(self.data.source(), got, format!("the model was made for {}", shape.pixels)));
        }
        Noise::Given(&noise).check(samples, shape.latent)?;
        let values = (shape.latent + shape.hidden + shape.pixels).saturating_mul(samples).saturating_mul(trials);
        if self.dump.is_some() && values > MAX_DUMPED {
            let limit = format!("must be at most {MAX_DUMPED} of all stages; take fewer trials or samples");
            return Err(Error::input("--dump", format!("{values} values"), limit));
        }
        let folder = FolderArgs { out: self.dump.clone(), force: self.force }.create()?;
        let given = self.model.posterior(samples, &file)?;
        let chosen = self.device.open()?;
        // Built for the reference too: it checks the temperature and the ranges.
        let problem = problem(&file, given.as_ref(), &images, chosen.backend.as_ref(), self.temperature, 0)?;
        let kernel = KernelRequest { precision: self.precision, kernel: self.kernel.clone() };
        let (errors, by, variant) = match self.precision {
            Some(Precision::F64) => {
                let errors = self.reference(&file, given.as_ref(), images.values(), &noise);
                let variant = Variant::new("reference", Precision::F64);
                (arrays::npy(&matrix(errors, samples, trials)?), "reference".to_string(), variant)
            }
            _ => {
                let (mut scorer, device) = kernel.load(&chosen, &problem, &mut |text| ui::note(text))?;
                let (errors, variant) = (scorer.errors(Noise::Given(&noise))?, scorer.variant().clone());
                (arrays::npy(&matrix(errors, samples, trials)?), device.to_string(), variant)
            }
        };
        write_to(&self.out, &errors)?;
        if let Some(folder) = &folder {
            self.write_stages(folder, &file, given.as_ref(), images.values(), &noise)?;
        }
        if self.json {
            return ui::print_json(&json!({
                "out": self.out.display().to_string(),
                "samples": samples,
                "trials": trials,
                "precision": variant.precision,
                "kernel": variant.kernel,
                "device": by,
            }));
        }
        let out = self.out.display().to_string();
        ui::print_of(&self.out, &format!("{}  {samples} x {trials} errors by {variant} of {by}\n", visible(&out)))
    }

    fn reference(&self, file: &WeightFile, given: Option<&GivenPosterior>, images: &[f32], noise: &[f32]) -> Vec<f64> {
        let (mu, logvar) = posterior(file, given, images);
        reference::score(&file.weights, &wide(images), (&mu, &logvar), self.temperature, &wide(noise))
    }

    /// Writes latents, hidden units and pixels by the reference.
    fn write_stages(
        &self,
        folder: &Folder,
        file: &WeightFile,
        given: Option<&GivenPosterior>,
        images: &[f32],
        noise: &[f32],
    ) -> Result<()> {
        let shape = file.weights.shape()?;
        let (mu, logvar) = posterior(file, given, images);
        let z = reference::sample_latent(&mu, &logvar, self.temperature, &wide(noise), shape.latent);
        let (h, y) = (reference::hidden(&file.weights, &z), reference::decode(&file.weights, &z));
        let samples = mu.len() / shape.latent;
        for (name, values, width) in
            [("z.npy", z, shape.latent), ("h.npy", h, shape.hidden), ("y.npy", y, shape.pixels)]
        {
            let trials = values.len() / samples / width;
            let array = Array3::from_shape_vec((samples, trials, width), values);
            let array = array.map_err(|e| Error::input("stages", e, "please report this"))?;
            folder.write(name, arrays::npy(&array))?;
        }
        Ok(())
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// Means and log variances: f32 by contract, whoever computes them.
fn posterior(file: &WeightFile, given: Option<&GivenPosterior>, images: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let narrow = |v: Vec<f64>| -> Vec<f64> { v.into_iter().map(|v| f64::from(v as f32)).collect() };
    match given {
        Some(GivenPosterior { posterior, .. }) => (wide(&posterior.mu), wide(&posterior.logvar)),
        None => {
            let (mu, logvar) = reference::encode(&file.weights, &wide(images));
            (narrow(mu), narrow(logvar))
        }
    }
}

fn matrix<T>(values: Vec<T>, rows: usize, columns: usize) -> Result<Array2<T>> {
    Array2::from_shape_vec((rows, columns), values).map_err(|e| Error::input("errors", e, "please report this"))
}

/// Reads errors `[N, K]` that a run kept.
pub fn read_errors(path: &Path) -> Result<Array2<f32>> {
    let array = Array::open(path)?;
    let &[samples, trials] = array.shape() else {
        let fault = format!("has shape {:?}", array.shape());
        return Err(Error::file(path, fault, "must be [samples, trials]; sample again"));
    };
    matrix(array.read(None)?.values, samples, trials)
}
