//! The decoder's wide layer, in f32.

use crate::{
    lanes::Lanes,
    panel::{Packed, Word, product, rows},
};
use retrial_host::DARK;
use retrial_spec::{Linear, Problem};

/// The decoder's second layer in one precision: how hidden units are kept, paired and multiplied.
pub(crate) trait Layer: Sized + Send + Sync {
    /// What is multiplied in one step.
    type Word: Word;
    /// A thread's working memory.
    type Scratch: Default + Send;
    /// Whether words are pairs of bf16 numbers.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no other CPU multiplies pairs here"))]
    const PAIRS: bool;

    /// Packs in groups of `rows` outputs, the last filled up with dark pixels.
    fn pack(layer: &Linear, rows: usize) -> Self;
    /// Biases, `[groups * rows]`.
    fn bias(&self) -> &[f32];
    /// Steps of a product over so many hidden units.
    fn steps(hidden: usize) -> usize;
    /// Words from one step's weights to the next, in groups of `rows`.
    fn stride(rows: usize) -> usize;
    /// The order in which steps take a sample's hidden units, where it matters.
    fn order(problem: &Problem, sample: usize) -> Vec<u16>;
    /// Computes `relu(W3 z + b3)`, lists the steps that are not zero in all lanes, and fills `words`,
    /// `[alive][C * WIDTH]`, with those.
    fn hidden<V: Lanes, const R: usize, const C: usize>(
        fc1: &FirstLayer,
        z: &[f32],
        order: &[u16],
        scratch: &mut Self::Scratch,
        words: &mut [Self::Word],
        alive: &mut Vec<u16>,
    );
    /// Weights of a group, `[step][stride]`, of which those of `steps` will be read.
    fn weight<'a, V: Lanes>(
        &'a self,
        group: usize,
        order: &[u16],
        steps: &[u16],
        scratch: &'a mut Self::Scratch,
    ) -> &'a [Self::Word];
}

impl Layer for Packed {
    type Word = f32;
    type Scratch = ();
    const PAIRS: bool = false;

    fn pack(layer: &Linear, rows: usize) -> Self {
        Self::new(layer, rows, DARK)
    }
    fn bias(&self) -> &[f32] {
        self.bias()
    }
    fn steps(hidden: usize) -> usize {
        hidden
    }
    #[inline(always)]
    fn stride(rows: usize) -> usize {
        rows
    }
    fn order(_: &Problem, _: usize) -> Vec<u16> {
        vec![]
    }
    #[inline(always)]
    fn hidden<V: Lanes, const R: usize, const C: usize>(
        fc1: &FirstLayer,
        z: &[f32],
        _: &[u16],
        (): &mut (),
        words: &mut [f32],
        alive: &mut Vec<u16>,
    ) {
        fc1.units::<V, R, C, true>(z, words, alive);
    }
    #[inline(always)]
    fn weight<'a, V: Lanes>(&'a self, group: usize, _: &[u16], _: &[u16], (): &'a mut ()) -> &'a [f32] {
        self.weight(group)
    }
}

/// The decoder's first layer, f32 in every precision: it is small, and what it rounds every pixel inherits.
pub(crate) struct FirstLayer {
    packed: Packed,
    latents: Vec<u16>,
}

impl FirstLayer {
    pub(crate) fn new(layer: &Linear, rows: usize) -> Self {
        Self { packed: Packed::new(layer, rows, 0.0), latents: (0..layer.inputs as u16).collect() }
    }

    /// `relu(W3 z + b3)` and the units that are positive in some lane. `h` is `[hidden][C * WIDTH]`, or `[alive][C * WIDTH]`
    /// where `DROP` says to leave the others out.
    #[inline(always)]
    pub(crate) fn units<V: Lanes, const R: usize, const C: usize, const DROP: bool>(
        &self,
        z: &[f32],
        h: &mut [f32],
        alive: &mut Vec<u16>,
    ) {
        let lanes = C * V::WIDTH;
        alive.clear();
        for group in 0..self.packed.groups() {
            let bias: [[V; C]; R] = rows(&self.packed.bias()[group * R..]);
            let a = product(bias, self.packed.weight(group), R, &self.latents, z);
            for r in 0..R {
                let unit = group * R + r;
                if unit == self.packed.outputs {
                    return;
                }
                let mut any = false;
                // A unit that turns out dead is written over by the next.
                let at = if DROP { alive.len() } else { unit } * lanes;
                for c in 0..C {
                    any |= a[r][c].any_positive();
                    let row = &mut h[at + c * V::WIDTH..][..V::WIDTH];
                    // SAFETY: `row` holds one vector.
                    unsafe { a[r][c].max(V::splat(0.0)).store(row.as_mut_ptr()) };
                }
                if any {
                    alive.push(unit as u16);
                }
            }
        }
    }
}
