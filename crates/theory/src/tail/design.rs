//! Where rare successes lie: the normal law that a threshold tilts `N(0, I)` to.
//!
//! Where the residuals are linear in `e` the squared error `S(e)` is a noncentral chi-squared variable, and the best law of
//! its kind to draw `{S < t^2}` from is the exponential tilt
//!
//! ```text
//! q(e) ~ exp(-|e|^2 / 2 - theta S(e)),    E_q[S] = t^2
//! ```
//!
//! which is normal: its mean is the likeliest point of some level of `S`, its covariance `(I + 2 theta J^T J)^-1`, and no
//! success weighs more than `e^(theta t^2)` (Siegmund 1976; for rare events Asmussen and Glynn, *Stochastic Simulation*,
//! VI.2). Elsewhere the point is found by steps of Gauss and Newton, each to the tilt of the expansion at hand.

use super::{Expansion, Target, gaussian::Gaussian};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Beyond it `N(0, I)` has no say any more: a tilt is then a descent to the least error.
const MAX_TILT: f64 = 1e9;

/// A tilt and the smallest squared error met on the way.
pub(super) struct Design {
    /// The point that the tilt was made at.
    pub at: Vec<f64>,
    /// The tilted law; `None` where rounding spoiled it.
    pub law: Option<Gaussian>,
    /// The smallest squared error met.
    pub least: f64,
}

/// The tilt for a squared threshold, sought from `start`; with a threshold of 0, the least error near it.
pub(super) fn design(target: &dyn Target, sample: usize, start: &[f64], square: f64) -> Design {
    const STEPS: u32 = 12;
    const HALVINGS: u32 = 6;
    let mut at = start.to_vec();
    let mut model = Model::new(&at, &target.expand(sample, &at));
    let mut least = model.square;
    for _ in 0..STEPS {
        let theta = model.tilt(square);
        let goal = model.minimiser(theta);
        let merit = |e: &[f64], s: f64| 0.5 * dot(e, e) + theta * s;
        let here = merit(&at, model.square);
        let mut share = 1.0;
        let mut moved = None;
        for _ in 0..HALVINGS {
            let next: Vec<f64> = at.iter().zip(&goal).map(|(a, g)| a + share * (g - a)).collect();
            let s = target.square(sample, &next);
            least = least.min(s);
            if merit(&next, s) <= here {
                moved = Some(next);
                break;
            }
            share *= 0.5;
        }
        let Some(next) = moved else { break };
        let step: f64 = at.iter().zip(&next).map(|(a, b)| (a - b).powi(2)).sum();
        at = next;
        model = Model::new(&at, &target.expand(sample, &at));
        if step < 1e-4 {
            break;
        }
    }
    Design { law: model.law(model.tilt(square)), at, least }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// An expansion in the eigenbasis of its curvature.
struct Model {
    square: f64,
    basis: DMatrix<f64>,
    curvature: DVector<f64>,
    slope: DVector<f64>,
    at: DVector<f64>,
}

impl Model {
    fn new(at: &[f64], expansion: &Expansion) -> Self {
        let d = at.len();
        let SymmetricEigen { eigenvalues, eigenvectors } =
            SymmetricEigen::new(DMatrix::from_row_slice(d, d, &expansion.gram));
        Self {
            square: expansion.square,
            curvature: eigenvalues.map(|v| v.max(0.0)),
            slope: eigenvectors.tr_mul(&DVector::from_column_slice(&expansion.slope)),
            at: eigenvectors.tr_mul(&DVector::from_column_slice(at)),
            basis: eigenvectors,
        }
    }

    /// Coordinates of the minimiser of `|e|^2 / 2 + theta S`, in the eigenbasis.
    fn coordinates(&self, theta: f64) -> DVector<f64> {
        DVector::from_fn(self.at.len(), |i, _| {
            let curvature = self.curvature[i];
            2.0 * theta * (curvature * self.at[i] - self.slope[i]) / (1.0 + 2.0 * theta * curvature)
        })
    }

    fn minimiser(&self, theta: f64) -> Vec<f64> {
        (&self.basis * self.coordinates(theta)).as_slice().to_vec()
    }

    /// `S` at a tilt's mean, and its mean.
    fn expected(&self, theta: f64) -> (f64, f64) {
        let e = self.coordinates(theta);
        let (mut square, mut spread) = (self.square, 0.0);
        for i in 0..e.len() {
            let step = e[i] - self.at[i];
            square += step * (2.0 * self.slope[i] + self.curvature[i] * step);
            spread += self.curvature[i] / (1.0 + 2.0 * theta * self.curvature[i]);
        }
        (square.max(0.0), square.max(0.0) + spread)
    }

    /// The tilt whose mean squared error is `square`, or is near the least that there is; 0 where none is needed.
    fn tilt(&self, square: f64) -> f64 {
        let square = square.max(1.0001 * self.expected(MAX_TILT).0);
        if self.expected(0.0).1 <= square {
            return 0.0;
        }
        let (mut low, mut high) = (1e-9f64.ln(), MAX_TILT.ln());
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.expected(middle.exp()).1 > square { low = middle } else { high = middle }
        }
        high.exp()
    }

    fn law(&self, theta: f64) -> Option<Gaussian> {
        let scaled = DMatrix::from_fn(self.at.len(), self.at.len(), |i, j| {
            self.basis[(i, j)] / (1.0 + 2.0 * theta * self.curvature[j])
        });
        Gaussian::new(self.minimiser(theta), scaled * self.basis.transpose())
    }
}
