//! Data sets: where images come from and what makes them usable.

use crate::{array::Array, file::sha256_hex, stream::Stream};
use retrial_spec::{Error, Result, Shape};
use std::path::Path;

/// The source that needs no file: the first 400 training images of Fashion-MNIST, embedded with their labels.
pub const FASHION_MNIST: &str = "fashion-mnist";

const FASHION_IMAGES: &[u8] = include_bytes!("../assets/fashion-mnist-400-images-idx3-ubyte.gz");
const FASHION_LABELS: &[u8] = include_bytes!("../assets/fashion-mnist-400-labels-idx1-ubyte.gz");

/// Images to memorise: at least one, each of 1 to 4096 pixels within `[0, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    name: String,
    values: Vec<f32>,
    pixels: usize,
    labels: Option<Vec<u8>>,
    sha256: String,
}

impl Images {
    /// Checks `values`, `[N, pixels]`. The name stands for them in messages and reports.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no image, a width is out of range, the values do not fill whole images, or one
    /// of them is NaN or outside `[0, 1]`.
    pub fn new(name: impl Into<String>, values: Vec<f32>, pixels: usize) -> Result<Self> {
        let name = name.into();
        if !(1..=Shape::MAX.pixels).contains(&pixels) {
            return Err(Error::input(&name, format!("{pixels} pixels per image"), pixels_limit()));
        }
        if values.is_empty() || !values.len().is_multiple_of(pixels) {
            let got = format!("{} values", values.len());
            return Err(Error::input(&name, got, format!("must be one or more images of {pixels} pixels")));
        }
        if let Some(at) = values.iter().position(|v| !(0.0..=1.0).contains(v)) {
            let object = format!("{name}: value [{}, {}]", at / pixels, at % pixels);
            return Err(Error::input(object, values[at], "must be within [0, 1]; scale the data, as in x / 255"));
        }
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Ok(Self { name, sha256: sha256_hex(&bytes), values, pixels, labels: None })
    }

    /// Loads the first `samples` images of a source, or all of them.
    ///
    /// A source is [`FASHION_MNIST`] or the path of a file, plain or gzipped, recognised by its content:
    /// - `.npy` or IDX of `[N, pixels]`, `[N, rows, columns]`, or that with one channel, in C or Fortran order: floats
    ///   within `[0, 1]`, truth values, or unsigned bytes, divided by 255.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is malformed, truncated, followed by
    /// more bytes, empty, or has a type or shape other than the above; [`Error::Input`] where `samples` is 0 or more
    /// than there are, or a value is NaN or outside `[0, 1]`.
    pub fn load(source: &str, samples: Option<usize>) -> Result<Self> {
        if source == FASHION_MNIST {
            return fashion_mnist(samples);
        }
        let (values, pixels) = read(Array::open(Path::new(source))?, samples)?;
        Self::new(source, values, pixels)
    }

    /// Where the images come from: the source given to [`load`](Self::load).
    pub fn name(&self) -> &str {
        &self.name
    }
    /// All images, `[N, pixels]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// Number of images `N`.
    pub fn samples(&self) -> usize {
        self.values.len() / self.pixels
    }
    /// Values in one image.
    pub fn pixels(&self) -> usize {
        self.pixels
    }
    /// One image, `[pixels]`. Panics when there is no such image.
    pub fn image(&self, sample: usize) -> &[f32] {
        &self.values[sample * self.pixels..][..self.pixels]
    }
    /// Classes of the images, `[N]`, where the source has them.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }
    /// SHA-256, in hex, of the values as little-endian float32: equal images have equal fingerprints, whatever file
    /// they came from.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

fn fashion_mnist(samples: Option<usize>) -> Result<Images> {
    let open = |bytes| Array::new(Stream::new(Path::new(FASHION_MNIST), bytes)?);
    let (values, pixels) = read(open(FASHION_IMAGES)?, samples)?;
    let images = Images::new(FASHION_MNIST, values, pixels)?;
    let labels = open(FASHION_LABELS)?.read::<f32>(Some(images.samples()))?;
    let labels = labels.values.into_iter().map(|label| label as u8).collect();
    Ok(Images { labels: Some(labels), ..images })
}

/// The first images of an array, and the number of pixels in one.
fn read(array: Array, samples: Option<usize>) -> Result<(Vec<f32>, usize)> {
    let (path, shape, dtype) = (array.path(), array.shape(), array.dtype());
    let pixels = match *shape {
        [_, pixels] => pixels,
        [_, rows, columns] | [_, 1, rows, columns] | [_, rows, columns, 1] => rows.saturating_mul(columns),
        _ => {
            let fix = "must be [N, pixels] or [N, rows, columns], N images of grey; save x.reshape(len(x), -1)";
            return Err(Error::file(path, format!("has shape {shape:?}"), fix));
        }
    };
    if !(1..=Shape::MAX.pixels).contains(&pixels) {
        return Err(Error::file(path, format!("has {pixels} pixels per image"), pixels_limit()));
    }
    if dtype.is_integer() && !dtype.is_byte() {
        return Err(Error::file(path, format!("has dtype {dtype}"), "save x.astype('<f4'), scaled to [0, 1]"));
    }
    let mut values = array.read(samples)?.values;
    if dtype.is_byte() {
        values.iter_mut().for_each(|v| *v /= 255.0);
    }
    Ok((values, pixels))
}

/// What is said of a width out of range.
fn pixels_limit() -> String {
    format!("must be 1 to {} pixels per image; crop or scale the images", Shape::MAX.pixels)
}
