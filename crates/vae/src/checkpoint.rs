//! Checkpoints: everything a training needs to go on as if it had never stopped.
//!
//! A checkpoint is a [weight file](crate::weights) with four more tensors, the moments of Adam, the loss curve and the
//! epoch under way, and one entry of metadata that says which training it belongs to and guards every number with a checksum.

use crate::{
    layers::Layers,
    model::Loss,
    weights::{self, Tensor, read_weights},
};
use retrial_files::{read_up_to, sha256_hex, write_atomic};
use retrial_spec::{Error, Result};
use safetensors::{Dtype, SafeTensors};
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
    pub(crate) fn new(params: Vec<f32>) -> Self {
        let zeros = vec![0.0; params.len()];
        Self { params, mean: zeros.clone(), square: zeros, curve: Vec::new(), step: 0, sum: Loss::default() }
    }

    /// The epoch under way: steps taken, and their loss.
    fn epoch(&self) -> [f64; 3] {
        [self.step as f64, self.sum.bce, self.sum.kl]
    }

    /// What no training leaves behind: numbers that are not finite, a mean of squares below zero, a cross-entropy below
    /// zero, or moments and losses before the first step. (Weights are checked where they are read.)
    fn contradiction(&self) -> Option<String> {
        let started = !self.curve.is_empty() || self.step > 0;
        let found = |name: &str, values: &[f32], sound: &dyn Fn(f32) -> bool| {
            let at = values.iter().position(|&v| !sound(v))?;
            Some(format!("{name}[{at}] is {} after {} epochs and {} steps", values[at], self.curve.len(), self.step))
        };
        let unsound = |loss: &Loss| !(loss.total().is_finite() && loss.bce >= 0.0);
        let epoch = self.curve.iter().chain([&self.sum]).position(unsound);
        let early = (self.step == 0 && self.sum != Loss::default()).then(|| "a loss before a step".to_owned());
        found("adam.mean", &self.mean, &|v| v.is_finite() && (started || v == 0.0))
            .or_else(|| found("adam.square", &self.square, &|v| v.is_finite() && v >= 0.0 && (started || v == 0.0)))
            .or_else(|| epoch.map(|at| format!("the loss of epoch {} is not that of images", at + 1)))
            .or(early)
    }
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
    let weights = read_weights(path, &file)?;
    let shape = weights.shape()?;
    if shape != layers.shape {
        return Err(refuse(format!("holds a {shape} model, not the {} one of this training", layers.shape)));
    }
    let tensor = |name: &str, dtype: Dtype| match file.tensor(name) {
        Ok(tensor) if tensor.dtype() == dtype => Ok(tensor),
        _ => Err(refuse(format!("has no tensor {name} of {dtype}"))),
    };
    let f32s = |name| -> Result<Vec<f32>> {
        Ok(tensor(name, Dtype::F32)?.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
    };
    let f64s = |name| -> Result<Vec<f64>> {
        Ok(tensor(name, Dtype::F64)?.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect())
    };
    let (curve, epoch) = (f64s("curve")?, f64s("epoch")?);
    if let [_, columns @ (0 | 1 | 3..)] = *tensor("curve", Dtype::F64)?.shape() {
        return Err(refuse(format!("has a loss curve of {columns} columns, not 2")));
    }
    let [step, bce, kl] = epoch[..] else { return Err(refuse(format!("has an epoch of {} numbers", epoch.len()))) };
    let state = State {
        params: Layers::flatten(&weights),
        mean: f32s("adam.mean")?,
        square: f32s("adam.square")?,
        curve: curve.as_chunks().0.iter().map(|&[bce, kl]| Loss { bce, kl }).collect(),
        step: step as usize,
        sum: Loss { bce, kl },
    };
    let complete = state.step as f64 == step
        && [&state.params, &state.mean, &state.square].iter().all(|values| values.len() == layers.len());
    if !complete || checksum(identity, &state) != expected {
        return Err(refuse("is damaged: its checksum does not match".into()));
    }
    match state.contradiction() {
        None => Ok(Some(state)),
        Some(fault) => Err(refuse(format!("is impossible: {fault}"))),
    }
}

fn checksum(identity: &str, state: &State) -> String {
    let floats = [&state.params, &state.mean, &state.square];
    let mut bytes = identity.as_bytes().to_vec();
    bytes.extend(floats.into_iter().flatten().flat_map(|v| v.to_le_bytes()));
    let curve = state.curve.iter().flat_map(|loss| [loss.bce, loss.kl]);
    bytes.extend(curve.chain(state.epoch()).flat_map(|v| v.to_le_bytes()));
    sha256_hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrial_spec::Shape;
    use tempfile::TempDir;

    const SHAPE: Shape = Shape { pixels: 7, hidden: 5, latent: 3 };

    fn state(layers: &Layers) -> State {
        let count = layers.len();
        let curve = vec![Loss { bce: 9.0, kl: 0.5 }, Loss { bce: 8.0, kl: 0.75 }];
        State {
            params: vec![0.25; count],
            mean: vec![-0.1; count],
            square: vec![0.01; count],
            curve,
            step: 3,
            sum: Loss { bce: 7.0, kl: 0.5 },
        }
    }

    /// What a state is told when it is read back, its checksum being right.
    fn told(layers: &Layers, state: &State) -> String {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("training.safetensors");
        save(&path, "identity", layers, state).unwrap();
        match load(&path, "identity", &Layers::new(SHAPE)) {
            Ok(read) => {
                assert_eq!(read.as_ref(), Some(state));
                String::new()
            }
            Err(error) => {
                assert!(matches!(error, Error::File { .. }) && error.to_string().lines().count() == 1, "{error}");
                error.to_string()
            }
        }
    }

    #[test]
    fn impossible_states_are_refused_behind_a_right_checksum() {
        let layers = Layers::new(SHAPE);
        let refused = |words: &str, change: &dyn Fn(&mut State)| {
            let mut wrong = state(&layers);
            change(&mut wrong);
            let message = told(&layers, &wrong);
            assert!(message.contains(words), "{words}: {message}");
        };
        assert_eq!(told(&layers, &state(&layers)), "");
        assert_eq!(told(&layers, &State::new(vec![0.25; layers.len()])), "");
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            refused("adam.mean[4] is", &|s| s.mean[4] = bad);
            refused("adam.square[4] is", &|s| s.square[4] = bad);
            refused("the loss of epoch 2 is", &|s| s.curve[1].bce = bad.into());
            refused("the loss of epoch 2 is", &|s| s.curve[1].kl = bad.into());
            refused("encoder.fc1.weight[4]", &|s| s.params[4] = bad);
        }
        refused("adam.square[0] is -0.5 after 2 epochs and 3 steps", &|s| s.square[0] = -0.5);
        refused("the loss of epoch 1 is", &|s| s.curve[0].bce = -1.0);
        refused("the loss of epoch 3 is", &|s| s.sum.kl = f64::NAN);
        refused("a loss before a step", &|s| s.step = 0);
        let unborn = |s: &mut State| (s.step, s.sum, s.curve) = (0, Loss::default(), vec![]);
        refused("adam.mean[0] is -0.1 after 0 epochs and 0 steps", &unborn);
        refused("adam.square[0] is 0.01 after 0 epochs", &|s| {
            unborn(s);
            s.mean.fill(0.0);
        });
    }

    /// As many parameters in layers of other widths.
    #[test]
    fn another_shape_of_the_same_size_is_refused() {
        let count = Layers::new(SHAPE).len();
        let widths = (1..60).flat_map(|pixels| (1..60).map(move |hidden| (pixels, hidden)));
        let shapes = widths.flat_map(|(pixels, hidden)| (1..60).map(move |latent| Shape { pixels, hidden, latent }));
        let others: Vec<_> = shapes.filter(|&s| s != SHAPE && Layers::new(s).len() == count).collect();
        assert!(!others.is_empty());
        for other in others {
            let layers = Layers::new(other);
            let message = told(&layers, &state(&layers));
            assert!(message.contains(&format!("holds a {other} model, not the 7-5-3 one")), "{message}");
        }
    }

    #[test]
    fn a_curve_of_other_columns_is_refused() {
        let (layers, dir) = (Layers::new(SHAPE), TempDir::new().unwrap());
        let (path, state) = (dir.path().join("training.safetensors"), state(&layers));
        let count = layers.len();
        let mut tensors = weights::tensors(&layers.weights(&state.params));
        tensors.push(("adam.mean".into(), Tensor::f32(vec![count], &state.mean)));
        tensors.push(("adam.square".into(), Tensor::f32(vec![count], &state.square)));
        tensors.push(("curve".into(), Tensor::f64(vec![1, 4], &[9.0, 0.5, 8.0, 0.75])));
        tensors.push(("epoch".into(), Tensor::f64(vec![3], &state.epoch())));
        let stamp = format!("{} identity", checksum("identity", &state));
        write_atomic(&path, &weights::to_bytes(tensors, Some((KEY, stamp))).unwrap()).unwrap();
        let message = load(&path, "identity", &layers).unwrap_err().to_string();
        assert!(message.contains("a loss curve of 4 columns, not 2"), "{message}");
    }
}
