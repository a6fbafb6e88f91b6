//! What ranks tell each other.

use retrial_spec::{Error, Posterior, Problem, Result, Weights};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a rank needs to take part: it reads no file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// `run.json`.
    pub manifest: String,
    /// The model.
    pub weights: Weights,
    /// `[N, pixels]`.
    pub images: Vec<f32>,
    /// Of the encoder, as rank 0 computed it: the same bits everywhere.
    pub posterior: Posterior,
    /// `--device`.
    pub device: String,
    /// `--adapter`.
    pub adapter: Option<String>,
    /// `--threads`.
    pub threads: Option<usize>,
    /// `--window`.
    pub window: Option<u64>,
    /// Seconds between checkpoints.
    pub checkpoint: f64,
}

impl Setup {
    /// The problem, at the temperature and seed of the manifest.
    ///
    /// # Errors
    /// As of [`Problem::new`].
    pub fn problem(&self, temperature: f64, seed: u64) -> Result<Problem> {
        Problem::new(self.weights.clone(), self.images.clone(), &self.posterior, temperature, seed)
    }
}

/// From rank 0 to another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Take part in a run.
    Serve(Box<Setup>),
    /// Do these trials.
    Work(Range<u64>),
    /// There are none now; deliver what you have.
    Idle,
    /// Deliver what you have and leave the run.
    Stop,
    /// Leave the job.
    Leave,
}

/// From another to rank 0.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Wants trials per sample: at most and at least so many, if there are.
    Want { most: u64, least: u64 },
    /// A state, and the trials of all samples that the rank does in a second.
    Found { state: Vec<u8>, rate: f64 },
    /// Cannot go on.
    Failed(String),
    /// Left the run.
    Left,
    /// Leaves the job.
    Gone,
}

pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_stdvec(message).map_err(|e| Error::input("message", e, "please report this"))
}

pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|e| Error::input("message", e, "every rank must be of the same version"))
}
