//! Files as Retrial writes them, and the damage that may come to them.

use super::*;
use retrial_files::sha256_hex;

fn entries() -> Vec<Entry> {
    named(OWN)
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
    for len in 1..whole.len() {
        refused(&whole[..len], &["not a whole safetensors file", "fetch it again"]);
    }
    refused(&[&whole[..], &[0]].concat(), &["not a whole safetensors file"]);
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
fn a_missing_layer_is_named_beside_those_there() {
    for name in OWN {
        let rest: Vec<Entry> = entries().into_iter().filter(|e| !e.name.starts_with(&format!("{name}."))).collect();
        refused(&bytes(&rest), &[&format!("has no layer {name}; it holds \""), "--rename OLD=NEW"]);
    }
    refused_with("encoder.fc1.weight", |e| e.name = "a\nb".into(), &["\"a\\nb\" of an unknown use"]);
    refused_with("decoder.fc1.bias", |e| e.name = "fc3.bias".into(), &["holds \"fc3.bias\"", "without a weight"]);
    let mut many = entries();
    many.extend((0..20).map(|i| Entry::zeros(format!("aa{i}"), &[1])));
    refused(&bytes(&many), &["\"aa0\"", "and 8 more of an unknown use"]);
}

#[test]
fn wrong_types_and_shapes_are_refused() {
    let integer = |e: &mut Entry| e.dtype = Dtype::I32;
    refused_with("encoder.fc_mu.weight", integer, &["\"encoder.fc_mu.weight\" is I32", "must be F32", "model.float()"]);
    refused_with("decoder.fc2.weight", |e| e.shape = vec![15], &["\"decoder.fc2.weight\" of a normalisation"]);
    refused_with("decoder.fc2.weight", |e| e.shape = vec![5, 3, 1], &["\"decoder.fc2.weight\" of a convolution"]);
    refused_with("decoder.fc2.bias", |e| e.shape = vec![5, 1], &["\"decoder.fc2.bias\" without a weight"]);
    refused_with("decoder.fc2.weight", |e| e.shape = vec![1, 15], &["do not fit", "\"decoder.fc2\" [1, 15] + [5]"]);
    let shorter = |e: &mut Entry| {
        e.shape = vec![1];
        e.bytes.truncate(4);
    };
    refused_with("encoder.fc_logvar.bias", shorter, &["do not fit", "\"encoder.fc_logvar\" [2, 3] + [1]"]);
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
