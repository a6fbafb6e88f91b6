//! A model and its images, ready to be sampled.

use crate::{GivenPosterior, Images, WeightFile};
use retrial_spec::{Backend, Error, Problem, Result};

/// The problem of a model and the images that it memorised, at a temperature and with the seed of the noise: encodes the
/// images on `backend`, unless what they encode to is `given`.
///
/// # Errors
/// Images of other sizes than the model's, and what [`Problem::new`] and the backend refuse.
pub fn problem(
    model: &WeightFile,
    given: Option<&GivenPosterior>,
    images: &Images,
    backend: &dyn Backend,
    temperature: f64,
    seed: u64,
) -> Result<Problem> {
    let shape = model.weights.shape()?;
    if shape.pixels != images.pixels() {
        let limit = format!("the model was made for {}", shape.pixels);
        return Err(Error::input(images.name(), format!("{} pixels per image", images.pixels()), limit));
    }
    let posterior = match given {
        Some(given) => given.posterior.clone(),
        None => backend.encode(&model.weights, images.values())?,
    };
    Problem::new(model.weights.clone(), images.values().to_vec(), &posterior, temperature, seed)
}
