//! `retrial train`

use crate::{args::DataArgs, progress::Terminal, summary, ui};
use clap::Args;
use retrial_engine::{Existing, RunDir};
use retrial_spec::{Error, Result};
use retrial_vae::{Checkpoint, Images, Trained, weights};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Hyperparameters of training.
#[derive(Args, Clone)]
pub struct TrainArgs {
    /// Passes over the images
    #[arg(long, default_value_t = 1000)]
    pub epochs: usize,
    /// Images of one step of Adam
    #[arg(long, default_value_t = 128)]
    pub batch: usize,
    /// Adam's learning rate
    #[arg(long, default_value_t = 1e-3, allow_hyphen_values = true)]
    pub learning_rate: f64,
    /// Units of the hidden layers
    #[arg(long, default_value_t = 400)]
    pub hidden: usize,
    /// Dimensions of the latent space
    #[arg(long, default_value_t = 20)]
    pub latent: usize,
}

impl TrainArgs {
    /// The training these flags describe.
    pub fn with_seed(&self, seed: u64) -> retrial_vae::Train {
        let Self { epochs, batch, learning_rate, hidden, latent } = *self;
        retrial_vae::Train { epochs, batch, learning_rate, hidden, latent, seed }
    }

    /// Trains in a directory: weights, loss curve and a checkpoint to resume from are kept there.
    pub fn run(&self, seed: u64, images: &Images, dir: &RunDir, terminal: &Terminal) -> Result<Trained> {
        let path = dir.path().join("training.safetensors");
        let checkpoint = Checkpoint { path: &path, every: 100 };
        let promise = ui::promise();
        let trained = self.with_seed(seed).run(images, Some(checkpoint), terminal);
        terminal.clear();
        let kept = format!("stopped: the training is kept in {}; --resume goes on from there", path.display());
        match &trained {
            Ok(_) => ui::last_words(kept),
            Err(Error::Cancelled) => ui::tell(kept),
            Err(_) => {}
        }
        drop(promise);
        let trained = trained?;
        weights::save(&dir.path().join("weights.safetensors"), &trained.weights)?;
        let mut csv = String::from("epoch,bce,kl,total\n");
        for (epoch, loss) in trained.curve.iter().enumerate() {
            csv += &format!("{},{},{},{}\n", epoch + 1, loss.bce, loss.kl, loss.total());
        }
        dir.write("loss.csv", csv)?;
        Ok(trained)
    }
}

/// Train the VAE on images it should memorise
///
/// Adam on the sum of binary cross-entropy and KL divergence. The same seed gives the same bytes. Writes
/// weights.safetensors (PyTorch's names and layout), loss.csv, and training.safetensors to resume from.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial train --out model\n  retrial train --data train-images-idx3-ubyte.gz \
                        --samples 1000 --epochs 300 --out model\n  retrial train --epochs 2000 --out model --resume")]
pub struct Train {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    training: TrainArgs,
    /// Seed of initial weights, shuffles and noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Directory to write
    #[arg(long)]
    out: PathBuf,
    /// Write over a directory that is not empty
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Go on from the checkpoint in the directory
    #[arg(long)]
    resume: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Train {
    pub fn run(&self) -> Result<()> {
        let images = self.data.load()?;
        let dir = RunDir::create(&self.out, existing(self.force, self.resume))?;
        let trained = self.training.run(self.seed, &images, &dir, &Terminal::new())?;
        let out = self.out.display();
        if self.json {
            return ui::print_json(&json!({
                "out": out.to_string(),
                "epochs": trained.curve.len(),
                "loss_at_samples": trained.at_samples.total(),
                "loss_at_mean": trained.at_mean.total(),
                "at_samples": trained.at_samples,
                "at_mean": trained.at_mean,
            }));
        }
        ui::print(&ui::facts(&[
            ("Weights", Path::new(&self.out).join("weights.safetensors").display().to_string()),
            ("Epochs", trained.curve.len().to_string()),
            ("Loss", summary::loss(&trained.at_mean, &trained.at_samples)),
        ]))
    }
}

/// What the flags say of an existing directory.
pub fn existing(force: bool, resume: bool) -> Existing {
    match (force, resume) {
        (_, true) => Existing::Resume,
        (true, _) => Existing::Replace,
        _ => Existing::Refuse,
    }
}
