//! One process a directory: a lock that ends with its holder, however it ends, and says who it is.

use retrial_files::read_up_to;
use retrial_spec::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{Seek, Write},
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Its name in a directory.
pub const NAME: &str = "run.lock";

/// Who works in a directory, or was the last to: the contents of its lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub process: u32,
    /// Its machine.
    pub host: String,
    /// When it began, in seconds of Unix time.
    pub since: u64,
    /// How far it has come with sampling.
    pub sampling: Option<Sampling>,
}

/// How far a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Trials per sample that were done when it began.
    pub from: u64,
    /// Trials per sample that are kept.
    pub kept: u64,
    /// Seconds from its beginning to the last checkpoint.
    pub seconds: f64,
    /// Seconds between checkpoints.
    pub every: f64,
}

impl Holder {
    fn here() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("COMPUTERNAME").ok());
        let host = host.map(|name| name.trim().to_string()).filter(|name| !name.is_empty());
        Self {
            process: process::id(),
            host: host.unwrap_or_else(|| "this machine".into()),
            since: unix_seconds(SystemTime::now()),
            sampling: None,
        }
    }
}

/// "process 17 on host, for 3 min": who to ask.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.process, self.host)
    }
}

/// Seconds since 1970.
pub fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// The right to write in a directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    holder: Holder,
}

impl Lock {
    /// Takes a directory.
    ///
    /// # Errors
    /// [`Error::Input`], which names the process that has it; [`Error::Io`] where no lock can be written there.
    pub fn take(directory: &Path) -> Result<Self> {
        let path = directory.join(NAME);
        loop {
            if path.is_symlink() {
                return Err(Error::file(
                    path,
                    "is a link, which may lead elsewhere",
                    "remove it: a lock is made there",
                ));
            }
            let options = File::options().read(true).write(true).create(true).truncate(false).clone();
            let file = options.open(&path).map_err(Error::io("write", &path))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let holder = match holder(directory) {
                        Some(holder) => holder.to_string(),
                        None => "another process".into(),
                    };
                    let limit = format!("{holder} works there; wait until it ends, or stop it");
                    return Err(Error::input("directory", directory.display(), limit));
                }
                // A file system without locks protects nothing, and is no reason to refuse.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            if is_at(&file, &path) {
                let mut lock = Self { file, path, holder: Holder::here() };
                lock.write()?;
                return Ok(lock);
            }
            // Its last holder removed it between the two steps: what was locked is no longer there.
        }
    }

    /// Says how far the holder has come.
    pub fn say(&mut self, sampling: Sampling) -> Result<()> {
        self.holder.sampling = Some(sampling);
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        let text = serde_json::to_string(&self.holder).unwrap_or_default() + "\n";
        let mut write = || {
            self.file.rewind()?;
            self.file.write_all(text.as_bytes())?;
            self.file.set_len(text.len() as u64)
        };
        write().map_err(Error::io("write", &self.path))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Who has a directory, or had it when it was killed. `None` where nobody says.
pub fn holder(directory: &Path) -> Option<Holder> {
    serde_json::from_slice(&read_up_to(&directory.join(NAME), 1 << 16).ok()?).ok()
}

/// Whether a process works in a directory at this moment.
pub fn is_held(directory: &Path) -> bool {
    let Ok(file) = File::open(directory.join(NAME)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Whether a path still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |data: fs::Metadata| (data.dev(), data.ino());
        file.metadata().map(id).ok() == fs::metadata(path).map(id).ok()
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        assert!(is_held(folder.path()));
        let refusal = Lock::take(folder.path()).unwrap_err();
        assert!(refusal.is_input() && refusal.to_string().contains(&format!("process {}", process::id())), "{refusal}");
        drop(first);
        assert!(!is_held(folder.path()) && !folder.path().join(NAME).exists());
        // What a killed process left locks nobody out.
        fs::write(folder.path().join(NAME), "half a li").unwrap();
        let mut next = Lock::take(folder.path()).unwrap();
        let sampling = Sampling { from: 0, kept: 10, seconds: 2.0, every: 10.0 };
        next.say(sampling).unwrap();
        assert_eq!(holder(folder.path()).unwrap().sampling, Some(sampling));
    }
}
