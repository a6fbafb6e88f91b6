//! Weight files: what is written is read back, and everything else is refused on one line that names the file.

use retrial_spec::{Error, Linear, Shape, Weights};
use retrial_vae::{file::sha256_hex, weights};
use safetensors::{Dtype, tensor::TensorView};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

const SHAPE: Shape = Shape { pixels: 5, hidden: 3, latent: 2 };

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

struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// The tensors of a good file, to be spoilt.
fn entries() -> Vec<Entry> {
    let model = model(SHAPE);
    let entry = |name, shape, values: &[f32]| Entry {
        name,
        dtype: Dtype::F32,
        shape,
        bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    let layers = model.layers().into_iter();
    let both = layers.flat_map(|(name, layer)| {
        let weight = entry(format!("{name}.weight"), vec![layer.outputs, layer.inputs], &layer.weight);
        [weight, entry(format!("{name}.bias"), vec![layer.outputs], &layer.bias)]
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

#[track_caller]
fn refused(bytes: &[u8], expected: &[&str]) {
    let (_dir, path) = write(bytes);
    let error = weights::load(&path).expect_err("must be refused");
    let message = error.to_string();
    assert!(matches!(error, Error::File { .. }), "{message}");
    assert!(!message.contains('\n') && message.contains("model.safetensors"), "{message}");
    for part in expected {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

/// Refuses a good file after `spoil` changed its tensor `name`.
#[track_caller]
fn refused_with(name: &str, spoil: impl Fn(&mut Entry), expected: &[&str]) {
    let mut entries = entries();
    spoil(entries.iter_mut().find(|e| e.name == name).unwrap());
    refused(&bytes(&entries), expected);
}

#[test]
fn a_saved_model_is_read_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("model.safetensors");
    for shape in [SHAPE, Shape { pixels: 1, hidden: 1, latent: 1 }, Shape { pixels: 4, hidden: 1024, latent: 128 }] {
        let model = model(shape);
        let sha256 = weights::save(&path, &model).unwrap();
        let file = weights::load(&path).unwrap();
        assert_eq!((file.weights, &file.sha256), (model.clone(), &sha256));
        assert_eq!(sha256, sha256_hex(&fs::read(&path).unwrap()));
        assert_eq!(weights::save(&path, &model).unwrap(), sha256, "equal weights, equal bytes");
    }
}

#[test]
fn files_of_others_are_read_and_their_extra_tensors_ignored() {
    let mut entries = entries();
    entries.push(Entry { name: "step".into(), dtype: Dtype::I64, shape: vec![], bytes: vec![0; 8] });
    let (_dir, path) = write(&bytes(&entries));
    assert_eq!(weights::load(&path).unwrap().weights, model(SHAPE));
}

#[test]
fn paths_that_cannot_be_read() {
    let dir = TempDir::new().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        let error = weights::load(&path).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}

#[test]
fn files_that_are_not_whole_are_refused() {
    let whole = bytes(&entries());
    for len in 0..whole.len() {
        refused(&whole[..len], &["not a whole safetensors file", "fetch it again"]);
    }
    refused(&[&whole[..], &[0]].concat(), &["not a whole safetensors file"]);
    refused(b"PK\x03\x04 this is a PyTorch zip", &["not a whole safetensors file", "safetensors.torch.save_file"]);
    refused(&[0xFF; 64], &["not a whole safetensors file"]);
}

#[test]
fn endless_files_are_refused() {
    let (_dir, path) = write(b"");
    fs::File::options().write(true).open(&path).unwrap().set_len(257 << 20).unwrap(); // a hole takes no disk
    let message = weights::load(&path).unwrap_err().to_string();
    assert!(message.ends_with("is larger than 256 MiB; no such file of Retrial is; check the path"), "{message}");
}

#[test]
fn a_missing_tensor_is_named_beside_those_there() {
    refused_with("decoder.fc1.bias", |e| e.name = "fc3.bias".into(), &["no tensor decoder.fc1.bias", "\"fc3.bias\""]);
    refused_with("encoder.fc1.weight", |e| e.name = "a\nb".into(), &["no tensor encoder.fc1.weight", "a\\nb"]);
    let mut many = entries();
    let spare = |i| Entry { name: format!("aa{i}"), dtype: Dtype::U8, shape: vec![1], bytes: vec![0] };
    many.retain(|e| e.name != "decoder.fc2.bias");
    many.extend((0..20).map(spare));
    refused(&bytes(&many), &["no tensor decoder.fc2.bias", "\"aa0\"", "and 17 more"]);
}

#[test]
fn wrong_types_and_shapes_are_refused() {
    let half = |e: &mut Entry| {
        e.dtype = Dtype::F16;
        e.bytes.truncate(e.bytes.len() / 2);
    };
    refused_with("encoder.fc_mu.weight", half, &["encoder.fc_mu.weight is F16", "must be F32", "model.float()"]);
    refused_with("decoder.fc2.weight", |e| e.shape = vec![15], &["decoder.fc2.weight has shape [15]", "2 dimension"]);
    refused_with("decoder.fc2.bias", |e| e.shape = vec![5, 1], &["decoder.fc2.bias has shape [5, 1]", "1 dimension"]);
    refused_with("decoder.fc2.weight", |e| e.shape = vec![3, 5], &["got shape", "to fit decoder.fc1 and decoder.fc2"]);
    let shorter = |e: &mut Entry| {
        e.shape = vec![1];
        e.bytes.truncate(4);
    };
    refused_with("encoder.fc_logvar.bias", shorter, &["encoder.fc_logvar.bias: got 1 values", "must hold 2"]);
    let too_large = Shape { pixels: 4, hidden: 3, latent: 129 };
    let (_dir, path) = write(b"");
    let message = weights::save(&path, &model(too_large)).unwrap_err().to_string();
    assert_eq!(message, "model with 129 latent dimensions: got 129; must be 1 to 128");
    assert_eq!(fs::read(&path).unwrap(), b"", "nothing is written");
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for value in [f32::NAN, f32::INFINITY] {
        let spoil = |e: &mut Entry| e.bytes[8..12].copy_from_slice(&value.to_le_bytes());
        refused_with("encoder.fc1.weight", spoil, &["encoder.fc1.weight[2]: got", &value.to_string(), "finite"]);
    }
}

/// No single wrong bit of the header may panic or take memory for what is not there.
#[test]
fn flipped_header_bits_do_no_harm() {
    let whole = bytes(&entries());
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in 0..header {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let (_dir, path) = write(&flipped);
        let _ = weights::load(&path);
    }
}
