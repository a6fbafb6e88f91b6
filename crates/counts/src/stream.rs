//! The bytes of a table, within limits that hold for every format: nobody's file fills memory or reads on for ever.

use flate2::bufread::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// The longest row, bytes: one with whole completions in it, not one that never ends.
pub const MOST_ROW: u64 = 16 << 20;
/// The largest table, bytes as unpacked.
pub const MOST_BYTES: u64 = 8 << 30;

/// A file, unpacked where it is gzipped.
pub struct Stream {
    inner: Box<dyn BufRead>,
    /// Bytes that may still come, of this row and of all.
    row: u64,
    all: u64,
}

impl Stream {
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut plain = BufReader::with_capacity(1 << 16, File::open(path)?);
        let inner: Box<dyn BufRead> = match plain.fill_buf()?.starts_with(&[0x1F, 0x8B]) {
            true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(plain))),
            false => Box::new(plain),
        };
        Ok(Self { inner, row: MOST_ROW, all: MOST_BYTES })
    }

    /// Says that a row was found. Readers look ahead, so a row may take a buffer more than the limit, or less.
    pub fn next_row(&mut self) {
        self.row = MOST_ROW;
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        let (left, limit) = match self.row < self.all {
            true => (self.row, format!("a row of more than {} MiB", MOST_ROW >> 20)),
            false => (self.all, format!("more than {} GiB", MOST_BYTES >> 30)),
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

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let amount = bytes.len().min(out.len());
        out[..amount].copy_from_slice(&bytes[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}
