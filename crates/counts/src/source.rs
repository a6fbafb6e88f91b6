//! The bytes of a file, within limits that hold for every format: nobody's file fills memory or reads on for ever.

use flate2::bufread::MultiGzDecoder;
use retrial_spec::{Error, Result};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

/// The longest row, bytes: one with whole completions in it, not one that never ends.
pub(crate) const MAX_ROW: u64 = 16 << 20;
/// The largest table, bytes as unpacked.
pub(crate) const MAX_BYTES: u64 = 8 << 30;
/// The largest document, which is taken into memory whole.
pub(crate) const MAX_DOCUMENT: u64 = 512 << 20;

/// A file or standard input, unpacked where it is gzipped, as UTF-8.
pub(crate) struct Source {
    inner: Box<dyn BufRead>,
    /// Bytes that may still come, of this row and of all.
    row: u64,
    all: u64,
}

impl Source {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |e| fault(path, e);
        let plain: Box<dyn Read> = match path.as_os_str() == "-" {
            true => Box::new(io::stdin()),
            false => Box::new(File::open(path).map_err(io)?),
        };
        let mut plain: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 16, plain));
        if plain.fill_buf().map_err(io)?.starts_with(&[0x1F, 0x8B]) {
            plain = Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(plain)));
        }
        let start: [u8; 3] = {
            let bytes = plain.fill_buf().map_err(io)?;
            std::array::from_fn(|i| bytes.get(i).copied().unwrap_or_default())
        };
        let inner = match start {
            [0xEF, 0xBB, 0xBF] => {
                plain.consume(3);
                plain
            }
            [0xFF, 0xFE, _] => utf16(path, plain, u16::from_le_bytes)?,
            [0xFE, 0xFF, _] => utf16(path, plain, u16::from_be_bytes)?,
            _ => plain,
        };
        Ok(Self { inner, row: MAX_ROW, all: MAX_BYTES })
    }

    /// Says that a row was found. Readers look ahead, so a row may take a buffer more than the limit, or less.
    pub(crate) fn next_row(&mut self) {
        self.row = MAX_ROW;
    }

    /// What follows after `start`, as a whole.
    pub(crate) fn document(mut self, path: &Path, start: Vec<u8>) -> Result<Vec<u8>> {
        // Not held to rows.
        (self.row, self.all) = (MAX_DOCUMENT, MAX_DOCUMENT);
        let mut text = start;
        match self.read_to_end(&mut text) {
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => {
                let fault = format!("holds a document of more than {} MiB", MAX_DOCUMENT >> 20);
                Err(Error::file(path, fault, "write it as JSON lines or CSV, which are read row by row"))
            }
            read => read.map(|_| text).map_err(|e| fault(path, e)),
        }
    }
}

/// What is wrong with a file that cannot be read on: the system's word, or a limit of [`Source`].
pub(crate) fn fault(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            Error::file(path, format!("holds {error}"), "no table of counts does; check it, or keep fewer columns")
        }
        _ => Error::io("read", path)(error),
    }
}

/// What spreadsheets export as "Unicode text".
fn utf16(path: &Path, plain: Box<dyn BufRead>, unit: fn([u8; 2]) -> u16) -> Result<Box<dyn BufRead>> {
    let mut bytes = vec![];
    plain.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(|e| fault(path, e))?;
    let too_long = bytes.len() as u64 > MAX_DOCUMENT;
    let units = bytes.chunks(2).skip(1).map(|pair| unit([pair[0], pair.get(1).copied().unwrap_or_default()]));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if !too_long => Ok(Box::new(Cursor::new(text))),
        _ => Err(Error::file(path, "is UTF-16 that cannot be read", "save it as UTF-8")),
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        let (left, limit) = match self.row < self.all {
            true => (self.row, format!("a row of more than {} MiB", MAX_ROW >> 20)),
            false => (self.all, format!("more than {} GiB", MAX_BYTES >> 30)),
        };
        if left == 0 && !bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, limit));
        }
        Ok(&bytes[..bytes.len().min(left.try_into().unwrap_or(usize::MAX))])
    }

    fn consume(&mut self, amount: usize) {
        self.row = self.row.saturating_sub(amount as u64);
        self.all = self.all.saturating_sub(amount as u64);
        self.inner.consume(amount);
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let amount = bytes.len().min(out.len());
        out[..amount].copy_from_slice(&bytes[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}
