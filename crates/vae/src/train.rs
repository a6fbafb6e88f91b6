//! Training, exactly reproducible: the same configuration, images and machine give the same bytes, however many threads
//! ran and however often the training was interrupted.
//!
//! | stream of the seed | gives |
//! |---|---|
//! | 0 | the initial weights |
//! | 1 + epoch, epochs from 0 | the order of the images, then their noise in that order |
//! | 2^32 - 1 | the noise of [`evaluate_sampled`] |

use crate::{
    checkpoint::{self, State},
    data::Images,
    layers::Layers,
    model::{Loss, Shard},
};
use ndarray::ArrayView1;
use rayon::prelude::*;
use retrial_spec::{Error, Observer, Progress, Result, Shape, Silent, Weights, rng::Stream};
use std::{
    mem::take,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// Stream of the noise that a finished model is judged by.
const EVALUATION: u32 = u32::MAX;

/// How to train: Adam on the sum of [`Loss::total`] over each batch, with a fresh shuffle and fresh noise every epoch.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Train {
    /// Passes over the images, at least 1.
    pub epochs: usize,
    /// Images per step of Adam, at least 1. The last batch of an epoch holds what is left.
    pub batch: usize,
    /// Adam's learning rate, above 0. Its other constants are the customary 0.9, 0.999 and 1e-8.
    pub learning_rate: f64,
    /// Units of the hidden layers.
    pub hidden: usize,
    /// Dimensions of the latent space.
    pub latent: usize,
    /// Determines the initial weights, the shuffles and the noise.
    pub seed: u64,
}

impl Default for Train {
    /// The paper's model, 400 hidden units and 20 latent dimensions, trained to memorise 400 images.
    fn default() -> Self {
        let Shape { hidden, latent, .. } = Shape::PAPER;
        Self { epochs: 1000, batch: 128, learning_rate: 1e-3, hidden, latent, seed: 1 }
    }
}

/// Where a training saves itself.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint<'a> {
    /// The file. A training continues from it if it is there, and refuses it if it belongs to another one.
    pub path: &'a Path,
    /// Epochs from one save to the next, at least 1.
    pub every: usize,
}

/// What a training yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The model.
    pub weights: Weights,
    /// Per epoch, the mean loss per image at sampled latents, while the weights moved.
    pub curve: Vec<Loss>,
    /// Mean loss per image of the finished model at `z = mu`; see [`evaluate`].
    pub at_mean: Loss,
    /// The same at sampled `z`, over 16 draws; see [`evaluate_sampled`].
    pub at_samples: Loss,
}

impl Train {
    /// Trains on `images`. Reports after every epoch and can be cancelled at any time: a cancelled training saves its
    /// checkpoint within a fraction of a second, and goes on from that very step when it is resumed.
    ///
    /// # Errors
    /// [`Error::Input`] where a field is out of range, or the loss or a weight stops being finite;
    /// [`Error::Cancelled`]; and, where a checkpoint is used, [`Error::Io`] if it cannot be read or written and
    /// [`Error::File`] if it is damaged or belongs to another training.
    pub fn run(&self, images: &Images, checkpoint: Option<Checkpoint<'_>>, observer: &dyn Observer) -> Result<Trained> {
        let layers = Layers::new(self.check(images, checkpoint)?);
        let identity = self.identity(images);
        let resumed = match checkpoint {
            Some(Checkpoint { path, .. }) => checkpoint::load(path, &identity, &layers)?,
            None => None,
        };
        let state = resumed.unwrap_or_else(|| State::new(layers.initial(&mut Stream::new(self.seed, 0))));
        if state.curve.len() > self.epochs {
            let limit = format!("the checkpoint already holds {}; ask for no fewer, or delete it", state.curve.len());
            return Err(Error::input("epochs", self.epochs, limit));
        }
        if let Some(Checkpoint { path, .. }) = checkpoint
            && state.step >= images.samples().div_ceil(self.batch)
        {
            let fault = format!("has taken {} steps of an epoch that has fewer", state.step);
            return Err(Error::file(path, fault, "delete it or choose another path for the checkpoint"));
        }
        let save = |state: &State| match checkpoint {
            Some(Checkpoint { path, .. }) => checkpoint::save(path, &identity, &layers, state),
            None => Ok(()),
        };
        save(&state)?; // a place that cannot be written is better known now than after an hour
        let mut trainer = Trainer::new(self, images, &layers, state);
        while trainer.state.curve.len() < self.epochs {
            let Some(loss) = trainer.epoch(images, observer) else {
                save(&trainer.state)?;
                return Err(Error::Cancelled);
            };
            let done = trainer.state.curve.len();
            if !loss.total().is_finite() {
                return Err(self.diverged(format!("the loss is {} in epoch {}", loss.total(), done)));
            }
            if done == self.epochs || checkpoint.is_some_and(|c| done.is_multiple_of(c.every)) {
                save(&trainer.state)?;
            }
            observer.progress(Progress {
                stage: "train",
                done: done as u64,
                total: self.epochs as u64,
                unit: "epochs",
            });
        }
        let weights = layers.weights(&trainer.state.params);
        let at_mean = mean_loss(&weights, images, |_| (), observer).map_err(|e| match e {
            Error::Cancelled => e,
            e => self.diverged(e),
        })?;
        let at_samples = sampled_loss(&weights, images, self.seed, 16, observer)?;
        Ok(Trained { weights, curve: trainer.state.curve, at_mean, at_samples })
    }
    /// Which training a checkpoint belongs to, as JSON. The number of epochs is no part of it: a finished training may go
    /// on.
    fn identity(&self, images: &Images) -> String {
        #[derive(serde::Serialize)]
        struct Identity<'a> {
            train: Train,
            data: &'a str,
        }
        let identity = Identity { train: Train { epochs: 0, ..self.clone() }, data: images.sha256() };
        serde_json::to_string(&identity).expect("plain numbers and strings")
    }

    fn check(&self, images: &Images, checkpoint: Option<Checkpoint<'_>>) -> Result<Shape> {
        let most = u32::MAX as usize - 1; // streams are numbered in 32 bits
        if !(1..=most).contains(&self.epochs) {
            return Err(Error::input("epochs", self.epochs, format!("must be 1 to {most}")));
        }
        if self.batch == 0 {
            return Err(Error::input("batch size", 0, "must be at least 1"));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(Error::input("learning rate", self.learning_rate, "must be a finite number > 0, such as 1e-3"));
        }
        if checkpoint.is_some_and(|c| c.every == 0) {
            return Err(Error::input("epochs between checkpoints", 0, "must be at least 1"));
        }
        Shape { pixels: images.pixels(), hidden: self.hidden, latent: self.latent }.check()
    }

    fn diverged(&self, symptom: impl std::fmt::Display) -> Error {
        Error::input("learning rate", self.learning_rate, format!("the training diverged ({symptom}); lower it"))
    }
}

/// Mean loss per image at `z = mu`: what a model has memorised, without noise.
///
/// # Errors
/// [`Error::Input`] where the layers do not fit each other or the images.
pub fn evaluate(weights: &Weights, images: &Images) -> Result<Loss> {
    mean_loss(weights, images, |_| (), &Silent)
}

/// Mean loss per image at sampled `z`, over `draws` draws of noise for each image: what training minimises, the negative
/// evidence lower bound. It lies some nats above [`evaluate`]'s, and varies by a nat or two from one training seed to
/// another.
///
/// # Errors
/// [`Error::Input`] where the layers do not fit each other or the images, or `draws` is 0.
pub fn evaluate_sampled(weights: &Weights, images: &Images, seed: u64, draws: usize) -> Result<Loss> {
    sampled_loss(weights, images, seed, draws, &Silent)
}

fn sampled_loss(weights: &Weights, images: &Images, seed: u64, draws: usize, observer: &dyn Observer) -> Result<Loss> {
    if draws == 0 {
        return Err(Error::input("draws of noise", 0, "must be at least 1"));
    }
    let mut stream = Stream::new(seed, EVALUATION);
    let mut sum = Loss::default();
    for _ in 0..draws {
        sum = sum + mean_loss(weights, images, |noise| stream.fill_normal(noise), observer)?;
    }
    Ok(sum / draws as f64)
}

/// Mean loss per image with noise from `draw`, which finds zeros.
fn mean_loss(
    weights: &Weights,
    images: &Images,
    mut draw: impl FnMut(&mut [f32]),
    observer: &dyn Observer,
) -> Result<Loss> {
    let shape = weights.shape()?;
    if shape.pixels != images.pixels() {
        let got = format!("{} pixels per image", images.pixels());
        return Err(Error::input(images.name(), got, format!("the model was made for {}", shape.pixels)));
    }
    let (layers, params) = (Layers::new(shape), Layers::flatten(weights));
    let mut sum = Loss::default();
    for rows in images.values().chunks(Shard::<f32>::ROWS * shape.pixels) {
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        for shard in &mut Shard::batch(shape, rows.len() / shape.pixels) {
            shard.images.as_slice_mut().expect("row-major").copy_from_slice(rows);
            draw(shard.noise.as_slice_mut().expect("row-major"));
            shard.forward(&layers, &params);
            sum = sum + shard.loss;
        }
    }
    Ok(sum / images.samples() as f64)
}

/// A training under way, with buffers for its two sizes of batch.
struct Trainer<'a> {
    config: &'a Train,
    layers: &'a Layers,
    state: State,
    gradient: Vec<f32>,
    batch: Vec<Shard<f32>>,
    last_batch: Vec<Shard<f32>>,
}

impl<'a> Trainer<'a> {
    fn new(config: &'a Train, images: &Images, layers: &'a Layers, state: State) -> Self {
        let rows = config.batch.min(images.samples());
        Self {
            config,
            layers,
            gradient: vec![0.0; state.params.len()],
            state,
            batch: Shard::batch(layers.shape, rows),
            last_batch: Shard::batch(layers.shape, images.samples() % rows),
        }
    }

    /// One pass over the images, or the rest of one. Returns the mean loss per image and appends it to the curve; `None`
    /// where it was cancelled, and then the state is that after the last whole step.
    fn epoch(&mut self, images: &Images, observer: &dyn Observer) -> Option<Loss> {
        let Self { config, layers, state, gradient, batch, last_batch } = self;
        let epoch = state.curve.len();
        let mut stream = Stream::new(config.seed, 1 + epoch as u32);
        let mut order: Vec<usize> = (0..images.samples()).collect();
        stream.shuffle(&mut order);
        let steps = order.len().div_ceil(config.batch);
        let cancelled = AtomicBool::new(false);
        for (step, rows) in order.chunks(config.batch).enumerate() {
            let full = rows.len() == config.batch.min(images.samples());
            let shards = if full { &mut *batch } else { &mut *last_batch };
            for (shard, rows) in shards.iter_mut().zip(rows.chunks(Shard::<f32>::ROWS)) {
                for (mut image, &row) in shard.images.rows_mut().into_iter().zip(rows) {
                    image.assign(&ArrayView1::from(images.image(row)));
                }
                stream.fill_normal(shard.noise.as_slice_mut().expect("row-major"));
            }
            if step < state.step {
                continue; // taken before an interruption; only its noise had to be drawn again
            }
            shards.par_iter_mut().for_each(|shard| {
                if observer.cancelled() {
                    cancelled.store(true, Ordering::Relaxed);
                } else {
                    shard.forward(layers, &state.params);
                    shard.backward(layers, &state.params);
                }
            });
            if cancelled.load(Ordering::Relaxed) {
                return None;
            }
            let adam = Adam::step(config.learning_rate, epoch * steps + step + 1);
            let [params, mean, square] =
                [&mut state.params, &mut state.mean, &mut state.square].map(|flat| layers.split_mut(flat));
            let updates = layers.split_mut(gradient).into_iter().zip(params).zip(mean).zip(square);
            let updates: Vec<_> = updates.enumerate().collect();
            updates.into_par_iter().for_each(|(layer, (((gradient, params), mean), square))| {
                layers.dense[layer].gradient(shards.iter().map(|shard| shard.taps()[layer]), gradient);
                adam.update(params, gradient, mean, square);
            });
            state.sum = shards.iter().fold(state.sum, |sum, shard| sum + shard.loss);
            state.step = step + 1;
        }
        let loss = take(&mut state.sum) / images.samples() as f64;
        state.step = 0;
        state.curve.push(loss);
        Some(loss)
    }
}

/// One step of Adam (Kingma and Ba, arXiv 1412.6980), in the form of PyTorch.
struct Adam {
    rate: f32,
    root: f32,
}

impl Adam {
    const BETA: (f64, f64) = (0.9, 0.999);
    const EPSILON: f32 = 1e-8;

    /// Step number `t`, from 1: the corrections of both moments for their start at zero.
    fn step(learning_rate: f64, t: usize) -> Self {
        let (rate, root) = (1.0 - Self::BETA.0.powf(t as f64), (1.0 - Self::BETA.1.powf(t as f64)).sqrt());
        Self { rate: (learning_rate / rate) as f32, root: root.recip() as f32 }
    }

    /// In one pass, because it is bound by memory.
    fn update(&self, params: &mut [f32], gradient: &[f32], mean: &mut [f32], square: &mut [f32]) {
        let (keep_mean, keep_square) = (Self::BETA.0 as f32, Self::BETA.1 as f32);
        for (((p, &g), m), s) in params.iter_mut().zip(gradient).zip(mean).zip(square) {
            *m = keep_mean * *m + (1.0 - keep_mean) * g;
            *s = keep_square * *s + (1.0 - keep_square) * (g * g);
            *p -= self.rate * *m / (s.sqrt() * self.root + Self::EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threads share out the work and change no bit of it.
    #[test]
    fn threads_do_not_change_the_numbers() {
        let values = (0..190 * 12).map(|i| (i * 7919 % 101) as f32 / 100.0).collect();
        let images = Images::new("synthetic", values, 12).unwrap();
        let config = Train { batch: 150, hidden: 9, latent: 3, seed: 7, ..Train::default() };
        let layers = Layers::new(config.check(&images, None).unwrap());
        let state = |threads| {
            let initial = State::new(layers.initial(&mut Stream::new(config.seed, 0)));
            let mut trainer = Trainer::new(&config, &images, &layers, initial);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (0..3).for_each(|_| assert!(trainer.epoch(&images, &Silent).is_some())));
            trainer.state
        };
        let alone = state(1);
        assert_eq!(alone.curve.len(), 3);
        for threads in [2, 3, 8] {
            assert_eq!(state(threads), alone, "{threads} threads");
        }
    }

    /// Five steps against the update rule as published, in f64.
    #[test]
    fn adam_is_the_published_rule() {
        let gradients = [[0.5, -300.0], [0.1, 2.0], [-0.7, 0.0], [1e-4, 5.0], [0.2, -1.0]];
        let (mut params, mut mean, mut square) = ([1.0f32, -2.0], [0.0; 2], [0.0; 2]);
        let (mut p, mut m, mut v) = ([1.0f64, -2.0], [0.0f64; 2], [0.0f64; 2]);
        for (t, g) in (1..).zip(gradients) {
            Adam::step(0.01, t).update(&mut params, &g.map(|g| g as f32), &mut mean, &mut square);
            for i in 0..2 {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let (mean, square) = (m[i] / (1.0 - 0.9f64.powf(t as f64)), v[i] / (1.0 - 0.999f64.powf(t as f64)));
                p[i] -= 0.01 * mean / (square.sqrt() + 1e-8);
                assert!((f64::from(params[i]) - p[i]).abs() < 1e-6, "step {t}: {params:?} {p:?}");
            }
        }
    }
}
