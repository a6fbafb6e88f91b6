//! Arrays in files: `.npy`, `.npz` and IDX, plain or gzipped, read as streams.
//!
//! A header is never believed: it is read in linear time, and memory is taken for what was read, not for what a header
//! promises.
//!
//! ```no_run
//! # fn main() -> retrial_spec::Result<()> {
//! use retrial_files::Array;
//!
//! let array = Array::open("mu.npy".as_ref())?;
//! assert_eq!(array.shape()[1..], [20]);
//! let mu = array.read::<f32>(None)?;
//! assert_eq!(mu.values.len() % 20, 0);
//! # Ok(())
//! # }
//! ```

mod dtype;
mod npy;

pub use dtype::{Dtype, Float};

use crate::{
    foreign,
    stream::{FETCH_AGAIN, Stream},
};
use retrial_spec::{Error, Result};
use std::{fmt::Display, path::Path};

/// Most values that are read from a plain file, 4 GiB of f32.
const MAX_VALUES: usize = 1 << 30;
/// Most values that are read from a packed one, which may be a thousand times smaller than its contents.
const MAX_UNPACKED: usize = 1 << 26;
/// Bytes read at once: whole values of every type.
const CHUNK: usize = 1 << 16;
const WANTED: &str = "give a .npy, .npz or IDX file";

/// What a header says.
#[derive(Clone, Debug, PartialEq)]
struct Header {
    dtype: Dtype,
    /// The first axis runs fastest.
    fortran: bool,
    shape: Vec<usize>,
}

/// An open file that holds an array, its header read. The first axis counts samples.
#[derive(Debug)]
pub struct Array<'a> {
    stream: Stream<'a>,
    header: Header,
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Values<T> {
    /// Values, row-major.
    pub values: Vec<T>,
    /// What the user should know of them, a line each: values that were rounded.
    pub notes: Vec<String>,
}

impl<'a> Array<'a> {
    /// Opens a file and reads its header; what the file is, its content says. Of an archive (`.npz`), its only array is
    /// taken, or the one named in `file.npz:name`.
    ///
    /// Understood are `.npy` of versions 1 to 3, in C or Fortran order, and IDX; of truth values, integers and floats of
    /// 2, 4 and 8 bytes, of either byte order.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is none of these, its header
    /// is malformed, or an archive holds several arrays or none of the name.
    pub fn open(path: &'a Path) -> Result<Self> {
        Self::new(Stream::open(path)?)
    }

    /// Reads the header.
    pub fn new(mut stream: Stream<'a>) -> Result<Self> {
        let header = match *stream.head() {
            [] => return Err(Error::file(stream.path(), "is empty", WANTED)),
            [0, 0, 0x08..=0x0E, axes, ..] if axes > 0 => idx(&mut stream)?,
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => npy::header(&mut stream)?,
            ref head => return Err(unknown(stream.path(), head, WANTED)),
        };
        Ok(Self { stream, header })
    }

    /// The file.
    pub fn path(&self) -> &'a Path {
        self.stream.path()
    }

    /// Lengths of the axes; none where the file holds a single number.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// How the values are stored.
    pub fn dtype(&self) -> Dtype {
        self.header.dtype
    }

    /// The first `wanted` samples, or all, whatever the order in the file.
    ///
    /// # Errors
    /// [`Error::Input`] where `wanted` is 0 or more than there are, or where that would be more than 2^30 values (2^26
    /// from a packed file); [`Error::File`] where the file holds no sample, is damaged, or ends before the last of them
    /// or goes on behind all.
    pub fn read<T: Float>(mut self, wanted: Option<usize>) -> Result<Values<T>> {
        let (total, width) = (self.samples(), self.width());
        if total == 0 || width == 0 {
            let fault = format!("holds {total} samples of {width} values");
            return Err(Error::file(self.path(), fault, "at least one of each is needed"));
        }
        let samples = wanted.unwrap_or(total);
        if !(1..=total).contains(&samples) {
            let object = format!("samples of {}", self.path().display());
            return Err(Error::input(object, samples, format!("must be 1 to {total}, the number it holds")));
        }
        let most = if self.stream.is_unpacked() { MAX_UNPACKED } else { MAX_VALUES };
        if samples.saturating_mul(width) > most {
            let object = format!("values of {}", self.path().display());
            let got = format!("{samples} samples of {width}");
            let unpack = if self.stream.is_unpacked() { ", or unpack the file" } else { "" };
            return Err(Error::input(
                object,
                got,
                format!("must be at most {most} in all; take fewer samples{unpack}"),
            ));
        }
        let (values, inexact) = match self.header.fortran {
            true => self.columns(samples, total, width)?,
            false => self.rows(samples, total, width)?,
        };
        if (self.header.fortran || samples == total) && !self.stream.is_at_end()? {
            let fault = format!("goes on behind its values of shape {:?}", self.shape());
            return Err(Error::file(self.path(), fault, FETCH_AGAIN));
        }
        let note = || {
            let (path, count, dtype) = (self.path().display(), values.len(), self.dtype());
            format!("{path}: {inexact} of {count} values ({dtype}) are rounded to {}", T::NAME)
        };
        let notes = if inexact > 0 { vec![note()] } else { vec![] };
        Ok(Values { values, notes })
    }

    /// Length of the first axis.
    fn samples(&self) -> usize {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Values of a sample.
    fn width(&self) -> usize {
        self.shape().iter().skip(1).fold(1, |product, &axis| product.saturating_mul(axis))
    }

    fn rows<T: Float>(&mut self, samples: usize, total: usize, width: usize) -> Result<(Vec<T>, usize)> {
        let mut values = vec![];
        let inexact =
            self.decode(samples * width, &mut values, |at| format!("sample {} of {total}", at / width + 1))?;
        Ok((values, inexact))
    }

    /// The same from Fortran order: the first value of every sample, then the second ones, and so on.
    fn columns<T: Float>(&mut self, samples: usize, total: usize, width: usize) -> Result<(Vec<T>, usize)> {
        let (mut columns, mut inexact) = (vec![], 0);
        let unwanted = ((total - samples) as u64).saturating_mul(self.dtype().size() as u64);
        for column in 0..width {
            let place = format!("column {} of {width}", column + 1);
            inexact += self.decode(samples, &mut columns, |_| &place)?;
            self.stream.skip(unwanted).map_err(|e| self.stream.fault(e, format!("inside {place}")))?;
        }
        // Every column lies where its index, counted with the last axis fastest, says.
        let mut values = vec![T::nearest(0.0); columns.len()];
        let mut index = vec![0; self.shape().len()];
        for column in columns.chunks_exact(samples) {
            let at = self.shape().iter().zip(&index).skip(1).fold(0, |at, (axis, index)| at * axis + index);
            for (sample, &value) in column.iter().enumerate() {
                values[sample * width + at] = value;
            }
            for (index, &axis) in index.iter_mut().zip(self.shape()).skip(1) {
                *index = (*index + 1) % axis;
                if *index > 0 {
                    break;
                }
            }
        }
        Ok((values, inexact))
    }

    /// Appends the next `count` values. Grows with what is there, so that a false length finds the end of the file
    /// instead of the end of memory.
    fn decode<T: Float, D: Display>(
        &mut self,
        count: usize,
        values: &mut Vec<T>,
        place: impl Fn(usize) -> D,
    ) -> Result<usize> {
        let size = self.header.dtype.size();
        let mut chunk = vec![0; CHUNK.min(count * size)];
        let (mut left, mut inexact) = (count, 0);
        while left > 0 {
            let bytes = &mut chunk[..left.min(CHUNK / size) * size];
            let (filled, end) = self.stream.fill_from(bytes);
            inexact += self.header.dtype.decode(&bytes[..filled - filled % size], values);
            left -= filled / size;
            end.map_err(|e| self.stream.fault(e, format!("inside {}", place(count - left))))?;
        }
        Ok(inexact)
    }
}

/// Whether the first bytes are those of an array.
pub fn is_array(head: &[u8]) -> bool {
    matches!(*head, [0, 0, 0x08..=0x0E, axes, ..] if axes > 0) || head.starts_with(b"\x93NUMPY")
}

/// What is said of a file that is none of those `wanted`.
pub fn unknown(path: &Path, head: &[u8], wanted: &str) -> Error {
    match foreign::recognise(head) {
        Some((fault, cure)) => Error::file(path, fault, cure),
        None => Error::file(path, format!("starts with the bytes {:02x?}", &head[..head.len().min(4)]), wanted),
    }
}

fn idx(stream: &mut Stream) -> Result<Header> {
    let [_, _, code, rank] = stream.header()?;
    let dtype = Dtype::of_idx(code);
    let dtype =
        dtype.ok_or_else(|| Error::file(stream.path(), format!("is IDX of an unknown type {code:#04x}"), WANTED))?;
    let axes = (0..rank).map(|_| Ok(u32::from_be_bytes(stream.header()?) as usize));
    Ok(Header { dtype, fortran: false, shape: axes.collect::<Result<_>>()? })
}
