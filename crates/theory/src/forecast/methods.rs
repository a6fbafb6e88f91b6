//! Every method side by side.

use super::{Forecast, bounds, by_law, chao, good_toulmin};
use crate::{
    Data,
    fit::{Kind, Method as Intervals, Settings, fit},
};
use retrial_spec::{Error, Observer, Result};

/// What one method says of coverage at every `k`, or why it says nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Its name; a law's is that of its kind.
    pub name: String,
    /// How its 95 % intervals are found, and on what condition they hold; `None` where it has none.
    pub intervals: Option<(String, &'static str)>,
    /// Its forecasts, without those `k` that it has none for. Bounds have no value: it is NaN.
    pub says: Result<Vec<Forecast>, String>,
    /// The coverage of a law and the one measured at all trials, where the law lies below it, which then stands in.
    pub stands_in: Option<[f64; 2]>,
}

/// The laws of these kinds [fitted](by_law), the worst-case [`bounds`], smoothed [Good-Toulmin](good_toulmin) and
/// [Chao's](chao) lower bound. Cancelled by the observer.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn methods(
    kinds: &[Kind],
    data: &Data,
    ks: &[f64],
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Vec<Method>> {
    let mut methods = vec![];
    for &kind in kinds {
        let by = Intervals::of(kind);
        let has_intervals = by == Intervals::Profile || settings.replicates > 0;
        let mut method = Method {
            name: kind.name().into(),
            intervals: has_intervals.then(|| (by.to_string(), "the law holds")),
            says: Ok(vec![]),
            stands_in: None,
        };
        match fit(kind, data) {
            Ok(fitted) => {
                let says = by_law(&fitted, data, ks, settings, observer)?;
                let below = says.iter().find(|at| at.value > fitted.coverage(at.k));
                method.stands_in = below.map(|at| [fitted.coverage(at.k), at.value]);
                method.says = Ok(says);
            }
            Err(why) => method.says = Err(format!("no fit: {why}")),
        }
        methods.push(method);
    }
    let one_line = |e: Error| e.to_string();
    let ends = bounds(data, ks).into_iter();
    let ends = ends.map(|b| Forecast { k: b.k, value: f64::NAN, low: Some(b.low), high: Some(b.high) }).collect();
    let all_laws = Some(("likelihood of all laws".into(), "attempts are independent"));
    let mean = Some(("spread of problems".into(), "smoothing has no bias"));
    let others = [
        ("worst-case bounds", all_laws, Ok(ends)),
        ("good-toulmin", mean, good_toulmin(data, ks).map_err(one_line)),
        ("chao, lower bound", None, chao(data, ks).map_err(one_line)),
    ];
    methods.extend(others.map(|(name, intervals, says)| Method {
        name: name.into(),
        intervals,
        says,
        stands_in: None,
    }));
    Ok(methods)
}
