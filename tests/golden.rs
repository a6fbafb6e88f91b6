//! Numbers of PyTorch, in f64, for two trained models: `tests/golden` holds them, and `make.py` there makes them.

use crate::each_backend;
use ndarray_npy::{ReadableElement, read_npy};
use retrial_reference as reference;
use retrial_spec::{Noise, Posterior, Precision, Problem, Weights};
use retrial_vae::Images;
use std::path::{Path, PathBuf};

/// `[8, 4]` errors at each temperature.
const TEMPERATURES: [(f64, &str); 2] = [(1.0, "errors_1"), (2.0, "errors_2")];

struct Golden {
    name: &'static str,
    weights: Weights,
    images: Vec<f32>,
    noise: Vec<f32>,
    mu: Vec<f64>,
    logvar: Vec<f64>,
}

impl Golden {
    /// 784-400-20, its weights in bfloat16, and 97-61-7.
    fn both() -> [Self; 2] {
        ["paper", "small"].map(|name| Self {
            name,
            weights: retrial_vae::weights::load(&file(&format!("{name}.safetensors"))).unwrap().weights,
            images: array(name, "images"),
            noise: array(name, "noise"),
            mu: array(name, "mu"),
            logvar: array(name, "logvar"),
        })
    }

    /// Errors of the trials by PyTorch.
    fn errors(&self, name: &str) -> Vec<f64> {
        array(self.name, name)
    }

    /// PyTorch's posterior, which is f32 by contract.
    fn posterior(&self) -> Posterior {
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
        Posterior { mu: narrow(&self.mu), logvar: narrow(&self.logvar) }
    }
}

/// The paper's model on its first images.
pub fn paper(samples: usize, temperature: f64) -> Problem {
    let [golden, _] = Golden::both();
    let (shape, Posterior { mut mu, mut logvar }) = (golden.weights.shape().unwrap(), golden.posterior());
    mu.truncate(samples * shape.latent);
    logvar.truncate(samples * shape.latent);
    let images = golden.images[..samples * shape.pixels].to_vec();
    Problem::new(golden.weights, images, &Posterior { mu, logvar }, temperature, 1).unwrap()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn array<T: ReadableElement>(model: &str, name: &str) -> Vec<T> {
    let values: ndarray::ArrayD<T> = read_npy(file(&format!("{model}_{name}.npy"))).unwrap();
    values.into_raw_vec_and_offset().0
}

pub fn largest_relative<T: Copy + Into<f64>>(got: &[T], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).map(|(&g, &w)| ((g.into() - w) / w).abs()).fold(0.0, f64::max)
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

fn largest_difference(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).map(|(&g, w)| (f64::from(g) - w).abs()).fold(0.0, f64::max)
}

#[test]
fn the_embedded_images_are_those_of_pytorch() {
    let [paper, _] = Golden::both();
    assert_eq!(Images::load("fashion-mnist", Some(8)).unwrap().values(), paper.images);
}

#[test]
fn the_reference_is_within_1e_12() {
    for golden in Golden::both() {
        let (images, posterior) = (wide(&golden.images), golden.posterior());
        let (mu, logvar) = reference::encode(&golden.weights, &images);
        for (got, want) in mu.iter().chain(&logvar).zip(golden.mu.iter().chain(&golden.logvar)) {
            assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()), "{}: {got} {want}", golden.name);
        }
        let posterior = (&*wide(&posterior.mu), &*wide(&posterior.logvar));
        for (temperature, errors) in TEMPERATURES {
            let got = reference::score(&golden.weights, &images, posterior, temperature, &wide(&golden.noise));
            let off = largest_relative(&got, &golden.errors(errors));
            assert!(off <= 1e-12, "{}, T = {temperature}: {off:e}", golden.name);
        }
    }
}

#[test]
fn every_encoder_is_within_1e_5() {
    for golden in Golden::both() {
        each_backend(|backend| {
            let got = backend.encode(&golden.weights, &golden.images).unwrap();
            let off = largest_difference(&got.mu, &golden.mu).max(largest_difference(&got.logvar, &golden.logvar));
            assert!(off <= 1e-5, "{} on {}: {off:e}", golden.name, backend.device());
        });
    }
}

/// f32 within 2e-6; half precisions within what their eight or eleven bits give a sum over hundreds of pixels.
#[test]
fn errors_are_those_of_pytorch_in_every_precision() {
    for golden in Golden::both() {
        for (temperature, errors) in TEMPERATURES {
            let want = golden.errors(errors);
            let (weights, images) = (golden.weights.clone(), golden.images.clone());
            let problem = Problem::new(weights, images, &golden.posterior(), temperature, 1).unwrap();
            each_backend(|backend| {
                for variant in &backend.device().variants {
                    let mut scorer = backend.load_variant(&problem, variant).unwrap();
                    let off = largest_relative(&scorer.errors(Noise::Given(&golden.noise)).unwrap(), &want);
                    let bound = match variant.precision {
                        Precision::F64 => 1e-12,
                        Precision::F32 | Precision::F16x3 => 2e-6,
                        Precision::F16 => 2e-3,
                        Precision::Bf16 => 1.5e-2,
                    };
                    let case = format!("{}, T = {temperature}, {variant}", golden.name);
                    assert!(off <= bound, "{case} on {}: {off:e}", backend.device());
                }
            });
        }
    }
}
