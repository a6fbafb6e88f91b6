//! What computes: a device, its precisions and its implementations of `score`.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// The arithmetic a result was computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Double precision: the reference twins, slow.
    F64,
    /// Single precision throughout: reference grade.
    F32,
    /// Half-precision products, single-precision sums.
    F16,
    /// bfloat16 products, single-precision sums.
    Bf16,
    /// Products of split halves, three each, single-precision sums: the grade of f32 on units that multiply halves.
    F16x3,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F16x3 => "f16x3",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let all = [Self::F64, Self::F32, Self::F16x3, Self::F16, Self::Bf16];
        let found = all.into_iter().find(|precision| precision.to_string() == name);
        found.ok_or_else(|| Error::input("precision", name, "must be f64, f32, f16x3, f16 or bf16"))
    }
}

/// One implementation of `score`. Each adds up in an order of its own, so a result comes from one of them alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Variant {
    /// Its name, which `--kernel` takes: "wgmma", "avx512". Empty of runs from before there were names.
    #[serde(default)]
    pub kernel: String,
    /// What it computes in.
    pub precision: Precision,
}

impl Variant {
    /// Of this name and precision.
    pub fn new(kernel: impl Into<String>, precision: Precision) -> Self {
        Self { kernel: kernel.into(), precision }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.kernel, self.precision)
    }
}

/// What a backend runs on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Device {
    /// The backend's name: "cpu", "wgsl", "cuda", "reference".
    pub backend: String,
    /// The device as its maker calls it.
    pub name: String,
    /// What of it is used: an instruction set, a driver version.
    pub detail: String,
    /// The implementations of `score` that it has, for a precision the fastest first. Whether one suits a model,
    /// [`Backend::load`](crate::Backend::load) finds.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// Whether it has f64, in which `correlation` adds up; f32 otherwise.
    #[serde(rename = "double")]
    pub has_f64: bool,
}

impl Device {
    /// Precisions it computes in, the default first.
    pub fn precisions(&self) -> Vec<Precision> {
        let mut found = vec![];
        for Variant { precision, .. } in &self.variants {
            if !found.contains(precision) {
                found.push(*precision);
            }
        }
        found
    }

    /// Names of its implementations of `score`, each once, the default first.
    pub fn kernels(&self) -> Vec<&str> {
        let mut found: Vec<&str> = vec![];
        for Variant { kernel, .. } in &self.variants {
            if !found.contains(&&**kernel) {
                found.push(kernel);
            }
        }
        found
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.backend, self.name, self.detail)
    }
}
