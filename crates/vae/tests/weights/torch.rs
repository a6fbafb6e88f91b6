//! Archives of `torch.save`: real ones from ../data, and such as nobody should write.

use super::*;
use std::{
    io::{Cursor, Read, Write},
    time::Instant,
};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// An archive of these entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A real archive whose pickle is another.
fn with_pickle(name: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut source = ZipArchive::new(Cursor::new(fixture(name))).unwrap();
    let mut entries = vec![];
    for index in 0..source.len() {
        let mut entry = source.by_index(index).unwrap();
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        let name = entry.name().unwrap().to_string();
        entries.push((name.clone(), if name.ends_with("data.pkl") { change(bytes) } else { bytes }));
    }
    archive(&entries.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect::<Vec<_>>())
}

fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(old.len()).position(|w| w == old).expect("there to be replaced");
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

/// Refused within a second, which bounds what it can have read.
#[track_caller]
fn refused_at_once(bytes: &[u8], expected: &[&str]) {
    let start = Instant::now();
    refused(bytes, expected);
    assert!(start.elapsed().as_secs() < 3, "{:?}", start.elapsed());
}

#[test]
fn archives_of_pytorch_give_the_same_bits() {
    assert!(same(&fixture("examples.pt"))[0].starts_with("reads \"fc1\" as encoder.fc1, \"fc21\" as"));
    same(&fixture("views.pt"));
    same(&fixture("module.pt"));
    let notes = same(&fixture("checkpoint.pt")).join("\n");
    holds(&notes, &["\"model_state_dict.encoder.0\" as encoder.fc1", "\"optimizer_state_dict\" (30 tensors)"]);
    same(&with_pickle("examples.pt", |pickle| pickle));
}

#[test]
fn activations_that_a_module_names_are_held_to() {
    let other = |class: &[u8]| {
        with_pickle("module.pt", |pickle| replace(&pickle, b"activation\nReLU", &[b"activation\n", class].concat()))
    };
    refused(&other(b"Tanh"), &["holds a module with Tanh", "one hidden layer with ReLU"]);
    refused(&other(b"LeakyReLU"), &["holds a module with LeakyReLU"]);
    refused(&other(b"\x1b[31m"), &["\\u{1b}"]);
}

#[test]
fn archives_that_are_no_state_dict() {
    refused(&fixture("legacy.pt"), &["a PyTorch file of the old format", "_use_new_zipfile_serialization=True"]);
    refused(
        &archive(&[("m/constants.pkl", b""), ("m/code/m.py", b""), ("m/data.pkl", b"")]),
        &["TorchScript", "torch.jit.load"],
    );
    refused(&archive(&[("fc1.weight.npy", b"\x93NUMPY")]), &["NumPy arrays (.npz)", "numpy.load"]);
    refused(&archive(&[("config.json", b"{}"), ("model.weights.h5", b"")]), &["Keras model (.keras)", "w.path"]);
    refused(&archive(&[("a/archive_format", b"pt2"), ("a/models/model.json", b"{}")]), &["torch.export", "state_dict"]);
    refused(&archive(&[("weights/model.pt", b"PK")]), &["packed in it", "unzip it"]);
    refused(&archive(&[("readme.txt", b"")]), &["none that torch.save wrote"]);
    let whole = fixture("examples.pt");
    let (_dir, path) = write(b"");
    for len in (2..whole.len()).step_by(97) {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(matches!(weights::load(&path), Err(Error::File { .. })), "{len}");
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        if let Ok(file) = weights::load(&path) {
            assert_eq!(file.weights, model(SHAPE), "a flipped bit at {at} went unseen");
        }
    }
}

/// A pickle of one tensor on a storage of any size.
fn tensor(numel: &str, shape: &str, stride: &str) -> Vec<u8> {
    format!(
        "}}Vfc1.weight\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\n\
         Vcpu\nI{numel}\ntQI0\n(I{shape}\n\
         I1\nt(I{stride}\nI1\ntI00\nccollections\nOrderedDict\n)RtRs."
    )
    .into_bytes()
}

#[test]
fn claims_are_not_believed() {
    let data = |pickle: &[u8]| archive(&[("a/data.pkl", pickle), ("a/data/0", &[0; 16]), ("a/version", b"3\n")]);
    let fine = data(&tensor("4", "4", "1"));
    refused_at_once(&fine, &["\"fc1\", none of which"]);
    refused_at_once(&data(&tensor("1000000000000", "1000000000000", "1")), &["does not hold plain tensors", "limit"]);
    refused_at_once(&data(&tensor("1", "1000000000000", "0")), &["does not hold plain tensors", "limit"]);
    refused_at_once(&data(&tensor("4", "1000000", "1")), &["does not hold plain tensors"]);
    refused_at_once(&data(&tensor("99999999999999999999", "4", "1")), &["does not hold plain tensors"]);
    // Within the reader's limit, beyond the model's.
    for numel in ["100000000", "2000000000"] {
        refused_at_once(&data(&tensor(numel, numel, "1")), &["\"fc1\", none of which"]);
    }
}

/// Layers of a plausible model whose storages are not there.
#[test]
fn missing_storages_are_refused() {
    let short = with_pickle("examples.pt", |pickle| replace(&pickle, b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x007"));
    refused_at_once(&short, &["cannot be read"]);
}

#[test]
fn nothing_in_a_pickle_runs() {
    let dir = TempDir::new().unwrap();
    let trace = dir.path().join("trace");
    let call = format!("cos\nsystem\n(Vtouch {}\ntR.", trace.display());
    refused_at_once(&archive(&[("a/data.pkl", call.as_bytes())]), &["does not hold plain tensors", "os.system"]);
    let global = b"}Vfc1.weight\ncbuiltins\neval\ns.";
    refused_at_once(&archive(&[("a/data.pkl", global)]), &["holds no dense layer"]);
    assert!(!trace.exists());
}

#[test]
fn bombs_are_refused_at_once() {
    let data = |pickle: &[u8]| archive(&[("a/data.pkl", pickle)]);
    refused_at_once(&data(&[&b"(".repeat(1_000_000)[..], b"."].concat()), &["does not hold plain tensors"]);
    refused_at_once(&data(&[&b"]".repeat(500_000)[..], &b"a".repeat(499_999), b"."].concat()), &["nesting exceeds"]);
    let mut laughs = b"](".to_vec();
    laughs.extend((0..60u8).flat_map(|i| [b'q', i, b'h', i, b'h', i, b'e', b'(']));
    laughs.push(b'.');
    refused_at_once(&data(&laughs), &["does not hold plain tensors"]);
    refused_at_once(&data(&b"N".repeat(2 << 20)), &["does not hold plain tensors"]);
    refused_at_once(&data(&b"}".repeat(2 << 20)), &["does not hold plain tensors"]);
    refused_at_once(&data(&b"N".repeat((2 << 20) + 1)), &["a pickle of 2097153 bytes, above 2 MiB", "state_dict"]);
    let names: Vec<String> = (0..20_000).map(|i| i.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    refused_at_once(&archive(&many), &["more than 10000 entries"]);
    // 1 GiB of zeros in a megabyte.
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    zip.start_file("a/data/0", SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated))
        .unwrap();
    let zeros = vec![0; 1 << 20];
    (0..257).for_each(|_| zip.write_all(&zeros).unwrap());
    zip.start_file("a/data.pkl", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"}.").unwrap();
    let bomb = zip.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    refused_at_once(&bomb, &["unpacks to 269484034 bytes, above 256 MiB"]);
}
