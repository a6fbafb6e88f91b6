//! Normal laws of a few dozen dimensions: draws and densities.

use nalgebra::DMatrix;

/// The law of `mean + L z`, `z ~ N(0, I)`.
#[derive(Clone, Debug)]
pub(super) struct Gaussian {
    mean: Vec<f64>,
    /// `L`, `[d, d]`, lower triangular, row-major.
    root: Vec<f64>,
    /// `ln` of the density at the mean, without `(2 pi)^(-d/2)`.
    ln_peak: f64,
}

impl Gaussian {
    /// `N(0, I)`.
    pub(super) fn standard(dimensions: usize) -> Self {
        let mut root = vec![0.0; dimensions * dimensions];
        root.iter_mut().step_by(dimensions + 1).for_each(|v| *v = 1.0);
        Self { mean: vec![0.0; dimensions], root, ln_peak: 0.0 }
    }

    /// Of a mean and a covariance. `None` where that is not positive definite.
    pub(super) fn new(mean: Vec<f64>, covariance: DMatrix<f64>) -> Option<Self> {
        let d = mean.len();
        let lower = covariance.cholesky()?.unpack();
        let root: Vec<f64> = (0..d * d).map(|at| lower[(at / d, at % d)]).collect();
        let ln_peak = -root.iter().step_by(d + 1).map(|v| v.ln()).sum::<f64>();
        ln_peak.is_finite().then_some(Self { mean, root, ln_peak })
    }

    /// Its mean, `[d]`.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Its covariance, `[d, d]`.
    pub(super) fn covariance(&self) -> DMatrix<f64> {
        let root = DMatrix::from_row_slice(self.mean.len(), self.mean.len(), &self.root);
        &root * root.transpose()
    }

    /// Turns standard normals into a draw, in place.
    pub(super) fn shape(&self, z: &mut [f32]) {
        let d = self.mean.len();
        for i in (0..d).rev() {
            let row = &self.root[i * d..][..i + 1];
            let sum: f64 = row.iter().zip(&*z).map(|(l, &z)| l * f64::from(z)).sum();
            z[i] = (self.mean[i] + sum) as f32;
        }
    }

    /// `ln` of the density at `e`, without `(2 pi)^(-d/2)`. `scratch` has room for `d` values.
    pub(super) fn ln_density(&self, e: &[f32], scratch: &mut [f64]) -> f64 {
        self.ln_peak - 0.5 * self.distance(e, scratch)
    }

    /// The square of the distance from the mean, in standard deviations.
    pub(super) fn distance(&self, e: &[f32], scratch: &mut [f64]) -> f64 {
        let d = self.mean.len();
        let mut square = 0.0;
        for i in 0..d {
            let row = &self.root[i * d..][..i + 1];
            let known: f64 = row[..i].iter().zip(&scratch[..i]).map(|(l, y)| l * y).sum();
            let y = (f64::from(e[i]) - self.mean[i] - known) / row[i];
            scratch[i] = y;
            square += y * y;
        }
        square
    }
}
