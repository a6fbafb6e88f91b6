//! How to sample, as the flags of `retrial sample` and `retrial reproduce` say it.

use crate::args::{DeviceArgs, KernelArgs};
use clap::Args;
use retrial_engine::Shard;
use retrial_spec::{Error, Result, Tally};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How to sample. What is not said is what the run that goes on had, or else the default.
#[derive(Args, Clone)]
pub struct SampleArgs {
    /// Trials per sample (default: 20000)
    #[arg(long, value_name = "K")]
    pub trials: Option<u64>,
    /// Temperature T in z = mu + T sigma eps (default: 1)
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub temperature: Option<f64>,
    /// Error thresholds, increasing (default: error quantiles at pass@1 = 1e-4, 1e-3, 1e-2, 0.1, 0.5 of a pilot)
    #[arg(long, value_delimiter = ',', value_name = "A,B,C", allow_hyphen_values = true)]
    pub thresholds: Option<Vec<f32>>,
    /// Seed of the noise (default: 1)
    #[arg(long)]
    pub seed: Option<u64>,
    /// Trials whose errors are kept and correlated, from the first on (default: 1000)
    #[arg(long, value_name = "K")]
    pub correlate: Option<u64>,
    /// Correlate all trials: keep their Gram matrix, for retrial correlation; every error is read back for it
    #[arg(long)]
    pub gram: bool,
    /// Trials per sample of a window; results do not depend on it (default: by device)
    #[arg(long, value_name = "W")]
    pub window: Option<u64>,
    /// Time between checkpoints, such as 30s, 10m or 1h
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub checkpoint: Duration,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// Keep only what lies below the largest threshold, several times faster where few trials do: counts and first
    /// successes are the same, histogram, error quantiles and worst trials are left out
    #[arg(long)]
    pub counts_only: bool,
    /// Do the i-th of n equal shares of the trials, i from 1; retrial merge puts them together
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Write over a directory that is not empty
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Go on from what an interrupted run kept in a directory, with its model, data and settings
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,
    /// Let a run that goes on, finished or not, have K trials per sample in all
    #[arg(long, value_name = "K", requires = "resume", conflicts_with = "trials")]
    pub extend: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl SampleArgs {
    /// Refuses what can be refused before anything is computed or written.
    pub fn check(&self) -> Result<()> {
        let trials = self.extend.or(self.trials).unwrap_or(1);
        if trials == 0 {
            return Err(Error::input("trials", 0, "must be at least 1"));
        }
        if trials > 1 << 62 {
            return Err(Error::input("trials", trials, "must be at most 2^62"));
        }
        if self.window == Some(0) {
            return Err(Error::input("window", 0, "must be at least 1"));
        }
        let temperature = self.temperature.unwrap_or(1.0);
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(Error::input("temperature", temperature, "must be a finite number >= 0"));
        }
        match &self.thresholds {
            Some(given) if self.counts_only => Tally::counts_only(0, given).map(drop),
            given => Tally::new(0, given.as_deref().unwrap_or_default()).map(drop),
        }
    }

    /// Whether to go on from what is there.
    pub fn resumes(&self) -> bool {
        self.resume.is_some()
    }

    /// The directory: of `--out`, or that of `--resume`.
    pub fn directory(&self, out: Option<&Path>) -> Result<Option<PathBuf>> {
        match (self.resume.iter().flatten().next(), out) {
            (Some(resume), Some(out)) if resume != out => {
                let limit = format!("--resume {} names another directory; drop one of them", resume.display());
                Err(Error::input("--out", out.display(), limit))
            }
            (resume, out) => Ok(out.or(resume.map(PathBuf::as_path)).map(Path::to_path_buf)),
        }
    }
}
