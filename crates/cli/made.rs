//! What a run was made of, which its directory holds: so that going on with it needs nothing else.

use crate::args;
use retrial_engine::{Manifest, RunDir, arrays, run::IMAGES};
use retrial_files::read_up_to;
use retrial_spec::{Error, Result};
use retrial_vae::{GivenPosterior, Images, WeightFile, data::FASHION_MNIST, weights};
use std::path::Path;

/// Files of a run that its trials depend on, where it has them.
const FILES: [&str; 4] = ["weights.safetensors", "mu.npy", "logvar.npy", IMAGES];

/// Above any of them: 60,000 images.
const MAX_BYTES: u64 = 1 << 30;

/// Model, data, and what stands in for the encoder.
pub struct Made {
    pub model: WeightFile,
    pub given: Option<GivenPosterior>,
    pub images: Images,
}

impl Made {
    /// Reads what a run was made of. It is what the run says, to the bit.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Input`] where something is missing or was changed since.
    pub fn load(run: &Path, manifest: &Manifest) -> Result<Self> {
        let (model, given) = Self::model(run, manifest)?;
        Ok(Self { model, given, images: Self::images(run, manifest)? })
    }

    /// The model alone.
    pub fn model(run: &Path, manifest: &Manifest) -> Result<(WeightFile, Option<GivenPosterior>)> {
        let options = weights::Options { decoder_only: manifest.model.posterior.is_some(), renames: vec![] };
        let file = run.join("weights.safetensors");
        let model = options.load(&file)?;
        same(&file, "SHA-256", &model.sha256, &manifest.model.sha256)?;
        let Some(sha256) = &manifest.model.posterior else { return Ok((model, None)) };
        let [mu, logvar] = ["mu.npy", "logvar.npy"].map(|name| run.join(name));
        let given = GivenPosterior::load(&mu, &logvar, manifest.data.samples, manifest.model.shape.latent)?;
        same(&mu, "with logvar.npy, SHA-256", &given.sha256, sha256)?;
        Ok((model, Some(given)))
    }

    /// The data alone.
    pub fn images(run: &Path, manifest: &Manifest) -> Result<Images> {
        let (file, source) = (run.join(IMAGES), &manifest.data.source);
        let images = match file.to_str().filter(|_| file.is_file()) {
            Some(kept) => {
                let images = Images::load(kept, Some(manifest.data.samples))?;
                Images::new(source, images.values().to_vec(), images.pixels())?
            }
            // The embedded ones, and those of runs that did not keep theirs.
            None => args::load(source, Some(manifest.data.samples))?,
        };
        same(Path::new(source), "SHA-256", images.sha256(), &manifest.data.sha256)?;
        Ok(images)
    }

    /// Writes all of it to a directory.
    pub fn keep(&self, dir: &RunDir) -> Result<()> {
        let Self { model, given, images } = self;
        model.save(&dir.path().join("weights.safetensors"))?;
        if let Some(GivenPosterior { posterior, .. }) = given {
            for (name, values) in [("mu.npy", &posterior.mu), ("logvar.npy", &posterior.logvar)] {
                dir.write(name, arrays::npy(&arrays::rows(values, images.samples())?))?;
            }
        }
        if images.name() != FASHION_MNIST {
            dir.write(IMAGES, arrays::npy(&arrays::rows(images.values(), images.samples())?))?;
        }
        Ok(())
    }
}

/// Copies what a run was made of into another directory.
pub fn copy(from: &Path, to: &RunDir) -> Result<()> {
    for name in FILES {
        let file = from.join(name);
        if file.is_file() {
            to.write(name, read_up_to(&file, MAX_BYTES)?)?;
        }
    }
    Ok(())
}

fn same(object: &Path, what: &str, got: &str, want: &str) -> Result<()> {
    if got == want {
        return Ok(());
    }
    let limit = format!("the run was made with {want}; give it back, or sample again with --force");
    Err(Error::input(object.display(), format!("{what} {got}"), limit))
}
