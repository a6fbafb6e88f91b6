//! Whether a law needs all of its parameters.

use super::{Fitted, Kind};

/// A law against the narrower one that it becomes where a share of its is 1.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Nested {
    /// The narrower law.
    pub narrower: Kind,
    /// The law.
    pub wider: Kind,
    /// Twice the gain in log likelihood.
    pub statistic: f64,
    /// Probability of at least this gain if the narrower law holds.
    pub p_value: f64,
}

/// The likelihood-ratio test of every pair of fits of which one is the other at a boundary. There the statistic is 0 half
/// of the time and chi squared with one degree of freedom the other half (Self and Liang 1987), so that this test has
/// power where the ratio against all laws ([`Goodness`](super::Goodness)) has little.
pub fn nested<'a>(fits: impl IntoIterator<Item = &'a Fitted> + Clone) -> Vec<Nested> {
    let test = |fitted: &Fitted| {
        let narrower = fitted.law.family().narrower()?;
        let null = fits.clone().into_iter().find(|null| null.law.kind().name() == narrower)?;
        let statistic = (2.0 * (null.nll? - fitted.nll?)).max(0.0);
        // P(chi2_1 > x) = erfc(sqrt(x/2)).
        let p_value = if statistic > 0.0 { 0.5 * libm::erfc((0.5 * statistic).sqrt()) } else { 1.0 };
        Some(Nested { narrower: null.law.kind(), wider: fitted.law.kind(), statistic, p_value })
    };
    fits.clone().into_iter().filter_map(test).collect()
}
