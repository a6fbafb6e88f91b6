//! A state on disk, with the settings that it belongs to: checksummed, written atomically, kept twice.
//!
//! `tally.bin` is the newest generation and `tally.previous.bin` the one before. At every instant at least one of them is
//! whole, and a newest one that is damaged gives way to the one before.

use crate::{Manifest, State, state::Unchecked};
use retrial_files::{read_up_to, sha256_hex, write_atomic};
use retrial_spec::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

/// The newest generation.
pub(crate) const NEWEST: &str = "tally.bin";
/// The generation before.
pub(crate) const PREVIOUS: &str = "tally.previous.bin";

const MAGIC: &[u8] = b"RETRIAL-TALLY-3\n";

/// Above the largest Gram matrix, 650 MB, and thrice what 60,000 samples take after a million trials each.
const MAX_BYTES: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
struct Checkpoint<T> {
    /// `run.json`, so that a run can be gone on with where that was lost.
    manifest: String,
    state: T,
}

/// What a directory held.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The settings of its run.
    pub manifest: Manifest,
    /// What is known.
    pub state: State,
    /// What was wrong with the newest generation, where this is the one before.
    pub fault: Option<Error>,
}

/// Writes a new generation; the newest becomes the one before.
pub(crate) fn save(directory: &Path, manifest: &Manifest, state: &State) -> Result<()> {
    let bytes = encode(directory, manifest, state)?;
    let (newest, previous) = (directory.join(NEWEST), directory.join(PREVIOUS));
    match fs::rename(&newest, &previous) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(Error::io("replace", previous)(fault)),
        _ => write_atomic(&newest, &bytes),
    }
}

/// Writes the last generation of a run, which stands for the one before too: so a finished run has the same files however
/// it came there, and survives the loss of either.
pub(crate) fn finish(directory: &Path, manifest: &Manifest, state: &State) -> Result<()> {
    let bytes = encode(directory, manifest, state)?;
    // The newest first: it is the one that may be lacking.
    write_atomic(&directory.join(NEWEST), &bytes)?;
    write_atomic(&directory.join(PREVIOUS), &bytes)
}

/// Reads the newest generation that is whole; `None` where there is none at all.
///
/// # Errors
/// [`Error::File`] where all there are are damaged.
pub(crate) fn load(directory: &Path) -> Result<Option<Kept>> {
    let [newest, previous] = [NEWEST, PREVIOUS].map(|name| {
        let file = directory.join(name);
        file.symlink_metadata().is_ok().then(|| decode(&file))
    });
    match (newest, previous) {
        (Some(Ok(kept)), _) | (None, Some(Ok(kept))) => Ok(Some(kept)),
        (Some(Err(fault)), Some(Ok(kept))) => Ok(Some(Kept { fault: Some(fault), ..kept })),
        (Some(Err(fault)), _) | (None, Some(Err(fault))) => Err(fault),
        (None, None) => Ok(None),
    }
}

/// Puts the generation before in the place of a damaged newest one.
pub(crate) fn fall_back(directory: &Path) -> Result<()> {
    let newest = directory.join(NEWEST);
    fs::rename(directory.join(PREVIOUS), &newest).map_err(Error::io("replace", newest))
}

/// Removes all generations.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    for file in [NEWEST, PREVIOUS].map(|name| directory.join(name)) {
        match fs::remove_file(&file) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(Error::io("remove", file)(fault)),
            _ => {}
        }
    }
    Ok(())
}

fn encode(directory: &Path, manifest: &Manifest, state: &State) -> Result<Vec<u8>> {
    let fault = |e: &dyn std::fmt::Display| {
        Error::file(directory.join(NEWEST), format!("cannot encode the tally: {e}"), "please report this")
    };
    let manifest = serde_json::to_string(manifest).map_err(|e| fault(&e))?;
    let payload = postcard::to_stdvec(&Checkpoint { manifest, state }).map_err(|e| fault(&e))?;
    let hash = sha256_hex(&payload);
    Ok([MAGIC, hash.as_bytes(), b"\n", &payload].concat())
}

/// Whole, possible, and of the settings that it names.
fn decode(path: &Path) -> Result<Kept> {
    let damaged = |fault: &str| {
        let fix = "its trials are lost; delete it, and sample with --resume to compute the same trials again";
        Error::file(path, fault, fix)
    };
    if !fs::metadata(path).map_err(Error::io("read", path))?.is_file() {
        return Err(damaged("is no regular file"));
    }
    let bytes = read_up_to(path, MAX_BYTES)?;
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("is not a tally of this version"))?;
    let (hash, payload) = rest.split_at_checked(65).ok_or_else(|| damaged("is truncated"))?;
    if hash != [sha256_hex(payload).as_bytes(), b"\n"].concat() {
        return Err(damaged("fails its checksum"));
    }
    // Lengths in a file claim no memory: vectors grow as their elements are read.
    let (checkpoint, left) =
        postcard::take_from_bytes::<Checkpoint<Unchecked>>(payload).map_err(|e| damaged(&e.to_string()))?;
    if !left.is_empty() {
        return Err(damaged(&format!("has {} bytes after its end", left.len())));
    }
    let manifest: Manifest = serde_json::from_str(&checkpoint.manifest).map_err(|e| damaged(&e.to_string()))?;
    let state = checkpoint.state.check().map_err(|fault| damaged(&format!("is impossible: {fault}")))?;
    let kind = (state.tally.rows().len(), state.tally.thresholds(), state.tally.is_counts_only());
    if kind != (manifest.data.samples, &manifest.thresholds[..], manifest.counts_only)
        || state.gram.is_some() != manifest.gram
    {
        return Err(damaged("holds other samples or thresholds than it says"));
    }
    Ok(Kept { manifest, state, fault: None })
}
