//! `encode` and `decode`: dense layers over a batch, one batch item a lane.

use crate::{
    isa::{Isa, Job},
    lanes::Lanes,
    panel::{Packed, product, rows, sigmoid},
    pool::Pool,
};
use retrial_spec::{Linear, Result};

/// What follows a layer's sums.
#[derive(Clone, Copy)]
pub(crate) enum Activation {
    Identity,
    Relu,
    Sigmoid,
}

/// `activation(W x + b)` of inputs `[B, in]`, giving `[B, out]`.
pub(crate) fn dense(isa: Isa, pool: &Pool, layer: &Linear, act: Activation, inputs: &[f32]) -> Result<Vec<f32>> {
    let tile = isa.tile();
    let packed = Packed::new(layer, tile.rows, 0.0);
    let units: Vec<u16> = (0..layer.inputs as u16).collect();
    let mut outputs = vec![0.0; inputs.len() / layer.inputs * layer.outputs];
    let tasks = inputs.chunks(tile.trials * layer.inputs).zip(outputs.chunks_mut(tile.trials * layer.outputs));
    pool.for_each(
        tasks,
        || vec![0.0; layer.inputs * tile.trials],
        |transposed, (inputs, outputs)| {
            isa.run(Tile { packed: &packed, units: &units, act, inputs, outputs, transposed });
            Ok(())
        },
    )?;
    Ok(outputs)
}

/// One register tile's worth of batch items.
struct Tile<'a> {
    packed: &'a Packed,
    units: &'a [u16],
    act: Activation,
    inputs: &'a [f32],
    outputs: &'a mut [f32],
    transposed: &'a mut [f32],
}

impl Job for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes, const R: usize, const C: usize>(self) {
        let lanes = C * V::WIDTH;
        for (lane, item) in self.inputs.chunks(self.packed.inputs).enumerate() {
            for (i, &value) in item.iter().enumerate() {
                self.transposed[i * lanes + lane] = value;
            }
        }
        let mut column = [0.0; 32];
        for group in 0..self.packed.groups() {
            // Partial sums of 64 terms: an encoder adds up thousands, and this is not the hot path.
            let mut sums: [[V; C]; R] = rows(&self.packed.bias()[group * R..]);
            for (units, inputs) in self.units.chunks(64).zip(self.transposed.chunks(64 * lanes)) {
                let part = product([[V::splat(0.0); C]; R], self.packed.weight(group), R, units, inputs);
                for r in 0..R {
                    for c in 0..C {
                        sums[r][c] = sums[r][c].add(part[r][c]);
                    }
                }
            }
            for r in 0..R.min(self.packed.outputs - group * R) {
                for c in 0..C {
                    let a = sums[r][c];
                    let y = match self.act {
                        Activation::Identity => a,
                        Activation::Relu => a.max(V::splat(0.0)),
                        Activation::Sigmoid => sigmoid(a),
                    };
                    let part = &mut column[c * V::WIDTH..][..V::WIDTH];
                    // SAFETY: `part` holds one vector.
                    unsafe { y.store(part.as_mut_ptr()) };
                }
                for (item, &y) in self.outputs.chunks_mut(self.packed.outputs).zip(&column) {
                    item[group * R + r] = y;
                }
            }
        }
    }
}
