//! PyTorch's files: zip archives that hold a pickle beside the bytes of the tensors.
//!
//! The pickle is read by `pytorch-reader`, which knows the few calls that make up a tensor and executes nothing. What a
//! hostile file could cost is bounded here, before it is opened.

use super::{
    foreign::{self, SAVE_STATE},
    stored::{Stored, of_torch},
    unknown,
};
use pytorch_reader::PytorchReader;
use retrial_spec::{Error, Result};
use std::{
    io::{Cursor, Read},
    path::Path,
};
use zip::{ZipArchive, result::ZipError};

/// Most entries of an archive: a model of this family has ten, a training thirty.
const MAX_ENTRIES: usize = 10_000;
/// Longest pickle. A byte of it may cost a hundred in memory.
const MAX_PICKLE: u64 = 2 << 20;

/// The tensors of an archive whose bytes are at hand; `limit` bounds what they unpack to.
pub(crate) fn tensors(path: &Path, bytes: &[u8], limit: u64) -> Result<Vec<Stored<'static>>> {
    let damaged = |e: ZipError| Error::file(path, format!("is a damaged zip archive ({e})"), "fetch it again");
    // Counted before they are parsed: a directory may claim any number, but needs a signature for each.
    let entries = bytes.windows(4).filter(|w| w == b"PK\x01\x02").take(MAX_ENTRIES + 1).count();
    if entries > MAX_ENTRIES {
        let fault = format!("is a zip archive of more than {MAX_ENTRIES} entries");
        return Err(Error::file(path, fault, "no model of this family has as many; check the path"));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let names: Vec<String> =
        archive.file_names().map(|name| Ok(name?.into_owned())).collect::<Result<_, _>>().map_err(damaged)?;
    if let Some((fault, fix)) = foreign::archive(&names) {
        return Err(Error::file(path, fault, fix));
    }
    let mut unpacked = 0u64;
    let mut pickles = vec![];
    for (index, name) in names.iter().enumerate() {
        let size = archive.by_index_raw(index).map_err(damaged)?.size();
        unpacked = unpacked.saturating_add(size);
        if name.ends_with("data.pkl") {
            if size > MAX_PICKLE {
                let fault = format!("has a pickle of {size} bytes, above {} MiB", MAX_PICKLE >> 20);
                return Err(Error::file(path, fault, format!("save the model alone: {SAVE_STATE}")));
            }
            pickles.push(index);
        }
    }
    if unpacked > limit {
        let fault = format!("unpacks to {unpacked} bytes, above {} MiB", limit >> 20);
        return Err(Error::file(path, fault, "no model of this family is as large; check the path"));
    }
    for index in pickles {
        let mut pickle = vec![];
        let entry = archive.by_index(index).map_err(damaged)?;
        entry.take(MAX_PICKLE).read_to_end(&mut pickle).map_err(|e| damaged(e.into()))?;
        check_activations(path, &pickle)?;
    }
    if !path.is_file() {
        let fault = "is a PyTorch archive in what is no regular file";
        return Err(Error::file(path, fault, "its parts are read where they lie; write it to a file first"));
    }
    let reader = PytorchReader::new(path).map_err(|e| {
        let fault = format!("is a PyTorch archive that does not hold plain tensors ({})", e.to_string().escape_debug());
        Error::file(path, fault, SAVE_STATE)
    })?;
    Ok(of_torch(reader))
}

/// A state dict says nothing of activations. A whole pickled module names their classes, so they can be held to.
fn check_activations(path: &Path, pickle: &[u8]) -> Result<()> {
    const MODULE: &[u8] = b"torch.nn.modules.activation";
    for at in (0..pickle.len()).filter(|&at| pickle[at..].starts_with(MODULE)) {
        // Protocol 2, PyTorch's own, writes the module, a newline, the class, a newline.
        let class = pickle[at + MODULE.len()..].strip_prefix(b"\n").and_then(|rest| rest.split(|&b| b == b'\n').next());
        let class =
            class.map_or("an activation".into(), |class| String::from_utf8_lossy(&class[..class.len().min(40)]));
        if !matches!(&*class, "ReLU" | "Sigmoid") {
            let fault = format!("holds a module with {}", class.escape_debug());
            return Err(Error::file(path, fault, unknown::COMPUTES));
        }
    }
    Ok(())
}
