//! Values at several `k`, with intervals.

use crate::arrays::{frame, numpy, values};
use pyo3::{prelude::*, types::PyDict};
use retrial_theory::coverage::Point;

/// Values at one or several k, each with its 95 % interval.
///
/// Numbers where k was a number, else arrays, an entry for each k; NaN where something is not available.
///
/// Attributes
/// ----------
/// k : int, float or ndarray
///     Attempts per problem.
/// value : float or ndarray of float64
///     The estimate, a share from 0 to 1. Bounds have none: NaN.
/// low, high : float or ndarray of float64
///     The ends of the interval.
#[pyclass(frozen, get_all, module = "retrial")]
pub(crate) struct Curve {
    pub(crate) k: Py<PyAny>,
    pub(crate) value: Py<PyAny>,
    pub(crate) low: Py<PyAny>,
    pub(crate) high: Py<PyAny>,
}

impl Curve {
    /// Value and ends at each `k`.
    pub(crate) fn new(py: Python<'_>, k: Py<PyAny>, points: &[[f64; 3]], scalar: bool) -> PyResult<Self> {
        // + 0.0 turns -0 into 0.
        let column = |at: usize| values(py, points.iter().map(|point| point[at] + 0.0).collect(), scalar);
        Ok(Self { k, value: column(0)?, low: column(1)?, high: column(2)? })
    }

    /// Of what was asked for; what is not among the points is not available.
    pub(crate) fn of_points(py: Python<'_>, ks: &[u64], points: &[Point], scalar: bool) -> PyResult<Self> {
        // In the order of `ks`.
        let mut left = points.iter().peekable();
        let at = |&k: &u64| left.next_if(|point| point.k == k).map_or([f64::NAN; 3], |p| [p.value, p.low, p.high]);
        let k = match (scalar, ks) {
            (true, [k]) => k.into_pyobject(py)?.into_any().unbind(),
            _ => numpy::PyArray1::from_slice(py, ks).into_any().unbind(),
        };
        let points: Vec<_> = ks.iter().map(at).collect();
        Self::new(py, k, &points, scalar)
    }
}

#[pymethods]
impl Curve {
    /// The columns k, value, low and high as a dict of arrays.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (columns, numpy) = (PyDict::new(py), numpy(py)?);
        for (name, values) in [("k", &self.k), ("value", &self.value), ("low", &self.low), ("high", &self.high)] {
            columns.set_item(name, numpy.call_method1("atleast_1d", (values,))?)?;
        }
        Ok(columns)
    }

    /// The columns as a DataFrame, a row for each k. Needs pandas.
    fn to_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame(&self.columns(py)?)
    }

    fn __repr__(&self) -> String {
        format!("Curve(k={}, value={}, low={}, high={})", self.k, self.value, self.low, self.high)
    }
}
