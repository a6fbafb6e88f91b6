//! A quadratic program on the simplex: the step of the constrained Newton method.

use nalgebra::{DMatrix, DVector};

/// The minimum of `y'Hy / 2 - b'y` over `y >= 0`, `sum y = 1`, for a positive semidefinite `H`, by a primal active-set
/// method from the feasible `start`.
pub(super) fn minimise(h: &DMatrix<f64>, b: &DVector<f64>, start: &DVector<f64>) -> DVector<f64> {
    /// Keeps a singular `H` solvable. It pulls towards where `y` is, so it slows the last digits but shifts nothing.
    const RIDGE: f64 = 1e-10;
    let ridge = RIDGE * h.diagonal().max();
    let mut y = start.clone();
    let mut free: Vec<usize> = (0..y.len()).filter(|&j| y[j] > 0.0).collect();
    // Each round either adds an index that lowers the value or drops one: a few times as many rounds as indices.
    for _ in 0..10 * y.len() + 10 {
        let slope = b - h * &y;
        let Some((direction, level)) = equality(h, &slope, &free, ridge) else { break };
        let step = free.iter().zip(&direction).filter(|(_, d)| **d < 0.0).map(|(&j, d)| -y[j] / d).fold(1.0, f64::min);
        for (&j, d) in free.iter().zip(&direction) {
            y[j] += step * d;
        }
        if step < 1.0 {
            // Whatever ran into its bound leaves; rounding may keep it a little above.
            y.iter_mut().filter(|weight| **weight <= 1e-15).for_each(|weight| *weight = 0.0);
            free.retain(|&j| y[j] > 0.0);
            continue;
        }
        let slope = b - h * &y;
        let best = (0..y.len()).filter(|j| !free.contains(j)).max_by(|&i, &j| slope[i].total_cmp(&slope[j]));
        match best {
            Some(j) if slope[j] > level + 1e-12 * slope.amax() => free.push(j),
            _ => break,
        }
    }
    let sum = y.sum();
    y / sum
}

/// The step to the minimum over the indices `free` with `sum y` kept, and the slope common to all of them there.
fn equality(h: &DMatrix<f64>, slope: &DVector<f64>, free: &[usize], ridge: f64) -> Option<(Vec<f64>, f64)> {
    let mut part = DMatrix::from_fn(free.len(), free.len(), |i, j| h[(free[i], free[j])]);
    (0..free.len()).for_each(|i| part[(i, i)] += ridge);
    let solver = part.cholesky()?;
    let plain = solver.solve(&DVector::from_iterator(free.len(), free.iter().map(|&j| slope[j])));
    let ones = solver.solve(&DVector::from_element(free.len(), 1.0));
    let level = plain.sum() / ones.sum();
    Some(((plain - ones * level).iter().copied().collect(), level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrial_spec::rng::Stream;

    /// Karush, Kuhn and Tucker: on the simplex, all slopes equal where `y > 0` and none larger elsewhere.
    #[test]
    fn minima_satisfy_the_conditions() {
        let mut stream = Stream::new(6, 0);
        for size in [1, 2, 5, 30] {
            for rank in [1, size / 2 + 1, size] {
                let mut uniform = || stream.uniform() - 0.3;
                let factor = DMatrix::from_fn(rank, size, |_, _| uniform());
                let b = DVector::from_fn(size, |_, _| uniform());
                let h = factor.transpose() * factor;
                let start = DVector::from_fn(size, |i, _| if i == 0 { 1.0 } else { 0.0 });
                let y = minimise(&h, &b, &start);
                let slope = &b - &h * &y;
                let level = slope.max();
                assert!((y.sum() - 1.0).abs() < 1e-9 && y.min() >= 0.0, "{y}");
                assert!((0..size).all(|j| y[j] < 1e-9 || slope[j] > level - 1e-6), "{size} {rank}: {y} {slope}");
            }
        }
    }
}
