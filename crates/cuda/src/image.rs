//! A decoder as tensor cores take it: 16-bit operands, in the order in which the kernels read them. Pure arithmetic.
//!
//! Range. Powers of two move between neighbours without a rounding: latent `d` is divided by `2^s` and column `d` of W3
//! multiplied by it, unit `k` is divided by `2^m` (row `k` of W3 and b3) and column `k` of W4 multiplied by it, for relu
//! is homogeneous. So every latent, unit and weight ends below the largest f16 with room to spare, whatever the model,
//! and W4 as a whole takes one more factor, which the kernel's sigmoid undoes. What is left to lose is at the other end,
//! where one sample is so far from the others that these fall below the smallest f16: [`Decoder::new`] estimates that,
//! and refuses. bf16 has the range of f32 and needs none of this.
//!
//! First layer. It is f32-grade: latents and W3 are sums of two operands, of whose four products three count. All terms
//! and the bias are one product of `3 D + 2` slots, in an order in which each thread makes its own operands ([`slots`]).
//!
//! Images. An operand matrix `[n, k]` lies in core matrices of 8 x 8, 128 bytes each, two of which side by side are
//! [`SLAB`] of `k`: byte `(n / 8) 256 + (k % 16 / 8) 128 + (n % 8) 16 + (k % 8) 2` of slab `k / 16`. It is what
//! `ldmatrix` and wgmma's descriptors (no swizzle, offsets 128 and 256) read without bank conflicts.

use crate::source;
use half::{bf16, f16};
use retrial_host::constant;
use retrial_spec::{Noise, Problem};
use std::fmt;

/// Pixels of a tile.
pub(crate) const PIXELS: usize = constant(source::SCORE_MMA, "PIXELS");
/// Depth of one product: 16 hidden units, or slots of the first layer.
pub(crate) const SLAB: usize = 16;
/// Largest normal of the generator.
const NORMAL: f64 = 6.76;
/// Binary exponents below which latents, units and weights of W4 are kept for the generator's normals.
const LATENT: i32 = 6;
const UNIT: i32 = 12;
const WEIGHT: i32 = 14;

/// What the tensor cores multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// 11 bits.
    F16,
    /// 8 bits, the range of f32.
    Bf16,
    /// Sums of two f16, 22 bits, of whose four products three count.
    F16x3,
}

impl Operand {
    /// Numbers that stand for one.
    pub(crate) fn parts(self) -> usize {
        if self == Self::F16x3 { 2 } else { 1 }
    }

    /// Largest magnitude of a given normal with which nothing overflows: in f16, 14 times the generator's largest.
    pub(crate) fn most_noise(self) -> f32 {
        if self == Self::Bf16 { Noise::LIMIT } else { 100.0 }
    }

    /// Most that underflow may cost a pre-activation, relative: a fraction of what rounding costs.
    fn most_lost(self) -> f64 {
        2f64.powi(if self == Self::F16x3 { -22 } else { -12 })
    }

    fn round(self, value: f32) -> (u16, f32) {
        if self == Self::Bf16 {
            let near = bf16::from_f32(value);
            (near.to_bits(), near.to_f32())
        } else {
            let near = f16::from_f32(value);
            (near.to_bits(), near.to_f32())
        }
    }

    /// Two operands whose sum is the value to twice an operand's bits.
    fn split(self, value: f32) -> [u16; 2] {
        let (high, near) = self.round(value);
        [high, self.round(value - near).0]
    }
}

/// A problem's decoder and latents for one kind of operand.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Hidden units, padded to whole slabs with units that are 0.
    pub hidden: usize,
    /// Pixels, padded to whole tiles with pixels whose error is below 2^-60 where the image is 0.
    pub pixels: usize,
    /// Slabs of the first layer.
    pub steps: usize,
    /// W3 and b3, `[steps, hidden, SLAB]` in core matrices; the slots as in [`slots`].
    pub w3: Vec<u16>,
    /// W4, `[pixels / PIXELS, hidden / SLAB, parts, PIXELS, SLAB]` in core matrices; the high part before the low one.
    pub w4: Vec<u16>,
    /// `-log2(e) b4`, `[pixels]`: a pixel is `1 / (1 + 2^a)` with `a = factor sum + bias`.
    pub bias: Vec<f32>,
    /// `-log2(e)` and the power of two that W4 was multiplied by, undone.
    pub factor: f32,
    /// Largest magnitude of a given normal with which nothing overflows.
    pub most_noise: f32,
    /// Means and scales of the latents, divided by their powers of two, `[N, latent]`.
    pub mu: Vec<f32>,
    pub scale: Vec<f32>,
}

/// Of a model whose hidden units f16 does not span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Underflow {
    /// Root mean square error of a pre-activation, relative, and what it may be.
    pub lost: f64,
    pub most: f64,
}

impl fmt::Display for Underflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, most } = self;
        write!(
            f,
            "latents of these samples differ so much in size that the smallest vanish in f16: {lost:.1e} of a sum would be \
             lost, and {most:.1e} may be; use bf16 or f32"
        )
    }
}

/// The product that a slot of the first layer adds, of parts of a latent and of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    HighHigh(usize),
    LowHigh(usize),
    HighLow(usize),
    /// 1 and a part of the bias.
    BiasHigh,
    BiasLow,
    /// Anything and 0.
    Nothing,
}

/// The slots of the first layer, whole slabs.
///
/// Thread `q` of four provides slots `2q, 2q + 1, 2q + 8, 2q + 9` of a slab. Each 16 latents fill three slabs: high parts,
/// low parts, and high parts once more for the weights' low parts; thread `q` has latents `4q .. 4q + 3`, which are one
/// block of the generator. What remains goes by fours, one latent per thread and three slots each (high, high for the
/// low part of the weight, low), and then the bias: thread 0 its high part, thread 1 its low part.
pub(crate) fn slots(latent: usize) -> Vec<Slot> {
    let (groups, fours) = (latent / SLAB, (latent % SLAB).div_ceil(4));
    let steps = 3 * groups + (3 * fours + 1).div_ceil(4);
    let slot = |k: usize| {
        let (step, q, of_thread) = (k / SLAB, k % 8 / 2, k % SLAB / 8 * 2 + k % 2);
        if step < 3 * groups {
            let d = step / 3 * SLAB + 4 * q + of_thread;
            return [Slot::HighHigh(d), Slot::LowHigh(d), Slot::HighLow(d)][step % 3];
        }
        let t = 4 * (step - 3 * groups) + of_thread;
        let d = groups * SLAB + t / 3 * 4 + q;
        match (t == 3 * fours, q) {
            (true, 0) => Slot::BiasHigh,
            (true, 1) => Slot::BiasLow,
            _ if t < 3 * fours && d < latent => [Slot::HighHigh(d), Slot::HighLow(d), Slot::LowHigh(d)][t % 3],
            _ => Slot::Nothing,
        }
    };
    (0..steps * SLAB).map(slot).collect()
}

/// Where element `(n, k)` of a slab lies, in operands.
fn place(n: usize, k: usize) -> usize {
    n / 8 * 128 + k % SLAB / 8 * 64 + n % 8 * 8 + k % 8
}

/// The smallest exponent with `value < 2^exponent`; 0 of 0.
fn exponent(value: f64) -> i32 {
    if value == 0.0 { 0 } else { (value.to_bits() >> 52 & 0x7ff) as i32 - 1022 }
}

/// `value 2^exponent`, exact unless it leaves the range of f32.
fn times(value: f32, exponent: i32) -> f32 {
    (f64::from(value) * 2f64.powi(exponent)) as f32
}

/// The powers of two that are taken out.
struct Shifts {
    /// Of each latent and each unit.
    latents: Vec<i32>,
    units: Vec<i32>,
    /// That W4 is multiplied by.
    weights: i32,
}

impl Shifts {
    fn new(problem: &Problem) -> Self {
        let (first, second) = (&problem.weights().decoder_fc1, &problem.weights().decoder_fc2);
        let mut most = vec![0f64; first.inputs];
        for (mu, scale) in problem.mus().chunks(first.inputs).zip(problem.scales().chunks(first.inputs)) {
            for ((most, &mu), &scale) in most.iter_mut().zip(mu).zip(scale) {
                *most = most.max(f64::from(mu.abs()) + NORMAL * f64::from(scale));
            }
        }
        let unit = |(row, &bias): (&[f32], &f32)| {
            let sum: f64 = row.iter().zip(&most).map(|(&w, most)| f64::from(w.abs()) * most).sum();
            exponent(sum + f64::from(bias.abs())) - UNIT
        };
        let units: Vec<i32> = first.weight.chunks(first.inputs).zip(&first.bias).map(unit).collect();
        let each = second.weight.iter().zip(units.iter().cycle());
        let largest = each.map(|(&w, &m)| f64::from(w.abs()) * 2f64.powi(m)).fold(0.0, f64::max);
        let latents = most.iter().map(|&most| exponent(most) - LATENT).collect();
        Self { latents, units, weights: WEIGHT - exponent(largest) }
    }

    fn none(problem: &Problem) -> Self {
        let shape = problem.shape();
        Self { latents: vec![0; shape.latent], units: vec![0; shape.hidden], weights: 0 }
    }

    /// What underflow costs pre-activations, root mean square, as a share of their size (of 1 where that is smaller), in
    /// the sample where it costs most. A number below 2^-14 is off by up to 2^-25, about 2^-26 on average; at worst all
    /// latents, weights of W3 and units are that small.
    fn lost(&self, problem: &Problem) -> f64 {
        let (first, second) = (&problem.weights().decoder_fc1, &problem.weights().decoder_fc2);
        let square = |v: f32| f64::from(v).powi(2);
        // The mean square weight of each unit, and what is lost of the unit.
        let mut weights = vec![0.0; second.inputs];
        for row in second.weight.chunks(second.inputs) {
            weights.iter_mut().zip(row).for_each(|(sum, &w)| *sum += square(w) / second.outputs as f64);
        }
        let unit = |((row, m), weight): ((&[f32], &i32), &f64)| {
            let weights: f64 = row.iter().zip(&self.latents).map(|(&w, s)| square(w) * 4f64.powi(s - m)).sum();
            (1.0 + weights + first.inputs as f64 * 4f64.powi(LATENT)) * 4f64.powi(m - 26) * weight
        };
        let rows = || first.weight.chunks(first.inputs);
        let lost: f64 = rows().zip(&self.units).zip(&weights).map(unit).sum();
        let latents = problem.mus().chunks(first.inputs).zip(problem.scales().chunks(first.inputs));
        let size = |(mu, scale): (&[f32], &[f32])| -> f64 {
            let z: Vec<f64> = mu.iter().zip(scale).map(|(&mu, &scale)| square(mu) + square(scale)).collect();
            let unit = |(row, &bias): (&[f32], &f32)| {
                row.iter().zip(&z).map(|(&w, z)| square(w) * z).sum::<f64>() + square(bias)
            };
            rows().zip(&first.bias).map(unit).zip(&weights).map(|(unit, weight)| unit * weight).sum()
        };
        (lost / latents.map(size).fold(f64::INFINITY, f64::min).max(1.0)).sqrt()
    }
}

impl Decoder {
    /// A problem's decoder, or how much underflow would cost it.
    pub(crate) fn new(problem: &Problem, operand: Operand) -> Result<Self, Underflow> {
        let shifts = match operand {
            Operand::Bf16 => Shifts::none(problem),
            _ => Shifts::new(problem),
        };
        let lost = if operand == Operand::Bf16 { 0.0 } else { shifts.lost(problem) };
        if lost > operand.most_lost() {
            return Err(Underflow { lost, most: operand.most_lost() });
        }
        let shape = problem.shape();
        let (hidden, pixels) = (shape.hidden.next_multiple_of(SLAB), shape.pixels.next_multiple_of(PIXELS));
        let slots = slots(shape.latent);
        let each = |values: &[f32]| -> Vec<f32> {
            values.iter().zip(shifts.latents.iter().cycle()).map(|(&v, s)| times(v, -s)).collect()
        };
        // A padding pixel is 2^-60 or less; what the kernel clamps there ends as 2^-120 in the sum of squares.
        let mut bias = vec![1e30; pixels];
        for (bias, &b4) in bias.iter_mut().zip(&problem.weights().decoder_fc2.bias) {
            *bias = -std::f32::consts::LOG2_E * b4;
        }
        Ok(Self {
            hidden,
            pixels,
            steps: slots.len() / SLAB,
            w3: first(problem, operand, &shifts, &slots, hidden),
            w4: second(problem, operand, &shifts, hidden, pixels),
            bias,
            factor: times(-std::f32::consts::LOG2_E, -shifts.weights),
            most_noise: operand.most_noise(),
            mu: each(problem.mus()),
            scale: each(problem.scales()),
        })
    }
}

/// The image of W3 and b3.
fn first(problem: &Problem, operand: Operand, shifts: &Shifts, slots: &[Slot], hidden: usize) -> Vec<u16> {
    let layer = &problem.weights().decoder_fc1;
    let mut image = vec![0; slots.len() * hidden];
    for (n, (row, &bias)) in layer.weight.chunks(layer.inputs).zip(&layer.bias).enumerate() {
        let part = |d: usize, part: usize| operand.split(times(row[d], shifts.latents[d] - shifts.units[n]))[part];
        let bias = operand.split(times(bias, -shifts.units[n]));
        for (k, slot) in slots.iter().enumerate() {
            image[k / SLAB * SLAB * hidden + place(n, k)] = match *slot {
                Slot::HighHigh(d) | Slot::LowHigh(d) => part(d, 0),
                Slot::HighLow(d) => part(d, 1),
                Slot::BiasHigh => bias[0],
                Slot::BiasLow => bias[1],
                Slot::Nothing => 0,
            };
        }
    }
    image
}

/// The image of W4.
fn second(problem: &Problem, operand: Operand, shifts: &Shifts, hidden: usize, pixels: usize) -> Vec<u16> {
    let layer = &problem.weights().decoder_fc2;
    let parts = operand.parts();
    let mut image = vec![0; parts * hidden * pixels];
    for (n, row) in layer.weight.chunks(layer.inputs).enumerate() {
        for (k, &w) in row.iter().enumerate() {
            let slab = n / PIXELS * (hidden / SLAB) + k / SLAB;
            let split = operand.split(times(w, shifts.units[k] + shifts.weights));
            for (part, &bits) in split[..parts].iter().enumerate() {
                image[(slab * parts + part) * PIXELS * SLAB + place(n % PIXELS, k)] = bits;
            }
        }
    }
    image
}

#[cfg(test)]
mod tests;
