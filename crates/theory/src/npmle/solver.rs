//! The constrained Newton method (Wang 2007) for concave functionals of the mixing law.
//!
//! It maximises `F(G) = 1/N sum_i ln f_i + lambda int h dG` over all laws `G` of the success probability `q`, with
//! `f_i = int Bin_i dG` relative to the largest likelihood of sample `i` and `h(q) = 1 - (1-q)^K`. The slope of `F`
//! towards a point mass is
//!
//! ```text
//! D(q) = 1/N sum_i Bin_i(q) / f_i + lambda h(q),    F(any law) <= F(G) + max_q D(q) - (1 + lambda int h dG)
//! ```
//!
//! so the excess of its maximum certifies `G`. Each round adds the local maxima of `D` to the atoms and finds their
//! weights by a quadratic program and a line search. Points are angles `t` with `q = sin^2 t`, where the likelihoods of
//! all `c` are about equally wide, `1 / (2 sqrt n)`.

use super::quadratic;
use crate::{
    coverage::Counts,
    peak::peak,
    special::{ln_likelihood_ratio, one_minus_exp},
};
use nalgebra::{DMatrix, DVector};
use std::f64::consts::FRAC_PI_2;

/// The reward `lambda (1 - (1-q)^K)` on top of the likelihood; 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tilt {
    /// `lambda`, of either sign.
    pub strength: f64,
    /// `K`.
    pub k: f64,
}

impl Tilt {
    fn at(&self, t: f64) -> f64 {
        if self.strength == 0.0 { 0.0 } else { self.strength * solved(t, self.k) }
    }
}

/// `1 - (1-q)^k` at the angle `t`.
fn solved(t: f64, k: f64) -> f64 {
    let ln_failure = if t < 0.5 { (-t.sin().powi(2)).ln_1p() } else { 2.0 * t.cos().max(0.0).ln() };
    one_minus_exp(k * ln_failure)
}

/// A law of finitely many atoms and how good it is.
#[derive(Clone, Debug)]
pub(crate) struct Mixing {
    /// Angles and weights, increasing.
    pub atoms: Vec<(f64, f64)>,
    /// `1/N sum_i ln f_i`.
    pub ln_likelihood: f64,
    /// `F` of any law exceeds that of this one by at most this.
    pub gap: f64,
}

impl Mixing {
    /// The coverage of `k` trials.
    pub(crate) fn solved(&self, k: f64) -> f64 {
        self.atoms.iter().map(|&(t, weight)| weight * solved(t, k)).sum()
    }
}

/// The likelihoods of one data set on a grid that no local maximum of `D` slips through.
pub(crate) struct Solver<'a> {
    cells: &'a [(Counts, f64)],
    shapes: Vec<Cell>,
    samples: f64,
    grid: Vec<f64>,
    /// One row of relative likelihoods of all cells per point of the grid.
    rows: Vec<f64>,
}

impl<'a> Solver<'a> {
    /// Prepares `cells`; `k` is the largest `K` that will be asked for.
    pub(crate) fn new(cells: &'a [(Counts, f64)], k: f64) -> Self {
        /// Spacing of the grid in standard deviations of the narrowest likelihood.
        const SPACING: f64 = 0.4;
        /// Most likelihoods that are kept.
        const MAX_TERMS: f64 = 4e7;
        let sharpest = cells.iter().map(|(s, _)| s.trials()).max().unwrap_or(1) as f64;
        let most = (MAX_TERMS / cells.len() as f64).max(64.0);
        let fine = (SPACING / (2.0 * sharpest.sqrt())).max(0.5 * FRAC_PI_2 / most);
        let mut points = vec![0.0, FRAC_PI_2];
        for (s, _) in cells {
            let centre = (s.successes() as f64).sqrt().atan2((s.failures() as f64).sqrt());
            let wide = 0.5 / (2.0 * (s.trials() as f64).sqrt());
            points.extend((-16..=16).map(|j| centre + wide * f64::from(j)).filter(|t| (0.0..=FRAC_PI_2).contains(t)));
        }
        // Below 1/n the counts are blind, but (1-q)^K is not: down to q = 1e-3 / K.
        let lowest = (1e-3 / k.clamp(1.0, 1e18)).sqrt();
        let finest = 1.15f64;
        points.extend(
            std::iter::successors(Some(lowest), |t| Some(t * finest)).take_while(|&t| t < 4.0 * fine.max(lowest)),
        );
        points.sort_by(f64::total_cmp);
        let mut grid: Vec<f64> = vec![0.0];
        for t in points {
            let last = grid[grid.len() - 1];
            if t - last >= (fine * 0.99).min(0.1 * t) && t > 0.0 {
                grid.push(t);
            }
        }
        if let Some(last) = grid.last_mut() {
            *last = FRAC_PI_2;
        }
        let shapes: Vec<Cell> = cells.iter().map(|(s, _)| Cell::of(s)).collect();
        let rows = grid.iter().flat_map(|&t| row(&shapes, t)).collect();
        Self { cells, shapes, samples: cells.iter().map(|(_, weight)| weight).sum(), grid, rows }
    }

    /// The maximum of `F`, from the atoms of `start` (none: a start from the data), until the certified gap is at most
    /// `gap`, or rounding stops it. With `exact` false, maxima of `D` are only interpolated between points of the grid,
    /// for a certificate good to a few per cent.
    pub(crate) fn solve(&self, tilt: Tilt, start: &[(f64, f64)], gap: f64, exact: bool) -> Mixing {
        const ROUNDS: usize = 200;
        let mut atoms: Vec<Atom> = match start {
            [] => self.rough().into_iter().map(|(t, weight)| self.atom(t, weight, tilt)).collect(),
            start => start.iter().map(|&(t, weight)| self.atom(t, weight, tilt)).collect(),
        };
        let mut mixture = self.mixture(&atoms);
        let mut value = self.value(&atoms, &mixture);
        let mut excess = f64::INFINITY;
        let mut sharp = false;
        for _ in 0..ROUNDS {
            let pull: Vec<f64> = self.cells.iter().zip(&mixture).map(|((_, w), f)| w / (self.samples * f)).collect();
            let level = 1.0 + atoms.iter().map(|a| a.weight * a.reward).sum::<f64>();
            let candidates = self.maxima(&pull, tilt, level, sharp);
            excess = candidates.iter().map(|(_, slope)| slope - level).fold(0.0, f64::max);
            if excess <= gap {
                if sharp || !exact {
                    break;
                }
                sharp = true;
                continue;
            }
            for (t, slope) in candidates {
                if slope > level && atoms.iter().all(|a| (a.t - t).abs() > 1e-9 * t) {
                    atoms.push(self.atom(t, 0.0, tilt));
                }
            }
            let before = value;
            (mixture, value) = self.reweigh(&mut atoms, mixture, value, &pull);
            if value <= before + 1e-16 * before.abs() {
                if sharp || !exact {
                    break;
                }
                sharp = true;
            }
        }
        atoms.sort_by(|a, b| a.t.total_cmp(&b.t));
        let ln_likelihood = value - atoms.iter().map(|a| a.weight * a.reward).sum::<f64>();
        Mixing { atoms: atoms.iter().map(|a| (a.t, a.weight)).collect(), ln_likelihood, gap: excess }
    }

    /// Trials of the narrowest likelihood.
    fn sharpest(&self) -> f64 {
        self.shapes.iter().map(|cell| cell.successes + cell.failures).fold(1.0, f64::max)
    }

    /// Atoms from which no cell is far: a few steps of expectation maximisation from equal weights on the whole grid,
    /// each bump drawn together.
    fn rough(&self) -> Vec<(f64, f64)> {
        const STEPS: u32 = 12;
        let cells = self.cells.len();
        let mut weights = vec![1.0 / self.grid.len() as f64; self.grid.len()];
        for _ in 0..STEPS {
            let mut mixture = vec![0.0; cells];
            for (weight, row) in weights.iter().zip(self.rows.chunks_exact(cells)) {
                mixture.iter_mut().zip(row).for_each(|(f, likelihood)| *f += weight * likelihood);
            }
            let pull: Vec<f64> = self.cells.iter().zip(&mixture).map(|((_, w), f)| w / (self.samples * f)).collect();
            weights.iter_mut().zip(self.rows.chunks_exact(cells)).for_each(|(weight, row)| *weight *= dot(row, &pull));
        }
        // Wider bumps are cut up, or a smooth law would leave cells far from every atom.
        let widest = 1.0 / self.sharpest().sqrt();
        let mut bumps: Vec<(f64, f64, f64)> = Vec::new(); // angle and height of the top, mass
        let (mut falling, mut start) = (true, 0.0);
        for (i, (&t, &weight)) in self.grid.iter().zip(&weights).enumerate() {
            let rising = i > 0 && weight > weights[i - 1];
            match bumps.last_mut() {
                Some(bump) if !(rising && falling) && t - start < widest => {
                    bump.2 += weight;
                    if weight > bump.1 {
                        (bump.0, bump.1) = (t, weight);
                    }
                }
                _ => {
                    bumps.push((t, weight, weight));
                    start = t;
                }
            }
            falling = !rising;
        }
        bumps.into_iter().map(|(t, _, mass)| (t, mass)).collect()
    }

    /// One Newton step of the weights; drops atoms that lose all of theirs.
    fn reweigh(&self, atoms: &mut Vec<Atom>, mixture: Vec<f64>, value: f64, pull: &[f64]) -> (Vec<f64>, f64) {
        let size = atoms.len();
        // F has the Hessian -S'S with S_ij = sqrt(w_i/N) Bin_ij / f_i.
        let scaled = DMatrix::from_fn(self.cells.len(), size, |i, j| {
            atoms[j].row[i] * (self.cells[i].1 / self.samples).sqrt() / mixture[i]
        });
        let h = scaled.tr_mul(&scaled);
        let slope = DVector::from_iterator(size, atoms.iter().map(|a| dot(&a.row, pull) + a.reward));
        let x = DVector::from_iterator(size, atoms.iter().map(|a| a.weight));
        let y = quadratic::minimise(&h, &(&h * &x + &slope), &x);
        let direction = y - &x;
        let gain = slope.dot(&direction);
        let found = (0..34).map(|halvings| 0.5f64.powi(halvings)).find_map(|step| {
            let weights = &x + &direction * step;
            atoms.iter_mut().zip(weights.iter()).for_each(|(atom, &weight)| atom.weight = weight.max(0.0));
            let next = self.mixture(atoms);
            let next_value = self.value(atoms, &next);
            (next_value >= value + 0.1 * step * gain).then_some((next, next_value))
        });
        let Some(_) = found else {
            atoms.iter_mut().zip(x.iter()).for_each(|(atom, &weight)| atom.weight = weight);
            atoms.retain(|atom| atom.weight > 0.0);
            return (mixture, value);
        };
        atoms.retain(|atom| atom.weight > 1e-14);
        let sum: f64 = atoms.iter().map(|atom| atom.weight).sum();
        atoms.iter_mut().for_each(|atom| atom.weight /= sum);
        let mixture = self.mixture(atoms);
        let value = self.value(atoms, &mixture);
        (mixture, value)
    }

    /// The local maxima of `D`: by parabolas through the grid, or `sharp`, to rounding where they matter.
    fn maxima(&self, pull: &[f64], tilt: Tilt, level: f64, sharp: bool) -> Vec<(f64, f64)> {
        /// A maximum is at most so much, relatively, above the nearest point of the grid.
        const DOUBT: f64 = 0.1;
        let cells = self.cells.len();
        let slopes: Vec<f64> =
            self.grid.iter().zip(self.rows.chunks_exact(cells)).map(|(&t, row)| dot(row, pull) + tilt.at(t)).collect();
        let slope = |t: f64| {
            row(&self.shapes, t).zip(pull).map(|(likelihood, pull)| likelihood * pull).sum::<f64>() + tilt.at(t)
        };
        let mut maxima = Vec::new();
        for j in 0..slopes.len() {
            let left = j.checked_sub(1).map_or(f64::NEG_INFINITY, |i| slopes[i]);
            let right = slopes.get(j + 1).copied().unwrap_or(f64::NEG_INFINITY);
            if slopes[j] < left || slopes[j] <= right && j + 1 < slopes.len() {
                continue;
            }
            let mut best = (self.grid[j], slopes[j]);
            let mut consider = |t: f64| {
                let value = slope(t);
                if value > best.1 {
                    best = (t, value);
                }
            };
            let (low, high) = (self.grid[j.saturating_sub(1)], self.grid[(j + 1).min(slopes.len() - 1)]);
            if slopes[j] < level - DOUBT * (1.0 + tilt.strength.abs()) {
                continue;
            }
            if sharp {
                peaks(slope, low, high).into_iter().for_each(&mut consider);
            } else if left.is_finite() && right.is_finite() {
                consider(vertex([low, self.grid[j], high], [left, slopes[j], right]));
            }
            maxima.push(best);
        }
        maxima
    }

    fn atom(&self, t: f64, weight: f64, tilt: Tilt) -> Atom {
        Atom { t, weight, reward: tilt.at(t), row: row(&self.shapes, t).collect() }
    }

    /// `f_i` of every cell.
    fn mixture(&self, atoms: &[Atom]) -> Vec<f64> {
        let mut mixture = vec![0.0; self.cells.len()];
        for atom in atoms.iter().filter(|atom| atom.weight > 0.0) {
            mixture.iter_mut().zip(&atom.row).for_each(|(f, likelihood)| *f += atom.weight * likelihood);
        }
        mixture
    }

    fn value(&self, atoms: &[Atom], mixture: &[f64]) -> f64 {
        let ln: f64 = self.cells.iter().zip(mixture).map(|((_, weight), f)| weight * f.ln()).sum();
        ln / self.samples + atoms.iter().map(|a| a.weight * a.reward).sum::<f64>()
    }
}

struct Atom {
    t: f64,
    weight: f64,
    /// `lambda h` there.
    reward: f64,
    /// Relative likelihood of every cell there.
    row: Vec<f64>,
}

/// What the likelihood of one cell takes.
struct Cell {
    successes: f64,
    failures: f64,
    /// Where it is largest.
    angle: f64,
}

impl Cell {
    fn of(s: &Counts) -> Self {
        let (successes, failures) = (s.successes() as f64, s.failures() as f64);
        Self { successes, failures, angle: successes.sqrt().atan2(failures.sqrt()) }
    }

    /// The likelihood of the angle of `q` and `p = 1 - q`, relative to the largest.
    fn likelihood(&self, t: f64, q: f64, p: f64) -> f64 {
        /// Likelihoods below `e^-FAINT` count as 0.
        const FAINT: f64 = 60.0;
        // It is at most cos(t - angle)^2n, by the Bhattacharyya bound of the relative entropy.
        if (self.successes + self.failures) * (t - self.angle).powi(2) > FAINT {
            return 0.0;
        }
        ln_likelihood_ratio(self.successes, self.failures, q, p).exp()
    }
}

/// The likelihoods of all cells at an angle.
fn row(cells: &[Cell], t: f64) -> impl Iterator<Item = f64> {
    let (sin, cos) = t.sin_cos();
    cells.iter().map(move |cell| cell.likelihood(t, sin * sin, cos * cos))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The top of the parabola through three points with the middle one highest.
fn vertex([a, b, c]: [f64; 3], [fa, fb, fc]: [f64; 3]) -> f64 {
    let (left, right) = ((b - a) * (fb - fc), (b - c) * (fb - fa));
    let denominator = 2.0 * (left - right);
    if denominator > 0.0 { b - ((b - a) * left - (b - c) * right) / denominator } else { b }
}

/// The local maxima of `f` on `[low, high]`, ends included: two atoms closer than the grid can tell have two between its
/// points.
fn peaks(f: impl Fn(f64) -> f64, low: f64, high: f64) -> Vec<f64> {
    const PARTS: usize = 16;
    let at: Vec<f64> = (0..=PARTS).map(|i| low + (high - low) * i as f64 / PARTS as f64).collect();
    let values: Vec<f64> = at.iter().map(|&t| f(t)).collect();
    let near = |i: usize| [i.saturating_sub(1), (i + 1).min(PARTS)];
    let tops = (0..=PARTS).filter(|&i| near(i).iter().all(|&j| values[i] >= values[j]));
    tops.flat_map(|i| [at[i], peak(&f, at[near(i)[0]], at[near(i)[1]])]).collect()
}
