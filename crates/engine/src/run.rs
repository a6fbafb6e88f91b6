//! The run directory: what was asked (`run.json`), what came out, and the tally to go on from (`tally.bin`).

use crate::checkpoint;
use retrial_spec::{Device, Error, Result, Shape, Tally, Variant};
use retrial_vae::{
    Loss,
    file::{clear_temporaries, read_up_to, write_inside},
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What was asked and of what: the contents of `run.json`.
///
/// Nothing here depends on threads, windows or the clock, so equal requests give equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of Retrial.
    pub version: String,
    /// The model.
    pub model: ModelInfo,
    /// The data.
    pub data: DataInfo,
    /// `T` in `z = mu + T sigma eps`.
    pub temperature: f64,
    /// Seed of the noise.
    pub seed: u64,
    /// Trials per sample.
    pub trials: u64,
    /// Thresholds, increasing.
    pub thresholds: Vec<f32>,
    /// Whether the thresholds are error quantiles of a pilot rather than given.
    pub thresholds_from_pilot: bool,
    /// Whether only what lies below the largest threshold was kept.
    #[serde(default)]
    pub counts_only: bool,
    /// The implementation of `score` that computed the trials.
    #[serde(flatten)]
    pub variant: Variant,
    /// The device.
    pub device: Device,
    /// How the model was trained, when the run did so.
    pub training: Option<TrainingInfo>,
}

/// The model of a run, kept beside it as `weights.safetensors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Widths.
    pub shape: Shape,
    /// SHA-256 of `weights.safetensors`, hex: of the weights as Retrial writes them, whatever file they came from.
    pub sha256: String,
    /// SHA-256 of the means and log variances that were given in place of an encoder, kept as `mu.npy` and `logvar.npy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior: Option<String>,
}

/// The data of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataInfo {
    /// What `--data` was.
    pub source: String,
    /// Samples used, the first of the source.
    pub samples: usize,
    /// SHA-256 of the used values, hex.
    pub sha256: String,
}

/// The training of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingInfo {
    /// Passes over the data.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Loss at `z = mu`: binary cross-entropy, summed over pixels, and KL divergence, mean over samples.
    pub at_mean: Loss,
    /// The same at sampled `z`, which is what training minimised.
    pub at_samples: Loss,
}

impl Manifest {
    /// Everything that must be equal for two tallies to hold trials of the same run.
    fn identity(&self) -> String {
        let Self { model, data, temperature, seed, thresholds, counts_only, variant, device, .. } = self;
        // A CPU's instruction sets give the same bits.
        let kernel = if device.backend == "cpu" { "" } else { &variant.kernel };
        let precision = variant.precision;
        let thresholds: Vec<u32> = thresholds.iter().map(|t| t.to_bits()).collect();
        let keeps = if *counts_only { "counts" } else { "errors" };
        let given = model.posterior.as_ref().map(|sha256| format!(" posterior={sha256}")).unwrap_or_default();
        format!(
            "{} {} {} T={temperature} seed={seed} {precision} {}{kernel} {keeps} {thresholds:x?}{given}",
            model.sha256, data.sha256, data.samples, device.backend
        )
    }

    /// The empty tally of this run.
    pub fn tally(&self) -> Result<Tally> {
        let new = if self.counts_only { Tally::counts_only } else { Tally::new };
        new(self.data.samples, &self.thresholds)
    }

    /// The command that repeats this run from its weights.
    pub fn command(&self) -> String {
        let thresholds: Vec<String> = self.thresholds.iter().map(f32::to_string).collect();
        format!(
            "retrial sample --weights weights.safetensors{} --data {} --samples {} --trials {} --temperature {} \
             --thresholds {} --seed {} --device {} --precision {}{}{} --out RUN",
            if self.model.posterior.is_some() { " --mu mu.npy --logvar logvar.npy" } else { "" },
            self.data.source,
            self.data.samples,
            self.trials,
            self.temperature,
            thresholds.join(","),
            self.seed,
            self.device.backend,
            self.variant.precision,
            // A CPU's instruction sets give the same bits; a run of before kernels had names has none.
            if self.device.backend == "cpu" || self.variant.kernel.is_empty() {
                String::new()
            } else {
                format!(" --kernel {}", self.variant.kernel)
            },
            if self.counts_only { " --counts-only" } else { "" }
        )
    }
}

/// What to do with a directory that holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it.
    Refuse,
    /// Write over what is there.
    Replace,
    /// Go on from the tally that is there.
    Resume,
}

/// Above any `run.json`: it grows with the thresholds alone.
const MAX_MANIFEST: u64 = 16 << 20;

/// A run directory. Every file is written atomically, nothing is written through a link in it, and one that stays empty
/// is removed again.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path); // which only works on an empty one
    }
}

impl RunDir {
    /// Makes the directory, or takes an existing one as `existing` says. What a killed run was writing there is removed.
    pub fn create(path: &Path, existing: Existing) -> Result<Self> {
        let occupied = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(Error::io("use as output directory", path)(e)),
        };
        if occupied && existing == Existing::Refuse {
            return Err(Error::input(
                "output directory",
                format!("{}, which is not empty", path.display()),
                "choose another, or pass --resume to go on or --force to write over it",
            ));
        }
        fs::create_dir_all(path).map_err(Error::io("create", path))?;
        clear_temporaries(path);
        if occupied && existing == Existing::Replace {
            // What stays behind must not be taken for part of the new run.
            for name in ["run.json", "tally.bin", "training.safetensors", "mu.npy", "logvar.npy"] {
                match fs::remove_file(path.join(name)) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        return Err(Error::io("remove", path.join(name))(e));
                    }
                    _ => {}
                }
            }
        }
        Ok(Self { path: path.into() })
    }

    /// A directory that [`RunDir::create`] made, with its manifest.
    pub fn open(path: &Path) -> Result<(Self, Manifest)> {
        let file = path.join("run.json");
        let manifest = serde_json::from_slice(&read_up_to(&file, MAX_MANIFEST)?)
            .map_err(|e| Error::file(&file, e, "is this a directory that retrial sample wrote?"))?;
        Ok((Self { path: path.into() }, manifest))
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

    /// Keeps a tally, to be continued or reported on.
    pub fn keep(&self, manifest: &Manifest, tally: &Tally) -> Result<()> {
        checkpoint::save(&self.path.join("tally.bin"), &manifest.identity(), tally)
    }

    /// The tally kept by an earlier run of the same identity, if there is one.
    pub fn kept(&self, manifest: &Manifest) -> Result<Option<Tally>> {
        let file = self.path.join("tally.bin");
        if !file.exists() {
            return Ok(None);
        }
        let tally = checkpoint::load(&file, &manifest.identity())?;
        let kind = (tally.rows().len(), tally.thresholds(), tally.is_counts_only());
        if kind != (manifest.data.samples, &manifest.thresholds[..], manifest.counts_only) {
            let fault = "holds other samples or thresholds than it says";
            return Err(Error::file(&file, fault, "delete it and sample again"));
        }
        Ok(Some(tally))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrial_spec::Precision;

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
            variant: Variant::new(kernel, precision),
            device: Device {
                backend: backend.into(),
                name: String::new(),
                detail: String::new(),
                variants: vec![],
                double: true,
            },
            training: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&folder.path().join("run"), Existing::Refuse).unwrap();
        for (backend, kernel, others) in [("cuda", "mma", ["wgmma", "simt"]), ("cpu", "avx512", ["avx2", "portable"])] {
            let kept = manifest(backend, kernel, Precision::F32);
            dir.keep(&kept, &kept.tally().unwrap()).unwrap();
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
