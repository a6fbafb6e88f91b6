//! The fused path: noise, latents, hidden units, pixels and squared errors of a block of trials of one sample, with
//! nothing written per pixel.
//!
//! Per sub-block of one register tile's trials: normals, `z^T`, then `h^T = relu(W3 z + b3)`, which stays in cache.
//! Then pixel group by pixel group (22 KB of `W4`, in L1), over all sub-blocks (at most 320 KB of `h^T`, in L2): the tile
//! of `W4 h + b4` in registers, sigmoid, difference and sum of squares. A hidden unit that is zero in all trials of a
//! sub-block is left out of its sums: it would add `0 w`, so the result does not change in any bit.

use crate::{
    isa::{Isa, Job, Tile},
    lanes::Lanes,
    layer::{FirstLayer, Layer},
    normals::{from, normals},
    panel::{product, rows, sigmoids},
};
use retrial_spec::Problem;
use std::ops::Range;

/// The decoder, packed for one register tile.
pub(crate) struct Decoder<L> {
    pub fc1: FirstLayer,
    pub fc2: L,
    pub tile: Tile,
    /// Sub-blocks whose `h^T` share the L2 cache.
    sub_blocks: usize,
    hidden: usize,
    latent: usize,
}

impl<L: Layer> Decoder<L> {
    pub(crate) fn new(problem: &Problem, isa: Isa) -> Self {
        const HIDDEN_BYTES: usize = 320 << 10;
        let (tile, shape) = (isa.tile(), problem.shape());
        Self {
            fc1: FirstLayer::new(&problem.weights().decoder_fc1, tile.rows),
            fc2: L::pack(&problem.weights().decoder_fc2, tile.rows),
            tile,
            sub_blocks: (HIDDEN_BYTES / (4 * L::steps(shape.hidden) * tile.trials)).clamp(1, 16),
            hidden: shape.hidden,
            latent: shape.latent,
        }
    }

    /// Most trials of one [`Block`].
    pub(crate) fn block(&self) -> usize {
        self.sub_blocks * self.tile.trials
    }

    pub(crate) fn scratch(&self) -> Scratch<L> {
        let (lanes, steps) = (self.tile.trials, L::steps(self.hidden));
        Scratch {
            latents: vec![0.0; self.latent * lanes],
            hidden: vec![L::Word::default(); self.sub_blocks * steps * lanes],
            alive: vec![Vec::with_capacity(steps); self.sub_blocks],
            used: Vec::with_capacity(steps),
            sums: vec![0.0; self.sub_blocks * lanes],
            layer: L::Scratch::default(),
        }
    }
}

/// One thread's working memory.
pub(crate) struct Scratch<L: Layer> {
    latents: Vec<f32>,
    hidden: Vec<L::Word>,
    /// Steps that are not zero, per sub-block.
    alive: Vec<Vec<u16>>,
    /// Steps that any sub-block has.
    used: Vec<u16>,
    sums: Vec<f32>,
    layer: L::Scratch,
}

impl<L: Layer> Scratch<L> {
    /// Steps per trial that the last block did not skip.
    pub(crate) fn steps(&self, sub_blocks: usize) -> f64 {
        self.alive[..sub_blocks].iter().map(Vec::len).sum::<usize>() as f64 / sub_blocks as f64
    }
}

/// Noise of one sample's block.
#[derive(Clone, Copy)]
pub(crate) enum BlockNoise<'a> {
    /// Trials from this one on.
    From(u64),
    /// These trials.
    Listed(&'a [u64]),
    /// Given normals, `[trial, latent]`.
    Given(&'a [f32]),
}

/// Squared errors of up to [`Decoder::block`] trials of one sample, over the pixels of `layer`.
pub(crate) struct Block<'a, L: Layer> {
    pub problem: &'a Problem,
    pub decoder: &'a Decoder<L>,
    /// `decoder.fc2` or some rows of it.
    pub layer: &'a L,
    /// The sample's pixels in the layer's order, as many as the layer has biases.
    pub image: &'a [f32],
    pub sample: usize,
    /// As [`Layer::order`] gives it.
    pub order: &'a [u16],
    pub noise: BlockNoise<'a>,
    /// `||x - y||^2`, one per trial.
    pub sums: &'a mut [f32],
    /// `(y - x)^2`, `[pixel][trials in whole sub-blocks]`, where wanted.
    pub squares: Option<&'a mut [f32]>,
    pub scratch: &'a mut Scratch<L>,
}

impl<L: Layer> Job for Block<'_, L> {
    type Output = ();
    const PAIRS: bool = L::PAIRS;

    #[inline(always)]
    fn run<V: Lanes, const R: usize, const C: usize>(mut self) {
        const { assert!(R.is_multiple_of(2), "sigmoids come in pairs of pixels") };
        let Self { problem, decoder, layer, sample, order, .. } = self;
        let Scratch { latents: z, hidden, alive, used, sums, layer: scratch } = self.scratch;
        let (lanes, size) = (C * V::WIDTH, L::steps(decoder.hidden) * C * V::WIDTH);
        let subs = self.sums.len().div_ceil(lanes);
        for sub in 0..subs {
            let trials = sub * lanes..self.sums.len().min((sub + 1) * lanes);
            latents::<V, C>(problem, sample, self.noise, trials, z);
            L::hidden::<V, R, C>(&decoder.fc1, z, order, scratch, &mut hidden[sub * size..][..size], &mut alive[sub]);
        }
        union(&alive[..subs], L::steps(decoder.hidden), used);

        sums.fill(0.0);
        for group in 0..layer.bias().len() / R {
            let weight = layer.weight::<V>(group, order, used, scratch);
            let (bias, image) = (&layer.bias()[group * R..][..R], &self.image[group * R..][..R]);
            for sub in 0..subs {
                let h = &hidden[sub * size..][..size];
                let a = product(rows::<V, R, C>(bias), weight, L::stride(R), &alive[sub], h);
                let sums = &mut sums[sub * lanes..][..lanes];
                for c in 0..C {
                    // SAFETY: `sums` holds C vectors.
                    let mut sum = unsafe { V::load(sums.as_ptr().add(c * V::WIDTH)) };
                    for pair in 0..R / 2 {
                        let y = sigmoids(a[2 * pair][c], a[2 * pair + 1][c]);
                        for (r, y) in [(2 * pair, y[0]), (2 * pair + 1, y[1])] {
                            let difference = y.sub(V::splat(image[r]));
                            sum = difference.fma(difference, sum);
                            if let Some(squares) = &mut self.squares {
                                let at = ((group * R + r) * subs + sub) * lanes + c * V::WIDTH;
                                let square = &mut squares[at..][..V::WIDTH];
                                // SAFETY: `square` holds one vector.
                                unsafe { difference.mul(difference).store(square.as_mut_ptr()) };
                            }
                        }
                    }
                    // SAFETY: as above.
                    unsafe { sum.store(sums.as_mut_ptr().add(c * V::WIDTH)) };
                }
            }
        }
        self.sums.copy_from_slice(&sums[..self.sums.len()]);
    }
}

/// The steps of any sub-block, increasing.
fn union(alive: &[Vec<u16>], steps: usize, used: &mut Vec<u16>) {
    let mut marks = [false; 1024]; // Shape::MAX.hidden
    alive.iter().flatten().for_each(|&step| marks[step as usize] = true);
    used.clear();
    used.extend((0..steps as u16).filter(|&step| marks[step as usize]));
}

/// `z^T`, `[latent][C * WIDTH]`, of the block's trials `trials`. Lanes beyond the last trial hold a later trial, the first
/// or zero noise; their errors are dropped.
#[inline(always)]
fn latents<V: Lanes, const C: usize>(
    problem: &Problem,
    sample: usize,
    noise: BlockNoise<'_>,
    trials: Range<usize>,
    z: &mut [f32],
) {
    let (lanes, latent) = (C * V::WIDTH, problem.shape().latent);
    for c in 0..C {
        let start = trials.start + c * V::WIDTH;
        let listed = match noise {
            BlockNoise::From(first) => from::<V>(first.wrapping_add(start as u64)),
            BlockNoise::Listed(list) => {
                let mut listed = [list[0]; 16];
                let rest = list.get(start..).unwrap_or_default();
                listed.iter_mut().zip(rest).for_each(|(a, &b)| *a = b);
                listed
            }
            BlockNoise::Given(_) => break,
        };
        normals::<V>(problem.seed(), sample as u32, &listed, latent, &mut z[c * V::WIDTH..], lanes);
    }
    if let BlockNoise::Given(noise) = noise {
        z.fill(0.0);
        for (lane, trial) in trials.enumerate() {
            for d in 0..latent {
                z[d * lanes + lane] = noise[trial * latent + d];
            }
        }
    }
    for (d, (&mu, &scale)) in problem.mu(sample).iter().zip(problem.scale(sample)).enumerate() {
        for value in &mut z[d * lanes..][..lanes] {
            *value = scale.mul_add(*value, mu);
        }
    }
}
