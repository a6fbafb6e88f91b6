//! The shaders' texts and the layouts of their parameters.

use crate::plan::Tile;
use bytemuck::{Pod, Zeroable};
use retrial_host::constant;
use std::mem::offset_of;

/// Joins files of `shaders/` in order.
macro_rules! shader {
    ($($file:literal),*) => { concat!($(include_str!(concat!("../../../shaders/", $file)), "\n"),*) };
}

pub(crate) const ENCODE: &str = shader!("shared/grid.wgsl", "shared/sigmoid.wgsl", "shared/dense.wgsl", "encode.wgsl");
pub(crate) const SAMPLE_LATENT: &str =
    shader!("shared/grid.wgsl", "shared/philox.wgsl", "shared/normals.wgsl", "sample_latent.wgsl");
pub(crate) const DECODE: &str = shader!("shared/grid.wgsl", "shared/sigmoid.wgsl", "shared/dense.wgsl", "decode.wgsl");
pub(crate) const L2_ERROR: &str = shader!("shared/grid.wgsl", "l2_error.wgsl");
pub(crate) const PASS_AT_K: &str = shader!("shared/grid.wgsl", "shared/tally.wgsl", "pass_at_k.wgsl");
/// With subgroup reductions.
pub(crate) const PASS_AT_K_SUBGROUP: &str = shader!("shared/grid.wgsl", "shared/tally_subgroup.wgsl", "pass_at_k.wgsl");
pub(crate) const CORRELATION: &str = shader!("shared/grid.wgsl", "correlation.wgsl");
/// Hidden units in f32.
pub(crate) const SCORE: &str = concat!(
    "alias Stored = f32;\n",
    shader!("shared/grid.wgsl", "shared/philox.wgsl", "shared/normals.wgsl", "shared/sigmoid.wgsl", "score.wgsl")
);
/// Hidden units and products' factors in f16.
pub(crate) const SCORE_F16: &str = concat!(
    "enable f16;\nalias Stored = f16;\n",
    shader!("shared/grid.wgsl", "shared/philox.wgsl", "shared/normals.wgsl", "shared/sigmoid.wgsl", "score.wgsl")
);

/// Rates of the adapter in f32. Kept beside the code that reads it: it is no kernel.
pub(crate) const PEAK: &str =
    concat!("alias Value = vec4<f32>;\n", shader!("shared/grid.wgsl"), include_str!("peak.wgsl"));
/// In f16.
pub(crate) const PEAK_F16: &str =
    concat!("enable f16;\nalias Value = vec4<f16>;\n", shader!("shared/grid.wgsl"), include_str!("peak.wgsl"));

/// A shader as the driver gets it, for whoever wants to check or read it.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    /// The kernel's name, or "peak".
    pub kernel: &'static str,
    /// The WGSL text, shared files included.
    pub text: &'static str,
    /// Members of its `Params` with their offsets, as the host writes them.
    pub members: &'static [(&'static str, usize)],
    /// Bytes of its `Params`.
    pub size: usize,
    /// Whether it needs the `SHADER_F16` feature.
    pub f16: bool,
    /// Whether it needs the `SUBGROUP` feature.
    pub subgroup: bool,
}

/// Thresholds of one dispatch of `pass_at_k`, which is what its workgroup memory holds.
pub(crate) const THRESHOLDS_PER_DISPATCH: usize = constant(PASS_AT_K, "THRESHOLDS");
/// Bins of a sample's histogram that `pass_at_k` counts in.
pub(crate) const BINS: usize = constant(PASS_AT_K, "BINS");
/// Numbers of the passes of `score`: all trials, a screen of them, and those that it let through.
pub(crate) const PASSES: [u32; 3] =
    [constant(SCORE, "ALL") as u32, constant(SCORE, "SCREEN") as u32, constant(SCORE, "LIST") as u32];

/// Values for constants of an entry point.
pub type Constants = Vec<(&'static str, f64)>;

impl Shader {
    /// The text as browsers want it: they do not know subgroups unless these are enabled, and naga does not know the word.
    pub fn browser_text(&self) -> String {
        format!("{}{}", if self.subgroup { "enable subgroups;\n" } else { "" }, self.text)
    }

    /// Every set of values for the constants of an entry point that is in use within the memory that WebGPU promises,
    /// with latents from the fewest to the most that it has room for.
    pub fn constants(&self, entry: &str) -> Vec<Constants> {
        /// Bytes of workgroup memory on any device.
        const PROMISED: u64 = 16_384;
        match (self.kernel, entry) {
            ("score", "hidden") => {
                let ways = PASSES.iter().flat_map(|&pass| [0.0, 1.0].map(|skip| (pass, skip)));
                let sets = ways.flat_map(|(pass, skip)| [1.0, 20.0, 128.0].map(|latent| (pass, skip, latent)));
                let set = |(pass, skip, latent)| {
                    vec![("TX", 16.0), ("LATENT", latent), ("SKIP", skip), ("PASS", f64::from(pass))]
                };
                sets.map(set).collect()
            }
            ("score", "alive") => [8.0, 16.0].map(|depth| vec![("DEPTH", depth)]).to_vec(),
            ("score", _) => {
                let bytes = if self.f16 { 2 } else { 4 };
                let stages = Tile::all().flat_map(|tile| [1, 2].map(|stages| (tile, stages)));
                let fitting = stages.filter(|(tile, stages)| tile.memory(bytes, *stages) <= PROMISED);
                let ways = fitting.flat_map(|fit| PASSES.iter().flat_map(move |&pass| [0, 1].map(|s| (fit, pass, s))));
                let set = |((t, stages), pass, skip): ((Tile, u64), u32, u32)| {
                    let numbers = [t.tx, t.ty, t.depth, stages, skip.into(), pass.into()];
                    ["TX", "TY", "DEPTH", "STAGES", "SKIP", "PASS"].into_iter().zip(numbers.map(|n| n as f64)).collect()
                };
                ways.map(set).collect()
            }
            // Trials of a tile of `score`, and of the kernel by itself.
            ("pass_at_k", _) => {
                let sizes = [(128.0, THRESHOLDS_PER_DISPATCH as f64), (256.0, THRESHOLDS_PER_DISPATCH as f64)];
                let set = |(trials, at_once)| vec![("TRIALS", trials), ("BINS", BINS as f64), ("THRESHOLDS", at_once)];
                sizes.map(set).to_vec()
            }
            _ => vec![vec![]],
        }
    }
}

/// Every shader, variants included.
pub fn shaders() -> Vec<Shader> {
    fn shader<P: Params>(kernel: &'static str, text: &'static str) -> Shader {
        let (f16, subgroup) = (text.contains("enable f16;"), text == PASS_AT_K_SUBGROUP);
        Shader { kernel, text, members: P::MEMBERS, size: size_of::<P>(), f16, subgroup }
    }
    vec![
        shader::<Dense>("encode", ENCODE),
        shader::<SampleLatent>("sample_latent", SAMPLE_LATENT),
        shader::<Dense>("decode", DECODE),
        shader::<L2Error>("l2_error", L2_ERROR),
        shader::<PassAtK>("pass_at_k", PASS_AT_K),
        shader::<PassAtK>("pass_at_k", PASS_AT_K_SUBGROUP),
        shader::<Correlation>("correlation", CORRELATION),
        shader::<Score>("score", SCORE),
        shader::<Score>("score", SCORE_F16),
        shader::<Peak>("peak", PEAK),
        shader::<Peak>("peak", PEAK_F16),
    ]
}

/// The uniform buffer of a kernel. `tests/shaders.rs` holds the members against the WGSL's.
pub(crate) trait Params: Pod {
    const MEMBERS: &'static [(&'static str, usize)];
}

macro_rules! params {
    ($($name:ident { $($member:ident: $type:ty,)* })*) => { $(
        #[repr(C)]
        #[derive(Clone, Copy, Pod, Zeroable)]
        pub(crate) struct $name { $(pub $member: $type),* }

        impl Params for $name {
            const MEMBERS: &'static [(&'static str, usize)] =
                &[$((stringify!($member), offset_of!($name, $member))),*];
        }
    )* };
}

params! {
    Dense {
        rows: u32,
        inputs: u32,
        outputs: u32,
    }
    SampleLatent {
        key: [u32; 2],
        first: [u32; 2],
        rows: u32,
        skip: u32,
        trials: u32,
        latent: u32,
        sample: u32,
        pad: u32,
    }
    L2Error {
        rows: u32,
        skip: u32,
        trials: u32,
        pixels: u32,
    }
    PassAtK {
        tiles: u32,
        skip: u32,
        samples: u32,
        piece: u32,
        trials: u32,
        base: u32,
        count: u32,
        stride: u32,
        room: u32,
        whole: u32,
        histogram_too: u32,
        floor: u32,
    }
    Correlation {
        samples: u32,
        trials: u32,
        row: u32,
        blocks: u32,
    }
    Peak {
        rounds: u32,
        count: u32,
    }
    Score {
        key: [u32; 2],
        first: [u32; 2],
        tiles: u32,
        skip: u32,
        samples: u32,
        piece: u32,
        trials: u32,
        sample: u32,
        hidden: u32,
        pixels: u32,
        given: u32,
        own: u32,
        limit: f32,
        pad: u32,
    }
}

/// A 64-bit number as `(lo, hi)`.
pub(crate) fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}
