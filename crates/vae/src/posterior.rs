//! Means and log variances that take the place of an encoder.

use retrial_files::{Array, sha256_of_f32};
use retrial_spec::{Error, Posterior, Result};
use std::path::Path;

/// A posterior from files.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenPosterior {
    /// Its numbers.
    pub posterior: Posterior,
    /// SHA-256, in hex, of the numbers as little-endian f32, the means first: whatever files they came from.
    pub sha256: String,
    /// What a user should know of how the files were read, a line each.
    pub notes: Vec<String>,
}

impl GivenPosterior {
    /// Reads the first `samples` rows of two arrays, each `.npy` or `.npz` of `[N, latent]` with `N >= samples`.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::File`] where it is no array, or has fewer rows or another
    /// number of columns; [`Error::Input`] where a number is not finite.
    pub fn load(mu: &Path, logvar: &Path, samples: usize, latent: usize) -> Result<Self> {
        let mut notes = vec![];
        let mut read = |path: &Path| {
            let array = Array::open(path)?;
            let rows = match *array.shape() {
                [rows, columns] if rows >= samples && columns == latent => rows,
                ref other => {
                    let fix = format!("must be [{samples}, {latent}], a row for each sample in the order of the data");
                    return Err(Error::file(path, format!("has shape {other:?}"), fix));
                }
            };
            if rows > samples {
                notes.push(format!("{}: of {rows} rows the first {samples} are used, as of the data", path.display()));
            }
            let read = array.read::<f32>(Some(samples))?;
            notes.extend(read.notes);
            let values = read.values;
            if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                let object = format!("{}: value [{}, {}]", path.display(), at / latent, at % latent);
                return Err(Error::input(object, values[at], "must be finite"));
            }
            Ok(values)
        };
        let posterior = Posterior { mu: read(mu)?, logvar: read(logvar)? };
        let sha256 = sha256_of_f32([&*posterior.mu, &*posterior.logvar]);
        Ok(Self { posterior, sha256, notes })
    }
}
