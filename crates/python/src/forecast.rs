//! Coverage beyond the attempts that were made.

use crate::{
    arrays::{Real, floats, frame, real, texts, values},
    counts::Counts,
    curve::Curve,
    fault::Result,
    fit::{kinds, settings},
    watch::watched,
};
use numpy::PyArray1;
use pyo3::{exceptions::PyKeyError, prelude::*, types::PyDict};
use retrial_spec::Error;
use retrial_theory::forecast::{self, Forecast as At, Method};

/// Coverage at each k by every method; made by forecast. forecast["eq8"] is the Curve of one.
///
/// Attributes
/// ----------
/// measured_to : int
///     The largest k at which coverage was measured.
/// not_available : dict of str to str
///     Why methods say nothing, by name.
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Forecast {
    ks: Vec<f64>,
    methods: Vec<Method>,
    #[pyo3(get)]
    measured_to: u64,
}

/// Forecasts coverage beyond the attempts that were made.
///
/// Every law with intervals that hold if the law does, worst-case bounds over all laws that fit the counts, and, where
/// problems were tried equally often, smoothed Good-Toulmin and Chao's lower bound.
///
/// Parameters
/// ----------
/// counts : Counts
/// k : float or array of float
///     Attempts per problem, from 1 to 1e15, whole or not.
/// laws : sequence of str, optional
///     Names of laws; all that are fitted by default.
/// bootstrap : int
///     Replicates for the intervals of curve laws, which have no likelihood; 0 for none.
/// seed : int
///     Of the replicates; results do not depend on threads.
///
/// Returns
/// -------
/// Forecast
#[pyfunction(name = "forecast")]
#[pyo3(signature = (counts, k, laws = None, *, bootstrap = 200, seed = 1))]
pub(crate) fn of_counts(
    counts: &Bound<'_, Counts>,
    k: &Bound<'_, PyAny>,
    laws: Option<Vec<String>>,
    bootstrap: u32,
    seed: u64,
) -> Result<Forecast> {
    let data = &counts.get().data;
    let (ks, kinds) = (attempts(k)?.values, kinds(laws)?);
    let settings = settings(bootstrap, seed);
    let methods = watched(counts.py(), None, |watch| forecast::methods(&kinds, data, &ks, &settings, watch))?;
    Ok(Forecast { ks, methods, measured_to: data.reach() })
}

/// Worst-case bounds of coverage: the range over all laws that fit the counts, whatever the law.
///
/// Parameters
/// ----------
/// counts : Counts
/// k : float or array of float
///     Attempts per problem, from 1 to 1e15, whole or not.
///
/// Returns
/// -------
/// Curve
///     The bounds are low and high; there is no value: NaN.
#[pyfunction]
pub(crate) fn bounds(counts: &Bound<'_, Counts>, k: &Bound<'_, PyAny>) -> Result<Curve> {
    let (py, data, ks) = (k.py(), &counts.get().data, attempts(k)?);
    let bounds = watched(py, None, |_| Ok(forecast::bounds(data, &ks.values)))?;
    let points: Vec<_> = bounds.iter().map(|b| [f64::NAN, b.low, b.high]).collect();
    let k = values(py, ks.values, ks.scalar)?;
    Ok(Curve::new(py, k, &points, ks.scalar)?)
}

fn attempts(k: &Bound<'_, PyAny>) -> Result<Real> {
    let ks = real("k", k)?;
    match ks.values.iter().find(|k| !(1.0..=1e15).contains(*k)) {
        Some(k) => Err(Error::input("k", k, "must be from 1 to 1e15").into()),
        None => Ok(ks),
    }
}

/// Value and ends at every `k`, NaN where there is none.
fn points(ks: &[f64], says: &[At]) -> Vec<[f64; 3]> {
    let mut left = says.iter().peekable(); // in the order of `ks`
    let one = |&k: &f64| match left.next_if(|at| at.k == k) {
        Some(at) => [at.value, at.low.unwrap_or(f64::NAN), at.high.unwrap_or(f64::NAN)],
        None => [f64::NAN; 3],
    };
    ks.iter().map(one).collect()
}

#[pymethods]
impl Forecast {
    /// Attempts per problem that were asked for: float64, [k].
    #[getter]
    fn k<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.ks)
    }

    /// Names of the methods that say something, a list of str.
    #[getter]
    fn methods(&self) -> Vec<&str> {
        self.methods.iter().filter(|method| method.says.is_ok()).map(|method| &*method.name).collect()
    }

    #[getter]
    fn not_available<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let why = PyDict::new(py);
        let silent = self.methods.iter().filter_map(|method| Some((&method.name, method.says.as_ref().err()?)));
        silent.into_iter().try_for_each(|(name, text)| why.set_item(name, text))?;
        Ok(why)
    }

    fn __getitem__(&self, py: Python<'_>, method: &str) -> PyResult<Curve> {
        let found = self.methods.iter().find(|of| of.name == method);
        let says = match found.map(|method| &method.says) {
            Some(Ok(says)) => says,
            Some(Err(why)) => return Err(PyKeyError::new_err(format!("{method} says nothing: {why}"))),
            None => return Err(PyKeyError::new_err(format!("{method}; there are {}", self.methods().join(", ")))),
        };
        Curve::new(py, self.k(py).into_any().unbind(), &points(&self.ks, says), false)
    }

    /// The columns method, k, value, low, high, interval_by and holds_if as a dict, a row for each method and k.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let says = || self.methods.iter().filter_map(|method| Some((method, method.says.as_ref().ok()?)));
        let rows: Vec<(&Method, f64, [f64; 3])> = says()
            .flat_map(|(method, says)| {
                let points = self.ks.iter().zip(points(&self.ks, says));
                points.map(move |(&k, point)| (method, k, point))
            })
            .collect();
        let columns = PyDict::new(py);
        columns.set_item("method", texts(py, rows.iter().map(|(method, ..)| &method.name))?)?;
        columns.set_item("k", PyArray1::from_iter(py, rows.iter().map(|(_, k, _)| *k)))?;
        for (at, name) in ["value", "low", "high"].into_iter().enumerate() {
            columns.set_item(name, floats(py, rows.iter().map(|(.., point)| Some(point[at]))))?;
        }
        let by = |method: &Method| method.intervals.clone().map(|(by, _)| by).unwrap_or_default();
        columns.set_item("interval_by", texts(py, rows.iter().map(|(method, ..)| by(method)))?)?;
        let condition = |method: &Method| method.intervals.as_ref().map_or("", |(_, condition)| condition);
        columns.set_item("holds_if", texts(py, rows.iter().map(|(method, ..)| condition(method)))?)?;
        Ok(columns)
    }

    /// The columns as a DataFrame. Needs pandas.
    fn to_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame(&self.columns(py)?)
    }

    fn __repr__(&self) -> String {
        format!("Forecast(k={:?}, methods: {})", self.ks, self.methods().join(", "))
    }
}
