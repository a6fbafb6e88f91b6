//! The kernels' texts, and the layouts of their parameters.

use bytemuck::{Pod, Zeroable};
use std::sync::{Mutex, PoisonError};

/// A file of `kernels/` with the headers it includes: what a compiler is given.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// The kernel's name.
    pub kernel: &'static str,
    /// The text of its `.cu`.
    pub text: &'static str,
    /// Names and texts of the headers that any kernel may include.
    pub headers: &'static [(&'static str, &'static str)],
    /// Its `__global__` functions, each of which takes one struct by value.
    pub entries: &'static [&'static str],
    /// Name and size in bytes of that struct, the same for all of them.
    pub params: (&'static str, usize),
    /// The one architecture, as 90, whose own instructions it uses (`wgmma`); such code runs on no other.
    pub only: Option<u32>,
    /// Most registers of a function and bytes of static shared memory: what its threads per block and blocks per
    /// multiprocessor leave, not what it happens to use.
    pub budget: (u32, u32),
    /// Options that define macros, `-DHIDDEN=400`, where a kernel is compiled for a shape. Without them it is the paper's.
    pub defines: &'static [String],
}

impl Program {
    /// This program with macros defined: the same one for the same macros, of which there are as many as models.
    pub(crate) fn with(&'static self, defines: &[(&str, String)]) -> &'static Self {
        static MADE: Mutex<Vec<&'static Program>> = Mutex::new(vec![]);
        let defines: Vec<String> = defines.iter().map(|(name, value)| format!("-D{name}={value}")).collect();
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = made.iter().find(|made| made.kernel == self.kernel && made.defines == defines) {
            return found;
        }
        let new = Box::leak(Box::new(Self { defines: defines.leak(), ..*self }));
        made.push(new);
        new
    }
}

macro_rules! header {
    ($($name:literal),*) => { &[$(($name, include_str!(concat!("../../../kernels/", $name)))),*] };
}

const HEADERS: &[(&str, &str)] = header![
    "async.cuh",
    "dense.cuh",
    "fragments.cuh",
    "hopper.cuh",
    "mma.cuh",
    "normals.cuh",
    "philox.cuh",
    "score_mma.cuh",
    "screen.cuh",
    "sigmoid.cuh"
];

/// The headers whose sizes the host needs.
pub(crate) const DENSE: &str = include_str!("../../../kernels/dense.cuh");
pub(crate) const SCORE_MMA: &str = include_str!("../../../kernels/score_mma.cuh");

macro_rules! programs {
    ($($constant:ident $kernel:literal $params:ident $entries:expr, $only:expr, $budget:expr;)*) => {
        $(pub(crate) static $constant: Program = Program {
            kernel: $kernel,
            text: include_str!(concat!("../../../kernels/", $kernel, ".cu")),
            headers: HEADERS,
            entries: &$entries,
            params: (stringify!($params), size_of::<$params>()),
            only: $only,
            budget: $budget,
            defines: &[],
        };)*

        /// Every kernel.
        pub fn programs() -> Vec<&'static Program> {
            vec![$(&$constant),*]
        }
    };
}

programs! {
    ENCODE "encode" Dense ["hidden", "encode"], None, (80, 9 << 10); // 256 threads, 3 blocks
    SAMPLE_LATENT "sample_latent" SampleLatent ["sample_latent"], None, (40, 0); // 256 threads, 6 blocks
    DECODE "decode" Dense ["hidden", "decode"], None, (80, 9 << 10); // 256 threads, 3 blocks
    L2_ERROR "l2_error" L2Error ["l2_error"], None, (40, 0); // 256 threads, 6 blocks
    PASS_AT_K "pass_at_k" PassAtK ["pass_at_k", "clear"], None, (40, 2 << 10); // 256 threads, 6 blocks
    CORRELATION "correlation" Correlation ["standardise", "correlation", "reduce"], None, (128, 17 << 10); // 256 threads, 2 blocks
    SCORE "score" Score ["score", "score_deep"], None, (255, 0); // 128 threads, 2 blocks
    SCORE_SCREEN "score_screen" ScoreScreen ["gather", "begin"], None, (40, 0); // 256 threads, 6 blocks
    SCORE_MMA_F16 "score_mma_f16" ScoreMma ["score_mma_f16_128", "score_mma_f16_64", "score_mma_f16_32"], None, (255, 0); // 256 threads, 1 block
    SCORE_MMA_BF16 "score_mma_bf16" ScoreMma ["score_mma_bf16_128", "score_mma_bf16_64", "score_mma_bf16_32"], None, (255, 0); // 256 threads, 1 block
    SCORE_MMA_F16X3 "score_mma_f16x3" ScoreMma ["score_mma_f16x3_64", "score_mma_f16x3_32", "score_mma_f16x3_16"], None, (255, 0); // 256 threads, 1 block
    SCORE_WGMMA "score_wgmma" ScoreWgmma ["score_wgmma"], Some(90), (168, 0); // 384 threads, 1 block
}

/// An address on the device; 0 is null.
pub(crate) type Address = u64;

// Addresses and other 64-bit members come first, so that neither compiler pads.
macro_rules! params {
    ($($name:ident { $($member:ident: $type:ty,)* })*) => { $(
        /// As the struct of this name in `kernels/`.
        #[repr(C)]
        #[derive(Clone, Copy, Pod, Zeroable)]
        pub(crate) struct $name { $(pub $member: $type),* }
    )* };
}

params! {
    Dense {
        x: Address, weight: Address, bias: Address, y: Address,
        rows: u32, inputs: u32, outputs: u32, unused: u32,
    }
    SampleLatent {
        mu: Address, scale: Address, noise: Address, z: Address,
        seed: u64, first: u64, rows: u64, skip: u64, trials: u64,
        latent: u32, unused: u32,
    }
    L2Error {
        x: Address, y: Address, e: Address,
        rows: u64, skip: u64, trials: u64,
        pixels: u32, unused: u32,
    }
    PassAtK {
        errors: Address, thresholds: Address, counts: Address, histogram: Address, worst: Address,
        bins: Address, least: Address, next: Address, found: Address,
        trials: u64, words: u64,
        pieces: u32, count: u32, stride: u32, base: u32, room: u32, whole: u32,
        floor: f32, unused: u32,
    }
    Correlation {
        errors: Address, moments: Address, partial: Address, gram: Address,
        trials: u64, span: u64,
        samples: u32, splits: u32, tiles: u32, unused: u32,
    }
    Score {
        mu: Address, scale: Address, noise: Address, images: Address,
        w3: Address, b3: Address, w4: Address, b4: Address,
        errors: Address, h: Address,
        seed: u64, first: u64, trials: u64, tiles: u64, pieces: u64,
        latent: u32, hidden: u32, pixels: u32, unused: u32,
    }
    Screen {
        listed: Address, counts: Address, tiles: Address, samples: Address,
        limit: f32, pass: u32,
    }
    ScoreScreen {
        pixels: Address, samples: Address, w4: Address, bias: Address, images: Address,
        few_w4: Address, few_bias: Address, few_images: Address,
        ranks: Address, listed: Address, counts: Address, tiles: Address, errors: Address,
        places: u64, trials: u64, pieces: u64,
        slabs: u32, stride: u32, count: u32, whole: u32, tile: u32, unused: u32,
    }
    ScoreMma {
        mu: Address, scale: Address, noise: Address, images: Address,
        w3: Address, w4: Address, bias: Address, errors: Address,
        seed: u64, first: u64, trials: u64, tiles: u64, pieces: u64,
        latent: u32, hidden: u32, pixels: u32, steps: u32, depth: u32, ring: u32,
        factor: f32, unused: u32,
        screen: Screen,
    }
    ScoreWgmma {
        mu: Address, scale: Address, noise: Address, images: Address,
        w3: Address, w4: Address, bias: Address, errors: Address,
        seed: u64, first: u64, tiles: u64,
        trials: u32, pieces: u32, factor: f32, unused: u32,
        screen: Screen,
    }
}
