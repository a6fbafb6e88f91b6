//! The files that people hold: what is read as it stands, what is said of it, and what is refused with its cure.

use flate2::{Compression, Crc, write::DeflateEncoder, write::GzEncoder};
use retrial_files::Array;
use retrial_spec::Error;
use retrial_vae::Images;
use std::{fs, io::Write, path::PathBuf};
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
        self
    }
    fn load(&self, name: &str, samples: Option<usize>) -> Result<Images, Error> {
        Images::load(self.path(name).to_str().unwrap(), samples)
    }
    #[track_caller]
    fn refuses(&self, name: &str, expected: &[&str]) {
        let error = self.load(name, None).expect_err("must be refused");
        let message = error.to_string();
        assert!(error.is_input() && !message.contains('\n'), "{message}");
        for part in expected {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
    }
}

/// Loads bytes: values, and the notes without the path before them.
fn load(bytes: &[u8]) -> (Vec<f32>, Vec<String>) {
    let files = Files::new();
    let images = files.write("d", bytes).load("d", None).unwrap();
    let prefix = format!("{}: ", files.path("d").display());
    (images.values().to_vec(), images.notes().iter().map(|note| note.replace(&prefix, "")).collect())
}

#[track_caller]
fn refused(bytes: &[u8], expected: &[&str]) {
    Files::new().write("d", bytes).refuses("d", expected);
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip archive, as NumPy and others write it.
fn zip(files: &[(&str, &[u8])], deflate: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (vec![], vec![]);
    for (name, contents) in files {
        let mut crc = Crc::new();
        crc.update(contents);
        let mut packed = contents.to_vec();
        if deflate {
            let mut encoder = DeflateEncoder::new(vec![], Compression::default());
            encoder.write_all(contents).unwrap();
            packed = encoder.finish().unwrap();
        }
        let mut fields = vec![20, 0, 0, 0, if deflate { 8 } else { 0 }, 0, 0, 0, 0, 0];
        for number in [crc.sum(), packed.len() as u32, contents.len() as u32] {
            fields.extend(number.to_le_bytes());
        }
        fields.extend((name.len() as u16).to_le_bytes());
        let start = bytes.len() as u32;
        bytes.extend([b"PK\x03\x04", &fields[..], &[0, 0], name.as_bytes(), &packed].concat());
        directory
            .extend([b"PK\x01\x02\x14\x00", &fields[..], &[0; 12], &start.to_le_bytes(), name.as_bytes()].concat());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend((files.len() as u16).to_le_bytes().repeat(2));
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn png(width: u32, height: u32, colour: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

#[test]
fn shapes_of_images() {
    let data = [0, 51, 255, 102, 153, 204];
    let want = data.map(|b| f32::from(b) / 255.0);
    for shape in ["(1, 6)", "(1, 2, 3)", "(1, 1, 2, 3)", "(1, 2, 3, 1)"] {
        assert_eq!(load(&npy("|u1", shape, &data)), (want.to_vec(), vec![]), "{shape}");
    }
    refused(&npy("|u1", "(1, 3, 1, 2)", &data), &["has shape [1, 3, 1, 2]", "x.mean(1)"]);
    refused(&npy("|u1", "(1, 5, 2, 3)", &[9; 30]), &["has shape [1, 5, 2, 3]", "x.mean(-1)"]);
    let (_, notes) = load(&npy("|u1", "(3, 3)", &[200; 9]));
    assert!(notes[0].starts_with("3 images of 3 pixels each; a single image"), "{notes:?}");
}

#[test]
fn types_of_images() {
    let bytes = |v: [f32; 4], to: &dyn Fn(f32) -> Vec<u8>| v.iter().flat_map(|&v| to(v)).collect::<Vec<u8>>();
    let grey = [0.0, 0.25, 0.5, 1.0];
    assert_eq!(load(&npy(">f4", "(1, 4)", &bytes(grey, &|v| v.to_be_bytes().into()))), (grey.into(), vec![]));
    assert_eq!(
        load(&npy(">f8", "(1, 4)", &bytes(grey, &|v| f64::from(v).to_be_bytes().into()))),
        (grey.into(), vec![])
    );
    assert_eq!(load(&npy("|b1", "(1, 4)", &[0, 1, 1, 0])), (vec![0.0, 1.0, 1.0, 0.0], vec![]));
    let (values, notes) =
        load(&npy("<i8", "(1, 4)", &bytes([0.0, 51.0, 255.0, 7.0], &|v| (v as i64).to_le_bytes().into())));
    assert_eq!((values[1], values[2], &*notes[0]), (0.2, 1.0, "whole numbers (<i8) are divided by 255"));
    let (values, notes) = load(&npy("<f8", "(1, 1)", &0.1f64.to_le_bytes()));
    assert_eq!((values[0], &*notes[0]), (0.1, "1 of 1 values (<f8) are rounded to f32"));
    refused(&npy("<i2", "(1, 2)", &[255, 255, 0, 1]), &["whole numbers from -1 to 256", "must be 0 to 255"]);
}

/// Truth values as bytes look like images that are nearly black.
#[test]
fn bytes_of_0_and_1_are_asked_about() {
    let words = &["none is above 1", "x.astype(bool)", "x / 255"];
    refused(&npy("|u1", "(1, 4)", &[0, 1, 1, 0]), words);
    refused(&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0], words);
    refused(&npy("<i8", "(1, 1)", &1i64.to_le_bytes()), words);
    let (values, notes) = load(&npy("|u1", "(1, 4)", &[0, 16, 8, 4]));
    assert_eq!((values[1], &*notes[0]), (16.0 / 255.0, "the largest value is 16 of 255, so the images are dark"));
    assert_eq!(load(&npy("|u1", "(1, 2)", &[0, 0])).0, [0.0, 0.0]);
}

#[test]
fn rounding_errors_are_clipped_and_said() {
    let (values, notes) = load(&npy("<f4", "(1, 4)", &f32s(&[-1e-7, 1.0 + f32::EPSILON, 0.5, 1.0])));
    assert_eq!(values, [0.0, 1.0, 0.5, 1.0]);
    assert_eq!(notes, ["2 of 4 values lie a rounding error beyond [0, 1], 1.2e-7 at most; clipped"]);
    assert!(Images::new("mine", vec![1.0 + 2e-5], 1).is_err() && Images::new("mine", vec![-2e-5], 1).is_err());
    let half = half::f16::from_bits(half::f16::ONE.to_bits() + 1).to_le_bytes();
    assert_eq!(load(&npy("<f2", "(1, 1)", &half)).0, [1.0]);
    for (values, cure) in [
        ([0.0, 254.5], "from 0 to 254.5: scale the data, as in x / 255"),
        ([0.0, 16.0], "x / x.max()"),
        ([0.0, 4000.0], "x / 65535"),
        ([-1.0, 1.0], "(x + 1) / 2"),
        ([-0.42, 2.8], "undo the normalisation"),
        ([f32::NAN, 0.5], "replace what is no finite number"),
    ] {
        refused(&npy("<f4", "(1, 2)", &f32s(&values)), &["must be within [0, 1]", cure]);
    }
}

#[test]
fn labels_are_told_from_images() {
    let words = &["these are labels", "give the"];
    refused(&[0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 3], words);
    refused(&gzip(&[0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 3]), words);
    refused(&npy("<i8", "(2,)", &[0; 16]), words);
    refused(&npy("|u1", "(2,)", &[9, 0]), words);
    refused(b"9\n0\n3\n", words);
    refused(b"index,label\n0,9\n1,3\n", words);
}

#[test]
fn arrays_in_archives() {
    let (a, b) = (npy("|u1", "(1, 2)", &[0, 255]), npy("<f4", "(1, 2)", &f32s(&[0.5, 0.25])));
    for deflate in [false, true] {
        let one = zip(&[("arr_0.npy", &a)], deflate);
        assert_eq!(load(&one).0, [0.0, 1.0]);
        let files = Files::new();
        files.write("two.npz", &zip(&[("x_train.npy", &a), ("folder/x test.npy", &b)], deflate));
        assert_eq!(files.load("two.npz:x_train", None).unwrap().values(), [0.0, 1.0]);
        assert_eq!(files.load("two.npz:x_train.npy", None).unwrap().values(), [0.0, 1.0]);
        assert_eq!(files.load("two.npz:folder/x test", None).unwrap().values(), [0.5, 0.25]);
        files.refuses("two.npz", &["2 files (x_train, folder/x test)", "name one array", "two.npz:x_train"]);
        files.refuses("two.npz:y", &["has no y", "x_train, folder/x test"]);
        let path = files.path("two.npz:x_train");
        assert_eq!(Array::open(&path).unwrap().read::<f64>(None).unwrap().values, [0.0, 255.0]);
        // Cut and altered archives are refused, or read as they were.
        for at in 0..one.len() {
            let mut flipped = one.clone();
            flipped[at] ^= 0x11;
            for bytes in [&one[..at], &flipped] {
                files.write("bad.npz", bytes);
                if let Ok(images) = files.load("bad.npz", None) {
                    assert_eq!(images.values(), [0.0, 1.0], "byte {at}");
                }
            }
        }
    }
    assert_eq!(load(&zip(&[("train.csv", b"label,p1,p2\n7,0,255\n")], true)).0, [0.0, 1.0]);
    refused(&zip(&[], false), &["is an archive of no files"]);
    refused(&gzip(&zip(&[("a.npy", &a)], false)), &["is an archive inside another file"]);
}

#[test]
fn tables_of_pixels() {
    for (text, want, said) in [
        (
            "label,pixel1,pixel2\n9,0,255\n3,51,102\n",
            vec![0.0, 1.0, 0.2, 0.4],
            "column 'label' left out, 2 pixels remain",
        ),
        ("\u{feff}\"Label\",\"p1\",\"p2\"\r\n\"9\",\"0\",\"255\"\r\n", vec![0.0, 1.0], "column 'label' left out"),
        (",0,1,class\n0,0,255,shirt\n", vec![0.0, 1.0], "column '' and column 'class' left out"),
        ("5,0,51,102,255\n", vec![0.0, 0.2, 0.4, 1.0], "the first column left out, 4 pixels remain"),
        ("0,51,102,255\n", vec![0.0, 0.2, 0.4, 1.0], "every column is a pixel, 4 of them; whole numbers are divided"),
        ("0,1,2,3\n0,51,102,255\n", vec![0.0, 0.2, 0.4, 1.0], "every column is a pixel, 4 of them"),
        ("0;0.5;1\n1;0;1e-3\n", vec![0.0, 0.5, 1.0, 1.0, 0.0, 1e-3], "values are taken as they are"),
        ("0 1  0 1\n", vec![0.0, 1.0, 0.0, 1.0], "values are taken as they are"),
        ("# a\tb\n0.25\t1.0000001\n\n", vec![0.25, 1.0], "values are taken as they are"),
    ] {
        for bytes in [text.as_bytes(), &gzip(text.as_bytes())] {
            let (values, notes) = load(bytes);
            assert_eq!(values, want, "{text}");
            assert!(notes[0].contains(said), "{text}: {notes:?}");
        }
    }
    let files = Files::new();
    let images = files.write("m.csv", b"label,a,b\n9,0,255\n3,1,2\n").load("m.csv", Some(1)).unwrap();
    assert_eq!((images.samples(), images.labels()), (1, Some(&[9u8][..])));
    let message = files.load("m.csv", Some(3)).unwrap_err().to_string();
    assert!(message.ends_with("got 3; must be 1 to 2, the number it holds"), "{message}");
    assert!(files.load("m.csv", Some(0)).is_err());
    for (text, words) in [
        ("label,a,b\n", "no line of pixels"),
        ("label,a,b\n9,0\n", "has 2 columns in line 2, where line 1 has 3"),
        ("label,a,b\n9,0,1,2\n", "has 4 columns in line 2"),
        ("label,a,b\n9,0,x\n", "has 'x' in line 2, column 3"),
        ("label,a,b\n9,0,\n", "has '' in line 2, column 3"),
        ("label,class,b,c\n9,0,1,2\n", "more than one column of labels"),
        ("label,a,b\n9,0,256\n", "x / 65535"),
        ("label,a,b\n9,0.5,200\n", "x / 255"),
        ("label,a,b\n9,-1,1\n", "(x + 1) / 2"),
        ("label,a,b\n9,nan,1\n", "finite"),
        ("<!DOCTYPE html>\n", "web page"),
        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("{\"a\": 1}", "JSON"),
    ] {
        refused(text.as_bytes(), &[words]);
    }
    refused("1,".repeat(4099).trim_end_matches(',').as_bytes(), &["has 4099 pixels per image"]);
    refused("1,".repeat(1 << 20).as_bytes(), &["more than 262144 bytes in line 1"]);
    refused(&gzip(&vec![b'1'; 1 << 26]), &["more than 262144 bytes in line 1"]);
    refused(format!("a,b,c\n0,1,{}\n", "1".repeat(300)).as_bytes(), &["column 3; a field has at most 256 bytes"]);
}

#[test]
fn folders_of_pngs() {
    use png::{BitDepth::*, ColorType::*};
    let files = Files::new();
    for (name, value) in [("img10.png", 3), ("img2.PNG", 255), ("img1.png", 1)] {
        files.write(&format!("f/{name}"), &png(2, 1, Grayscale, Eight, &[value, 51]));
    }
    files.write("f/labels.txt", b"x").write("f/.hidden.png", b"x");
    let images = files.load("f", None).unwrap();
    assert_eq!(images.values(), [1.0 / 255.0, 0.2, 1.0, 0.2, 3.0 / 255.0, 0.2]);
    assert!(
        images.notes()[0].ends_with("3 PNGs in natural order, img1.png to img10.png; 2 other entries are left out")
    );
    assert_eq!(files.load("f", Some(2)).unwrap().values(), &images.values()[..4]);
    assert!(files.load("f", Some(4)).unwrap_err().to_string().contains("must be 1 to 3"));

    let one = |bytes: &[u8]| {
        let files = Files::new();
        files.write("f/a.png", bytes).load("f", None).map(|images| (images.values().to_vec(), images.notes().to_vec()))
    };
    assert_eq!(one(&png(8, 1, Grayscale, One, &[0b1010_0001])).unwrap().0, [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(one(&png(2, 1, Grayscale, Sixteen, &[255, 255, 0, 0])).unwrap().0, [1.0, 0.0]);
    let (values, notes) = one(&png(2, 1, Rgb, Eight, &[51, 51, 51, 255, 255, 255])).unwrap();
    assert!(values == [0.2, 1.0] && notes[1].contains("three equal channels"), "{notes:?}");
    assert_eq!(one(&png(1, 1, GrayscaleAlpha, Eight, &[51, 255])).unwrap().0, [0.2]);
    for (bytes, words) in [
        (png(1, 1, Rgb, Eight, &[51, 52, 51]), "a.png: has colours"),
        (png(1, 1, Rgba, Eight, &[51, 51, 51, 254]), "a.png: is transparent"),
        (png(2, 1, Grayscale, Eight, &[0, 1]), "none is above 1"),
        (png(2, 1, Grayscale, Sixteen, &[0, 1, 0, 255]), "largest value is 255 of 65535"),
        (png(65, 64, Grayscale, Eight, &[9; 4160]), "a.png: has 4160 pixels"),
        (b"no png".to_vec(), "is no PNG that can be read"),
        (png(2, 1, Grayscale, Eight, &[0, 9])[..50].to_vec(), "is no PNG that can be read"),
    ] {
        let message = one(&bytes).unwrap_err().to_string();
        assert!(message.contains(words) && !message.contains('\n'), "{message}");
    }
    // A header that claims 4 x 10^18 pixels takes no memory for them.
    let mut huge = png(1, 1, Grayscale, Eight, &[9]);
    huge.splice(16..24, [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    let mut crc = Crc::new();
    crc.update(&huge[12..29]);
    huge.splice(29..33, crc.sum().to_be_bytes());
    assert!(one(&huge).unwrap_err().to_string().contains("pixels per image"));
    files
        .write("g/a.png", &png(2, 1, Grayscale, Eight, &[9, 9]))
        .write("g/b.png", &png(1, 2, Grayscale, Eight, &[9, 9]));
    files.refuses("g", &["b.png", "is 1 x 2 pixels", "a.png is 2 x 1"]);
    files.write("h/x/a.png", b"");
    files.refuses("h", &["is a folder without PNGs (1 other entries)"]);
}

#[test]
fn other_formats_are_named() {
    for (bytes, words) in [
        (&b"\x89HDF\r\n\x1a\n0000"[..], "HDF5"),
        (b"\x80\x04\x95rest of a pickle", "Python pickle"),
        (b"\x40\0\0\0\0\0\0\0{\"__metadata__\"", "give it to --weights"),
        (b"\xFD7zXZ\0 and more", "packed with xz"),
        (b"\xFF\xD8\xFF\xE0 and more", "JPEG"),
        (b"MATLAB 5.0 MAT-file", "MATLAB"),
        (&[9, 9, 9, 9, 0], "starts with the bytes [09, 09, 09, 09]"),
    ] {
        refused(bytes, &[words]);
    }
    refused(&gzip(&gzip(b"x")), &["gzipped twice"]);
}
