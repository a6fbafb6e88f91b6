//! The passes in which a window is scored, and what screening keeps on the device for them.

use crate::{gpu::Buffer, image::PIXELS, operands::Operands, source};
use bytemuck::Zeroable;

/// Which trials of a window are scored, and by which pixels.
#[derive(Clone, Copy)]
pub(crate) enum Pass<'s> {
    /// All, by all pixels.
    All,
    /// Those of samples that are screened, by the few pixels of each; what they let through is listed.
    Screen(&'s Screening),
    /// What is listed, by all pixels.
    List(&'s Screening),
}

impl Pass<'_> {
    /// What it is over: samples, pixels of each (in tiles), and their images, W4 and biases.
    pub(crate) fn operands<'o>(&'o self, all: &'o Operands) -> (usize, usize, [&'o Buffer<f32>; 2], &'o Buffer<u16>) {
        match self {
            Self::Screen(Screening { few, .. }) => (few.samples.len(), PIXELS, [&few.images, &few.bias], &few.w4),
            _ => (all.samples, all.pixels, [&all.images, &all.bias], &all.w4),
        }
    }

    /// As kernels take it.
    pub(crate) fn params(self) -> source::Screen {
        let (screening, pass) = match self {
            Self::All => return Zeroable::zeroed(),
            Self::Screen(screening) => (screening, 1),
            Self::List(screening) => (screening, 2),
        };
        source::Screen {
            listed: screening.listed.address(),
            counts: screening.counts.address(),
            tiles: screening.tiles.address(),
            samples: screening.few.samples.address(),
            limit: screening.limit,
            pass,
        }
    }
}

/// The few pixels of the samples that are screened, in places of this order.
pub(crate) struct Few {
    pub samples: Buffer<u32>,
    /// `[places, hidden / SLAB, parts, PIXELS, SLAB]`, as [`crate::image`] has them.
    pub w4: Buffer<u16>,
    /// `[places, PIXELS]`.
    pub bias: Buffer<f32>,
    pub images: Buffer<f32>,
}

/// How windows are screened.
pub(crate) struct Screening {
    pub few: Few,
    /// What the squares of the few pixels may sum up to in a trial that is let through.
    pub limit: f32,
    /// Most trials of a window.
    pub window: usize,
    /// Numbers of the samples that are not screened, or `u32::MAX`.
    pub ranks: Buffer<u32>,
    pub listed: Buffer<u32>,
    pub counts: Buffer<u32>,
    pub tiles: Buffer<[u32; 2]>,
}
