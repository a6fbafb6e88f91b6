//! A file inside a zip archive, such as an array of a `.npz`.

use flate2::{Crc, bufread::DeflateDecoder};
use retrial_spec::{Error, Result};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};
use zip::{CompressionMethod, ZipArchive, result::ZipError};

/// How many names a message lists.
const LISTED: usize = 12;

/// Splits `file.npz:name` into the archive and the name, where the whole is no file but the archive is.
pub(crate) fn split(path: &Path) -> Option<(PathBuf, &str)> {
    let (archive, name) = path.to_str()?.rsplit_once(':')?;
    let archive = PathBuf::from(archive);
    (!path.exists() && archive.is_file()).then_some((archive, name))
}

/// Opens the file of this name, with or without its `.npy`, or the only one that the archive holds. `path` stands for it
/// in messages.
pub(crate) fn open(path: &Path, archive: &Path, wanted: Option<&str>) -> Result<impl BufRead + use<>> {
    let damaged = |e: ZipError| match e {
        ZipError::Io(e) if e.raw_os_error().is_some() => Error::io("read", archive)(e),
        e => Error::file(archive, format!("is a damaged zip archive ({e})"), "fetch or write it again"),
    };
    let file = File::open(archive).map_err(Error::io("read", archive))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let names: Vec<String> = zip.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    // Folders, and what macOS adds to every archive.
    let is_file = |name: &str| !name.ends_with('/') && !name.starts_with("__MACOSX/");
    let files: Vec<usize> = (0..names.len()).filter(|&at| is_file(&names[at])).collect();
    let at = match (wanted, &files[..]) {
        (None, [only]) => *only,
        (None, _) => {
            let fault = format!("is an archive of {}", list(&names, &files));
            let first = files.first().map_or("name", |&at| stem(&names[at]));
            let fix = format!("name one array, as in {}:{}", archive.display(), first.escape_debug());
            return Err(Error::file(path, fault, fix));
        }
        (Some(wanted), files) => {
            let found = files.iter().find(|&&at| names[at] == wanted || stem(&names[at]) == wanted);
            let Some(found) = found else {
                let fault = format!("has no {}", wanted.escape_debug());
                return Err(Error::file(archive, fault, format!("it holds {}", list(&names, files))));
            };
            *found
        }
    };
    let (start, size, packed_as, crc, is_encrypted) = {
        let entry = zip.by_index_raw(at).map_err(damaged)?;
        (entry.data_start(), entry.compressed_size(), entry.compression(), entry.crc32(), entry.encrypted())
    };
    let mut file = zip.into_inner();
    file.seek(SeekFrom::Start(start.unwrap_or_default())).map_err(Error::io("read", archive))?;
    let packed = file.take(size);
    let contents: Box<dyn Read> = match packed_as {
        _ if is_encrypted => {
            return Err(Error::file(path, "is encrypted", "unpack it, and give the file inside"));
        }
        CompressionMethod::STORE => Box::new(packed),
        CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(packed)),
        other => {
            let fault = format!("is packed by the method {other}");
            return Err(Error::file(path, fault, "write it with numpy.savez or numpy.savez_compressed"));
        }
    };
    Ok(BufReader::with_capacity(1 << 16, Checked { contents, read: Crc::new(), want: crc }))
}

/// A name as NumPy gives it to the array.
fn stem(name: &str) -> &str {
    name.strip_suffix(".npy").unwrap_or(name)
}

fn list(names: &[String], files: &[usize]) -> String {
    let mut listed: Vec<String> = files.iter().take(LISTED).map(|&at| shown(stem(&names[at]))).collect();
    if files.len() > LISTED {
        listed.push("...".into());
    }
    match files.len() {
        0 => "no files".into(),
        1 => listed.concat(),
        len => format!("{len} files ({})", listed.join(", ")),
    }
}

/// The beginning of a name, on one line.
fn shown(name: &str) -> String {
    let end = name.char_indices().nth(60).map_or(name.len(), |(end, _)| end);
    name[..end].escape_debug().to_string()
}

/// Compares the checksum where the contents end.
struct Checked<R> {
    contents: R,
    read: Crc,
    want: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.contents.read(buffer)?;
        self.read.update(&buffer[..len]);
        if len == 0 && !buffer.is_empty() && self.read.sum() != self.want {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum differs"));
        }
        Ok(len)
    }
}
