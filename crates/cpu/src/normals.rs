//! The random-number contract, one trial a lane. Operation for operation as `retrial_spec::rng::normal_pair`.

use crate::{isa::Job, lanes::Lanes};
use retrial_spec::rng::{ANGLE, COS, LN, LN2, PHILOX_M, PHILOX_ROUNDS, PHILOX_W, SIN, SQRT_HALF_BITS, key};

/// Four vectors of Philox words.
#[inline(always)]
fn philox<V: Lanes>(counter: [V::Int; 4], seed: u64) -> [V::Int; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let mut k = key(seed);
    for _ in 0..PHILOX_ROUNDS {
        let (a_hi, a_lo) = V::int_wide_mul(c0, PHILOX_M[0]);
        let (b_hi, b_lo) = V::int_wide_mul(c2, PHILOX_M[1]);
        c0 = V::int_xor(V::int_xor(b_hi, c1), V::int_splat(k[0]));
        c1 = b_lo;
        c2 = V::int_xor(V::int_xor(a_hi, c3), V::int_splat(k[1]));
        c3 = a_lo;
        k = [k[0].wrapping_add(PHILOX_W[0]), k[1].wrapping_add(PHILOX_W[1])];
    }
    [c0, c1, c2, c3]
}

#[inline(always)]
fn ln<V: Lanes>(u: V) -> V {
    let base = V::int_splat(SQRT_HALF_BITS);
    let shifted = V::int_sub(u.bits(), base);
    let exponent = V::int_to_float(V::int_sra::<23>(shifted));
    let mantissa = V::int_add(V::int_and(shifted, V::int_splat(0x007F_FFFF)), base);
    let f = V::from_bits(mantissa).sub(V::splat(1.0));
    let square = f.mul(f);
    let mut p = V::splat(LN[8]);
    for i in (0..8).rev() {
        p = p.fma(f, V::splat(LN[i]));
    }
    let tail = exponent.fma(V::splat(LN2[1]), square.mul(f).mul(p));
    let tail = square.fma(V::splat(-0.5), tail);
    exponent.fma(V::splat(LN2[0]), f.add(tail))
}

/// All ones in the lanes where bit `31 - N` is set.
#[inline(always)]
fn mask<V: Lanes, const N: u32>(word: V::Int) -> V::Int {
    V::int_sra::<31>(V::int_shl::<N>(word))
}

#[inline(always)]
fn sin_cos<V: Lanes>(word: V::Int) -> (V, V) {
    // Odd octants run backwards: 2^29 - below = (below ^ -1) + 1 + 2^29, selected without a branch.
    let below = V::int_and(word, V::int_splat(0x1FFF_FFFF));
    let odd = mask::<V, 2>(word);
    let folded = V::int_add(V::int_sub(V::int_xor(below, odd), odd), V::int_and(odd, V::int_splat(0x2000_0000)));
    let a = V::int_to_float(folded).mul(V::splat(ANGLE));
    let square = a.mul(a);
    let s = V::splat(SIN[2]).fma(square, V::splat(SIN[1])).fma(square, V::splat(SIN[0]));
    let s = s.mul(square).fma(a, a);
    let c = V::splat(COS[2]).fma(square, V::splat(COS[1])).fma(square, V::splat(COS[0]));
    let c = c.mul(square).fma(square, square.fma(V::splat(-0.5), V::splat(1.0)));
    // Octants 1, 2, 5, 6 swap; the signs are bit 31 of the word and of the word a quarter turn on.
    let swap = mask::<V, 1>(V::int_add(word, V::int_splat(0x2000_0000)));
    let sign = V::int_splat(0x8000_0000);
    let sin_sign = V::int_and(word, sign);
    let cos_sign = V::int_and(V::int_add(word, V::int_splat(0x4000_0000)), sign);
    let (sin, cos) = (V::select(swap, c, s), V::select(swap, s, c));
    (V::from_bits(V::int_xor(sin.bits(), sin_sign)), V::from_bits(V::int_xor(cos.bits(), cos_sign)))
}

#[inline(always)]
fn pair<V: Lanes>(w0: V::Int, w1: V::Int) -> [V; 2] {
    let u = V::uint_to_float(w0).fma(V::splat(f32::from_bits(0x2F80_0000)), V::splat(f32::from_bits(0x2F00_0000)));
    let radius = V::splat(-2.0).mul(ln(u)).sqrt();
    let (sin, cos) = sin_cos::<V>(w1);
    [radius.mul(cos), radius.mul(sin)]
}

/// The trials of a vector's lanes, from `first` on.
#[inline(always)]
pub(crate) fn from<V: Lanes>(first: u64) -> [u64; 16] {
    let mut trials = [0; 16];
    for lane in 0..V::WIDTH {
        trials[lane] = first.wrapping_add(lane as u64);
    }
    trials
}

/// Writes the normals of `WIDTH` trials to `out[d * stride + lane]`, for every dimension `d`.
#[inline(always)]
pub(crate) fn normals<V: Lanes>(
    seed: u64,
    sample: u32,
    trials: &[u64; 16],
    latent: usize,
    out: &mut [f32],
    stride: usize,
) {
    let (mut low, mut high) = ([0u32; 16], [0u32; 16]);
    for lane in 0..V::WIDTH {
        (low[lane], high[lane]) = (trials[lane] as u32, (trials[lane] >> 32) as u32);
    }
    assert!(V::WIDTH <= 16 && out.len() >= (latent - 1) * stride + V::WIDTH);
    // SAFETY: both arrays hold 16 words, at least `WIDTH`.
    let (low, high) = unsafe { (V::int_load(low.as_ptr()), V::int_load(high.as_ptr())) };
    for block in 0..latent.div_ceil(4) {
        let w = philox::<V>([low, high, V::int_splat(sample), V::int_splat(block as u32)], seed);
        let ([a, b], [c, d]) = (pair::<V>(w[0], w[1]), pair::<V>(w[2], w[3]));
        let four = [a, b, c, d];
        for i in 0..4.min(latent - 4 * block) {
            // SAFETY: dimension 4 block + i is below `latent`, and the assertion above covers its row.
            unsafe { four[i].store(out.as_mut_ptr().add((4 * block + i) * stride)) };
        }
    }
}

/// `sample_latent`'s normals of one sample, trial after trial: `out` is `[W, latent]`, from trial `first` on.
pub(crate) struct Rows<'a> {
    pub seed: u64,
    pub sample: u32,
    pub first: u64,
    pub latent: usize,
    pub out: &'a mut [f32],
}

impl Job for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes, const R: usize, const C: usize>(self) {
        let mut transposed = vec![0.0; self.latent * V::WIDTH];
        for (vector, out) in self.out.chunks_mut(V::WIDTH * self.latent).enumerate() {
            let first = self.first.wrapping_add((vector * V::WIDTH) as u64);
            normals::<V>(self.seed, self.sample, &from::<V>(first), self.latent, &mut transposed, V::WIDTH);
            for (lane, trial) in out.chunks_mut(self.latent).enumerate() {
                for (d, value) in trial.iter_mut().enumerate() {
                    *value = transposed[d * V::WIDTH + lane];
                }
            }
        }
    }
}
