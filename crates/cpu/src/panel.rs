//! Dense layers over blocks of trials: packed weights and the register-tiled product.

use crate::lanes::Lanes;
use retrial_host::tiled;
use retrial_spec::Linear;

/// What one lane multiplies in one step of a product: an f32, or a pair of bf16 numbers.
pub(crate) trait Word: Copy + Default + Send + Sync {
    /// A vector of them.
    type Vector<V: Lanes>: Copy;
    fn splat<V: Lanes>(self) -> Self::Vector<V>;
    /// # Safety
    /// `V::WIDTH` words must be readable at `from`.
    unsafe fn load<V: Lanes>(from: *const Self) -> Self::Vector<V>;
    /// `w x + sum`.
    fn multiply_add<V: Lanes>(w: Self::Vector<V>, x: Self::Vector<V>, sum: V) -> V;
}

impl Word for f32 {
    type Vector<V: Lanes> = V;
    #[inline(always)]
    fn splat<V: Lanes>(self) -> V {
        V::splat(self)
    }
    #[inline(always)]
    unsafe fn load<V: Lanes>(from: *const Self) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::load(from) }
    }
    #[inline(always)]
    fn multiply_add<V: Lanes>(w: V, x: V, sum: V) -> V {
        w.fma(x, sum)
    }
}

/// Adds `W x` to the sums of `R` outputs for `C` vectors of trials, over some steps in order. `weight` is `[step][stride]`,
/// its first `R` outputs used; `x` is `[steps.len()][C * WIDTH]`.
#[inline(always)]
pub(crate) fn product<W: Word, V: Lanes, const R: usize, const C: usize>(
    mut sums: [[V; C]; R],
    weight: &[W],
    stride: usize,
    steps: &[u16],
    x: &[W],
) -> [[V; C]; R] {
    let last = steps.iter().fold(0, |last, &step| step.max(last)) as usize;
    assert!(R <= stride && weight.len() >= (last + 1) * stride && x.len() >= steps.len() * C * V::WIDTH);
    for (i, &step) in steps.iter().enumerate() {
        // SAFETY: no step is above `last`, and the assertion covers that row of `weight` and a row of `x` for each step.
        unsafe {
            let mut inputs = [W::default().splat::<V>(); C];
            for c in 0..C {
                inputs[c] = W::load(x.as_ptr().add((i * C + c) * V::WIDTH));
            }
            for r in 0..R {
                let w = (*weight.as_ptr().add(step as usize * stride + r)).splat::<V>();
                for c in 0..C {
                    sums[r][c] = W::multiply_add(w, inputs[c], sums[r][c]);
                }
            }
        }
    }
    sums
}

/// A value per output, in all lanes: the biases that sums start from.
#[inline(always)]
pub(crate) fn rows<V: Lanes, const R: usize, const C: usize>(values: &[f32]) -> [[V; C]; R] {
    let mut rows = [[V::splat(0.0); C]; R];
    for r in 0..R {
        rows[r] = [V::splat(values[r]); C];
    }
    rows
}

/// A layer's f32 weights in the order the product reads them: `[group][input][row]`, `rows` outputs to a group.
pub(crate) struct Packed {
    pub outputs: usize,
    pub inputs: usize,
    rows: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Packed {
    /// Packs in groups of `rows`. Rows beyond the last output get zero weights and `padding` as bias.
    pub(crate) fn new(layer: &Linear, rows: usize, padding: f32) -> Self {
        let (weight, bias) = tiled(layer, rows, layer.outputs.next_multiple_of(rows), layer.inputs, padding);
        Self { outputs: layer.outputs, inputs: layer.inputs, rows, weight, bias }
    }

    pub(crate) fn groups(&self) -> usize {
        self.bias.len() / self.rows
    }

    /// Weights of a group, `[input][row]`.
    pub(crate) fn weight(&self, group: usize) -> &[f32] {
        let size = self.rows * self.inputs;
        &self.weight[group * size..][..size]
    }

    /// Biases, outputs rounded up to whole groups.
    pub(crate) fn bias(&self) -> &[f32] {
        &self.bias
    }
}

/// `1 / (1 + e^-a)` by a true division: relative error below 1e-6, the same bits everywhere.
#[inline(always)]
pub(crate) fn sigmoid<V: Lanes>(a: V) -> V {
    // Beyond +-125 powers of two the result is 0 or 1 to the last bit, and the exponent stays in range.
    let one = V::splat(1.0);
    one.div(one.add(decay(a, 125.0)))
}

/// Two sigmoids by one division, as a division takes as long as all the rest: `1/u = v / (u v)`. They level off at
/// `2^-62`, so that the product stays in range; a dark pixel's square is then lost in any sum. Relative error below 1e-6 above that, the same bits everywhere.
#[inline(always)]
pub(crate) fn sigmoids<V: Lanes>(a: V, b: V) -> [V; 2] {
    let one = V::splat(1.0);
    let (u, v) = (one.add(decay(a, 62.0)), one.add(decay(b, 62.0)));
    let inverse = one.div(u.mul(v));
    [v.mul(inverse), u.mul(inverse)]
}

/// `e^-a`, the power of two within `+-limit`, by a polynomial.
#[inline(always)]
fn decay<V: Lanes>(a: V, limit: f32) -> V {
    /// `2^x = 1 + x P(x)` for `|x| <= 1/2`: coefficients of `P`, lowest first; relative error 2e-9.
    const EXP2: [f32; 6] =
        [std::f32::consts::LN_2, 0.240_226_48, 0.055_503_324, 0.009_618_437, 0.001_339_887_3, 0.000_153_533_85];
    /// `1.5 * 2^23`: adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let t = a.mul(V::splat(-std::f32::consts::LOG2_E)).min(V::splat(limit)).max(V::splat(-limit));
    let rounded = t.add(V::splat(ROUND));
    let x = t.sub(rounded.sub(V::splat(ROUND)));
    let mut p = V::splat(EXP2[5]);
    for i in (0..5).rev() {
        p = p.fma(x, V::splat(EXP2[i]));
    }
    let p = p.fma(x, V::splat(1.0));
    V::from_bits(V::int_add(p.bits(), V::int_shl::<23>(rounded.bits())))
}
