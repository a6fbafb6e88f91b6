//! Coverage beyond the trials that were made.

mod bounds;
mod methods;
mod species;

use crate::{
    Data,
    fit::{Fitted, Settings, bootstrap::Refits, profile},
};
pub use bounds::{Bounds, bounds};
pub use methods::{Method, methods};
use retrial_spec::{Error, Observer, Result};
pub use species::{chao, good_toulmin};

/// Coverage at a `k` that was not measured. 95 % intervals.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// Trials per sample.
    pub k: f64,
    /// The forecast.
    pub value: f64,
    /// Lower end of the interval; `None` where the method has none.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
}

/// The coverage of a fitted law at each of `ks`: by maximum likelihood with profile-likelihood intervals, by least
/// squares with BCa bootstrap intervals ([`Settings::replicates`] 0 gives none). Both are for samples drawn from a
/// population. They speak of the law's parameters and hold *if the law holds*; [`bounds`] hold whatever the law. A law that
/// misses the counts may fall below the coverage that was measured, which no further trial takes away: that is then the
/// value. Cancelled by the observer.
///
/// ```
/// use retrial_spec::Silent;
/// use retrial_theory::{Data, coverage::Counts, fit::{Kind, Settings, fit}, forecast::by_law};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let counts: Vec<Counts> = (0..50).map(|i| Counts::new(100, i * i / 30)).collect::<Result<_, _>>()?;
/// let data = Data::new(&counts)?;
/// let law = fit(Kind::BETA, &data).expect("a law of these counts");
/// let ahead = by_law(&law, &data, &[1e3, 1e4], &Settings { replicates: 0, seed: 1 }, &Silent)?;
/// assert!(ahead[0].value < ahead[1].value && ahead[1].low.is_some_and(|low| low <= ahead[1].value));
/// # Ok(())
/// # }
/// ```
pub fn by_law(
    fitted: &Fitted,
    data: &Data,
    ks: &[f64],
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Vec<Forecast>> {
    let ends = interval_by_law(fitted, data, settings, observer)?;
    let reach = data.reach() as f64;
    let measured = data.values(&[data.reach()]).first().map_or(0.0, |(_, value)| *value);
    let forecast = |&k: &f64| {
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        let ends = ends(k);
        let value = if k >= reach { fitted.coverage(k).max(measured) } else { fitted.coverage(k) };
        Ok(Forecast { k, value, low: ends.map(|e| e[0].min(value)), high: ends.map(|e| e[1].max(value)) })
    };
    ks.iter().map(forecast).collect()
}

/// The interval that [`by_law`] gives coverage, as a function of `k`; `None` where it has none. The refits are made here
/// and now. Cancelled by the observer.
pub fn interval_by_law<'a>(
    fitted: &'a Fitted,
    data: &'a Data,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<impl Fn(f64) -> Option<[f64; 2]> + use<'a>> {
    let likelihood = fitted.law.kind().by_likelihood();
    let refits = match likelihood || settings.replicates == 0 {
        true => None,
        false => Some(Refits::new(&fitted.law, data, settings, observer)?),
    };
    Ok(move |k: f64| match (&refits, likelihood) {
        (Some(refits), _) => refits.coverage(k),
        (None, true) => profile::coverage(fitted, data, k),
        (None, false) => None,
    })
}
