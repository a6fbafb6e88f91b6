//! Errors of a NumPy array of noise `[sample, trial, dimension]`, by a model that is trained here:
//! `retrial noise --samples 20 --trials 100 --out eps.npy && cargo run --release --example score eps.npy`

use retrial::{
    Backend, Result,
    cpu::Cpu,
    files::Array,
    spec::{Noise, Precision, Problem, Silent},
    vae::{Images, Train},
};
use std::path::PathBuf;

fn main() -> Result<()> {
    let file = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "eps.npy".into()));
    let noise = Array::open(&file)?;
    let (samples, latent) = (noise.shape()[0], *noise.shape().last().unwrap_or(&20));
    let noise = noise.read::<f32>(None)?.values;

    let images = Images::load("fashion-mnist", Some(samples))?;
    let train = Train { epochs: 200, latent, ..Train::default() };
    let weights = train.run(&images, None, &Silent)?.weights;
    let cpu = Cpu::new(None)?;
    let posterior = cpu.encode(&weights, images.values())?;
    let problem = Problem::new(weights, images.values().to_vec(), &posterior, 1.0, 1)?;
    let errors = cpu.load(&problem, Precision::F32)?.errors(Noise::Given(&noise))?;

    let trials = errors.len() / samples;
    for (sample, errors) in errors.chunks(trials).enumerate() {
        let least = errors.iter().copied().fold(f32::INFINITY, f32::min);
        println!("image {sample}: the best of {trials} trials errs by {least:.3}");
    }
    Ok(())
}
