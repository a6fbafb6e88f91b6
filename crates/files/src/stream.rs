//! A file read from its beginning to its end, unpacked on the way where it is gzipped or lies in an archive.

use crate::archive;
use flate2::bufread::MultiGzDecoder;
use retrial_spec::{Error, Result};
use std::{
    fmt::Display,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

/// First bytes by which a file is recognised.
pub const HEAD: usize = 16;
/// What to do about a damaged file.
pub const FETCH_AGAIN: &str = "fetch or write it again";

const GZIP: [u8; 2] = [0x1F, 0x8B];
/// The first file of an archive, or the end of an empty one.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// An open file. Its path stands for it in messages.
pub struct Stream<'a> {
    path: &'a Path,
    from: Box<dyn BufRead + 'a>,
    head: Vec<u8>,
    unpacked: bool,
}

impl std::fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'a> Stream<'a> {
    /// Opens a file, the only one in an archive, or `archive:name`.
    pub fn open(path: &'a Path) -> Result<Self> {
        if let Some((archive, name)) = archive::split(path) {
            return Ok(Self { unpacked: true, ..Self::new(path, archive::open(path, &archive, Some(name))?)? });
        }
        let file = File::open(path).map_err(Error::io("read", path))?;
        let stream = Self::new(path, BufReader::with_capacity(1 << 16, file))?;
        if stream.unpacked || !ZIP.iter().any(|zip| stream.head.starts_with(zip)) {
            return Ok(stream);
        }
        Ok(Self { unpacked: true, ..Self::new(path, archive::open(path, path, None)?)? })
    }

    /// Unpacks gzip where the first bytes say so.
    pub fn new(path: &'a Path, from: impl BufRead + 'a) -> Result<Self> {
        let (head, from) = peek(path, from)?;
        if !head.starts_with(&GZIP) {
            return Ok(Self { path, from: Box::new(from), head, unpacked: false });
        }
        let (head, from) = peek(path, BufReader::new(MultiGzDecoder::new(from)))?;
        Ok(Self { path, from: Box::new(from), head, unpacked: true })
    }

    /// The path that stands for it in messages.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The first [`HEAD`] bytes, or all where there are fewer.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether the file is smaller than what is read from it.
    pub fn is_unpacked(&self) -> bool {
        self.unpacked
    }

    /// The next bytes of a header.
    pub fn header<const LEN: usize>(&mut self) -> Result<[u8; LEN]> {
        let mut bytes = [0; LEN];
        self.from.read_exact(&mut bytes).map_err(|e| self.fault(e, "inside its header"))?;
        Ok(bytes)
    }

    /// The next `len` bytes of a header.
    pub fn header_of(&mut self, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.from.read_exact(&mut bytes).map_err(|e| self.fault(e, "inside its header"))?;
        Ok(bytes)
    }

    /// Fills the buffer: how many bytes were there, and why no more.
    pub fn fill_from(&mut self, buffer: &mut [u8]) -> (usize, io::Result<()>) {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.from.read(&mut buffer[filled..]) {
                Ok(0) => return (filled, Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(more) => filled += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return (filled, Err(e)),
            }
        }
        (filled, Ok(()))
    }

    /// Goes over bytes that nobody wants.
    pub fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match io::copy(&mut self.from.by_ref().take(bytes), &mut io::sink())? == bytes {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The next line, without its end; none at the end of the file.
    pub fn line(&mut self, longest: usize, at: impl Display) -> Result<Option<String>> {
        let mut line = vec![];
        let limit = longest as u64 + 1;
        let read = self.from.by_ref().take(limit).read_until(b'\n', &mut line).map_err(|e| self.fault(e, &at))?;
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        if line.len() > longest {
            let fault = format!("has more than {longest} bytes {at}");
            return Err(Error::file(self.path, fault, "give a table of pixels, an image a line"));
        }
        match String::from_utf8(line) {
            Ok(line) => Ok((read > 0).then_some(line)),
            Err(_) => Err(Error::file(self.path, format!("is no UTF-8 {at}"), "save it as UTF-8")),
        }
    }

    /// Whether nothing follows.
    pub fn is_at_end(&mut self) -> Result<bool> {
        let next = self.from.fill_buf().map(<[u8]>::is_empty);
        next.map_err(|e| self.fault(e, "behind its last value"))
    }

    /// Tells what is wrong with a file from what the system refused to read.
    pub fn fault(&self, error: io::Error, at: impl Display) -> Error {
        fault(self.path, error, at)
    }
}

/// The first bytes, and all bytes again.
fn peek<'a>(path: &Path, mut from: impl BufRead + 'a) -> Result<(Vec<u8>, impl BufRead + 'a)> {
    let mut head = Vec::with_capacity(HEAD);
    from.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(|e| fault(path, e, "inside its header"))?;
    Ok((head.clone(), Cursor::new(head).chain(from)))
}

fn fault(path: &Path, error: io::Error, at: impl Display) -> Error {
    match error.kind() {
        _ if error.raw_os_error().is_some() => Error::io("read", path)(error),
        io::ErrorKind::UnexpectedEof => Error::file(path, format!("ends {at}"), FETCH_AGAIN),
        _ => Error::file(path, format!("is damaged {at} ({error})"), FETCH_AGAIN),
    }
}
