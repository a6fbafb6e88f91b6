//! The kernels' names.

use retrial_spec::{Error, Result};
use std::{fmt, str::FromStr};

/// The kernels, by the one name each has in every place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Images to posterior means and log variances.
    Encode,
    /// Noise to latents.
    SampleLatent,
    /// Latents to pixels.
    Decode,
    /// Pixels to errors.
    L2Error,
    /// Errors to a tally.
    PassAtK,
    /// Errors to the Gram matrix.
    Correlation,
    /// `sample_latent` to `pass_at_k`, fused.
    Score,
}

impl Kernel {
    /// All kernels, in the order of the pipeline.
    pub const ALL: [Self; 7] =
        [Self::Encode, Self::SampleLatent, Self::Decode, Self::L2Error, Self::PassAtK, Self::Correlation, Self::Score];

    /// The name in files, flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::SampleLatent => "sample_latent",
            Self::Decode => "decode",
            Self::L2Error => "l2_error",
            Self::PassAtK => "pass_at_k",
            Self::Correlation => "correlation",
            Self::Score => "score",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kernel {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let names: Vec<_> = Self::ALL.iter().map(|k| k.name()).collect();
        let found = Self::ALL.into_iter().find(|k| k.name() == name);
        found.ok_or_else(|| Error::input("kernel", name, format!("must be one of {}", names.join(", "))))
    }
}
