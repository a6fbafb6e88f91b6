//! The run directory: what was asked (`run.json`), what came out, and the state to go on from.

use crate::{
    Manifest, State,
    checkpoint::{self, Kept, NEWEST},
    lock::{self, Lock, Sampling},
};
use retrial_files::{clear_temporaries, read_up_to, write_inside};
use retrial_spec::{Error, Result, Tally};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What to do with a directory that holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it.
    Refuse,
    /// Write over what is there.
    Replace,
    /// Go on from what is there.
    Resume,
}

/// Above any `run.json`: it grows with the thresholds alone.
const MAX_MANIFEST: u64 = 16 << 20;

/// A run directory that this process alone writes in. Every file is written atomically, nothing is written through a link
/// in it, and one that stays empty is removed again.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    lock: Option<Lock>,
}

impl Drop for RunDir {
    fn drop(&mut self) {
        self.lock = None; // its file
        let _ = fs::remove_dir(&self.path); // which only works on an empty one
    }
}

impl RunDir {
    /// Makes the directory, or takes an existing one as `existing` says. What a killed run was writing there is removed.
    ///
    /// # Errors
    /// [`Error::Input`] where it holds something and `existing` refuses that, or where another process, which is named,
    /// works there; [`Error::Io`] where it cannot be made or written in.
    pub fn create(path: &Path, existing: Existing) -> Result<Self> {
        let occupied = match fs::read_dir(path) {
            Ok(entries) => entries.flatten().any(|entry| entry.file_name() != lock::NAME),
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(Error::io("use as output directory", path)(e)),
        };
        fs::create_dir_all(path).map_err(Error::io("create", path))?;
        let mut dir = Self { path: path.into(), lock: None };
        dir.lock = Some(Lock::take(path)?);
        if occupied && existing == Existing::Refuse {
            return Err(Error::input(
                "output directory",
                format!("{}, which is not empty", path.display()),
                "choose another, or pass --resume to go on or --force to write over it",
            ));
        }
        clear_temporaries(path);
        if occupied && existing == Existing::Replace {
            // What stays behind must not be taken for part of the new run.
            checkpoint::remove(path)?;
            for name in ["run.json", "training.safetensors", "mu.npy", "logvar.npy", IMAGES].iter().chain(RESULTS) {
                match fs::remove_file(path.join(name)) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        return Err(Error::io("remove", path.join(name))(e));
                    }
                    _ => {}
                }
            }
        }
        Ok(dir)
    }

    /// A directory of an earlier run, to go on with.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`] where it is none, and as of [`RunDir::create`].
    pub fn open(path: &Path) -> Result<(Self, Manifest)> {
        let manifest = manifest(path)?;
        Ok((Self::create(path, Existing::Resume)?, manifest))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file, making the folder it names.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        write_inside(&self.path, name, bytes.as_ref())
    }

    /// Writes `run.json`.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        let text = serde_json::to_string_pretty(manifest)
            .map_err(|e| Error::file(self.path.join("run.json"), e, "please report this"))?;
        self.write("run.json", text + "\n")
    }

    /// Keeps a state, to be continued or reported on, as the newest of two generations.
    pub fn keep(&mut self, manifest: &Manifest, state: &State, sampling: Sampling) -> Result<()> {
        checkpoint::save(&self.path, manifest, state)?;
        match &mut self.lock {
            Some(lock) => lock.say(sampling),
            None => Ok(()),
        }
    }

    /// Keeps the state of a finished run.
    pub fn finish(&self, manifest: &Manifest, state: &State) -> Result<()> {
        checkpoint::finish(&self.path, manifest, state)
    }

    /// The state kept by an earlier run of the same settings, if there is one, and what was lost where its newest generation
    /// is damaged: then the one before takes its place.
    ///
    /// # Errors
    /// [`Error::File`] where a run of other settings kept one, which names the difference, or both generations are damaged.
    pub fn kept(&self, manifest: &Manifest) -> Result<Option<(State, Option<Error>)>> {
        let Some(Kept { manifest: theirs, state, fault }) = checkpoint::load(&self.path)? else { return Ok(None) };
        if let Some(difference) = theirs.difference(manifest) {
            return Err(Error::file(
                self.path.join(NEWEST),
                format!("belongs to another run: its {difference}"),
                "repeat that run's settings, or choose another output directory",
            ));
        }
        if fault.is_some() {
            checkpoint::fall_back(&self.path)?;
        }
        Ok(Some((state, fault)))
    }
}

/// What a finished run writes, but for its figures.
const RESULTS: &[&str] = &[
    "thresholds.npy",
    "successes.npy",
    "first_success.npy",
    "histogram.npy",
    "histogram_edges.npy",
    "errors.npy",
    "records.csv",
    "pass_at_k.csv",
    "fits.csv",
    "eq12.csv",
    "spectrum.csv",
    "report.html",
];

/// The used images, where they came from a file: so that a run needs nothing but its directory.
pub const IMAGES: &str = "images.npy";

/// The settings of a run: those of `run.json`, or where it was lost, of what was kept with it.
///
/// # Errors
/// [`Error::Io`] where there is no such directory or file; [`Error::File`] where it is damaged.
pub fn manifest(path: &Path) -> Result<Manifest> {
    let file = path.join("run.json");
    let read = read_up_to(&file, MAX_MANIFEST).and_then(|bytes| {
        let foreign = "is this a directory that retrial sample wrote?";
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|e| Error::file(&file, e, foreign))?;
        // Numbers of a file may overflow into what no run has.
        Tally::new(0, &manifest.thresholds).map_err(|e| Error::file(&file, e, foreign))?;
        Ok(manifest)
    });
    read.or_else(|fault| match checkpoint::load(path) {
        Ok(Some(kept)) => Ok(kept.manifest),
        _ => Err(fault),
    })
}

/// The settings of a run and what it kept, without taking the directory: a run that goes on there is not disturbed.
///
/// # Errors
/// As of [`manifest`]; [`Error::File`] where nothing was kept, or all that was is damaged.
pub fn read(path: &Path) -> Result<(Manifest, State)> {
    let manifest = manifest(path)?;
    match checkpoint::load(path)? {
        Some(kept) => Ok((manifest, kept.state)),
        None => Err(Error::file(path.join(NEWEST), "is missing", "sample with --resume to compute its trials")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataInfo, ModelInfo};
    use retrial_spec::{Device, Precision, Shape, Variant};

    const SAMPLING: Sampling = Sampling { from: 0, kept: 0, seconds: 0.0, every: 10.0 };

    /// A number of the file that f32 cannot hold is no threshold.
    #[test]
    fn thresholds_that_overflow_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let said = |threshold: &str| {
            let text = format!(
                r#"{{"version": "", "model": {{"shape": {{"pixels": 4, "hidden": 3, "latent": 2}}, "sha256": ""}},
                "data": {{"source": "", "samples": 3, "sha256": ""}}, "temperature": 1.0, "seed": 1, "trials": 60,
                "thresholds": [12.0, {threshold}], "thresholds_from_pilot": false, "counts_only": false, "gram": false,
                "correlate": 5, "kernel": "avx2", "precision": "f32", "training": null,
                "device": {{"backend": "cpu", "name": "", "detail": "", "double": true}}}}"#
            );
            std::fs::write(dir.path().join("run.json"), text).unwrap();
            manifest(dir.path()).map(|manifest| manifest.thresholds).map_err(|e| e.to_string())
        };
        assert_eq!(said("13.5"), Ok(vec![12.0, 13.5]));
        assert!(said("1e39").unwrap_err().contains("threshold 2"), "{:?}", said("1e39"));
    }

    /// The tally of one kernel is not gone on with by another, but for a CPU's instruction sets.
    #[test]
    fn a_tally_belongs_to_its_kernel() {
        let manifest = |backend: &str, kernel: &str, precision| Manifest {
            version: String::new(),
            model: ModelInfo { shape: Shape::PAPER, sha256: "a".into(), posterior: None },
            data: DataInfo { source: "b".into(), samples: 1, sha256: "c".into() },
            temperature: 1.0,
            seed: 1,
            trials: 10,
            thresholds: vec![1.0],
            thresholds_from_pilot: false,
            counts_only: false,
            gram: false,
            correlate: 1000,
            shard: None,
            variant: Variant::new(kernel, precision),
            device: Device {
                backend: backend.into(),
                name: String::new(),
                detail: String::new(),
                variants: vec![],
                has_f64: true,
            },
            training: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let mut dir = RunDir::create(&folder.path().join("run"), Existing::Refuse).unwrap();
        for (backend, kernel, others) in [("cuda", "mma", ["wgmma", "simt"]), ("cpu", "avx512", ["avx2", "portable"])] {
            let kept = manifest(backend, kernel, Precision::F32);
            dir.keep(&kept, &kept.state().unwrap(), SAMPLING).unwrap();
            assert!(dir.kept(&kept).unwrap().is_some());
            for other in others {
                let found = dir.kept(&manifest(backend, other, Precision::F32));
                assert_eq!(found.is_ok(), backend == "cpu", "{kernel} {other}");
            }
            assert!(dir.kept(&manifest(backend, kernel, Precision::Bf16)).is_err());
        }
        let text = serde_json::to_string(&manifest("cuda", "mma", Precision::F16)).unwrap();
        assert!(text.contains(r#""kernel":"mma","precision":"f16""#), "{text}");
    }
}
