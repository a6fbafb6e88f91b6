//! Any law fitted to any data, with what there is to know about the fit.

use super::{
    Fitted, Kind, Misfit, NoFit, Settings, bootstrap::Refits, curve::fitting_curve, estimate::estimate,
    goodness::goodness, profile, search::negative_log_likelihood,
};
use crate::{Data, npmle::Npmle, parallel};
use retrial_spec::{Observer, Result};

/// Fits one law: the point estimate with its misfit.
///
/// ```
/// use retrial_theory::{Data, coverage::Counts, fit::{Kind, fit}};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let counts: Vec<Counts> = (0..50).map(|i| Counts::new(100, i * i / 30)).collect::<Result<_, _>>()?;
/// let law = fit(Kind::BETA, &Data::new(&counts)?).expect("counts that differ have a Beta law");
/// assert!(law.misfit.rmse < 0.05 && law.coverage(1000.0) > law.coverage(100.0));
/// # Ok(())
/// # }
/// ```
pub fn fit(kind: Kind, data: &Data) -> Result<Fitted, NoFit> {
    let curve = fitting_curve(data);
    let law = estimate(kind, data, &curve)?;
    let nll = law.mixing().map(|law| negative_log_likelihood(&*law, data).0);
    let free = law.parameters().len() as f64;
    Ok(Fitted {
        law,
        nll,
        misfit: Misfit::of(&curve, |k| law.coverage(k)),
        aic: nll.map(|nll| 2.0 * (nll + free)),
        bic: nll.map(|nll| 2.0 * nll + free * data.samples().ln()),
        intervals: Vec::new(),
        goodness: None,
    })
}

/// Fits one law and fills in everything: intervals by profile likelihood, or for laws by least squares, where replicates
/// are asked for, by bootstrap; and with replicates goodness of fit, where there is a likelihood. Cancelled by the
/// observer.
///
/// ```
/// use retrial_spec::Silent;
/// use retrial_theory::{Data, coverage::Counts, fit::{Kind, Settings, study}, npmle::npmle};
///
/// # fn main() -> retrial_spec::Result<()> {
/// let counts: Vec<Counts> = (0..50).map(|i| Counts::new(100, i * i / 30)).collect::<Result<_, _>>()?;
/// let data = Data::new(&counts)?;
/// let settings = Settings { replicates: 20, seed: 1 };
/// let studied = study(Kind::BETA, &data, &npmle(&data), &settings, &Silent)?.expect("a law of these counts");
/// assert_eq!(studied.intervals.len(), 2);
/// assert!(studied.goodness.is_some());
/// # Ok(())
/// # }
/// ```
pub fn study(
    kind: Kind,
    data: &Data,
    npmle: &Npmle,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Result<Fitted, NoFit>> {
    let mut fitted = match fit(kind, data) {
        Ok(fitted) => fitted,
        Err(no_fit) => return Ok(Err(no_fit)),
    };
    fitted.intervals = profile::parameters(&fitted, data);
    if settings.replicates > 0 {
        if !kind.by_likelihood() {
            fitted.intervals = Refits::new(&fitted.law, data, settings, observer)?.parameters();
        }
        fitted.goodness = goodness(&fitted, data, npmle, settings, observer)?;
    }
    Ok(Ok(fitted))
}

/// [`study`] of several laws, in order. Replicates share out the threads; without them the laws do.
pub fn study_all(
    kinds: &[Kind],
    data: &Data,
    npmle: &Npmle,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Vec<Result<Fitted, NoFit>>> {
    let one = |kind| study(kind, data, npmle, settings, observer);
    if settings.replicates > 0 {
        return kinds.iter().map(|&kind| one(kind)).collect();
    }
    let count = kinds.len() as u64;
    parallel::map(count, ("fit", "laws"), observer, |i| one(kinds[i as usize]))?.into_iter().collect()
}
