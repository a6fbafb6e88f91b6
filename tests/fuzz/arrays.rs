//! Readers of arrays and images.

use crate::{Seed, Target, gzip, write, zip};
use ndarray::{Array, Array2, Dimension};
use ndarray_npy::{WritableElement, WriteNpyExt};
use retrial_files::Array as Open;
use retrial_spec::Result;
use retrial_vae::{GivenPosterior, Images};
use std::{fs, path::Path};

pub(crate) fn npy<T: WritableElement, D: Dimension>(array: &Array<T, D>) -> Vec<u8> {
    let mut bytes = vec![];
    array.write_npy(&mut bytes).unwrap();
    bytes
}

fn pixels() -> Array2<f32> {
    Array2::from_shape_fn((3, 16), |(n, p)| (n * 16 + p) as f32 / 64.0)
}

fn idx() -> Vec<u8> {
    let header = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 4];
    header.into_iter().chain((0..48).map(|value| value * 5)).collect()
}

/// All numbers of an array, and the first sample alone; and the same array as NumPy would write it.
fn numbers(path: &Path) -> Result<()> {
    let array = Open::open(path)?;
    let shape = array.shape().to_vec();
    let all = array.read::<f64>(None)?;
    assert_eq!(shape.iter().product::<usize>(), all.values.len());
    let first = Open::open(path)?.read::<f64>(Some(1))?;
    let width = all.values.len() / shape.first().copied().unwrap_or(1);
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&first.values), bits(&all.values[..width]));
    let narrow = Open::open(path)?.read::<f32>(None)?.values;
    assert!(
        narrow
            .iter()
            .zip(&all.values)
            .all(|(narrow, &wide)| narrow.to_bits() == (wide as f32).to_bits() || wide.is_nan())
    );
    let again = path.with_file_name("again.npy");
    write(&again, &npy(&Array::from_shape_vec(shape.clone(), all.values.clone()).unwrap()));
    let array = Open::open(&again)?;
    assert_eq!(array.shape(), shape);
    assert_eq!(bits(&array.read::<f64>(None)?.values), bits(&all.values));
    Ok(())
}

/// Images, which are the same in an array of f32.
fn images(path: &Path) -> Result<()> {
    let images = Images::load(path.to_str().unwrap(), None)?;
    let (values, samples, width) = (images.values(), images.samples(), images.pixels());
    assert!(samples > 0 && (1..=4096).contains(&width) && values.len() == samples * width);
    assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
    assert!(images.labels().is_none_or(|labels| labels.len() == samples));
    let again = path.with_file_name("again.npy");
    write(&again, &npy(&Array2::from_shape_vec((samples, width), values.to_vec()).unwrap()));
    let read = Images::load(again.to_str().unwrap(), None)?;
    assert!(read.values() == values && read.sha256() == images.sha256());
    Ok(())
}

/// As numbers and as images: either may refuse what the other reads.
fn both(path: &Path) -> Result<()> {
    numbers(path).and(images(path))
}

#[test]
fn npy_files() {
    let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2, 3)}\n";
    let values: Vec<u8> = (0..12).flat_map(|value| [0, value]).collect();
    let fortran = [b"\x93NUMPY\x01\x00", &[header.len() as u8, 0][..], header.as_bytes(), &values].concat();
    let seeds = [
        Seed::plain(npy(&pixels())),
        Seed::plain(npy(&pixels().mapv(|v| (200.0 * v) as u8))),
        Seed::plain(npy(&pixels().mapv(f64::from))),
        Seed::plain(npy(&pixels().mapv(|v| v > 0.5))),
        Seed::plain(fortran),
    ];
    Target::new("npy_files", "images.npy").run(&seeds, both);
}

#[test]
fn idx_files() {
    Target::new("idx_files", "images-idx3-ubyte").run(&[Seed::plain(idx()), Seed { bytes: idx(), wrap: gzip }], both);
}

/// What packs an array.
#[test]
fn packed_arrays() {
    let seeds = [Seed::plain(gzip(idx())), Seed::plain(gzip(npy(&pixels())))];
    Target::new("packed_arrays", "images.gz").run(&seeds, both);
}

fn around(array: Vec<u8>) -> Vec<u8> {
    zip(&[("images.npy", &array)], true)
}

#[test]
fn npz_files() {
    let array = npy(&pixels());
    let seeds = [
        Seed { bytes: array.clone(), wrap: around },
        Seed::plain(around(array.clone())),
        Seed::plain(zip(&[("images.npy", &array)], false)),
    ];
    Target::new("npz_files", "images.npz").run(&seeds, both);
}

#[test]
fn tables_of_pixels() {
    let row = |n: usize, separator: &str| (0..16).map(|p| (n * 16 + p).to_string()).collect::<Vec<_>>().join(separator);
    let rows = |separator: &str| [0, 1, 9].map(|n| row(n, separator) + "\n").concat();
    let names = format!("label,{}\n", ["p"; 16].join(","));
    let labelled = names + &[0, 1, 9].map(|n| format!("{n},{}\n", row(n, ","))).concat();
    let seeds = [Seed::plain(rows(",")), Seed::plain(rows(" ")), Seed::plain(rows(";")), Seed::plain(labelled)];
    Target::new("tables_of_pixels", "images.csv").run(&seeds, images);
}

/// A PNG of 4 by 4 pixels.
fn picture(colour: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 4, 4);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

/// A PNG whose chunks have the checksums that they need.
fn checked(mut png: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while let Some(length) = png.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        let Some(chunk) = png.get(at + 4..end).filter(|_| png.len() >= end + 4) else { break };
        let mut sum = flate2::Crc::new();
        sum.update(chunk);
        let sum = sum.sum().to_be_bytes();
        png[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
    png
}

/// A folder of PNGs, one of them damaged.
#[test]
fn pictures() {
    let grey: Vec<u8> = (0..16).map(|value| value * 16).collect();
    let rgb: Vec<u8> = grey.iter().flat_map(|&value| [value; 3]).collect();
    let wide: Vec<u8> = grey.iter().flat_map(|&value| [value, 7]).collect();
    let seeds = [
        (png::ColorType::Grayscale, png::BitDepth::Eight, &grey[..]),
        (png::ColorType::Rgb, png::BitDepth::Eight, &rgb),
        (png::ColorType::Grayscale, png::BitDepth::One, &[0x50, 0xA0, 0xF0, 0x10]),
        (png::ColorType::Grayscale, png::BitDepth::Sixteen, &wide),
    ];
    let seeds = seeds.map(|(colour, depth, data)| Seed { bytes: picture(colour, depth, data), wrap: checked });
    let target = Target::new("pictures", "10.png");
    target.run(&seeds, |path| {
        let folder = path.parent().unwrap();
        let read = Images::load(folder.to_str().unwrap(), None)?;
        assert!(read.samples() == 1 && read.values().iter().all(|value| (0.0..=1.0).contains(value)));
        assert!((1..=4096).contains(&read.pixels()) && read.pixels() == read.values().len());
        Ok(())
    });
}

/// Means and log variances in place of an encoder.
#[test]
fn posteriors() {
    let given = Array2::from_shape_fn((3, 5), |(n, d)| (n as f64 - d as f64) / 7.0);
    let target = Target::new("posteriors", "mu.npy");
    let logvar = target.folder.join("logvar.npy");
    fs::write(&logvar, npy(&given.mapv(|v| v as f32))).unwrap();
    let seeds = [
        Seed::plain(npy(&given)),
        Seed::plain(npy(&given.mapv(|v| v as f32))),
        Seed { bytes: npy(&given), wrap: around },
    ];
    target.run(&seeds, |mu| {
        let given = GivenPosterior::load(mu, &logvar, 3, 5)?;
        assert!(given.posterior.mu.len() == 15 && given.posterior.logvar.len() == 15);
        assert!(given.posterior.mu.iter().all(|value| value.is_finite()));
        Ok(())
    });
}
