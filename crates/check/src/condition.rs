//! How much rounding does to a model's errors: bounds for models that nobody chose.

use retrial_spec::{Precision, Problem};

/// Standard deviations that a bound allows. It also covers trials that were not looked at, and constants.
const SAFETY: f64 = 8.0;

/// Trials that are looked at.
const TRIALS: usize = 4;

/// How far an error of a sample may be off when `score` is computed in a precision, for latents of these normals
/// `[W, latent]`.
///
/// Rounding moves the operands of each product independently, by a relative `u`, and the sums of products by as much again.
/// To first order an error `e` then moves with variance `u^2 (sum_k g_k^2 h_k^2 + sum_pk r_p^2 w_pk^2 h_k^2)`, where
/// `r_p = d_p / e * slope_p`, of differences `d = y - x`, is how `e` follows the pre-activation of pixel `p`, and `g_k = sum_p r_p w_pk` how it
/// follows hidden unit `k`: units are rounded once for all pixels, weights each on its own. The slope is that of the sigmoid
/// over as far as the pre-activation may move, so that a pixel never moves by more than 1.
pub(crate) fn bound(problem: &Problem, sample: usize, normals: &[f32], precision: Precision) -> f64 {
    let latent = problem.shape().latent;
    let step = (normals.len() / latent).div_ceil(TRIALS).max(1);
    let some = normals.chunks(latent).step_by(step);
    SAFETY * some.map(|normals| deviation(problem, sample, normals, precision)).fold(0.0, f64::max)
}

fn deviation(problem: &Problem, sample: usize, normals: &[f32], precision: Precision) -> f64 {
    let shape = problem.shape();
    let [first, second] = [&problem.weights().decoder_fc1, &problem.weights().decoder_fc2];
    let single = 2f64.powi(-24);
    // Relative rounding of an operand of the second layer; the first is f32 in every precision.
    let operand = match precision {
        Precision::F64 => 2f64.powi(-53),
        Precision::F32 | Precision::F16x3 => single,
        Precision::F16 => 2f64.powi(-11),
        Precision::Bf16 => 2f64.powi(-8),
    };
    // Of a sum, by the rounding of its partial sums.
    let sums = |terms: usize| (single * (2.0 + (terms as f64).sqrt())).powi(2);
    let latents = problem.mu(sample).iter().zip(problem.scale(sample)).zip(normals);
    let z: Vec<f64> = latents.map(|((&mu, &scale), &n)| f64::from(scale.mul_add(n, mu))).collect();
    // Squares of hidden units, and of how far each is off: its own rounding as an operand, and the first layer's sums.
    let unit = |(row, &bias): (&[f32], &f32)| {
        let bias = f64::from(bias);
        let terms = row.iter().zip(&z).map(|(&w, z)| f64::from(w) * z);
        let (sum, square) = terms.fold((bias, bias * bias), |(sum, square), t| (sum + t, square + t * t));
        let h = sum.max(0.0);
        (h, h * h * operand.powi(2) + square * sums(shape.latent))
    };
    let units: Vec<(f64, f64)> = first.weight.chunks(shape.latent).zip(&first.bias).map(unit).collect();
    let weight = operand.powi(2) + sums(shape.hidden);
    let image = problem.image(sample);
    // Of each pixel: its difference, as a move makes it; the slope; and how far its pre-activation is off without its units'
    // part, squared.
    let pixel = |((row, &bias), &x): ((&[f32], &f32), &f32)| {
        let bias = f64::from(bias);
        let (mut a, mut own, mut shared) = (bias, bias * bias * sums(shape.hidden), 0.0);
        for (&w, (h, moved)) in row.iter().zip(&units) {
            let w = f64::from(w);
            a += w * h;
            own += (w * h).powi(2) * weight;
            shared += w * w * moved;
        }
        let reach = SAFETY * (own + shared).sqrt();
        let y = sigmoid(a);
        let moves = (sigmoid(a + reach) - y).max(y - sigmoid(a - reach));
        let slope = if reach > 0.0 { moves / reach } else { 0.0 };
        let d = y - f64::from(x);
        // A move changes d^2 by twice d and the move: where d is small, that is the move.
        (d + moves.copysign(d), slope, own)
    };
    let rows = || second.weight.chunks(shape.hidden);
    let pixels: Vec<(f64, f64, f64)> = rows().zip(&second.bias).zip(image).map(pixel).collect();
    let e = pixels.iter().map(|(d, ..)| d * d).sum::<f64>().sqrt();
    let mut follows = vec![0.0; shape.hidden];
    let mut variance = 0.0;
    for (row, &(d, slope, own)) in rows().zip(&pixels) {
        let r = slope * if e > 0.0 { d / e } else { 1.0 };
        follows.iter_mut().zip(row).for_each(|(g, &w)| *g += r * f64::from(w));
        variance += r * r * (own + (16.0 * single).powi(2));
    }
    variance += follows.iter().zip(&units).map(|(g, (_, moved))| g * g * moved).sum::<f64>();
    variance.sqrt() + 4.0 * single
}

fn sigmoid(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}
