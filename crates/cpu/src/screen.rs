//! Screening, for tallies that only count: a partial sum of squares that exceeds a threshold's square proves that the
//! trial fails there, whatever its other pixels are.
//!
//! A pilot of full trials finds the pixels that a sample is worst at. The rest of its trials are summed over those alone,
//! and only survivors are computed in full, just as without a screen: counts, records and first successes are those of
//! the full path bit for bit. A sample is screened only as far as that saves work.

use crate::layer::Layer;
use retrial_spec::{Linear, Problem};

/// Most trials of a pilot.
pub(crate) const PILOT: usize = 128;

/// What a normal and a pixel's sigmoid cost, in multiply-adds.
const NORMAL: f64 = 90.0;
const PIXEL: f64 = 20.0;

/// Squared differences of a pilot.
pub(crate) struct Pilot<'a> {
    /// `[pixel][stride]`.
    pub squares: &'a [f32],
    pub stride: usize,
    pub trials: usize,
    /// Steps that a product took per pixel and trial.
    pub steps: f64,
}

impl Pilot<'_> {
    /// The pixels to look at first, a number of whole groups of `rows`; `None` where screening does not pay. A trial
    /// passes whose sum over them is at most `limit`.
    pub(crate) fn plan(&self, problem: &Problem, rows: usize, limit: f32) -> Option<Vec<u16>> {
        let shape = problem.shape();
        let trials = |pixel: u16| &self.squares[pixel as usize * self.stride..][..self.trials];
        let mut order: Vec<(f32, u16)> = (0..shape.pixels as u16).map(|p| (trials(p).iter().sum(), p)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));

        let start = (shape.latent * shape.hidden) as f64 + NORMAL * shape.latent as f64;
        let full = start + shape.pixels as f64 * (self.steps + PIXEL);
        let mut sums = vec![0.0; self.trials];
        let (mut best, mut cheapest) = (0, 0.95 * full);
        for (group, pixels) in order.chunks_exact(rows).enumerate() {
            for &(_, pixel) in pixels {
                sums.iter_mut().zip(trials(pixel)).for_each(|(sum, square)| *sum += square);
            }
            let passed = sums.iter().filter(|&&sum| sum <= limit).count() as f64 / self.trials as f64;
            let looked = (group + 1) * rows;
            let cost = start + looked as f64 * (self.steps + PIXEL) + passed * full;
            if cost < cheapest {
                (best, cheapest) = (looked, cost);
            }
        }
        (best > 0).then(|| order[..best].iter().map(|&(_, pixel)| pixel).collect())
    }
}

/// Some pixels of one sample.
pub(crate) struct Screen<L> {
    pub layer: L,
    pub image: Vec<f32>,
}

impl<L: Layer> Screen<L> {
    /// Of whole groups of `rows` pixels.
    pub(crate) fn new(problem: &Problem, sample: usize, pixels: &[u16], rows: usize) -> Self {
        let full = &problem.weights().decoder_fc2;
        let row = |&pixel: &u16| &full.weight[pixel as usize * full.inputs..][..full.inputs];
        let layer = Linear {
            outputs: pixels.len(),
            inputs: full.inputs,
            weight: pixels.iter().flat_map(row).copied().collect(),
            bias: pixels.iter().map(|&pixel| full.bias[pixel as usize]).collect(),
        };
        let image = pixels.iter().map(|&pixel| problem.image(sample)[pixel as usize]).collect();
        Self { layer: L::pack(&layer, rows), image }
    }
}
