//! Files: atomic writes that stay in their directory, bounded reads, and fingerprints.

use retrial_spec::{Error, Result};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// Writes a file whole or not at all: into a temporary file of the same directory, flushed to the disk, then renamed.
/// Whatever happens on the way, `path` holds its old content or the new one. A link or device in its place is replaced,
/// never followed. Nobody else can read the temporary file; a process that is killed leaves it to [`clear_temporaries`].
/// A file that holds these bytes already stays as it is, and takes no room twice.
///
/// # Errors
/// [`Error::Io`] where the directory is missing, not writable or full; no temporary file is left behind.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(Error::io("write", path)(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file")));
    };
    if holds(path, bytes) {
        return Ok(());
    }
    let create = || loop {
        let mut temporary = name.to_os_string();
        temporary.push(format!(".{}-{}.tmp", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let temporary = path.with_file_name(temporary);
        let file = File::create_new(&temporary)?;
        // The lock says that its writer lives, on every system that has locks. Before, another could take it for dead.
        let _ = file.lock();
        if temporary.exists() {
            return Ok((file, temporary));
        }
    };
    let (mut file, temporary) = create().map_err(Error::io("write", path))?;
    let mut write = || {
        let shared = file.metadata()?.permissions();
        // File systems without owners refuse this, and need it not.
        #[cfg(unix)]
        let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600));
        file.write_all(bytes)?;
        let _ = file.set_permissions(shared);
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary); // the first failure is the one to report
        Error::io("write", path)(source)
    })
}

/// Whether a regular file is these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let there = fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.len() == bytes.len() as u64);
    there && fs::read(path).is_ok_and(|kept| kept == bytes)
}

/// Writes where a person said: as [`write_atomic`] does, but through what is there and no regular file, such as a pipe,
/// `/dev/stdout` or a link. A rename would replace it.
///
/// # Errors
/// As of [`write_atomic`].
pub fn write_to(path: &Path, bytes: &[u8]) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => fs::write(path, bytes).map_err(Error::io("write", path)),
        _ => {
            if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
                clear(&Path::new(".").join(directory), |file| name.to_str() == Some(file));
            }
            write_atomic(path, bytes)
        }
    }
}

/// Writes `name`, which may lie in one folder, into a directory, and makes the folder. Nothing leaves the directory.
///
/// # Errors
/// [`Error::Input`] where the name leads elsewhere; [`Error::File`] where the folder is a link; [`Error::Io`] where
/// something cannot be written.
pub fn write_inside(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let file = directory.join(name);
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    if !matches!(parts[..], [Component::Normal(_)] | [Component::Normal(_), Component::Normal(_)]) {
        return Err(Error::input("file of a directory", name, "must be a name, or a name in a folder"));
    }
    if let [folder, _] = parts[..] {
        let folder = directory.join(folder);
        if folder.is_symlink() {
            return Err(Error::file(
                folder,
                "is a link, which may lead elsewhere",
                "remove it: a folder is made there",
            ));
        }
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    }
    write_atomic(&file, bytes)
}

/// Removes the temporary files that killed processes left in a directory and its folders: those named as
/// [`write_atomic`] names them that no living process holds. Where that cannot be told, they stay.
pub fn clear_temporaries(directory: &Path) {
    clear(directory, |_| true);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            clear(&entry.path(), |_| true);
        }
    }
}

/// Removes dead temporary files of the files that `of` names.
fn clear(directory: &Path, of: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().and_then(written_to).is_some_and(&of);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let unheld = File::options().write(true).open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            if unheld {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// The file that a temporary file was to become: `x` of `x.123-4.tmp`.
fn written_to(temporary: &str) -> Option<&str> {
    let (name, number) = temporary.strip_suffix(".tmp")?.rsplit_once('.')?;
    let (process, count) = number.split_once('-')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (!name.is_empty() && digits(process) && digits(count)).then_some(name)
}

/// [`sha256_hex`] of numbers as little-endian float32, without a copy of them all.
pub fn sha256_of_f32<'a>(values: impl IntoIterator<Item = &'a [f32]>) -> String {
    let mut hash = Sha256::new();
    for piece in values.into_iter().flat_map(|values| values.chunks(4096)) {
        hash.update(piece.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in lower-case hex, 64 digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a file of at most `limit` bytes, so that a path to something endless is refused instead of filling memory.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is larger.
pub fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit {
        let fault = format!("is larger than {} MiB", limit >> 20);
        return Err(Error::file(path, fault, "no such file of Retrial is; check the path"));
    }
    Ok(bytes)
}
