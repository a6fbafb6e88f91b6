//! The decoder's wide layer, in bf16: weights and hidden units rounded to 8 bits, multiplied in pairs and added up in f32.
//!
//! A pair is skipped when both its units are zero in all lanes, so units that die together should be paired. Each
//! sample has its own order of units, by how likely they are positive. It follows from the problem alone, as the bits of
//! an error must not depend on the trials that happened to be computed beside it. Weights are paired in that order
//! group by group, once for all sub-blocks of a block.

use crate::{
    lanes::Lanes,
    layer::{FirstLayer, Layer},
    panel::Word,
};
use retrial_host::DARK;
use retrial_spec::{Linear, Problem};

/// Two bf16 numbers, the first in the lower half.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub(crate) struct Pair(u32);

impl Word for Pair {
    type Vector<V: Lanes> = V::Int;
    #[inline(always)]
    fn splat<V: Lanes>(self) -> V::Int {
        V::int_splat(self.0)
    }
    #[inline(always)]
    unsafe fn load<V: Lanes>(from: *const Self) -> V::Int {
        // SAFETY: as the caller promises; a pair is a transparent u32.
        unsafe { V::int_load(from.cast()) }
    }
    #[inline(always)]
    fn multiply_add<V: Lanes>(w: V::Int, x: V::Int, sum: V) -> V {
        V::dot(w, x, sum)
    }
}

/// Room for a group's outputs: no fewer than the largest tile has rows, and a whole vector.
const ROW: usize = 16;

/// Weights in bf16, `[group][input + 1][ROW]`. The last input of a group is zero: the partner of an odd unit.
pub(crate) struct Pairs {
    weight: Vec<[u16; ROW]>,
    bias: Vec<f32>,
    inputs: usize,
}

/// A thread's working memory.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Hidden units in f32, `[hidden + 1][lanes]`, the last zero.
    units: Vec<f32>,
    alive: Vec<u16>,
    /// Weights of one group in a sample's order, `[pair][ROW]`.
    weight: Vec<Pair>,
}

impl Layer for Pairs {
    type Word = Pair;
    type Scratch = Scratch;
    const PAIRS: bool = true;

    fn pack(layer: &Linear, rows: usize) -> Self {
        let groups = layer.outputs.div_ceil(rows);
        let mut weight = vec![[0; ROW]; groups * (layer.inputs + 1)];
        for (output, row) in layer.weight.chunks(layer.inputs).enumerate() {
            let group = &mut weight[output / rows * (layer.inputs + 1)..];
            for (input, &w) in row.iter().enumerate() {
                group[input][output % rows] = bf16(w);
            }
        }
        let mut bias = layer.bias.clone();
        bias.resize(groups * rows, DARK);
        Self { weight, bias, inputs: layer.inputs }
    }
    fn bias(&self) -> &[f32] {
        &self.bias
    }
    fn steps(hidden: usize) -> usize {
        hidden.div_ceil(2)
    }
    #[inline(always)]
    fn stride(_: usize) -> usize {
        ROW
    }

    /// Units by the mean of `W3 z + b3` over its standard deviation, the surest first.
    fn order(problem: &Problem, sample: usize) -> Vec<u16> {
        let layer = &problem.weights().decoder_fc1;
        let (mu, scale) = (problem.mu(sample), problem.scale(sample));
        let surety = |unit: usize| {
            let (mut mean, mut variance) = (f64::from(layer.bias[unit]), 0.0);
            for (d, &w) in layer.weight[unit * layer.inputs..][..layer.inputs].iter().enumerate() {
                let (shift, spread) = (f64::from(w) * f64::from(mu[d]), f64::from(w) * f64::from(scale[d]));
                mean += shift;
                variance += spread * spread;
            }
            mean / variance.sqrt().max(f64::MIN_POSITIVE)
        };
        let mut units: Vec<(f64, u16)> = (0..layer.outputs).map(|unit| (surety(unit), unit as u16)).collect();
        units.sort_by(|a, b| b.0.total_cmp(&a.0));
        let order = units.into_iter().map(|(_, unit)| unit);
        // An odd number is filled up with the unit that is always zero.
        order.chain((layer.outputs % 2 == 1).then_some(layer.outputs as u16)).collect()
    }

    #[inline(always)]
    fn hidden<V: Lanes, const R: usize, const C: usize>(
        fc1: &FirstLayer,
        z: &[f32],
        order: &[u16],
        scratch: &mut Scratch,
        words: &mut [Pair],
        alive: &mut Vec<u16>,
    ) {
        let lanes = C * V::WIDTH;
        let Scratch { units, alive: singles, .. } = scratch;
        units.resize((order.len() + 1) * lanes, 0.0);
        fc1.units::<V, R, C, false>(z, units, singles);
        alive.clear();
        for (pair, both) in order.as_chunks::<2>().0.iter().enumerate() {
            let words = &mut words[alive.len() * lanes..][..lanes];
            let [first, second] = both.map(|unit| &units[unit as usize * lanes..][..lanes]);
            let mut any = false;
            for c in 0..C {
                let at = c * V::WIDTH..(c + 1) * V::WIDTH;
                // SAFETY: each range holds one vector, and a pair is as wide as an f32.
                unsafe {
                    let (a, b) = (V::load(first[at.clone()].as_ptr()), V::load(second[at.clone()].as_ptr()));
                    any |= a.max(b).any_positive();
                    let lower = V::int_sra::<16>(rounded(a));
                    V::from_bits(V::int_xor(lower, rounded(b))).store(words[at].as_mut_ptr().cast());
                }
            }
            if any {
                alive.push(pair as u16);
            }
        }
    }

    #[inline(always)]
    fn weight<'a, V: Lanes>(
        &'a self,
        group: usize,
        order: &[u16],
        steps: &[u16],
        scratch: &'a mut Scratch,
    ) -> &'a [Pair] {
        let rows = &self.weight[group * (self.inputs + 1)..][..self.inputs + 1];
        let (paired, units) = (&mut scratch.weight, order.as_chunks::<2>().0);
        paired.resize(units.len() * ROW, Pair::default());
        let paired = paired.as_chunks_mut::<ROW>().0;
        for &pair in steps {
            let [first, second] = units[pair as usize];
            let (first, second) = (rows[first as usize], rows[second as usize]);
            let mut both = [Pair::default(); ROW];
            for r in 0..ROW {
                both[r] = Pair(u32::from(first[r]) | u32::from(second[r]) << 16);
            }
            paired[pair as usize] = both;
        }
        // Rows are gathered out of order, so no hardware foresees the next group.
        for line in self.weight[(group + 1) * (self.inputs + 1)..].iter().take(self.inputs + 1).step_by(2) {
            V::prefetch(line);
        }
        scratch.weight.as_slice()
    }
}

/// The bf16 nearest to a weight, ties to even.
fn bf16(w: f32) -> u16 {
    let bits = w.to_bits();
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// The bf16 nearest to numbers that are not negative, ties to even, in the upper half.
#[inline(always)]
fn rounded<V: Lanes>(v: V) -> V::Int {
    let odd = V::int_and(V::int_sra::<16>(v.bits()), V::int_splat(1));
    let sum = V::int_add(v.bits(), V::int_add(odd, V::int_splat(0x7FFF)));
    V::int_and(sum, V::int_splat(0xFFFF_0000))
}
