//! Estimates of coverage from counts that are arrays.

use crate::{
    arrays::{attempts, whole_pair},
    curve::Curve,
    fault::Result,
};
use numpy::PyArray1;
use pyo3::prelude::*;
use retrial_spec::Error;
use retrial_theory::{
    Data,
    coverage::{self, Estimator, Point, Scope},
};

/// Unbiased pass@k: that at least one of k attempts succeeds, 1 - C(n-c, k) / C(n, k).
///
/// Parameters
/// ----------
/// n : int or array of int
///     Attempts at each problem; stretched to the shape of c where it is one number.
/// c : int or array of int
///     Successes among them, one entry per problem.
/// k : int or array of int
///     Attempts to estimate for, at least 1.
/// scope : {"benchmark", "population"}
///     What the 95 % interval is for: these problems tried again, or other problems of their kind.
///
/// Returns
/// -------
/// Curve
///     The mean over the problems at each k; NaN where k exceeds the attempts at some problem.
///
/// See Also
/// --------
/// Counts.pass_at_k : the same of counts from a file. per_problem : estimates of single problems.
#[pyfunction]
#[pyo3(signature = (n, c, k, *, scope = "benchmark"))]
pub(crate) fn pass_at_k(
    n: &Bound<'_, PyAny>,
    c: &Bound<'_, PyAny>,
    k: &Bound<'_, PyAny>,
    scope: &str,
) -> Result<Curve> {
    of_arrays(n, c, k, Estimator::Pass, scope)
}

/// Unbiased pass^k: that all of k attempts succeed, C(c, k) / C(n, k).
///
/// Parameters and result as of pass_at_k.
#[pyfunction]
#[pyo3(signature = (n, c, k, *, scope = "benchmark"))]
pub(crate) fn pass_hat_k(
    n: &Bound<'_, PyAny>,
    c: &Bound<'_, PyAny>,
    k: &Bound<'_, PyAny>,
    scope: &str,
) -> Result<Curve> {
    of_arrays(n, c, k, Estimator::AllPass, scope)
}

/// Unbiased G-Pass@k: that at least ceil(tau k) of k attempts, and at least one, succeed (arXiv 2412.13147).
///
/// Parameters and result as of pass_at_k, and
///
/// Parameters
/// ----------
/// tau : float
///     The share of the k attempts, from 0 to 1.
#[pyfunction]
#[pyo3(signature = (n, c, k, tau, *, scope = "benchmark"))]
pub(crate) fn g_pass_at_k(
    n: &Bound<'_, PyAny>,
    c: &Bound<'_, PyAny>,
    k: &Bound<'_, PyAny>,
    tau: f64,
    scope: &str,
) -> Result<Curve> {
    of_arrays(n, c, k, most_pass(tau)?, scope)
}

/// Unbiased pass@k of every problem by itself.
///
/// Parameters
/// ----------
/// n, c : int or array of int
///     Attempts at each problem and successes among them.
/// k : int
///     Attempts to estimate for, at least 1.
///
/// Returns
/// -------
/// ndarray of float64, [problems]
///     1 - C(n-c, k) / C(n, k); NaN where k exceeds n.
#[pyfunction]
pub(crate) fn per_problem<'py>(
    n: &Bound<'py, PyAny>,
    c: &Bound<'py, PyAny>,
    k: &Bound<'py, PyAny>,
) -> Result<Bound<'py, PyArray1<f64>>> {
    let py = n.py();
    let (counts, ks) = (given(n, c)?, attempts(k)?);
    let &[k] = &ks.values[..] else {
        return Err(Error::input("k", format!("{} of them", ks.values.len()), "must be one number here").into());
    };
    let estimate = |counts: &coverage::Counts| {
        Estimator::Pass.estimate(counts.trials(), counts.successes(), k).unwrap_or(f64::NAN)
    };
    let values = py.detach(|| counts.iter().map(estimate).collect());
    Ok(PyArray1::from_vec(py, values))
}

/// Counts from arrays.
pub(crate) fn given(n: &Bound<'_, PyAny>, c: &Bound<'_, PyAny>) -> Result<Vec<coverage::Counts>> {
    let [n, c] = whole_pair(["n", "c"], [n, c])?;
    let one = |(at, (n, c)): (usize, (u64, u64))| {
        coverage::Counts::new(n, c).map_err(|_| {
            let limit = "need at least one attempt and no more successes than attempts";
            Error::input(format!("counts of problem {at}"), format!("c = {c} of n = {n}"), limit)
        })
    };
    Ok(n.into_iter().zip(c).enumerate().map(one).collect::<std::result::Result<_, _>>()?)
}

/// The estimator of G-Pass@k.
pub(crate) fn most_pass(tau: f64) -> Result<Estimator> {
    match (0.0..=1.0).contains(&tau) {
        true => Ok(Estimator::MostPass(tau)),
        false => Err(Error::input("tau", tau, "must be from 0 to 1").into()),
    }
}

/// What intervals are for, by its name.
pub(crate) fn scope(name: &str) -> Result<Scope> {
    match name {
        "benchmark" => Ok(Scope::Benchmark),
        "population" => Ok(Scope::Population),
        _ => Err(Error::input("scope", name, "must be benchmark or population").into()),
    }
}

fn of_arrays(
    n: &Bound<'_, PyAny>,
    c: &Bound<'_, PyAny>,
    k: &Bound<'_, PyAny>,
    estimator: Estimator,
    scope: &str,
) -> Result<Curve> {
    let py = n.py();
    let (counts, ks, scope) = (given(n, c)?, attempts(k)?, self::scope(scope)?);
    let points = py.detach(|| {
        let data = Data::new(&counts)?;
        Ok::<_, Error>(without_others(&data, scope, data.unbiased(estimator, &ks.values, scope)?))
    })?;
    Ok(Curve::of_points(py, &ks.values, &points, ks.scalar)?)
}

/// One problem says nothing of others.
pub(crate) fn without_others(data: &Data, scope: Scope, mut points: Vec<Point>) -> Vec<Point> {
    if scope == Scope::Population && data.samples() <= 1.0 {
        points.iter_mut().for_each(|point| (point.low, point.high) = (f64::NAN, f64::NAN));
    }
    points
}
