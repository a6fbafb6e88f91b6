//! Success probabilities that no run of trials reaches, of a trained model: [`retrial_theory::tail`] on a backend's kernels.
//!
//! Samples are taken in blocks. A finished block is kept on disk at once, and its results are a function of what was
//! [`Asked`], so an interrupted run goes on where it stopped and ends with the same bytes.

mod decoder;
mod reach;

pub use decoder::Decoder;
pub use reach::{Law, Reached, coverage_csv};

use crate::{DataInfo, ModelInfo, RunDir};
use retrial_files::{read_up_to, sha256_hex};
use retrial_spec::{Device, Error, Observer, Progress, Result, Variant};
use retrial_theory::tail::{Settings, Tail, tails};
use serde::{Deserialize, Serialize};
use std::{fs, io};

/// Samples of one block; fewer where their populations would fill memory.
const BLOCK: usize = 25;

/// Numbers of a block's noise: few enough that a call ends within a second.
const MAX_NOISE: usize = 4_000_000;

/// Far above a block of many thresholds.
const MAX_BYTES: u64 = 16 << 20;

/// Everything that determines the estimates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Version of Retrial.
    pub version: String,
    /// The model.
    pub model: ModelInfo,
    /// The data.
    pub data: DataInfo,
    /// `T` in `z = mu + T sigma eps`.
    pub temperature: f64,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Thresholds, increasing.
    pub thresholds: Vec<f32>,
    /// Trials of a population, and of a round of importance sampling.
    pub particles: usize,
    /// Plain trials per sample.
    pub pilot: usize,
    /// The implementation of `score`.
    #[serde(flatten)]
    pub variant: Variant,
    /// The device.
    pub device: Device,
}

/// A block on disk.
#[derive(Serialize, Deserialize)]
struct Block {
    identity: String,
    tails: Vec<Tail>,
}

impl Asked {
    /// Everything that must be equal for two blocks to belong together.
    fn identity(&self) -> String {
        let Self { version, model, data, temperature, seed, thresholds, particles, pilot, variant, device } = self;
        // A CPU's instruction sets give the same bits.
        let kernel = if device.backend == "cpu" { "" } else { &variant.kernel };
        let thresholds: Vec<u32> = thresholds.iter().map(|t| t.to_bits()).collect();
        format!(
            "tail {version} {} {:?} {} {} T={temperature} seed={seed} {particles} {pilot} {} {}{kernel} {thresholds:x?}",
            model.sha256, model.posterior, data.sha256, data.samples, variant.precision, device.backend
        )
    }

    /// Removes the blocks that an earlier run kept in a directory that is written over.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be removed.
    pub fn forget(dir: &RunDir) -> Result<()> {
        let blocks = dir.path().join("blocks");
        match fs::remove_dir_all(&blocks) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", blocks)(e)),
            _ => Ok(()),
        }
    }

    /// Samples of one block.
    fn block(&self) -> usize {
        (MAX_NOISE / (self.particles * self.model.shape.latent)).clamp(1, BLOCK)
    }

    /// Estimates every sample, block by block; blocks that `dir` holds are read. `kept` hears of each block how many
    /// samples are on disk.
    ///
    /// # Errors
    /// [`Error::File`] where a block is damaged or belongs to another run; those of the device; [`Error::Cancelled`].
    pub fn run(
        &self,
        decoder: &Decoder<'_>,
        dir: &RunDir,
        observer: &dyn Observer,
        kept: &dyn Fn(usize),
    ) -> Result<Vec<Tail>> {
        let settings = Settings { particles: self.particles, pilot: self.pilot, seed: self.seed };
        let samples: Vec<usize> = (0..self.data.samples).collect();
        let mut all: Vec<Tail> = vec![];
        let report = |done: usize| {
            let [done, total] = [done, samples.len()].map(|n| n as u64);
            observer.progress(Progress { stage: "tail", done, total, unit: "samples" });
        };
        for (number, block) in samples.chunks(self.block()).enumerate() {
            report(all.len());
            let done = all.len();
            let name = format!("blocks/{number:05}.bin");
            let tails = match self.read(dir, &name, block.len())? {
                Some(tails) => tails,
                None => {
                    let finished = |more: usize| report(done + more);
                    let tails = tails(decoder, block, &self.thresholds, &settings, observer, &finished)?;
                    self.write(dir, &name, &tails)?;
                    tails
                }
            };
            all.extend(tails);
            kept(all.len());
        }
        report(all.len());
        Ok(all)
    }

    fn write(&self, dir: &RunDir, name: &str, tails: &[Tail]) -> Result<()> {
        let block = Block { identity: self.identity(), tails: tails.to_vec() };
        let payload = postcard::to_stdvec(&block)
            .map_err(|e| Error::file(dir.path().join(name), format!("cannot be encoded: {e}"), "please report this"))?;
        dir.write(name, [sha256_hex(&payload).as_bytes(), b"\n", &payload].concat())
    }

    fn read(&self, dir: &RunDir, name: &str, samples: usize) -> Result<Option<Vec<Tail>>> {
        let file = dir.path().join(name);
        if !file.exists() {
            return Ok(None);
        }
        let damaged = |fault: &str| Error::file(&file, fault, "delete it; it is computed again");
        let bytes = read_up_to(&file, MAX_BYTES)?;
        let (hash, payload) = bytes.split_at_checked(65).ok_or_else(|| damaged("is truncated"))?;
        if hash != [sha256_hex(payload).as_bytes(), b"\n"].concat() {
            return Err(damaged("fails its checksum"));
        }
        let Block { identity, tails } = postcard::from_bytes(payload).map_err(|e| damaged(&e.to_string()))?;
        if identity != self.identity() {
            let fault = "belongs to a run of other weights, data, seed, temperature, thresholds, particles or device";
            return Err(Error::file(file, fault, "repeat that run's settings, or choose another output directory"));
        }
        if tails.len() != samples || tails.iter().any(|tail| tail.thresholds.len() != self.thresholds.len()) {
            return Err(damaged("holds other samples or thresholds than it says"));
        }
        Ok(Some(tails))
    }
}

/// `tail.csv`.
pub fn csv(thresholds: &[f32], tails: &[Tail]) -> String {
    let mut csv = String::from("sample,threshold,method,p,low,high,ess,evaluations,warning\n");
    for (sample, tail) in tails.iter().enumerate() {
        for (threshold, estimates) in thresholds.iter().zip(&tail.thresholds) {
            for (method, e) in retrial_theory::tail::Method::ALL.into_iter().zip(estimates) {
                let p = e.p.map_or(String::new(), |p| p.to_string());
                let note = e.note.map_or(String::new(), |note| note.to_string());
                csv += &format!(
                    "{sample},{threshold},{},{p},{},{},{},{},{note}\n",
                    method.name(),
                    e.low,
                    e.high,
                    e.ess,
                    e.evaluations
                );
            }
        }
    }
    csv
}
