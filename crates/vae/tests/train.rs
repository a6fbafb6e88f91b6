//! Training as a caller sees it: what it learns, that it repeats itself exactly, and how it stops and goes on.

use retrial_spec::{Error, Observer, Progress, Shape, Silent, Weights, rng::Stream};
use retrial_vae::{Checkpoint, Images, Train, Trained, evaluate, evaluate_sampled, weights};
use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};
use tempfile::TempDir;

/// 70 images of 12 pixels: two shards and an odd rest.
fn images(seed: u64) -> Images {
    let mut stream = Stream::new(seed, 9);
    let values = (0..70 * 12).map(|i| if i % 5 == 0 { stream.uniform() as f32 } else { (i % 2) as f32 }).collect();
    Images::new("synthetic", values, 12).unwrap()
}

fn config() -> Train {
    Train { epochs: 6, batch: 32, learning_rate: 1e-2, hidden: 9, latent: 3, seed: 7 }
}

fn run(config: &Train, checkpoint: Option<Checkpoint<'_>>) -> Result<Trained, Error> {
    config.run(&images(1), checkpoint, &Silent)
}

/// Cancels after some epochs, and checks that progress arrives in order.
struct Stop {
    after: u64,
    done: AtomicU64,
}

impl Observer for Stop {
    fn progress(&self, p: Progress<'_>) {
        assert_eq!((p.stage, p.total, p.unit), ("train", 6, "epochs"));
        assert_eq!(self.done.fetch_add(1, Ordering::Relaxed) + 1, p.done);
    }

    fn cancelled(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.after
    }
}

/// The loss at `z = mu` straight from its definition, in f64 and with the weights in PyTorch's layout.
fn definition(weights: &Weights, image: &[f32]) -> (f64, f64) {
    let dense = |layer: &retrial_spec::Linear, x: &[f64]| -> Vec<f64> {
        let rows = layer.weight.chunks(layer.inputs).zip(&layer.bias);
        rows.map(|(w, &b)| w.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum::<f64>() + f64::from(b)).collect()
    };
    let relu = |x: Vec<f64>| x.into_iter().map(|v| v.max(0.0)).collect::<Vec<_>>();
    let x: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
    let hidden = relu(dense(&weights.encoder_fc1, &x));
    let (mu, logvar) = (dense(&weights.encoder_fc_mu, &hidden), dense(&weights.encoder_fc_logvar, &hidden));
    let logits = dense(&weights.decoder_fc2, &relu(dense(&weights.decoder_fc1, &mu)));
    let bce = x.iter().zip(logits).map(|(x, a)| {
        let y = 1.0 / (1.0 + (-a).exp());
        -x * y.ln() - (1.0 - x) * (1.0 - y).ln()
    });
    let kl = mu.iter().zip(logvar).map(|(mu, logvar)| -0.5 * (1.0 + logvar - mu * mu - logvar.exp()));
    (bce.sum(), kl.sum())
}

#[test]
fn the_evaluation_is_the_loss_by_definition() {
    let images = images(1);
    let trained = run(&config(), None).unwrap();
    let (mut bce, mut kl) = (0.0, 0.0);
    for sample in 0..images.samples() {
        let (b, k) = definition(&trained.weights, images.image(sample));
        (bce, kl) = (bce + b / 70.0, kl + k / 70.0);
    }
    assert!((trained.at_mean.bce - bce).abs() < 1e-5 * bce, "{:?} {bce}", trained.at_mean);
    assert!((trained.at_mean.kl - kl).abs() < 1e-5 * kl, "{:?} {kl}", trained.at_mean);
    assert_eq!(evaluate(&trained.weights, &images).unwrap(), trained.at_mean);
    // At samples the divergence is the same, and every seed draws another cross-entropy near the others.
    let sampled = [7, 8].map(|seed| evaluate_sampled(&trained.weights, &images, seed, 200).unwrap());
    assert!(sampled.iter().all(|loss| (loss.kl - trained.at_mean.kl).abs() < 1e-9), "{sampled:?}");
    let apart = (sampled[0].bce - sampled[1].bce).abs();
    assert!(apart > 0.0 && apart < 0.01 * sampled[0].bce && sampled[0].bce != trained.at_mean.bce, "{sampled:?}");
    assert!(evaluate_sampled(&trained.weights, &images, 7, 0).unwrap_err().is_input());
}

#[test]
fn a_model_of_other_pixels_is_not_evaluated() {
    let trained = run(&config(), None).unwrap();
    let images = Images::load("fashion-mnist", Some(1)).unwrap();
    let message = evaluate(&trained.weights, &images).unwrap_err().to_string();
    assert_eq!(message, "fashion-mnist: got 784 pixels per image; the model was made for 12");
}

/// Eight garments are memorised: the loss comes near the entropy of their pixels, which no decoder can beat.
#[test]
fn a_few_garments_are_memorised() {
    let images = Images::load("fashion-mnist", Some(8)).unwrap();
    let train = Train { epochs: 120, batch: 4, learning_rate: 4e-3, hidden: 16, latent: 4, seed: 3 };
    let trained = train.run(&images, None, &Silent).unwrap();
    assert_eq!(trained.weights.shape().unwrap(), Shape { pixels: 784, hidden: 16, latent: 4 });
    assert_eq!(trained.curve.len(), 120);
    let (first, last) = (trained.curve[0], trained.curve[119]);
    assert!((500.0..600.0).contains(&first.total()), "untrained, about 784 ln 2 = 543: {first:?}");
    assert!(last.total() < 0.6 * first.total() && last.kl > 1.0, "{last:?}");
    let floor = images.values().iter().map(|&v| f64::from(v)).filter(|v| *v > 0.0 && *v < 1.0);
    let floor = floor.map(|v| -v * v.ln() - (1.0 - v) * (1.0 - v).ln()).sum::<f64>() / 8.0;
    assert!((floor..1.2 * floor).contains(&trained.at_mean.bce), "{floor} {:?}", trained.at_mean);
}

#[test]
fn a_seed_gives_the_same_bytes() {
    let first = run(&config(), None).unwrap();
    assert_eq!(run(&config(), None).unwrap(), first);
    assert_ne!(run(&Train { seed: 8, ..config() }, None).unwrap().weights, first.weights);
}

/// Batches as large as the data or larger are one step of all images.
#[test]
fn a_batch_may_hold_everything() {
    let whole = run(&Train { batch: 70, ..config() }, None).unwrap();
    assert_eq!(run(&Train { batch: 1000, ..config() }, None).unwrap(), whole);
}

#[test]
fn resumed_is_the_same_as_uninterrupted() {
    let dir = TempDir::new().unwrap();
    let path = &dir.path().join("training.safetensors");
    let straight = run(&config(), None).unwrap();

    // Finished early, then asked for more epochs.
    let checkpoint = Some(Checkpoint { path, every: 100 });
    run(&Train { epochs: 3, ..config() }, checkpoint).unwrap();
    assert_eq!(run(&config(), checkpoint).unwrap(), straight);
    assert_eq!(run(&config(), checkpoint).unwrap(), straight, "nothing left to do");

    // Cancelled, after epochs of which none was due for a checkpoint, and resumed twice.
    fs::remove_file(path).unwrap();
    for _ in 0..2 {
        let held = if path.exists() { 2 } else { 0 };
        let stop = Stop { after: held + 2, done: AtomicU64::new(held) };
        assert!(matches!(config().run(&images(1), checkpoint, &stop), Err(Error::Cancelled)));
    }
    assert_eq!(run(&config(), checkpoint).unwrap(), straight);

    // Killed: what the last checkpoint holds is enough.
    fs::remove_file(path).unwrap();
    let every = |every| Some(Checkpoint { path, every });
    run(&Train { epochs: 4, ..config() }, every(2)).unwrap();
    let four = fs::read(path).unwrap();
    run(&config(), every(1)).unwrap();
    fs::write(path, &four).unwrap();
    assert_eq!(run(&config(), every(1)).unwrap(), straight);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
}

/// Cancels when it is asked for the `left`th time: in the middle of epochs, too.
struct Impatient {
    left: AtomicI64,
}

impl Observer for Impatient {
    fn cancelled(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) <= 0
    }
}

#[test]
fn a_training_stops_within_an_epoch_and_goes_on_from_that_step() {
    let dir = TempDir::new().unwrap();
    let path = &dir.path().join("training.safetensors");
    let (checkpoint, straight) = (Some(Checkpoint { path, every: 100 }), run(&config(), None).unwrap());
    let mut finished = vec![];
    for patience in (0..40).chain([200]) {
        let _ = fs::remove_file(path);
        let mut stops = 0;
        // The same patience again and again: it must get somewhere, unless it is that of less than a step.
        let trained = loop {
            let observer = Impatient { left: AtomicI64::new(patience.max(stops)) };
            match config().run(&images(1), checkpoint, &observer) {
                Err(Error::Cancelled) => stops += 1,
                other => break other.unwrap(),
            }
        };
        assert_eq!(trained, straight, "{patience} questions a go");
        finished.push(stops);
    }
    assert!(finished[4] > 6, "{finished:?}: stops between epochs alone");
    assert_eq!(finished.last(), Some(&0));
}

#[test]
fn a_cancelled_training_without_a_checkpoint_writes_nothing() {
    let stop = Stop { after: 2, done: AtomicU64::new(0) };
    assert!(matches!(config().run(&images(1), None, &stop), Err(Error::Cancelled)));
    assert_eq!(stop.done.into_inner(), 2);
}

#[test]
fn a_checkpoint_is_a_weight_file() {
    let dir = TempDir::new().unwrap();
    let path = &dir.path().join("training.safetensors");
    let trained = run(&config(), Some(Checkpoint { path, every: 1 })).unwrap();
    assert_eq!(weights::load(path).unwrap().weights, trained.weights);
}

#[track_caller]
fn refused(config: &Train, data: &Images, path: &Path, expected: &str) {
    let error = config.run(data, Some(Checkpoint { path, every: 1 }), &Silent).expect_err("must be refused");
    let message = error.to_string();
    assert!(error.is_input() && !message.contains('\n') && message.contains(expected), "{message}");
    assert!(message.contains("training.safetensors") || message.starts_with("epochs"), "{message}");
}

#[test]
fn checkpoints_of_another_training_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = &dir.path().join("training.safetensors");
    run(&config(), Some(Checkpoint { path, every: 1 })).unwrap();
    let before = fs::read(path).unwrap();
    let others = [
        Train { batch: 31, ..config() },
        Train { learning_rate: 1.1e-2, ..config() },
        Train { hidden: 8, ..config() },
        Train { latent: 2, ..config() },
        Train { seed: 8, ..config() },
    ];
    for other in others {
        refused(&other, &images(1), path, "delete it or choose another path");
    }
    refused(&config(), &images(2), path, "belongs to the training");
    refused(&Train { epochs: 5, ..config() }, &images(1), path, "epochs: got 5; the checkpoint already holds 6");
    assert_eq!(fs::read(path).unwrap(), before, "a refused checkpoint is left alone");
}

#[test]
fn damaged_checkpoints_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = &dir.path().join("training.safetensors");
    let trained = run(&config(), Some(Checkpoint { path, every: 1 })).unwrap();
    let whole = fs::read(path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in (header..whole.len()).step_by(101).chain([whole.len() - 1]) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(path, &flipped).unwrap();
        refused(&config(), &images(1), path, "is damaged: its checksum does not match");
    }
    for len in [0, 7, header, whole.len() - 1] {
        fs::write(path, &whole[..len]).unwrap();
        refused(&config(), &images(1), path, "not a whole safetensors file");
    }
    weights::save(path, &trained.weights).unwrap();
    refused(&config(), &images(1), path, "is no checkpoint of a training");
}

#[test]
fn unusable_settings_are_refused() {
    for (train, expected) in [
        (Train { epochs: 0, ..config() }, "epochs: got 0; must be 1 to"),
        (Train { epochs: usize::MAX, ..config() }, "epochs: got 18446744073709551615; must be 1 to"),
        (Train { batch: 0, ..config() }, "batch size: got 0; must be at least 1"),
        (Train { learning_rate: 0.0, ..config() }, "learning rate: got 0; must be a finite number > 0"),
        (Train { learning_rate: f64::NAN, ..config() }, "learning rate: got NaN; must be"),
        (Train { learning_rate: f64::INFINITY, ..config() }, "learning rate: got inf; must be"),
        (Train { hidden: 0, ..config() }, "model with 0 hidden units: got 0; must be 1 to 1024"),
        (Train { hidden: 1025, ..config() }, "model with 1025 hidden units"),
        (Train { latent: 129, ..config() }, "model with 129 latent dimensions"),
    ] {
        let error = run(&train, None).unwrap_err();
        assert!(error.is_input() && error.to_string().starts_with(expected), "{error}");
    }
    let checkpoint = Checkpoint { path: Path::new("unused"), every: 0 };
    let message = run(&config(), Some(checkpoint)).unwrap_err().to_string();
    assert_eq!(message, "epochs between checkpoints: got 0; must be at least 1");
}

#[test]
fn a_diverging_training_says_so() {
    let error = run(&Train { learning_rate: 1e30, ..config() }, None).unwrap_err();
    assert!(error.to_string().contains("the training diverged") && error.is_input(), "{error}");
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_known_at_once() {
    let dir = TempDir::new().unwrap();
    let path = &dir.path().join("missing").join("training.safetensors");
    let stop = Stop { after: u64::MAX, done: AtomicU64::new(0) };
    let error = config().run(&images(1), Some(Checkpoint { path, every: 1000 }), &stop).unwrap_err();
    assert!(matches!(error, Error::Io { action: "write", .. }), "{error}");
    assert_eq!(stop.done.into_inner(), 0, "known before the first epoch");
}
