//! The two file formats of images, IDX and `.npy`, read as streams.
//!
//! A header is never believed: memory is taken for what was read, not for what a header promises.

use flate2::bufread::MultiGzDecoder;
use retrial_spec::{Error, Result, Shape};
use std::{
    fmt::Display,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

const GZIP: [u8; 2] = [0x1F, 0x8B];
const NPY: [u8; 4] = *b"\x93NUM"; // and PY, which follows
const IDX_IMAGES: [u8; 4] = [0, 0, 8, 3]; // unsigned bytes, three dimensions
const IDX_LABELS: [u8; 4] = [0, 0, 8, 1]; // unsigned bytes, one dimension
const WANTED: &str = "give an IDX file of images (idx3-ubyte) or a .npy of [N, pixels], plain or gzipped";
const FETCH_AGAIN: &str = "fetch or write it again";

/// How a value is stored.
#[derive(Clone, Copy)]
enum Element {
    U8,
    F32,
    F64,
}

impl Element {
    fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::U8 => out.extend(bytes.iter().map(|&b| f32::from(b) / 255.0)),
            Self::F32 => out.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
            Self::F64 => out.extend(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32)),
        }
    }
}

/// What a header says of the values behind it.
struct Layout {
    samples: usize,
    pixels: usize,
    element: Element,
    /// Fortran order: the first pixels of all samples, then the second ones, and so on.
    columns: bool,
}

/// An open stream of images, its header read.
pub(crate) struct Source<'a> {
    path: &'a Path,
    stream: Box<dyn BufRead + 'a>,
    layout: Layout,
}

impl<'a> Source<'a> {
    pub fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        Self::new(path, BufReader::with_capacity(1 << 16, file))
    }

    /// Reads the header. The path stands for the stream in messages.
    pub fn new(path: &'a Path, stream: impl BufRead + 'a) -> Result<Self> {
        let mut stream = inflate(path, stream)?;
        let layout = match read(path, &mut stream)? {
            IDX_IMAGES => idx_layout(path, &mut stream)?,
            NPY => npy_layout(path, &mut stream)?,
            magic => return Err(Error::file(path, format!("starts with the bytes {magic:02x?}"), WANTED)),
        };
        if layout.samples == 0 {
            return Err(Error::file(path, "holds 0 samples", "at least one is needed"));
        }
        if !(1..=Shape::MAX.pixels).contains(&layout.pixels) {
            return Err(Error::file(path, format!("has {} pixels per image", layout.pixels), pixels_limit()));
        }
        Ok(Self { path, stream, layout })
    }

    /// The first `wanted` images, or all: values `[N, pixels]` and the number of pixels.
    pub fn read(mut self, wanted: Option<usize>) -> Result<(Vec<f32>, usize)> {
        let Layout { samples: total, pixels, element, columns } = self.layout;
        let samples = wanted.unwrap_or(total);
        if !(1..=total).contains(&samples) {
            let object = format!("samples of {}", self.path.display());
            return Err(Error::input(object, samples, format!("must be 1 to {total}, the number it holds")));
        }
        let mut values = Vec::new();
        if columns {
            for pixel in 0..pixels {
                let column = self.record(total, || format!("inside pixel {} of {pixels}", pixel + 1))?;
                element.decode(&column[..samples * element.size()], &mut values);
            }
            values = (0..samples * pixels).map(|at| values[at % pixels * samples + at / pixels]).collect();
        } else {
            for sample in 0..samples {
                let row = self.record(pixels, || format!("inside image {} of {total}", sample + 1))?;
                element.decode(&row, &mut values);
            }
        }
        if columns || samples == total {
            self.end()?;
        }
        Ok((values, pixels))
    }

    /// The next `len` values. Grows with what is there, so that a false length finds the end of the file instead of
    /// the end of memory.
    fn record<D: Display>(&mut self, len: usize, at: impl Fn() -> D) -> Result<Vec<u8>> {
        let bytes = len.saturating_mul(self.layout.element.size());
        let mut record = Vec::new();
        let got = self.stream.by_ref().take(bytes as u64).read_to_end(&mut record);
        match got.map_err(|e| fault(self.path, e, at()))? == bytes {
            true => Ok(record),
            false => Err(fault(self.path, io::ErrorKind::UnexpectedEof.into(), at())),
        }
    }

    /// Refuses anything behind the last value.
    fn end(&mut self) -> Result<()> {
        if self.stream.fill_buf().map_err(|e| fault(self.path, e, "behind its last image"))?.is_empty() {
            return Ok(());
        }
        let Layout { samples, pixels, .. } = self.layout;
        Err(Error::file(self.path, format!("goes on behind its {samples} images of {pixels} pixels"), FETCH_AGAIN))
    }
}

/// The first `samples` labels of an IDX stream.
pub(crate) fn labels(path: &Path, stream: impl BufRead, samples: usize) -> Result<Vec<u8>> {
    let mut stream = inflate(path, stream)?;
    let magic = read(path, &mut stream)?;
    if magic != IDX_LABELS {
        return Err(Error::file(path, format!("labels start with the bytes {magic:02x?}"), FETCH_AGAIN));
    }
    let [_total] = [read(path, &mut stream)?].map(u32::from_be_bytes);
    let mut labels = vec![0; samples];
    stream.read_exact(&mut labels).map_err(|e| fault(path, e, "inside its labels"))?;
    Ok(labels)
}

fn idx_layout(path: &Path, stream: &mut impl Read) -> Result<Layout> {
    let [samples, rows, columns] =
        [read(path, stream)?, read(path, stream)?, read(path, stream)?].map(|b| u32::from_be_bytes(b) as usize);
    Ok(Layout { samples, pixels: rows.saturating_mul(columns), element: Element::U8, columns: false })
}

fn npy_layout(path: &Path, stream: &mut impl Read) -> Result<Layout> {
    let malformed = |fault: String| Error::file(path, fault, "write it with numpy.save");
    let len = match read(path, stream)? {
        [b'P', b'Y', 1, _] => usize::from(u16::from_le_bytes(read(path, stream)?)),
        [b'P', b'Y', 2 | 3, _] => u32::from_le_bytes(read(path, stream)?) as usize,
        other => return Err(malformed(format!("is .npy of an unknown version ({other:02x?})"))),
    };
    if len > 1 << 16 {
        return Err(malformed(format!("has a header of {len} bytes")));
    }
    let mut header = vec![0; len];
    stream.read_exact(&mut header).map_err(|e| fault(path, e, "inside its header"))?;
    let header = String::from_utf8_lossy(&header);
    // A Python dictionary, of which numpy writes these three entries and nothing else.
    let entry = |key: &str| {
        let value = header.split_once(key).and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
        value.map(str::trim_start).ok_or_else(|| malformed(format!("lacks {key} in its header")))
    };
    let element = match entry("'descr'")? {
        v if v.starts_with("'|u1'") => Element::U8,
        v if v.starts_with("'<f4'") => Element::F32,
        v if v.starts_with("'<f8'") => Element::F64,
        v => {
            let dtype = v.split(',').next().unwrap_or(v).trim_matches('\'').escape_debug();
            return Err(Error::file(path, format!("has dtype {dtype}"), "save x.astype('<f4'), scaled to [0, 1]"));
        }
    };
    let shape = entry("'shape'")?.strip_prefix('(').and_then(|v| v.split_once(')')).map(|(shape, _)| shape);
    let shape = shape.ok_or_else(|| malformed("has no tuple for a shape".into()))?;
    let axes = shape.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    let axes: Vec<usize> = axes
        .map(|axis| axis.parse().map_err(|_| malformed(format!("has an axis of length {}", axis.escape_debug()))))
        .collect::<Result<_>>()?;
    let [samples, pixels] = axes[..] else {
        return Err(Error::file(
            path,
            format!("has shape {axes:?}"),
            "must be [N, pixels]; save x.reshape(len(x), -1)",
        ));
    };
    Ok(Layout { samples, pixels, element, columns: entry("'fortran_order'")?.starts_with("True") })
}

/// Unpacks gzip where the first bytes say so.
fn inflate<'a>(path: &Path, mut stream: impl BufRead + 'a) -> Result<Box<dyn BufRead + 'a>> {
    let start = stream.fill_buf().map_err(|e| fault(path, e, "at its first byte"))?;
    if start.is_empty() {
        return Err(Error::file(path, "is empty", WANTED));
    }
    if start.starts_with(&GZIP) {
        Ok(Box::new(BufReader::new(MultiGzDecoder::new(stream))))
    } else {
        Ok(Box::new(stream))
    }
}

/// The next bytes of a header.
fn read<const LEN: usize>(path: &Path, stream: &mut impl Read) -> Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    stream.read_exact(&mut bytes).map_err(|e| fault(path, e, "inside its header"))?;
    Ok(bytes)
}

/// Tells what is wrong with a file from what the system refused to read.
fn fault(path: &Path, error: io::Error, at: impl Display) -> Error {
    match error.kind() {
        _ if error.raw_os_error().is_some() => Error::io("read", path)(error),
        io::ErrorKind::UnexpectedEof => Error::file(path, format!("ends {at}"), FETCH_AGAIN),
        _ => Error::file(path, format!("is damaged {at} ({error})"), FETCH_AGAIN),
    }
}

/// What is said of a width out of range.
pub(crate) fn pixels_limit() -> String {
    format!("must be 1 to {} pixels per image; crop or scale the images", Shape::MAX.pixels)
}
