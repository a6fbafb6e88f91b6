//! Dense layers over blocks of trials: packed weights and the register-tiled product.

use crate::lanes::Lanes;
use retrial_spec::Linear;

/// A layer's weights in the order the product reads them: `[group][input][row]`, `rows` outputs to a group.
pub(crate) struct Packed {
    pub outputs: usize,
    pub inputs: usize,
    rows: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Packed {
    /// Packs in groups of `rows`. Rows beyond the last output get zero weights and `padding` as bias.
    pub fn new(layer: &Linear, rows: usize, padding: f32) -> Self {
        let groups = layer.outputs.div_ceil(rows);
        let mut weight = vec![0.0; groups * rows * layer.inputs];
        let mut bias = vec![padding; groups * rows];
        bias[..layer.outputs].copy_from_slice(&layer.bias);
        for (output, row) in layer.weight.chunks(layer.inputs).enumerate() {
            let group = &mut weight[output / rows * rows * layer.inputs..];
            for (input, &w) in row.iter().enumerate() {
                group[input * rows + output % rows] = w;
            }
        }
        Self { outputs: layer.outputs, inputs: layer.inputs, rows, weight, bias }
    }

    /// Outputs rounded up to whole groups.
    pub fn padded_outputs(&self) -> usize {
        self.bias.len()
    }

    pub fn groups(&self) -> usize {
        self.bias.len() / self.rows
    }

    /// The biases of a group, the value every sum starts from.
    #[inline(always)]
    pub fn bias<V: Lanes, const R: usize, const C: usize>(&self, group: usize) -> [[V; C]; R] {
        let bias = &self.bias[group * R..][..R];
        let mut sums = [[V::splat(0.0); C]; R];
        for r in 0..R {
            sums[r] = [V::splat(bias[r]); C];
        }
        sums
    }

    /// Adds `W x` to the sums of a group's `R` outputs for `C` vectors of trials, over `units` in order. `x` is
    /// `[inputs][C * WIDTH]`.
    #[inline(always)]
    pub fn product<V: Lanes, const R: usize, const C: usize>(
        &self,
        mut sums: [[V; C]; R],
        group: usize,
        units: &[u16],
        x: &[f32],
    ) -> [[V; C]; R] {
        assert!(self.rows == R && x.len() >= self.inputs * C * V::WIDTH);
        let weight = self.weight[group * R * self.inputs..][..R * self.inputs].as_ptr();
        for &unit in units {
            let unit = unit as usize;
            debug_assert!(unit < self.inputs);
            // SAFETY: units are below `inputs`, and the assertion and slice above cover `inputs` rows of `x` and `W`.
            unsafe {
                let mut inputs = [V::splat(0.0); C];
                for c in 0..C {
                    inputs[c] = V::load(x.as_ptr().add((unit * C + c) * V::WIDTH));
                }
                for r in 0..R {
                    let w = V::splat(*weight.add(unit * R + r));
                    for c in 0..C {
                        sums[r][c] = w.fma(inputs[c], sums[r][c]);
                    }
                }
            }
        }
        sums
    }
}

/// `1 / (1 + e^-a)`, by a polynomial for `2^x` and a true division: relative error below 1e-6, the same bits everywhere.
#[inline(always)]
pub(crate) fn sigmoid<V: Lanes>(a: V) -> V {
    /// `2^x = 1 + x P(x)` for `|x| <= 1/2`: coefficients of `P`, lowest first; relative error 2e-9.
    const EXP2: [f32; 6] =
        [std::f32::consts::LN_2, 0.240_226_48, 0.055_503_324, 0.009_618_437, 0.001_339_887_3, 0.000_153_533_85];
    /// `1.5 * 2^23`: adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let one = V::splat(1.0);
    // Beyond +-125 the result is 0 or 1 to the last bit, and the exponent stays in range.
    let t = a.mul(V::splat(-std::f32::consts::LOG2_E)).min(V::splat(125.0)).max(V::splat(-125.0));
    let rounded = t.add(V::splat(ROUND));
    let x = t.sub(rounded.sub(V::splat(ROUND)));
    let mut p = V::splat(EXP2[5]);
    for i in (0..5).rev() {
        p = p.fma(x, V::splat(EXP2[i]));
    }
    let p = p.fma(x, one);
    let power = V::from_bits(V::int_add(p.bits(), V::int_shl::<23>(rounded.bits())));
    one.div(one.add(power))
}

/// A bias that makes a padding pixel exactly 0, so that it adds nothing to an error against 0.
pub(crate) const DARK: f32 = -1e30;
