//! Checkpoints: everything a training needs to go on as if it had never stopped.
//!
//! A checkpoint is a [weight file](crate::weights) with four more tensors, the moments of Adam, the loss curve and the
//! epoch under way, and one entry of metadata that says which training it belongs to and guards every number with a checksum.

use crate::{
    data::Images,
    file::{read_up_to, sha256_hex, write_atomic},
    layers::Layers,
    model::Loss,
    train::Train,
    weights::{self, Tensor, read_f32, read_f64, read_weights},
};
use retrial_spec::{Error, Result};
use safetensors::SafeTensors;
use std::path::Path;

const KEY: &str = "retrial-training";

/// A training between two steps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// Parameters of all layers, in the order of [`Layers`].
    pub params: Vec<f32>,
    /// Adam's running mean of the gradients.
    pub mean: Vec<f32>,
    /// Adam's running mean of their squares.
    pub square: Vec<f32>,
    /// Mean loss per image of each finished epoch.
    pub curve: Vec<Loss>,
    /// Steps taken of the epoch under way.
    pub step: usize,
    /// Loss of those steps, summed over their images.
    pub sum: Loss,
}

impl State {
    /// Before the first epoch.
    pub fn new(params: Vec<f32>) -> Self {
        let zeros = vec![0.0; params.len()];
        Self { params, mean: zeros.clone(), square: zeros, curve: Vec::new(), step: 0, sum: Loss::default() }
    }

    /// The epoch under way: steps taken, and their loss.
    fn epoch(&self) -> [f64; 3] {
        [self.step as f64, self.sum.bce, self.sum.kl]
    }
}

/// Which training a checkpoint belongs to, as JSON. The number of epochs is no part of it: a finished training may go
/// on.
pub(crate) fn identity(train: &Train, images: &Images) -> String {
    #[derive(serde::Serialize)]
    struct Identity<'a> {
        train: Train,
        data: &'a str,
    }
    let identity = Identity { train: Train { epochs: 0, ..train.clone() }, data: images.sha256() };
    serde_json::to_string(&identity).expect("plain numbers and strings")
}

/// Writes a checkpoint atomically.
pub(crate) fn save(path: &Path, identity: &str, layers: &Layers, state: &State) -> Result<()> {
    let count = state.params.len();
    let curve: Vec<f64> = state.curve.iter().flat_map(|loss| [loss.bce, loss.kl]).collect();
    let mut tensors = weights::tensors(&layers.weights(&state.params));
    tensors.push(("adam.mean".into(), Tensor::f32(vec![count], &state.mean)));
    tensors.push(("adam.square".into(), Tensor::f32(vec![count], &state.square)));
    tensors.push(("curve".into(), Tensor::f64(vec![state.curve.len(), 2], &curve)));
    tensors.push(("epoch".into(), Tensor::f64(vec![3], &state.epoch())));
    let stamp = format!("{} {identity}", checksum(identity, state));
    write_atomic(path, &weights::to_bytes(tensors, Some((KEY, stamp)))?)
}

/// Reads a checkpoint of the training `identity`; `None` where there is no such file.
pub(crate) fn load(path: &Path, identity: &str, layers: &Layers) -> Result<Option<State>> {
    if !path.try_exists().map_err(Error::io("read", path))? {
        return Ok(None);
    }
    let refuse = |fault: String| Error::file(path, fault, "delete it or choose another path for the checkpoint");
    let bytes = read_up_to(path, weights::MAX_BYTES)?;
    let file = weights::parse(path, &bytes)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| refuse(e.to_string()))?;
    let stamp = header.metadata().as_ref().and_then(|entries| entries.get(KEY)?.split_once(' '));
    let (expected, found) = stamp.ok_or_else(|| refuse("is no checkpoint of a training".into()))?;
    if found != identity {
        return Err(refuse(format!("belongs to the training {}, not to {identity}", found.escape_debug())));
    }
    let (_, curve) = read_f64::<2>(path, &file, "curve")?;
    let (_, epoch) = read_f64::<1>(path, &file, "epoch")?;
    let [step, bce, kl] = epoch[..] else { return Err(refuse(format!("has an epoch of {} numbers", epoch.len()))) };
    let state = State {
        params: Layers::flatten(&read_weights(path, &file)?),
        mean: read_f32::<1>(path, &file, "adam.mean")?.1,
        square: read_f32::<1>(path, &file, "adam.square")?.1,
        curve: curve.as_chunks().0.iter().map(|&[bce, kl]| Loss { bce, kl }).collect(),
        step: step as usize,
        sum: Loss { bce, kl },
    };
    let complete = state.step as f64 == step
        && [&state.params, &state.mean, &state.square].iter().all(|values| values.len() == layers.len());
    if !complete || checksum(identity, &state) != expected {
        return Err(refuse("is damaged: its checksum does not match".into()));
    }
    Ok(Some(state))
}

fn checksum(identity: &str, state: &State) -> String {
    let floats = [&state.params, &state.mean, &state.square];
    let mut bytes = identity.as_bytes().to_vec();
    bytes.extend(floats.into_iter().flatten().flat_map(|v| v.to_le_bytes()));
    let curve = state.curve.iter().flat_map(|loss| [loss.bce, loss.kl]);
    bytes.extend(curve.chain(state.epoch()).flat_map(|v| v.to_le_bytes()));
    sha256_hex(&bytes)
}
