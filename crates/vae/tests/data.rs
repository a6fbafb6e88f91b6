//! Data sources: what is read, and that everything else is refused on one line that names the file.

use flate2::{Compression, write::GzEncoder};
use retrial_files::sha256_hex;
use retrial_spec::Error;
use retrial_vae::Images;
use std::{fs, io::Write, path::PathBuf};
use tempfile::TempDir;

fn write(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data.bin");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn load(bytes: &[u8], samples: Option<usize>) -> Result<Images, Error> {
    let (_dir, path) = write(bytes);
    Images::load(path.to_str().unwrap(), samples)
}

/// Asserts that the bytes are refused on one line that names the file and says `expected`.
#[track_caller]
fn refused(bytes: &[u8], samples: Option<usize>, expected: &[&str]) {
    let error = load(bytes, samples).expect_err("must be refused");
    let message = error.to_string();
    assert!(error.is_input() && !message.contains('\n') && message.contains("data.bin"), "{message}");
    for part in expected {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(magic: u32, dims: &[u32], data: &[u8]) -> Vec<u8> {
    let head = [magic].into_iter().chain(dims.iter().copied()).flat_map(u32::to_be_bytes);
    head.chain(data.iter().copied()).collect()
}

/// Three images of 2 x 2 pixels.
fn small_idx() -> Vec<u8> {
    idx(0x803, &[3, 2, 2], &[0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6])
}

fn npy(version: u8, dictionary: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{dictionary}\n");
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, fortran: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}")
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn fashion_mnist_is_embedded() {
    let images = Images::load("fashion-mnist", None).unwrap();
    assert_eq!((images.samples(), images.pixels(), images.name()), (400, 784, "fashion-mnist"));
    assert_eq!(images.labels().unwrap()[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    assert_eq!(images.labels().unwrap().len(), 400);
    // The fingerprint of the first 400 images of the file that Zalando published, as bytes.
    let bytes: Vec<u8> = images.values().iter().map(|v| (v * 255.0).round() as u8).collect();
    assert_eq!(sha256_hex(&bytes), "c89101fbb23aa4327152710c44a48f961c5b47b0fa26038eb5495f23310757b9");
    assert_eq!(images.sha256(), "c1db99d8c58279cc62dfac8011ebb53f6f965bb23b8e7661dfc2bff3bae10184");
    assert_eq!(bytes.iter().map(|&b| f32::from(b) / 255.0).collect::<Vec<_>>(), images.values());
}

#[test]
fn the_first_samples_are_used() {
    let (all, three) = (Images::load("fashion-mnist", None).unwrap(), Images::load("fashion-mnist", Some(3)).unwrap());
    assert_eq!((three.samples(), three.labels().unwrap()), (3, &all.labels().unwrap()[..3]));
    assert_eq!(three.image(2), all.image(2));
    assert_ne!(three.sha256(), all.sha256());
    for samples in [0, 401] {
        let message = Images::load("fashion-mnist", Some(samples)).unwrap_err().to_string();
        assert_eq!(message, format!("samples of fashion-mnist: got {samples}; must be 1 to 400, the number it holds"));
    }
}

#[test]
fn idx_files_plain_and_gzipped() {
    let plain = load(&small_idx(), None).unwrap();
    assert_eq!((plain.samples(), plain.pixels(), plain.labels()), (3, 4, None));
    assert_eq!(plain.image(0), [0.0, 0.2, 0.4, 0.6]);
    assert_eq!(plain.image(1)[1], 1.0);
    // Recognised by content: the name says nothing of gzip. Members of gzip may follow one another.
    let halves = [gzip(&small_idx()[..9]), gzip(&small_idx()[9..])].concat();
    for bytes in [gzip(&small_idx()), halves] {
        assert_eq!(load(&bytes, None).unwrap().values(), plain.values());
    }
    assert_eq!(load(&small_idx(), Some(2)).unwrap().values(), &plain.values()[..8]);
    // What lies behind the wanted images is not read.
    assert_eq!(load(&small_idx()[..24], Some(2)).unwrap().samples(), 2);
}

#[test]
fn npy_files_of_every_kind() {
    let values = [0.0f32, 0.25, 0.5, 0.75, 1.0, 0.125];
    let rows = npy(1, &header("<f4", "False", "(2, 3)"), &f32s(&values));
    let columns = npy(2, &header("<f4", "True", "(2, 3)"), &f32s(&[0.0, 0.75, 0.25, 1.0, 0.5, 0.125]));
    let double = npy(3, &header("<f8", "False", "(2, 3)"), &f64s(&values.map(f64::from)));
    let unsorted = npy(1, "{'shape':(2,3,),'fortran_order':False,'descr':'<f4'}", &f32s(&values));
    for bytes in [&rows, &columns, &double, &unsorted, &gzip(&rows)] {
        let images = load(bytes, None).unwrap();
        assert_eq!((images.values(), images.pixels()), (&values[..], 3));
        assert_eq!(load(bytes, Some(1)).unwrap().values(), &values[..3]);
    }
    let bytes = npy(1, &header("|u1", "False", "(1, 3)"), &[0, 51, 255]);
    assert_eq!(load(&bytes, None).unwrap().values(), [0.0, 0.2, 1.0]);
    // The same values have the same fingerprint, whatever the file.
    assert_eq!(load(&rows, None).unwrap().sha256(), load(&columns, None).unwrap().sha256());
}

#[test]
fn paths_that_cannot_be_read() {
    let dir = TempDir::new().unwrap();
    for path in [dir.path().join("missing.npz:a"), dir.path().join("missing.npy")] {
        let error = Images::load(path.to_str().unwrap(), None).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("cannot read {}: ", path.display())), "{error}");
    }
}

#[test]
fn malformed_idx_is_refused() {
    let whole = small_idx();
    refused(b"", None, &["is empty"]);
    refused(b"PNG", None, &["is a text without columns"]);
    refused(b"\x89PNG\r\n\x1a\n0000", None, &["is a single PNG", "folder"]);
    refused(&idx(0x801, &[3], &[1, 2, 3]), None, &["these are labels", "give the file of images"]);
    refused(&whole[..10], None, &["ends inside its header"]);
    refused(&whole[..whole.len() - 1], None, &["ends inside sample 3 of 3"]);
    refused(&[&whole[..], &[0]].concat(), None, &["goes on behind its values of shape [3, 2, 2]"]);
    refused(&[&whole[..], &[0]].concat(), Some(3), &["goes on behind"]);
    refused(&idx(0x803, &[0, 2, 2], &[]), None, &["holds 0 samples"]);
    refused(&idx(0x803, &[1, 0, 2], &[]), None, &["has 0 pixels per image"]);
    refused(&idx(0x803, &[1, 65, 64], &[0; 4160]), None, &["has 4160 pixels per image", "1 to 4096"]);
    refused(&idx(0x803, &[u32::MAX; 3], &[0; 64]), None, &["pixels per image"]);
    refused(&idx(0x803, &[u32::MAX, 64, 64], &[0; 5000]), None, &["4294967295 samples of 4096", "at most"]);
    refused(&idx(0x803, &[1 << 17, 64, 64], &[9; 5000]), None, &["ends inside sample 2 of 131072"]);
    refused(&whole, Some(0), &["got 0", "1 to 3"]);
    refused(&whole, Some(4), &["got 4", "1 to 3"]);
}

#[test]
fn damaged_gzip_is_refused() {
    let whole = gzip(&small_idx());
    for len in 2..whole.len() {
        assert!(load(&whole[..len], None).is_err(), "cut to {len} bytes");
    }
    refused(&whole[..whole.len() - 12], None, &["ends inside"]);
    let mut flipped = whole.clone();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    refused(&flipped, None, &["is damaged"]);
    refused(&[&whole[..], b"more than a header"].concat(), None, &["is damaged"]);
}

#[test]
fn malformed_npy_is_refused() {
    let good = |shape, values: &[f32]| npy(1, &header("<f4", "False", shape), &f32s(values));
    let whole = good("(2, 2)", &[0.0, 0.1, 0.2, 0.3]);
    refused(&whole[..whole.len() - 1], None, &["ends inside sample 2 of 2"]);
    refused(&[&whole[..], &[0]].concat(), None, &["goes on behind"]);
    refused(&whole[..20], None, &["ends inside its header"]);
    refused(&good("(4,)", &[0.0; 4]), None, &["has shape [4]", "[N, pixels]"]);
    refused(&good("(1, 2, 2, 2)", &[0.0; 8]), None, &["has shape [1, 2, 2, 2]"]);
    refused(&good("(1, 1, 2, 2, 1)", &[0.0; 4]), None, &["has shape [1, 1, 2, 2, 1]"]);
    refused(&good("()", &[0.0]), None, &["has shape []"]);
    refused(&good("(0, 2)", &[]), None, &["holds 0 samples"]);
    refused(&good("(2, 0)", &[]), None, &["has 0 pixels"]);
    refused(&good("(2, -2)", &[]), None, &["axis of length -2"]);
    refused(&good("(99999999999999999999, 2)", &[]), None, &["axis of length 99999999999999999999"]);
    refused(&good("(1, 4097)", &[0.0; 4097]), None, &["has 4097 pixels"]);
    refused(&good("2, 2", &[]), None, &["tuple"]);
    refused(&good("(2, 2)", &[0.0, 0.5, f32::NAN, 0.5]), None, &["value [1, 0]: got NaN", "[0, 1]"]);
    refused(&good("(2, 2)", &[0.0, 0.5, 1.0, 1.5]), None, &["value [1, 1]: got 1.5"]);
    refused(&good("(2, 2)", &[0.0, -0.5, 1.0, 1.0]), None, &["value [0, 1]: got -0.5"]);
    for dtype in ["<c8", "<U1", "<M8[ns]", "|O", "=f4"] {
        refused(&npy(1, &header(dtype, "False", "(1, 1)"), &[0; 8]), None, &["has dtype", dtype, "astype"]);
    }
    refused(
        &npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1)}", &[0; 4]),
        None,
        &["has dtype"],
    );
    refused(&npy(1, "{'descr': '<f4', 'fortran_order': False}", &[0; 4]), None, &["lacks 'shape'"]);
    refused(&npy(9, &header("<f4", "False", "(1, 1)"), &[0; 4]), None, &["unknown version"]);
    refused(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", None, &["header of 4294967295 bytes"]);
    refused(b"\x93NUMEROUS", None, &["starts with"]);
}

/// Headers that promise far more than the file or the machine holds.
#[test]
fn hostile_lengths_are_refused_without_memory() {
    let most = usize::MAX.to_string();
    for fortran in ["False", "True"] {
        let bytes = npy(1, &header("<f4", fortran, &format!("({most}, 4)")), &[0; 32]);
        refused(&bytes, None, &[&most, "at most 1073741824"]);
        refused(&gzip(&bytes), None, &[&most, "at most 67108864"]);
    }
    for (fortran, place) in [("False", "ends inside sample 3 of"), ("True", "ends inside column 1 of 4")] {
        let bytes = npy(1, &header("<f4", fortran, "(268435456, 4)"), &[0; 32]);
        refused(&bytes, None, &[place]);
    }
}

#[test]
fn values_given_by_a_caller_are_checked() {
    assert!(Images::new("mine", vec![0.5; 6], 3).is_ok());
    for (values, pixels, expected) in [
        (vec![], 3, "mine: got 0 values; must be one or more images of 3 pixels"),
        (vec![0.5; 4], 3, "mine: got 4 values; must be one or more images of 3 pixels"),
        (vec![0.5; 4], 0, "mine: got 0 pixels per image; must be 1 to 4096 pixels per image"),
        (vec![0.5; 4097], 4097, "mine: got 4097 pixels per image; must be 1 to 4096 pixels per image"),
        (vec![0.5, f32::INFINITY], 1, "mine: value [1, 0]: got inf; must be within [0, 1]"),
    ] {
        let message = Images::new("mine", values, pixels).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}
