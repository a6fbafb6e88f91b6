//! Files: atomic writes, bounded reads and fingerprints.

use retrial_spec::{Error, Result};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// Writes a file whole or not at all: into a temporary file of the same directory, flushed to the disk, then renamed.
/// Whatever happens on the way, `path` holds its old content or the new one. What is no regular file, such as a pipe or
/// `/dev/stdout`, is written to directly: a rename would replace it.
///
/// # Errors
/// [`Error::Io`] where the directory is missing, not writable or full; no temporary file is left behind.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(Error::io("write", path)(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file")));
    };
    if fs::metadata(path).is_ok_and(|existing| !existing.is_file() && !existing.is_dir()) {
        return fs::write(path, bytes).map_err(Error::io("write", path));
    }
    let mut temporary = name.to_os_string();
    temporary.push(format!(".{}-{}.tmp", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary = path.with_file_name(temporary);
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary); // the first failure is the one to report
        Error::io("write", path)(source)
    })
}

/// SHA-256 in lower-case hex, 64 digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a file of at most `limit` bytes, so that a path to something endless is refused instead of filling memory.
pub(crate) fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit {
        let fault = format!("is larger than {} MiB", limit >> 20);
        return Err(Error::file(path, fault, "no model of this family is; check the path"));
    }
    Ok(bytes)
}
