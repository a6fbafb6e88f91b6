//! Weights in the order in which kernels read them.

use retrial_spec::Linear;

/// A bias that makes a padding pixel exactly 0, so that it adds nothing to an error against 0.
pub const DARK: f32 = -1e30;

/// Weights of a layer as `[outputs / rows, inputs, rows]` and its biases `[outputs]`, both widths padded to the given ones:
/// weights with zeros, biases with `padding`. A block of `rows` outputs then reads neighbours, and needs no edges.
pub fn tiled(layer: &Linear, rows: usize, outputs: usize, inputs: usize, padding: f32) -> (Vec<f32>, Vec<f32>) {
    let mut weight = vec![0.0; outputs * inputs];
    for (output, row) in layer.weight.chunks(layer.inputs).enumerate() {
        let block = &mut weight[output / rows * rows * inputs..];
        for (input, &w) in row.iter().enumerate() {
            block[input * rows + output % rows] = w;
        }
    }
    let mut bias = vec![padding; outputs];
    bias[..layer.outputs].copy_from_slice(&layer.bias);
    (weight, bias)
}
