//! Coverage where no run of trials reaches, from the success probabilities themselves.

use super::Estimate;
use crate::coverage::point;
use serde::Serialize;

/// Coverage of `k` trials of each sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TailPoint {
    /// Trials per sample.
    pub k: f64,
    /// pass@k, the mean over samples of `1 - (1 - p)^k`. A sample without a value counts as never solved.
    pub value: f64,
    /// Lower end of the 95 % interval for these very samples.
    pub low: f64,
    /// Upper end. Samples without a value are held for as likely solved as they may be.
    pub high: f64,
    /// Ends of the interval for other samples of the same kind.
    pub population: (f64, f64),
    /// `-d ln(1 - pass@k) / d ln k`: the exponent that a power law would have here. NaN where all is solved.
    pub slope: f64,
}

/// The reach of a set of estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// Samples with a value.
    pub valued: usize,
    /// Samples without one.
    pub unvalued: usize,
}

impl Reach {
    /// Of the estimates of each sample.
    pub fn of(estimates: &[Estimate]) -> Self {
        let valued = estimates.iter().filter(|e| e.p.is_some()).count();
        Self { valued, unvalued: estimates.len() - valued }
    }
}

/// The coverage curve of samples whose success probabilities were estimated, at least one.
///
/// The interval for these samples adds up what each contributes in quadrature, since samples are estimated
/// independently, but upper bounds of samples without a value in full. The one for other samples is Clopper and
/// Pearson's at the effective number of yes-or-no observations that the spread of the samples leaves, as in
/// [`unbiased_curve`](crate::coverage::unbiased_curve), widened by the other.
pub fn tail_coverage(estimates: &[Estimate], ks: &[f64]) -> Vec<TailPoint> {
    let samples = estimates.len() as f64;
    let point = |&k: &f64| {
        let at: Vec<[f64; 3]> = estimates.iter().map(|e| e.coverage(k)).collect();
        let value = at.iter().map(|c| c[0]).sum::<f64>() / samples;
        let quadrature = |difference: &dyn Fn(&[f64; 3]) -> f64| {
            let valued = at.iter().zip(estimates).filter(|(_, e)| e.p.is_some());
            valued.map(|(c, _)| difference(c).powi(2)).sum::<f64>().sqrt() / samples
        };
        let unknown = at.iter().zip(estimates).filter(|(_, e)| e.p.is_none()).map(|(c, _)| c[2]).sum::<f64>() / samples;
        let low = (value - quadrature(&|c| c[0] - c[1])).max(0.0);
        let high = (value + quadrature(&|c| c[2] - c[0]) + unknown).min(1.0);
        let spread = at.iter().map(|c| (c[0] - value).powi(2)).sum::<f64>() / (samples - 1.0) / samples;
        let ends = point(1, value, (value * (1.0 - value) / spread).max(samples));
        // The loss and its derivative, p -> (1-p)^k; samples without a value add to the loss alone.
        let (mut loss, mut fall) = (0.0, 0.0);
        for e in estimates {
            let ln_failure = (-e.p.unwrap_or(0.0)).ln_1p();
            let own = (k * ln_failure).exp();
            loss += own;
            // 0 times infinity, of a sample that never fails.
            fall -= if own > 0.0 { k * ln_failure * own } else { 0.0 };
        }
        let population = (ends.low.min(low), ends.high.max(high));
        TailPoint { k, value, low, high, population, slope: fall / loss }
    };
    ks.iter().map(point).collect()
}
