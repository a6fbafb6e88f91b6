//! Data sets, the variational autoencoder, its training and its weight files.
//!
//! | module | does |
//! |---|---|
//! | [`mod@array`] | reads `.npy`, `.npz` and IDX, whoever wrote them |
//! | [`data`] | loads and checks the images to memorise; Fashion-MNIST's first 400 are embedded |
//! | [`train`] | trains the model, reproducibly to the byte, with checkpoints |
//! | [`weights`] | reads safetensors and PyTorch's archives, under the names that others give too; saves safetensors |
//! | [`mod@file`] | atomic writes and fingerprints |
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

mod archive;
pub mod array;
mod checkpoint;
pub mod data;
pub mod file;
mod foreign;
mod layers;
mod model;
mod posterior;
mod problem;
mod stream;
pub mod train;
pub mod weights;

pub use array::Array;
pub use data::Images;
pub use model::Loss;
pub use posterior::GivenPosterior;
pub use problem::problem;
pub use train::{Checkpoint, Train, Trained, evaluate, evaluate_sampled};
pub use weights::WeightFile;
