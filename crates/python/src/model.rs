//! The variational autoencoder: trained, read, and sampled.

use crate::{
    arrays::{matrix, reals},
    devices::Computing,
    fault::{Result, warn},
    samples::Samples,
    watch::watched,
};
use numpy::{PyArray1, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::{prelude::*, types::PyRange};
use retrial_engine::{
    Ledger, State,
    sample::{self, Alone, PILOT_QUANTILES, Schedule},
};
use retrial_spec::{Error, Noise, Tally, rng::trial_normals};
use retrial_vae::{Images, Loss, Train, WeightFile, data::FASHION_MNIST, problem, weights};
use std::{collections::BTreeMap, path::PathBuf};

/// A variational autoencoder: pixels -> hidden -> (mu, logvar), and latent -> hidden -> pixels, with ReLU in both hidden
/// layers and a sigmoid at the pixels.
///
/// Made by Model.load or Model.train.
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Model {
    file: WeightFile,
    curve: Vec<Loss>,
}

/// Images to memorise, as they were given.
enum Given<'py> {
    Source(String),
    Array(PyReadonlyArrayDyn<'py, f32>),
}

impl<'py> Given<'py> {
    fn new(images: Option<&Bound<'py, PyAny>>) -> Result<Self> {
        let Some(images) = images else { return Ok(Self::Source(FASHION_MNIST.into())) };
        match images.extract::<PathBuf>() {
            Ok(path) => Ok(Self::Source(path.to_string_lossy().into_owned())),
            Err(_) => Ok(Self::Array(reals("images", images)?)),
        }
    }

    /// The first `samples`, or all.
    fn load(&self, py: Python<'_>, samples: Option<usize>) -> Result<Images> {
        let images = match self {
            Self::Source(source) => py.detach(|| Images::load(source, samples))?,
            Self::Array(array) => {
                let (&[count, ..], true) = (array.shape(), array.ndim() > 1) else {
                    let got = format!("shape {:?}", array.shape());
                    return Err(Error::input("images", got, "must be [N, pixels] or [N, rows, columns]").into());
                };
                if samples.is_some_and(|samples| samples > count) {
                    let got = format!("{count} of them");
                    return Err(Error::input("images", got, format!("need {}", samples.unwrap_or(0))).into());
                }
                let pixels = array.len() / count;
                let values = array.as_slice().map_err(PyErr::from)?;
                let values = values[..samples.unwrap_or(count) * pixels].to_vec();
                py.detach(|| Images::new("images", values, pixels))?
            }
        };
        images.notes().iter().try_for_each(|note| warn(py, note))?;
        Ok(images)
    }
}

#[pymethods]
impl Model {
    /// Reads a model.
    ///
    /// Parameters
    /// ----------
    /// path : path
    ///     safetensors, or the zip archive of a PyTorch state dict (.pt, .pth), under the usual names of layers.
    /// renames : dict of str to str, optional
    ///     Names in the file of tensors, layers or all below, and what to read them as.
    ///
    /// Returns
    /// -------
    /// Model
    #[staticmethod]
    #[pyo3(signature = (path, *, renames = None))]
    fn load(py: Python<'_>, path: PathBuf, renames: Option<BTreeMap<String, String>>) -> Result<Self> {
        let renames = renames.unwrap_or_default().into_iter().collect();
        let options = weights::Options { renames, decoder_only: false };
        let file = py.detach(|| options.load(&path))?;
        Ok(Self { file, curve: vec![] })
    }

    /// Trains a model by Adam; the same seed gives the same bytes.
    ///
    /// Parameters
    /// ----------
    /// images : array of float, [N, pixels] or [N, rows, columns], or path, optional
    ///     What to memorise, within 0 to 1; by default the first 400 images of Fashion-MNIST, which are embedded.
    /// epochs, batch, learning_rate, hidden, latent, seed : optional
    ///     Passes over the images, images of one step, Adam's rate, units of the hidden layers, dimensions of the latent
    ///     space, and what determines initial weights, shuffles and noise.
    /// progress : callable, optional
    ///     Called as progress(done, total), in epochs; what it raises stops the training.
    ///
    /// Returns
    /// -------
    /// Model
    #[staticmethod]
    #[pyo3(signature = (images = None, *, epochs = 1000, batch = 128, learning_rate = 1e-3, hidden = 400, latent = 20, seed = 1, progress = None))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn train(
        py: Python<'_>,
        images: Option<&Bound<'_, PyAny>>,
        epochs: usize,
        batch: usize,
        learning_rate: f64,
        hidden: usize,
        latent: usize,
        seed: u64,
        progress: Option<Py<PyAny>>,
    ) -> Result<Self> {
        let images = Given::new(images)?.load(py, None)?;
        let train = Train { epochs, batch, learning_rate, hidden, latent, seed };
        let trained = watched(py, progress, |watch| train.run(&images, None, watch))?;
        Ok(Self { file: WeightFile::of(trained.weights)?, curve: trained.curve })
    }

    /// Writes the model as safetensors. Equal weights give equal bytes.
    ///
    /// Parameters
    /// ----------
    /// path : path
    fn save(&self, py: Python<'_>, path: PathBuf) -> Result<()> {
        Ok(py.detach(|| self.file.save(&path))?)
    }

    /// Draws trials z = mu + T sigma eps of every image, decodes and scores them.
    ///
    /// Parameters
    /// ----------
    /// trials : int
    ///     Trials per image.
    /// temperature : float
    ///     T, at least 0.
    /// thresholds : sequence of float, optional
    ///     Errors below which a trial is a success, increasing; by default quantiles of a pilot, at pass@1 of 1e-4, 1e-3,
    ///     1e-2, 0.1 and 0.5.
    /// images : array of float, [N, pixels] or [N, rows, columns], or path, optional
    ///     As of train.
    /// seed : int
    ///     Of the noise: a trial is a function of seed, image and number alone.
    /// device : str
    ///     auto (a GPU if there is one, else the CPU), cuda, cuda:N, cuda:all, wgsl or cpu; see devices().
    /// adapter, threads : optional
    ///     Which adapter of wgsl, and how many threads of the CPU; results do not depend on threads.
    /// precision, kernel : str, optional
    ///     f32 (the default), f16x3, f16 or bf16, and one implementation by name.
    /// counts_only : bool
    ///     Keep only what lies below the largest threshold, several times faster where few trials do.
    /// progress : callable, optional
    ///     Called as progress(done, total), in trials of all images; what it raises stops the run.
    ///
    /// Returns
    /// -------
    /// Samples
    #[pyo3(signature = (trials = 20_000, temperature = 1.0, thresholds = None, *, images = None, seed = 1, device = "auto", adapter = None, threads = None, precision = None, kernel = None, counts_only = false, progress = None))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn sample(
        &self,
        py: Python<'_>,
        trials: u64,
        temperature: f64,
        thresholds: Option<Vec<f32>>,
        images: Option<&Bound<'_, PyAny>>,
        seed: u64,
        device: &str,
        adapter: Option<String>,
        threads: Option<usize>,
        precision: Option<&str>,
        kernel: Option<String>,
        counts_only: bool,
        progress: Option<Py<PyAny>>,
    ) -> Result<Samples> {
        if !(1..=1 << 62).contains(&trials) {
            return Err(Error::input("trials", trials, "must be from 1 to 2^62").into());
        }
        let empty = |samples, thresholds: &[f32]| match counts_only {
            true => Tally::counts_only(samples, thresholds),
            false => Tally::new(samples, thresholds),
        };
        // What can be refused is refused before anything is computed.
        thresholds.as_deref().map(|given| empty(0, given)).transpose()?;
        let images = Given::new(images)?.load(py, None)?;
        let mut computing = Computing::new(device, adapter, threads, precision, kernel)?;
        let (tally, variant, device) = watched(py, progress, |watch| {
            let opened = computing.open()?;
            let problem = problem(&self.file, None, &images, opened.backend.as_ref(), temperature, seed)?;
            let (mut scorer, device) = computing.load(&opened, &problem)?;
            let thresholds = match thresholds {
                Some(given) => given,
                None => sample::pilot(&mut scorer, trials, &PILOT_QUANTILES)?,
            };
            let state = State { tally: empty(images.samples(), &thresholds)?, gram: None };
            let mut ledger = Ledger::new((0..trials).into(), state);
            let mut keep = |_: &State, _| Ok(());
            sample::run(&mut scorer, &mut ledger, &mut Alone, Schedule::default(), watch, &mut keep)?;
            Ok((ledger.into_state().tally, scorer.variant().clone(), device.to_string()))
        })?;
        computing.warn(py)?;
        Ok(Samples::new(py, tally, temperature, seed, variant.to_string(), device)?)
    }

    /// Scores explicit noise by the kernels of sample.
    ///
    /// Parameters
    /// ----------
    /// noise : array of float, [N, K, latent]
    ///     Standard normals of K trials of the first N images; not copied where it is float32 in C order.
    /// temperature, images, device, adapter, threads, precision, kernel : optional
    ///     As of sample.
    ///
    /// Returns
    /// -------
    /// ndarray of float32, [N, K]
    ///     The L2 error of every trial.
    #[pyo3(signature = (noise, *, temperature = 1.0, images = None, device = "auto", adapter = None, threads = None, precision = None, kernel = None))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn errors(
        &self,
        py: Python<'_>,
        noise: &Bound<'_, PyAny>,
        temperature: f64,
        images: Option<&Bound<'_, PyAny>>,
        device: &str,
        adapter: Option<String>,
        threads: Option<usize>,
        precision: Option<&str>,
        kernel: Option<String>,
    ) -> Result<Py<PyAny>> {
        let noise = reals("noise", noise)?;
        let latent = self.file.weights.shape()?.latent;
        let (samples, trials) = match *noise.shape() {
            [samples, trials, dimensions] if dimensions == latent => (samples, trials),
            ref other => {
                let limit = format!("must be [images, trials, {latent}] for this model");
                return Err(Error::input("noise", format!("shape {other:?}"), limit).into());
            }
        };
        let noise = noise.as_slice().map_err(PyErr::from)?;
        Noise::Given(noise).check(samples, latent)?;
        let images = Given::new(images)?.load(py, Some(samples))?;
        let mut computing = Computing::new(device, adapter, threads, precision, kernel)?;
        let errors = watched(py, None, |_| {
            let opened = computing.open()?;
            let problem = problem(&self.file, None, &images, opened.backend.as_ref(), temperature, 0)?;
            let (mut scorer, _) = computing.load(&opened, &problem)?;
            scorer.errors(Noise::Given(noise))
        })?;
        computing.warn(py)?;
        Ok(matrix(py, errors, [samples, trials])?)
    }

    /// The normals of trials of one image, as every device draws them for sample.
    ///
    /// Parameters
    /// ----------
    /// sample : int
    ///     The image, from 0.
    /// trials : int or range
    ///     How many trials from the first on, or which.
    /// seed : int
    ///     As of sample.
    ///
    /// Returns
    /// -------
    /// ndarray of float32, [trials, latent]
    #[pyo3(signature = (sample, trials, *, seed = 1))]
    fn noise(&self, py: Python<'_>, sample: u32, trials: &Bound<'_, PyAny>, seed: u64) -> Result<Py<PyAny>> {
        /// 512 MiB of them in one call.
        const MAX_NORMALS: usize = 1 << 27;
        let latent = self.file.weights.shape()?.latent;
        let (first, step, count) = match trials.cast::<PyRange>() {
            Ok(range) => {
                let natural = |name: &str| range.getattr(name)?.extract::<u64>();
                (natural("start")?, natural("step")?, range.len()?)
            }
            Err(_) => (0, 1, trials.extract::<usize>()?),
        };
        if !(1..=MAX_NORMALS / latent).contains(&count) {
            let limit = format!("must be 1 to {} here; take a range after the other", MAX_NORMALS / latent);
            return Err(Error::input("trials", count, limit).into());
        }
        let mut normals = vec![0.0; count * latent];
        py.detach(|| {
            let trials = (0..count as u64).map(|at| first.wrapping_add(at * step));
            normals.chunks_mut(latent).zip(trials).for_each(|(row, trial)| trial_normals(seed, sample, trial, row));
        });
        Ok(matrix(py, normals, [count, latent])?)
    }

    /// The shape (pixels, hidden, latent).
    #[getter]
    fn shape(&self) -> Result<(usize, usize, usize)> {
        let shape = self.file.weights.shape()?;
        Ok((shape.pixels, shape.hidden, shape.latent))
    }

    /// SHA-256, in hex, of the file that save writes.
    #[getter]
    fn sha256(&self) -> &str {
        &self.file.sha256
    }

    /// What to know of how the file was read, a list of str.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.file.notes.clone()
    }

    /// The loss of every epoch of train, nats per image, while the weights moved: float64, [epochs]; empty of a model that
    /// was read.
    #[getter]
    fn loss<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_iter(py, self.curve.iter().map(|loss| loss.total()))
    }

    fn __repr__(&self) -> Result<String> {
        let (pixels, hidden, latent) = self.shape()?;
        Ok(format!("Model(pixels={pixels}, hidden={hidden}, latent={latent})"))
    }
}
