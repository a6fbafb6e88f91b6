//! A tally on disk: checksummed, written atomically, refused when it belongs to another run.

use retrial_spec::{Error, Result, Tally, tally::Unchecked};
use retrial_vae::file::{read_up_to, sha256_hex, write_atomic};
use serde::{Deserialize, Serialize};
use std::path::Path;

const MAGIC: &[u8] = b"RETRIAL-TALLY-2\n";

/// Thrice what 60,000 samples take after a million trials each.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
struct Checkpoint<T> {
    identity: String,
    tally: T,
}

/// Writes a tally. `identity` is whatever must be equal for the tally to be continued.
pub fn save(path: &Path, identity: &str, tally: &Tally) -> Result<()> {
    let payload = postcard::to_stdvec(&Checkpoint { identity: identity.into(), tally })
        .map_err(|e| Error::file(path, format!("cannot encode the tally: {e}"), "please report this"))?;
    let hash = sha256_hex(&payload);
    write_atomic(path, &[MAGIC, hash.as_bytes(), b"\n", &payload].concat())
}

/// Reads a tally back: whole, possible, and of `identity`.
pub fn load(path: &Path, identity: &str) -> Result<Tally> {
    let bytes = read_up_to(path, MAX_BYTES)?;
    let damaged = |fault: &str| Error::file(path, fault, "delete it and sample again");
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
    if checkpoint.identity != identity {
        return Err(Error::file(
            path,
            "belongs to a run of other weights, data, seed, temperature, precision, kernel, thresholds or device, or of another kind of tally",
            "repeat that run's settings, or choose another output directory",
        ));
    }
    checkpoint.tally.check().map_err(|fault| damaged(&format!("is impossible: {fault}")))
}
