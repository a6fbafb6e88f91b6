//! The model on the command line: where it is, what its layers are called, and what stands in for its encoder.

use crate::ui;
use clap::Args;
use retrial_spec::Result;
use retrial_vae::{GivenPosterior, WeightFile, weights};
use std::path::PathBuf;

/// Which model.
#[derive(Args, Clone)]
pub struct ModelArgs {
    /// Weights: safetensors, or the zip archive of a PyTorch state dict (.pt, .pth)
    ///
    /// The model is pixels -> hidden -> mean and log variance, latent -> hidden -> pixels, with ReLU in both hidden
    /// layers, a sigmoid at the pixels and no clamp of the log variance; a file does not say its activations, so make
    /// sure. A file with any other tensor is refused. Understood are Retrial's own names, those of PyTorch's example
    /// (fc1, fc21, fc22, fc3, fc4), and any with encoder and decoder in them beside heads such as fc_mu and
    /// fc_logvar, behind any prefix, in PyTorch's layout or as kernels of Flax and Keras; what was taken for what is said.
    #[arg(long)]
    pub weights: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// How to read its file.
#[derive(Args, Clone)]
pub struct ReadingArgs {
    /// Read a tensor, a layer or all below a name under another, such as lin1=encoder.fc1; may be repeated
    #[arg(long = "rename", value_name = "OLD=NEW", value_parser = rename)]
    pub renames: Vec<(String, String)>,
    /// Means in place of the encoder's, .npy of [N, latent], a row for each sample; the weights may be a decoder alone
    #[arg(long, value_name = "NPY", requires = "logvar")]
    pub mu: Option<PathBuf>,
    /// Log variances in place of the encoder's, .npy of [N, latent]
    #[arg(long, value_name = "NPY", requires = "mu")]
    pub logvar: Option<PathBuf>,
}

impl ReadingArgs {
    /// Whether one of them was given.
    pub fn is_given(&self) -> bool {
        !self.renames.is_empty() || self.mu.is_some()
    }
}

impl ModelArgs {
    /// Reads the weights, and says how.
    pub fn load(&self) -> Result<WeightFile> {
        let ReadingArgs { renames, mu, .. } = &self.reading;
        let options = weights::Options { renames: renames.clone(), decoder_only: mu.is_some() };
        let file = options.load(&self.weights)?;
        file.notes.iter().for_each(|note| ui::note(format_args!("{}: {note}", self.weights.display())));
        Ok(file)
    }

    /// Reads what stands in for the encoder, if anything does.
    pub fn posterior(&self, samples: usize, file: &WeightFile) -> Result<Option<GivenPosterior>> {
        let ReadingArgs { mu: Some(mu), logvar: Some(logvar), .. } = &self.reading else { return Ok(None) };
        let given = GivenPosterior::load(mu, logvar, samples, file.weights.shape()?.latent)?;
        given.notes.iter().for_each(ui::note);
        Ok(Some(given))
    }
}

/// `old=new`, where the new name may be empty.
fn rename(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() => Ok((old.into(), new.into())),
        _ => Err("must be OLD=NEW, such as lin1=encoder.fc1".into()),
    }
}
