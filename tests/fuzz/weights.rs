//! Readers of weight files.

use crate::{Seed, Target, zip};
use retrial_spec::{Result, Shape};
use retrial_vae::{WeightFile, weights};
use std::{
    fs,
    io::{Cursor, Read},
    path::Path,
};

const SHAPE: Shape = Shape { pixels: 6, hidden: 4, latent: 2 };

/// As a whole, or the decoder alone where the whole is refused; and the same again from what is saved.
fn read(path: &Path) -> Result<()> {
    let decoder = weights::Options { decoder_only: true, ..Default::default() };
    let file = weights::load(path).or_else(|_| decoder.load(path))?;
    assert!(file.weights.shape().is_ok(), "{:?}", file.weights.shape());
    assert!(file.notes.iter().all(|note| !note.contains(retrial_spec::text::is_obeyed)), "{:?}", file.notes);
    let again = path.with_file_name("again.safetensors");
    file.save(&again)?;
    let read = weights::Options { decoder_only: file.decoder_only, ..Default::default() }.load(&again)?;
    let WeightFile { weights, decoder_only, sha256, .. } = &read;
    assert!((weights, decoder_only, sha256) == (&file.weights, &file.decoder_only, &file.sha256));
    Ok(())
}

/// What `header` describes, in 8 bytes of length, itself, and so many bytes.
fn described(header: Vec<u8>) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], &header, &vec![0x3C; SIZE]].concat()
}

/// Bytes of the tensors of a model of `SHAPE`.
const SIZE: usize = 4 * (4 * 6 + 4 + 2 * (2 * 4 + 2) + 4 * 2 + 4 + 6 * 4 + 6);

#[test]
fn safetensors() {
    let target = Target::new("safetensors", "weights.safetensors");
    let made = target.folder.join("made.safetensors");
    weights::save(&made, &retrial_check::weights(SHAPE, 1)).unwrap();
    let whole = fs::read(&made).unwrap();
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header = whole[8..][..length].to_vec();
    assert_eq!(whole.len(), 8 + length + SIZE);
    let renamed = String::from_utf8(header.clone()).unwrap();
    let renamed = renamed.replace("encoder.fc1", "fc1").replace("encoder.fc_mu", "fc21");
    let renamed =
        renamed.replace("encoder.fc_logvar", "fc22").replace("decoder.fc1", "fc3").replace("decoder.fc2", "fc4");
    let seeds = [
        Seed::plain(whole),
        Seed { bytes: header, wrap: described },
        Seed { bytes: renamed.into_bytes(), wrap: described },
    ];
    target.run(&seeds, read);
}

/// Of an archive of PyTorch, made by `crates/vae/tests/data/make.py`, everything but the pickle.
fn around_pickle(pickle: Vec<u8>) -> Vec<u8> {
    let mut source = ::zip::ZipArchive::new(Cursor::new(EXAMPLES)).unwrap();
    let mut files = vec![];
    for index in 0..source.len() {
        let mut entry = source.by_index(index).unwrap();
        let (name, mut bytes) = (entry.name().unwrap().to_string(), vec![]);
        entry.read_to_end(&mut bytes).unwrap();
        let is_pickle = name.ends_with("data.pkl");
        files.push((name, if is_pickle { pickle.clone() } else { bytes }));
    }
    zip(&files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect::<Vec<_>>(), false)
}

const EXAMPLES: &[u8] = include_bytes!("../../crates/vae/tests/data/examples.pt");
const VIEWS: &[u8] = include_bytes!("../../crates/vae/tests/data/views.pt");

#[test]
fn pytorch() {
    let mut pickle = vec![];
    let mut source = ::zip::ZipArchive::new(Cursor::new(EXAMPLES)).unwrap();
    let at = (0..source.len()).find(|&at| source.by_index(at).unwrap().name().unwrap().ends_with("data.pkl")).unwrap();
    source.by_index(at).unwrap().read_to_end(&mut pickle).unwrap();
    let seeds = [Seed { bytes: pickle, wrap: around_pickle }, Seed::plain(EXAMPLES), Seed::plain(VIEWS)];
    Target::new("pytorch", "model.pt").run(&seeds, read);
}
