//! Which instructions to use, and the only doors into code compiled for them.

#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};
use crate::lanes::{Lanes, Portable};
use retrial_spec::{Error, Result};
use std::{fmt, str::FromStr};

/// An instruction set this crate has kernels for. Results agree bit for bit between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// x86-64 with AVX-512F.
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// Any target. Without fused multiply-add in hardware this is correct but very slow.
    Portable,
}

impl Isa {
    /// All of them, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Whether this machine can run it.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Portable => true,
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }

    /// Whether this machine multiplies pairs of bfloat16 numbers with it (`vdpbf16ps`). Elsewhere their emulation would be
    /// slower than f32.
    pub fn has_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            self == Self::Avx512 && is_x86_feature_detected!("avx512bf16")
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            false
        }
    }

    /// The one named by the environment variable `RETRIAL_CPU` (`avx512`, `avx2`, `portable`), else the fastest.
    pub fn choose() -> Result<Self> {
        let Ok(name) = std::env::var("RETRIAL_CPU") else {
            return Ok(Self::ALL.into_iter().find(|isa| isa.available()).unwrap_or(Self::Portable));
        };
        let isa: Self = name.parse()?;
        if isa.available() { Ok(isa) } else { Err(Error::input("RETRIAL_CPU", name, "this CPU lacks it; unset it")) }
    }

    /// Runs a job in code compiled for this instruction set, which must be [`available`](Self::available). With AVX-512 a
    /// job of bf16 pairs needs [`has_bf16`](Self::has_bf16) too.
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        match self {
            // SAFETY: a `Cpu` is only built with an instruction set that was detected, and pairs only loaded where detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if J::PAIRS => unsafe { avx512_bf16(job) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512(job) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2(job) },
            _ => job.run::<Portable, 4, 2>(),
        }
    }

    /// Rows and trials of the register tile that [`Job::run`] is given.
    pub(crate) fn tile(self) -> Tile {
        struct Probe;
        impl Job for Probe {
            type Output = Tile;
            #[inline(always)]
            fn run<V: Lanes, const R: usize, const C: usize>(self) -> Tile {
                Tile { rows: R, trials: C * V::WIDTH }
            }
        }
        self.run(Probe)
    }
}

impl FromStr for Isa {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let isa = Self::ALL.into_iter().find(|isa| isa.to_string() == name);
        isa.ok_or_else(|| Error::input("RETRIAL_CPU", name, "must be avx512, avx2 or portable"))
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        })
    }
}

/// A register tile: `rows` outputs by `trials` lanes of accumulators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile {
    pub rows: usize,
    pub trials: usize,
}

/// Work written once over [`Lanes`]. `run` and all it calls must be `inline(always)`, or it would be compiled for the
/// baseline instruction set.
pub(crate) trait Job {
    type Output;
    /// Whether it multiplies pairs of bf16 numbers.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no other CPU multiplies pairs here"))]
    const PAIRS: bool = false;
    /// `R` outputs by `C` vectors is the register tile.
    fn run<V: Lanes, const R: usize, const C: usize>(self) -> Self::Output;
}

// 14 x 2 accumulators, 2 inputs and a broadcast fill 31 of 32 registers; 6 x 2, 2 and 1 fill 15 of 16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512<J: Job>(job: J) -> J::Output {
    job.run::<Avx512, 14, 2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn avx512_bf16<J: Job>(job: J) -> J::Output {
    job.run::<Avx512, 14, 2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<J: Job>(job: J) -> J::Output {
    job.run::<Avx2, 6, 2>()
}
