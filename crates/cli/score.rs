//! `retrial score`

use crate::{
    args::{DataArgs, DeviceArgs, precision},
    ui,
};
use clap::Args;
use ndarray::{Array2, ArrayView3};
use ndarray_npy::ViewNpyExt;
use retrial_engine::arrays;
use retrial_reference as reference;
use retrial_spec::{Error, Noise, Precision, Problem, Result, Weights, text::visible};
use retrial_vae::{file::write_to, weights};
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
    /// Weights, safetensors
    #[arg(long)]
    weights: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Noise, .npy of f32 [sample, trial, dimension]; the first samples of the data are used
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
    /// Precision: f32, or f64 for the reference
    #[arg(long, default_value = "f32", value_parser = precision)]
    precision: Precision,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Score {
    pub fn run(&self) -> Result<()> {
        let model = weights::load(&self.weights)?.weights;
        let shape = model.shape()?;
        let bytes = std::fs::read(&self.noise).map_err(Error::io("read", &self.noise))?;
        let noise = self.view(&bytes)?;
        let (samples, trials, latent) = noise.dim();
        if latent != shape.latent || samples == 0 || trials == 0 {
            let fault = format!("has shape [{samples}, {trials}, {latent}]");
            let fix = format!("must be [samples >= 1, trials >= 1, {}] for this model", shape.latent);
            return Err(Error::file(&self.noise, fault, fix));
        }
        let data = DataArgs { samples: self.data.samples.or(Some(samples)), ..self.data.clone() };
        let images = data.load()?;
        if images.samples() != samples || images.pixels() != shape.pixels {
            let got = format!("{} samples of {} pixels", images.samples(), images.pixels());
            let limit = format!("the noise is for {samples} and the model for {}", shape.pixels);
            return Err(Error::input(&self.data.data, got, limit));
        }
        let noise: Vec<f32> = noise.iter().copied().collect();
        Noise::Given(&noise).check(samples, latent)?;
        let chosen = self.device.open()?;
        let posterior = chosen.backend.encode(&model, images.values())?;
        // Built for the reference too: it checks the temperature and the ranges.
        let problem = Problem::new(model, images.values().to_vec(), &posterior, self.temperature, 0)?;
        let (errors, by) = match self.precision {
            Precision::F64 => {
                let errors = self.reference(problem.weights(), images.values(), &noise);
                (matrix(errors, samples, trials).and_then(|m| arrays::npy(&m))?, "reference".to_string())
            }
            precision => {
                let errors = chosen.backend.load(&problem, precision)?.errors(Noise::Given(&noise))?;
                let bytes = matrix(errors, samples, trials).and_then(|m| arrays::npy(&m))?;
                (bytes, chosen.backend.device().to_string())
            }
        };
        write_to(&self.out, &errors)?;
        if self.json {
            let (out, precision) = (self.out.display().to_string(), self.precision);
            return ui::print_json(
                &json!({ "out": out, "samples": samples, "trials": trials, "precision": precision, "device": by }),
            );
        }
        let out = self.out.display().to_string();
        ui::print(&format!("{}  {samples} x {trials} errors in {} by {by}\n", visible(&out), self.precision))
    }

    /// The noise as it lies in the file, so that a false header cannot claim memory.
    fn view<'a>(&self, bytes: &'a [u8]) -> Result<ArrayView3<'a, f32>> {
        ArrayView3::view_npy(bytes)
            .map_err(|e| Error::file(&self.noise, e, "save it with numpy.save as float32 [sample, trial, dimension]"))
    }

    fn reference(&self, model: &Weights, images: &[f32], noise: &[f32]) -> Vec<f64> {
        let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|&v| v.into()).collect() };
        let images = wide(images);
        // A posterior is f32 by contract, whoever computes it.
        let narrow = |v: Vec<f64>| -> Vec<f64> { v.into_iter().map(|v| f64::from(v as f32)).collect() };
        let (mu, logvar) = reference::encode(model, &images);
        let (mu, logvar) = (narrow(mu), narrow(logvar));
        reference::score(model, &images, (&mu, &logvar), self.temperature, &wide(noise))
    }
}

fn matrix<T>(values: Vec<T>, rows: usize, columns: usize) -> Result<Array2<T>> {
    Array2::from_shape_vec((rows, columns), values).map_err(|e| Error::input("errors", e, "please report this"))
}

/// Reads errors `[N, K]` that a run kept.
pub fn read_errors(path: &Path) -> Result<Array2<f32>> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let view = ndarray::ArrayView2::<f32>::view_npy(&bytes);
    Ok(view.map_err(|e| Error::file(path, e, "sample again"))?.to_owned())
}
