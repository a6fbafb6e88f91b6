//! Data sets, the variational autoencoder, its training and its weight files.
//!
//! | module | does |
//! |---|---|
//! | [`data`] | loads and checks the images to memorise; Fashion-MNIST's first 400 are embedded |
//! | [`train`] | trains the model, reproducibly to the byte, with checkpoints |
//! | [`weights`] | reads safetensors and PyTorch's archives, under the names that others give too; saves safetensors |
//!
//! ```no_run
//! # fn main() -> retrial_spec::Result<()> {
//! use retrial_vae::{Images, Train, weights};
//!
//! let images = Images::load("fashion-mnist", None)?;
//! let trained = Train::default().run(&images, None, &retrial_spec::Silent)?;
//! weights::save("model.safetensors".as_ref(), &trained.weights)?;
//! # Ok(())
//! # }
//! ```

mod checkpoint;
pub mod data;
mod layers;
mod model;
mod posterior;
mod problem;
pub mod train;
pub mod weights;

pub use data::Images;
pub use model::Loss;
pub use posterior::GivenPosterior;
pub use problem::problem;
pub use train::{Checkpoint, Train, Trained, evaluate, evaluate_sampled};
pub use weights::WeightFile;
