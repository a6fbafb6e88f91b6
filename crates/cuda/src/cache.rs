//! The cache of compiled kernels on disk: the user's own, whole files or none.

use sha2::{Digest, Sha256};
use std::{
    env,
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Bytes of the digest that a kept file starts with: the driver is not told how long an image is, so what is cut off or
/// damaged must be known before.
const DIGEST: usize = 32;

/// Above any kernel's image, which has some 100 KB.
const MAX_BYTES: u64 = 64 << 20;

/// `RETRIAL_CACHE`, else the user's cache folder.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    if let Some(chosen) = env::var_os("RETRIAL_CACHE") {
        return (!chosen.is_empty()).then(|| chosen.into());
    }
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let base = base.or_else(|| env::var_os("LOCALAPPDATA").map(PathBuf::from));
    base.filter(|base| base.is_absolute()).map(|base| base.join("retrial"))
}

/// What was kept, if all of it is there and nobody else can have put it there.
pub(crate) fn kept(file: &Path) -> Option<Vec<u8>> {
    let folder = fs::metadata(file.parent()?).ok()?;
    let open = File::open(file).ok()?;
    if !is_own(&folder) || !open.metadata().is_ok_and(|file| file.is_file() && is_own(&file)) {
        return None;
    }
    let mut bytes = vec![];
    open.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let image = bytes.split_off(DIGEST.min(bytes.len()));
    (Sha256::digest(&image).as_slice() == bytes).then_some(image)
}

/// Writes beside and renames: a reader sees all of the file or none, and a lost race costs nothing. A cache that cannot
/// be written, or can be by others, is none.
pub(crate) fn keep(file: &Path, image: &[u8]) {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let Some(folder) = file.parent() else { return };
    let part = format!("{}-{}.part", std::process::id(), WRITES.fetch_add(1, Relaxed));
    let beside = file.with_extension(part);
    let write = || {
        if !folder.exists() {
            private_folder(folder)?;
        }
        if !is_own(&fs::metadata(folder)?) {
            return Ok(());
        }
        clear(folder);
        let mut part = private_file(&beside)?;
        part.write_all(&Sha256::digest(image))?;
        part.write_all(image)?;
        fs::rename(&beside, file)
    };
    if write().is_err() {
        fs::remove_file(&beside).ok();
    }
}

/// Removes what was half written by processes that were killed. No write takes an hour.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        let part = entry.path().extension().is_some_and(|extension| extension == "part");
        if part && age().is_some_and(|age| age > Duration::from_secs(3600)) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// Whether nobody but this user and the system's administrator can write it.
#[cfg(unix)]
fn is_own(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: asks for a number.
    let user = unsafe { libc::geteuid() };
    [0, user].contains(&metadata.uid()) && metadata.mode() & 0o022 == 0
}

/// Windows keeps each user's folders apart by itself.
#[cfg(not(unix))]
fn is_own(_: &Metadata) -> bool {
    true
}

/// A new folder that is this user's alone, whatever the umask.
fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    #[cfg(unix)]
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// A new file that is this user's alone, whatever the umask.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own, removed in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(env::temp_dir().join(format!("retrial-cache-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn what_is_damaged_is_not_used() {
        let folder = Folder::new("damaged");
        let file = folder.0.join("score-sm_90");
        keep(&file, b"code");
        assert_eq!(kept(&file).unwrap(), b"code");
        for damaged in [&b""[..], b"short", &[0; 40]] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(kept(&file), None);
        }
        keep(Path::new("/proc/no/such/folder/file"), b"code"); // no cache, no failure
    }

    #[test]
    fn what_a_killed_process_left_goes_when_it_is_old() {
        let folder = Folder::new("left");
        let file = folder.0.join("score-sm_90");
        keep(&file, b"code");
        let (old, new) = (folder.0.join("a.1-0.part"), folder.0.join("b.2-0.part"));
        fs::write(&new, "half").unwrap();
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
        File::create(&old).unwrap().set_modified(long_ago).unwrap();
        keep(&file, b"code");
        assert!(!old.exists() && new.exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_have_written_it() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = Folder::new("own");
        let file = folder.0.join("score-sm_90");
        let mode = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        keep(&file, b"code");
        assert_eq!(fs::metadata(&folder.0).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        for open in [0o666, 0o620] {
            mode(&file, open);
            assert_eq!(kept(&file), None, "a file of mode {open:o}");
        }
        mode(&file, 0o600);
        mode(&folder.0, 0o777);
        assert_eq!(kept(&file), None, "a folder that all can write");
        keep(&folder.0.join("other"), b"code");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is put there");
        mode(&folder.0, 0o755);
        assert_eq!(kept(&file).unwrap(), b"code");
    }
}
