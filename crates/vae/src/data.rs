//! Data sets: where images come from and what makes them usable.

mod csv;
mod folder;
mod grey;

use grey::{Grey, ROUNDING};
use retrial_files::{Array, Stream, array, foreign::is_text, sha256_of_f32};
use retrial_spec::{Error, Result, Shape};
use std::path::Path;

/// The source that needs no file: the first 400 training images of Fashion-MNIST, embedded with their labels.
pub const FASHION_MNIST: &str = "fashion-mnist";

const WANTED: &str =
    "give an IDX file of images (idx3-ubyte), a .npy or .npz of [N, pixels], a CSV of pixels, or a folder of PNGs";
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
    notes: Vec<String>,
}

impl Images {
    /// Checks `values`, `[N, pixels]`; what lies a rounding error beyond `[0, 1]`, 1e-5 at most, is clipped, and
    /// [said](Self::notes). The name stands for them in messages and reports.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no image, a width is out of range, the values do not fill whole images, or one
    /// of them is NaN or further outside `[0, 1]`.
    pub fn new(name: impl Into<String>, values: Vec<f32>, pixels: usize) -> Result<Self> {
        let name = name.into();
        if !(1..=Shape::MAX.pixels).contains(&pixels) {
            return Err(Error::input(&name, format!("{pixels} pixels per image"), grey::pixels_limit()));
        }
        if values.is_empty() || !values.len().is_multiple_of(pixels) {
            let got = format!("{} values", values.len());
            return Err(Error::input(&name, got, format!("must be one or more images of {pixels} pixels")));
        }
        Self::of(name, Grey { values, pixels, labels: None, rounding: ROUNDING, notes: vec![] })
    }

    fn of(name: String, mut grey: Grey) -> Result<Self> {
        grey.clip(&name)?;
        let Grey { values, pixels, labels, notes, .. } = grey;
        Ok(Self { name, sha256: sha256_of_f32([&*values]), values, pixels, labels, notes })
    }

    /// Loads the first `samples` images of a source, or all of them.
    ///
    /// A source is [`FASHION_MNIST`], a folder, or the path of a file, plain, gzipped or zipped, recognised by its
    /// content:
    /// - `.npy`, an array of a `.npz` (the only one, or `file.npz:name`), or IDX, of `[N, pixels]`, `[N, rows, columns]`
    ///   or that with one channel: floats within `[0, 1]`, truth values, or whole numbers, divided by 255;
    /// - CSV, an image a line, with or without names of columns and a label: values within `[0, 1]`, or whole numbers to
    ///   255, divided by 255;
    /// - a folder of PNGs of one size, grey and opaque, in natural order of their names.
    ///
    /// What lies a rounding error beyond `[0, 1]` is clipped. Whatever was decided for the user, [`notes`](Self::notes)
    /// say.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is malformed, truncated, followed by
    /// more bytes, empty, or has a type or shape other than the above, or whole numbers of which none is above 1;
    /// [`Error::Input`] where `samples` is 0 or more than there are, there are more than 2^26 values in a packed file, a
    /// table or a folder, or 2^30 elsewhere, or a value is NaN or outside `[0, 1]`.
    pub fn load(source: &str, samples: Option<usize>) -> Result<Self> {
        let path = Path::new(source);
        if source == FASHION_MNIST {
            return fashion_mnist(samples);
        }
        if path.is_dir() {
            return Self::of(source.into(), folder::read(path, samples)?);
        }
        let stream = Stream::open(path)?;
        let grey = match stream.head() {
            [] => return Err(Error::file(path, "is empty", WANTED)),
            head if array::is_array(head) => Grey::of_array(Array::new(stream)?, samples)?,
            head if is_text(head) && retrial_files::foreign::recognise(head).is_none() => csv::read(stream, samples)?,
            head => return Err(array::unknown(path, head, WANTED)),
        };
        Self::of(source.into(), grey)
    }

    /// What the user should know of how the source was read, a line each: what was divided, left out, rounded, clipped.
    pub fn notes(&self) -> &[String] {
        &self.notes
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
    let images = Images::of(FASHION_MNIST.into(), Grey::of_array(open(FASHION_IMAGES)?, samples)?)?;
    let labels = open(FASHION_LABELS)?.read::<f32>(Some(images.samples()))?;
    let labels = labels.values.into_iter().map(|label| label as u8).collect();
    Ok(Images { labels: Some(labels), ..images })
}
