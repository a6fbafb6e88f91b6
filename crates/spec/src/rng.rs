//! The random-number contract: any trial can be recomputed anywhere, in any order, by anyone.
//!
//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11) is keyed by the run's seed and
//! counted by `(trial lo, trial hi, sample, block)`. Block `b` of a trial yields its normals `4b..4b+3`: words `(w0, w1)`
//! and `(w2, w3)` are two Box-Muller pairs
//!
//! ```text
//! u = fma(f32(w0), 2^-32, 2^-33)      in (0, 1], so |normal| <= 6.76
//! r = sqrt(-2 ln u)
//! theta = 2 pi w1 2^-32               octant from the top three bits, exactly
//! normals = r cos theta, r sin theta
//! ```
//!
//! The integers agree bit for bit on every backend. `ln`, `sin` and `cos` are the fixed polynomials below, built
//! from explicit fused multiply-adds, so the floats agree bit for bit wherever fma and sqrt round correctly (CPU and
//! CUDA); WGSL promises about 1e-6. Chunks, shards, threads and machines therefore never change a run's numbers.

/// Multipliers of the two Philox lanes.
pub const PHILOX_M: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Weyl increments of the two key words, added before each round but the first.
pub const PHILOX_W: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Rounds of Philox4x32-10.
pub const PHILOX_ROUNDS: usize = 10;

/// `ln(1 + f) = f - f^2/2 + f^3 P(f)` for `sqrt(1/2) <= 1 + f < sqrt(2)`: coefficients of `P`, lowest first.
pub const LN: [f32; 9] = [
    3.333_331e-1,
    -2.499_998_7e-1,
    2.000_214_6e-1,
    -1.666_921_7e-1,
    1.422_002_2e-1,
    -1.238_555_3e-1,
    1.186_513_1e-1,
    -1.178_069_4e-1,
    6.921_041e-2,
];
/// `ln 2` in two parts; the first has few enough bits that its product with an exponent is exact.
pub const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Bits of `sqrt(1/2)` rounded down, where the reduction of `ln` changes octave.
pub const SQRT_HALF_BITS: u32 = 0x3F35_04F3;
/// `sin a = a + a^3 S(a^2)` for `0 <= a <= pi/4`.
pub const SIN: [f32; 3] = [-1.666_665_5e-1, 8.332_181e-3, -1.951_759_3e-4];
/// `cos a = 1 - a^2/2 + a^4 C(a^2)` for `0 <= a <= pi/4`.
pub const COS: [f32; 3] = [4.166_664_6e-2, -1.388_737_8e-3, 2.443_948_3e-5];
/// `pi/4 * 2^-29`: the angle of one unit of the 29 bits below the octant.
pub const ANGLE: f32 = 1.462_918_1e-9;

/// Ten rounds of Philox4x32 on one counter.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..PHILOX_ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(PHILOX_W[0]), key[1].wrapping_add(PHILOX_W[1])];
        }
        let [a, b] = [u64::from(PHILOX_M[0]) * u64::from(counter[0]), u64::from(PHILOX_M[1]) * u64::from(counter[2])];
        let (a_hi, a_lo) = ((a >> 32) as u32, a as u32);
        let (b_hi, b_lo) = ((b >> 32) as u32, b as u32);
        counter = [b_hi ^ counter[1] ^ key[0], b_lo, a_hi ^ counter[3] ^ key[1], a_lo];
    }
    counter
}

/// The Philox key of a seed.
pub const fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// The Philox counter of block `block` of a trial.
pub const fn counter(sample: u32, trial: u64, block: u32) -> [u32; 4] {
    [trial as u32, (trial >> 32) as u32, sample, block]
}

/// One Box-Muller pair from two words, exactly as every backend must compute it.
pub fn normal_pair(w0: u32, w1: u32) -> [f32; 2] {
    let u = (w0 as f32).mul_add(f32::from_bits(0x2F80_0000), f32::from_bits(0x2F00_0000)); // 2^-32, 2^-33
    let radius = (-2.0 * ln(u)).sqrt();
    let (sin, cos) = sin_cos(w1);
    [radius * cos, radius * sin]
}

/// Writes the normals of one trial: `out[d]` for `d` in `0..latent`.
pub fn trial_normals(seed: u64, sample: u32, trial: u64, out: &mut [f32]) {
    for (block, four) in out.chunks_mut(4).enumerate() {
        let w = philox(counter(sample, trial, block as u32), key(seed));
        let ([a, b], [c, d]) = (normal_pair(w[0], w[1]), normal_pair(w[2], w[3]));
        four.copy_from_slice(&[a, b, c, d][..four.len()]);
    }
}

/// `ln u` for a positive normal `u`, relative error about 1e-7 up to and including `u = 1`.
fn ln(u: f32) -> f32 {
    let shifted = u.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = (shifted as i32 >> 23) as f32;
    let f = f32::from_bits((shifted & 0x007F_FFFF) + SQRT_HALF_BITS) - 1.0;
    let square = f * f;
    let p = LN[..8].iter().rev().fold(LN[8], |p, &c| p.mul_add(f, c));
    let tail = exponent.mul_add(LN2[1], square * f * p);
    let tail = square.mul_add(-0.5, tail);
    exponent.mul_add(LN2[0], f + tail)
}

/// `(sin, cos)` of `2 pi w 2^-32`.
fn sin_cos(w: u32) -> (f32, f32) {
    let octant = w >> 29;
    let below = w & 0x1FFF_FFFF;
    let a = (if octant & 1 == 1 { 0x2000_0000 - below } else { below }) as f32 * ANGLE;
    let square = a * a;
    let s = SIN[2].mul_add(square, SIN[1]).mul_add(square, SIN[0]);
    let s = (s * square).mul_add(a, a);
    let c = COS[2].mul_add(square, COS[1]).mul_add(square, COS[0]);
    let c = (c * square).mul_add(square, square.mul_add(-0.5, 1.0));
    let (s, c) = if matches!(octant, 1 | 2 | 5 | 6) { (c, s) } else { (s, c) };
    (if octant >= 4 { -s } else { s }, if matches!(octant, 2..=5) { -c } else { c })
}

/// A sequential stream for everything that is not a trial: weight initialisation, shuffles, permutation nulls.
///
/// It lives in a block number that no trial reaches, so one seed serves a whole run without overlap. Streams of
/// different `id` are independent.
#[derive(Clone, Debug)]
pub struct Stream {
    seed: u64,
    id: u32,
    position: u64,
    words: [u32; 4],
}

impl Stream {
    const BLOCK: u32 = u32::MAX;

    /// Stream `id` of a seed, at its beginning.
    pub fn new(seed: u64, id: u32) -> Self {
        Self { seed, id, position: 0, words: [0; 4] }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        let lane = (self.position % 4) as usize;
        if lane == 0 {
            self.words = philox(counter(self.id, self.position / 4, Self::BLOCK), key(self.seed));
        }
        self.position += 1;
        self.words[lane]
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// Uniform on `[0, 1)` with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * f64::EPSILON / 2.0
    }

    /// Uniform on `0..n`, without bias. Panics when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "Stream::below needs a non-empty range");
        let reject = n.wrapping_neg() % n; // 2^64 mod n values would be over-represented
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= reject {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Fills `out` with standard normals, by the same Box-Muller as the trials.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        for pair in out.chunks_mut(2) {
            let w = [self.next_u32(), self.next_u32()];
            pair.copy_from_slice(&normal_pair(w[0], w[1])[..pair.len()]);
        }
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors published with Random123 (kat_vectors, philox4x32 10 rounds).
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]);
        assert_eq!(
            philox([0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], [0xA409_3822, 0x299F_31D0]),
            [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
        );
    }

    #[test]
    fn constants_are_what_they_say() {
        assert_eq!(f32::from_bits(0x2F80_0000), 2f32.powi(-32));
        assert_eq!(f32::from_bits(0x2F00_0000), 2f32.powi(-33));
        assert_eq!(ANGLE, (std::f64::consts::FRAC_PI_4 / f64::from(1 << 29)) as f32);
        assert!((f64::from(LN2[0]) + f64::from(LN2[1]) - std::f64::consts::LN_2).abs() < 1e-11);
    }

    /// Polynomials against the standard library in f64, at the ends and across the range.
    #[test]
    fn normals_match_box_muller() {
        let mut words = vec![0, 1, 2, 0x1FFF_FFFF, 0x2000_0000, 0x7FFF_FFFF, 0x8000_0000, u32::MAX - 127, u32::MAX];
        words.extend((0..4000).map(|i| philox([i, 0, 0, 0], [7, 9])[0]));
        for (i, &w0) in words.iter().enumerate() {
            let w1 = words[(i * 31 + 5) % words.len()];
            let u = f64::from((w0 as f32).mul_add(2f32.powi(-32), 2f32.powi(-33)));
            let radius = (-2.0 * u.ln()).sqrt();
            let theta = f64::from(w1) * std::f64::consts::TAU / 4294967296.0;
            let [a, b] = normal_pair(w0, w1);
            for (got, want) in [(a, radius * theta.cos()), (b, radius * theta.sin())] {
                assert!((f64::from(got) - want).abs() <= 3e-7 * radius.max(1e-30), "{w0:#x} {w1:#x}: {got} {want}");
            }
        }
    }

    /// Mean, variance, fourth moment and the tail beyond 4 of 4 million normals, each within five standard errors.
    #[test]
    fn normals_have_the_moments_and_tail_of_a_gaussian() {
        let n = 1u64 << 20;
        let (mut sums, mut beyond_4, mut z) = ([0f64; 4], 0u32, [0f32; 4]);
        for trial in 0..n {
            trial_normals(42, 3, trial, &mut z);
            for v in z.map(f64::from) {
                for (power, sum) in sums.iter_mut().enumerate() {
                    *sum += v.powi(power as i32 + 1);
                }
                beyond_4 += u32::from(v.abs() > 4.0);
            }
        }
        let count = 4.0 * n as f64;
        for (sum, (mean, variance)) in sums.iter().zip([(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)]) {
            assert!((sum / count - mean).abs() < 5.0 * (variance / count).sqrt());
        }
        let expected = count * 6.334e-5; // 2 (1 - Phi(4))
        assert!((f64::from(beyond_4) - expected).abs() < 5.0 * expected.sqrt(), "{beyond_4} vs {expected}");
    }

    #[test]
    fn the_largest_radius_is_reached_and_finite() {
        assert!((normal_pair(0, 0)[0] - 6.764).abs() < 1e-3);
        assert_eq!(normal_pair(u32::MAX, 0)[0], 0.0);
    }

    #[test]
    fn streams_are_uniform_and_differ() {
        let mut counts = [0u32; 7];
        let mut stream = Stream::new(5, 1);
        (0..70_000).for_each(|_| counts[stream.below(7) as usize] += 1);
        assert!(counts.iter().all(|&c| (9_500..10_500).contains(&c)), "{counts:?}");
        assert_ne!(Stream::new(5, 1).next_u64(), Stream::new(5, 2).next_u64());
        let mut order: Vec<u32> = (0..100).collect();
        stream.shuffle(&mut order);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
