//! The fused path: noise, latents, hidden units, pixels and errors of a block of trials of one sample, with nothing
//! written per pixel.
//!
//! Per sub-block of one register tile's trials: normals, `z^T`, then `h^T = relu(W3 z + b3)`, which stays in cache.
//! Then pixel group by pixel group (22 KB of `W4`, in L1), over all sub-blocks (307 KB of `h^T`, in L2): the tile of
//! `W4 h + b4` in registers, sigmoid, difference and sum of squares. A hidden unit that is zero in all trials of a
//! sub-block is left out of its sums: it would add `0 w`, so the result does not change in any bit.

use crate::{
    isa::{Isa, Job},
    lanes::Lanes,
    normals::normals,
    panel::{DARK, Packed, sigmoid},
};
use retrial_spec::Problem;
use std::ops::Range;

/// The decoder, packed for one register tile.
pub(crate) struct Decoder {
    pub fc1: Packed,
    pub fc2: Packed,
    all_latents: Vec<u16>,
    /// Sub-blocks whose `h^T` share the L2 cache.
    sub_blocks: usize,
    tile_trials: usize,
}

impl Decoder {
    pub fn new(problem: &Problem, isa: Isa) -> Self {
        const HIDDEN_BYTES: usize = 320 << 10;
        let (tile, shape) = (isa.tile(), problem.shape());
        let sub_blocks = (HIDDEN_BYTES / (4 * shape.hidden * tile.trials)).clamp(1, 16);
        Self {
            fc1: Packed::new(&problem.weights().decoder_fc1, tile.rows, 0.0),
            fc2: Packed::new(&problem.weights().decoder_fc2, tile.rows, DARK),
            all_latents: (0..shape.latent as u16).collect(),
            sub_blocks,
            tile_trials: tile.trials,
        }
    }

    /// Most trials of one [`Block`].
    pub fn block(&self) -> usize {
        self.sub_blocks * self.tile_trials
    }

    pub fn scratch(&self) -> Scratch {
        let lanes = self.tile_trials;
        Scratch {
            latents: vec![0.0; self.fc1.inputs * lanes],
            hidden: vec![0.0; self.sub_blocks * self.fc2.inputs * lanes],
            alive: vec![Vec::with_capacity(self.fc2.inputs); self.sub_blocks],
            sums: vec![0.0; self.sub_blocks * lanes],
            image: vec![0.0; self.fc2.padded_outputs()],
        }
    }
}

/// One thread's working memory.
pub(crate) struct Scratch {
    latents: Vec<f32>,
    hidden: Vec<f32>,
    alive: Vec<Vec<u16>>,
    sums: Vec<f32>,
    image: Vec<f32>,
}

/// Noise of one sample's block.
#[derive(Clone, Copy)]
pub(crate) enum BlockNoise<'a> {
    /// Trials from this one on.
    From(u64),
    /// Given normals, `[trial, latent]`.
    Given(&'a [f32]),
}

/// Errors of up to [`Decoder::block`] trials of one sample, into `errors`.
pub(crate) struct Block<'a> {
    pub problem: &'a Problem,
    pub decoder: &'a Decoder,
    pub sample: usize,
    pub noise: BlockNoise<'a>,
    pub errors: &'a mut [f32],
    pub scratch: &'a mut Scratch,
}

impl Job for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes, const R: usize, const C: usize>(self) {
        let Self { problem, decoder, sample, noise, errors, scratch } = self;
        let lanes = C * V::WIDTH;
        let hidden = decoder.fc2.inputs * lanes;
        let subs = errors.len().div_ceil(lanes);
        for sub in 0..subs {
            let trials = sub * lanes..errors.len().min((sub + 1) * lanes);
            latents::<V, C>(problem, sample, noise, trials, &mut scratch.latents);
            let h = &mut scratch.hidden[sub * hidden..][..hidden];
            hidden_units::<V, R, C>(decoder, &scratch.latents, h, &mut scratch.alive[sub]);
        }

        let pixels = problem.image(sample);
        scratch.image.fill(0.0);
        scratch.image[..pixels.len()].copy_from_slice(pixels);
        scratch.sums.fill(0.0);
        for group in 0..decoder.fc2.groups() {
            let x = &scratch.image[group * R..][..R];
            for sub in 0..subs {
                let h = &scratch.hidden[sub * hidden..][..hidden];
                let bias: [[V; C]; R] = decoder.fc2.bias(group);
                let a = decoder.fc2.product(bias, group, &scratch.alive[sub], h);
                let sums = &mut scratch.sums[sub * lanes..][..lanes];
                for c in 0..C {
                    // SAFETY: `sums` holds C vectors.
                    let mut sum = unsafe { V::load(sums.as_ptr().add(c * V::WIDTH)) };
                    for r in 0..R {
                        let difference = sigmoid(a[r][c]).sub(V::splat(x[r]));
                        sum = difference.fma(difference, sum);
                    }
                    // SAFETY: as above.
                    unsafe { sum.store(sums.as_mut_ptr().add(c * V::WIDTH)) };
                }
            }
        }
        for (error, sum) in errors.iter_mut().zip(&scratch.sums) {
            *error = sum.sqrt();
        }
    }
}

/// `z^T`, `[latent][C * WIDTH]`, of the block's trials `trials`. Lanes beyond the last trial hold a later trial or zero
/// noise; their errors are dropped.
#[inline(always)]
fn latents<V: Lanes, const C: usize>(
    problem: &Problem,
    sample: usize,
    noise: BlockNoise<'_>,
    trials: Range<usize>,
    z: &mut [f32],
) {
    let (lanes, latent) = (C * V::WIDTH, problem.shape().latent);
    match noise {
        BlockNoise::From(first) => {
            for c in 0..C {
                let first = first.wrapping_add((trials.start + c * V::WIDTH) as u64);
                normals::<V>(problem.seed(), sample as u32, first, latent, &mut z[c * V::WIDTH..], lanes);
            }
        }
        BlockNoise::Given(noise) => {
            z.fill(0.0);
            for (lane, trial) in trials.enumerate() {
                for d in 0..latent {
                    z[d * lanes + lane] = noise[trial * latent + d];
                }
            }
        }
    }
    for (d, (&mu, &scale)) in problem.mu(sample).iter().zip(problem.scale(sample)).enumerate() {
        for value in &mut z[d * lanes..][..lanes] {
            *value = scale.mul_add(*value, mu);
        }
    }
}

/// `h^T = relu(W3 z + b3)`, `[hidden][C * WIDTH]`, and the units that are positive in some trial.
#[inline(always)]
fn hidden_units<V: Lanes, const R: usize, const C: usize>(
    decoder: &Decoder,
    z: &[f32],
    h: &mut [f32],
    alive: &mut Vec<u16>,
) {
    let lanes = C * V::WIDTH;
    alive.clear();
    for group in 0..decoder.fc1.groups() {
        let a: [[V; C]; R] = decoder.fc1.product(decoder.fc1.bias(group), group, &decoder.all_latents, z);
        for r in 0..R {
            let unit = group * R + r;
            if unit == decoder.fc1.outputs {
                return;
            }
            let mut any = false;
            for c in 0..C {
                any |= a[r][c].any_positive();
                let row = &mut h[unit * lanes + c * V::WIDTH..][..V::WIDTH];
                // SAFETY: `row` holds one vector.
                unsafe { a[r][c].max(V::splat(0.0)).store(row.as_mut_ptr()) };
            }
            if any {
                alive.push(unit as u16);
            }
        }
    }
}
