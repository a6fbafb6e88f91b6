//! Weight files: what is written is read back, the same model under other names gives the same bits, and everything
//! else is refused on one line that names the file and what it is.

mod foreign;
mod names;
mod own;
mod torch;

use retrial_spec::{Error, Linear, Shape, Weights};
use retrial_vae::{WeightFile, weights};
use safetensors::{Dtype, tensor::TensorView};
use std::{fs, path::PathBuf, sync::LazyLock};
use tempfile::TempDir;

const SHAPE: Shape = Shape { pixels: 5, hidden: 3, latent: 2 };
const OWN: [&str; 5] = ["encoder.fc1", "encoder.fc_mu", "encoder.fc_logvar", "decoder.fc1", "decoder.fc2"];

fn linear(outputs: usize, inputs: usize) -> Linear {
    let value = |i: usize| (i as f32 + 0.5) / (outputs * 7 + inputs) as f32;
    Linear {
        outputs,
        inputs,
        weight: (0..outputs * inputs).map(value).collect(),
        bias: (0..outputs).map(|i| -value(i)).collect(),
    }
}

fn model(Shape { pixels, hidden, latent }: Shape) -> Weights {
    Weights {
        encoder_fc1: linear(hidden, pixels),
        encoder_fc_mu: linear(latent, hidden),
        encoder_fc_logvar: linear(latent, hidden),
        decoder_fc1: linear(hidden, latent),
        decoder_fc2: linear(pixels, hidden),
    }
}

#[derive(Clone)]
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Entry {
    fn new(name: impl Into<String>, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { name: name.into(), dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    fn zeros(name: impl Into<String>, shape: &[usize]) -> Self {
        Self::new(name, shape, &vec![0.0; shape.iter().product()])
    }
}

/// The tensors of a good file under five names.
fn named(names: [&str; 5]) -> Vec<Entry> {
    let model = model(SHAPE);
    let layers = model.layers().into_iter().zip(names);
    let both = layers.flat_map(|((_, layer), name)| {
        let weight = Entry::new(format!("{name}.weight"), &[layer.outputs, layer.inputs], &layer.weight);
        [weight, Entry::new(format!("{name}.bias"), &[layer.outputs], &layer.bias)]
    });
    both.collect()
}

fn bytes(entries: &[Entry]) -> Vec<u8> {
    let views = entries.iter().map(|e| (&e.name, TensorView::new(e.dtype, e.shape.clone(), &e.bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn write(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("model.safetensors");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn load(entries: &[Entry], options: &weights::Options) -> retrial_spec::Result<WeightFile> {
    let (_dir, path) = write(&bytes(entries));
    options.load(&path)
}

/// Reads bytes that hold the same model, and gives what is said of them.
#[track_caller]
fn same(bytes: &[u8]) -> Vec<String> {
    let (_dir, path) = write(bytes);
    let file = weights::load(&path).unwrap();
    assert_eq!(file.weights, model(SHAPE));
    assert_eq!(file.sha256, own_sha256(), "equal weights, equal fingerprints");
    assert!(file.notes.iter().all(|note| !note.contains(['\n', '\u{1b}'])), "{:?}", file.notes);
    file.notes
}

fn own_sha256() -> &'static str {
    static SHA256: LazyLock<String> = LazyLock::new(|| {
        let (_dir, path) = write(b"");
        weights::save(&path, &model(SHAPE)).unwrap()
    });
    &SHA256
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[track_caller]
fn refused(bytes: &[u8], expected: &[&str]) {
    let (_dir, path) = write(bytes);
    let error = weights::load(&path).expect_err("must be refused");
    let message = error.to_string();
    assert!(matches!(error, Error::File { .. }), "{message}");
    assert!(!message.contains(['\n', '\u{1b}']) && message.contains("model.safetensors"), "{message}");
    holds(&message, expected);
}
