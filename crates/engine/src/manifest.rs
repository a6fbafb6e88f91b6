//! What was asked of a run, and of what: `run.json`.

use crate::State;
use retrial_spec::{Device, Gram, Result, Shape, Tally, Trials, Variant, text::visible};
use retrial_vae::Loss;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

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
    /// Whether the correlation of all trials was kept.
    #[serde(default)]
    pub gram: bool,
    /// Trials whose errors are kept and correlated, from the first on.
    #[serde(default = "a_thousand")]
    pub correlate: u64,
    /// The share of the trials that this directory is for; `None` of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The implementation of `score` that computed the trials.
    #[serde(flatten)]
    pub variant: Variant,
    /// The device.
    pub device: Device,
    /// How the model was trained, when the run did so.
    pub training: Option<TrainingInfo>,
}

/// What runs of before it was written down kept.
fn a_thousand() -> u64 {
    1000
}

/// One of `count` shares of a run's trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which, from 1.
    pub index: u64,
    /// Of how many.
    pub count: u64,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((0, count)) => Err(format!("shards are numbered from 1, so the first is 1/{count}")),
            Some((index, count)) if index <= count => Ok(Self { index, count }),
            _ => Err("must be i/n with i from 1 to n, such as 3/8".into()),
        }
    }
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
    /// Everything that must be equal for two states to know trials of the same run: what it is called, and what it is.
    fn identity(&self) -> Vec<(&'static str, String)> {
        let Self { model, data, temperature, seed, thresholds, counts_only, gram, variant, device, .. } = self;
        let thresholds: Vec<String> = thresholds.iter().map(f32::to_string).collect();
        let mut identity = vec![
            ("model (SHA-256)", model.sha256.clone()),
            ("means and log variances (SHA-256)", model.posterior.clone().unwrap_or_else(|| "the encoder's".into())),
            ("data (SHA-256)", data.sha256.clone()),
            ("samples", data.samples.to_string()),
            ("temperature", temperature.to_string()),
            ("seed", seed.to_string()),
            ("thresholds", thresholds.join(",")),
            ("tally", if *counts_only { "counts only" } else { "all errors" }.into()),
            ("Gram matrix", if *gram { "kept" } else { "not kept" }.into()),
            ("device", device.backend.clone()),
            ("precision", variant.precision.to_string()),
        ];
        // A CPU's instruction sets give the same bits.
        if device.backend != "cpu" {
            identity.push(("kernel", variant.kernel.clone()));
        }
        identity
    }

    /// What keeps the trials of another run from being this one's: "seed is 1, not 2". `None` where nothing does.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let differs = |((name, ours), (_, theirs)): ((&str, String), (&str, String))| {
            (ours != theirs).then(|| format!("{name} is {}, not {}", shortened(&ours), shortened(&theirs)))
        };
        self.identity().into_iter().zip(other.identity()).find_map(differs)
    }

    /// The trials that it is to do.
    pub fn goal(&self) -> Trials {
        match self.shard {
            Some(Shard { index, count }) => Trials::shard(self.trials, index - 1, count, self.block(count)),
            None => (0..self.trials).into(),
        }
    }

    /// Whole blocks to a shard, as far as there are enough, so that no two shards work for the same block of a Gram matrix.
    fn block(&self, shards: u64) -> u64 {
        let block = Gram::BLOCK as u64;
        if self.trials / block >= shards { block } else { 1 }
    }

    /// The state of this run before any trial.
    pub fn state(&self) -> Result<State> {
        let new = if self.counts_only { Tally::counts_only } else { Tally::new };
        let gram = self.gram.then(|| Gram::new(self.data.samples, self.seed)).transpose()?;
        Ok(State { tally: new(self.data.samples, &self.thresholds)?, gram })
    }

    /// The command that repeats this run from its weights.
    pub fn command(&self) -> String {
        let thresholds: Vec<String> = self.thresholds.iter().map(f32::to_string).collect();
        format!(
            "retrial sample --weights weights.safetensors{} --data {} --samples {} --trials {} --temperature {} \
             --thresholds {} --seed {} --device {} --precision {}{}{}{} --out RUN",
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
            if self.counts_only { " --counts-only" } else { "" },
            if self.gram { " --gram" } else { "" }
        )
    }
}

/// As much of a long list as a person reads.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", visible(&text[..end])),
        None => visible(text).into_owned(),
    }
}
