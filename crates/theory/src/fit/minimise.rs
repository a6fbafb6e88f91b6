//! Minimisation in a few dimensions: all that the fits need, since a linear factor is always eliminated first.

use std::array::from_fn;

/// A local minimum of `f`, which returns its value and gradient, from `start`: BFGS with backtracking. Returns the
/// point and its value, to rounding or until a step promises less than `gain`. A value that is not finite counts as too
/// large. Coordinates without slope stay where they are.
pub(super) fn bfgs<const D: usize>(
    mut f: impl FnMut([f64; D]) -> (f64, [f64; D]),
    start: [f64; D],
    gain: f64,
) -> ([f64; D], f64) {
    const STEPS: u32 = 500;
    /// The longest step. Parameters are logarithms, and a factor e^2 at a time keeps a poor start from overshooting.
    const LONGEST: f64 = 2.0;
    /// After so many the longest step is below the rounding of a logarithm.
    const HALVINGS: i32 = 60;
    let dot = |a: &[f64; D], b: &[f64; D]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let steepest: [[f64; D]; D] = from_fn(|i| from_fn(|j| f64::from(u8::from(i == j))));

    let mut x = start;
    let (mut value, mut gradient) = f(x);
    let mut inverse = steepest;
    for _ in 0..STEPS {
        let mut direction = inverse.map(|row| -dot(&row, &gradient));
        if dot(&direction, &gradient) >= 0.0 {
            inverse = steepest;
            direction = gradient.map(|g| -g);
        }
        let slope = dot(&direction, &gradient);
        // A gain below the rounding of the value cannot be seen.
        let rounding = (1e-16 * value.abs().max(1e-12)).max(gain);
        if !slope.is_finite() || -slope <= rounding {
            break;
        }
        let longest = (LONGEST / dot(&direction, &direction).sqrt()).min(1.0);
        let shorter = (0..HALVINGS).map(|halvings| longest * 0.5f64.powi(halvings));
        let next = shorter.take_while(|t| t * -slope > rounding).find_map(|t| {
            let trial: [f64; D] = from_fn(|i| x[i] + t * direction[i]);
            let (trial_value, trial_gradient) = f(trial);
            (trial_value <= value + 1e-4 * t * slope).then_some((trial, trial_value, trial_gradient))
        });
        let Some((next, next_value, next_gradient)) = next else {
            // Either the minimum, to rounding, or a direction spoilt by old curvature: try straight downhill once.
            if inverse == steepest || -slope <= 1e4 * rounding {
                break;
            }
            inverse = steepest;
            continue;
        };
        let step: [f64; D] = from_fn(|i| next[i] - x[i]);
        let change: [f64; D] = from_fn(|i| next_gradient[i] - gradient[i]);
        let curvature = dot(&step, &change);
        if curvature > 0.0 {
            // The BFGS update: inverse += (1 + y'Hy / s'y) ss' / s'y - (Hy s' + s y'H) / s'y.
            let bent = inverse.map(|row| dot(&row, &change));
            let scale = 1.0 + dot(&change, &bent) / curvature;
            for (i, row) in inverse.iter_mut().enumerate() {
                for (j, entry) in row.iter_mut().enumerate() {
                    *entry += (scale * step[i] * step[j] - bent[i] * step[j] - step[i] * bent[j]) / curvature;
                }
            }
        }
        (x, value, gradient) = (next, next_value, next_gradient);
    }
    (x, value)
}

/// Where `f` is least on `[low, high]`: the best of 64 equal steps, refined by golden sections to 1e-10 of the
/// interval.
pub(super) fn golden(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const CELLS: u32 = 64;
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let cell = (high - low) / f64::from(CELLS);
    let mut best = (low, f(low));
    let mut consider = |x: f64| {
        let value = f(x);
        if value < best.1 {
            best = (x, value);
        }
        best.0
    };
    let coarse = (1..=CELLS).fold(low, |_, i| consider(low + cell * f64::from(i)));
    let (mut a, mut b) = ((coarse - cell).max(low), (coarse + cell).min(high));
    // 0.618^44 cells is below 1e-10 of the interval.
    for _ in 0..44 {
        let (c, d) = (b - ratio * (b - a), a + ratio * (b - a));
        if f(c) < f(d) { b = d } else { a = c }
    }
    consider(0.5 * (a + b)) // an end of the interval wins where it is the minimum
}
