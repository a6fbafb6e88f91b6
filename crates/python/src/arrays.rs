//! What Python gives and gets: arrays, columns and tables.

use crate::fault::Result;
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArrayDyn};
use pyo3::{
    exceptions::PyImportError,
    prelude::*,
    types::{PyDict, PyList},
};
use retrial_spec::Error;

/// NumPy.
pub(crate) fn numpy(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("numpy")
}

/// An array of whole numbers >= 0, of any integer type, byte order and layout.
pub(crate) struct Whole {
    /// Its values in C order.
    pub(crate) values: Vec<u64>,
    /// Whether it was a number alone.
    pub(crate) scalar: bool,
}

/// Reads whole numbers; `name` stands for them in messages.
pub(crate) fn whole(name: &str, given: &Bound<'_, PyAny>) -> Result<Whole> {
    let numpy = numpy(given.py())?;
    let array = numpy.call_method1("asarray", (given,))?;
    let dtype = array.getattr("dtype")?;
    let scalar = array.getattr("ndim")?.extract::<usize>()? == 0;
    if array.getattr("size")?.extract::<usize>()? == 0 {
        return Err(Error::input(name, "an empty array", "need at least one").into());
    }
    let flat = |dtype: &str| -> PyResult<Bound<'_, PyAny>> {
        numpy.call_method1("ascontiguousarray", (array.call_method0("ravel")?, dtype))
    };
    let values = match &*dtype.getattr("kind")?.extract::<String>()? {
        "u" => flat("uint64")?.extract::<PyReadonlyArray1<'_, u64>>()?.as_slice().map_err(PyErr::from)?.to_vec(),
        "i" => {
            let values = flat("int64")?.extract::<PyReadonlyArray1<'_, i64>>()?;
            let natural = |&v: &i64| u64::try_from(v).map_err(|_| Error::input(name, v, "must not be negative"));
            let values = values.as_slice().map_err(PyErr::from)?;
            values.iter().map(natural).collect::<std::result::Result<_, _>>()?
        }
        _ => {
            let limit = "must be integers; astype(int) makes them of floats without NaN, sum(axis=1) of outcomes";
            return Err(Error::input(name, format!("an array of {dtype}"), limit).into());
        }
    };
    Ok(Whole { values, scalar })
}

/// Two arrays of whole numbers, stretched to one shape as NumPy does.
pub(crate) fn whole_pair(names: [&str; 2], given: [&Bound<'_, PyAny>; 2]) -> Result<[Vec<u64>; 2]> {
    let numpy = numpy(given[0].py())?;
    let arrays = numpy.call_method1("broadcast_arrays", (given[0], given[1]))?;
    let one = |at: usize| -> Result<Vec<u64>> { Ok(whole(names[at], &arrays.get_item(at)?)?.values) };
    Ok([one(0)?, one(1)?])
}

/// Attempts k, at least 1 each.
pub(crate) fn attempts(given: &Bound<'_, PyAny>) -> Result<Whole> {
    let ks = whole("k", given)?;
    match ks.values.contains(&0) {
        true => Err(Error::input("k", 0, "must be at least 1").into()),
        false => Ok(ks),
    }
}

/// Real numbers of any type and layout.
pub(crate) struct Real {
    /// Its values in C order.
    pub(crate) values: Vec<f64>,
    /// Whether it was a number alone.
    pub(crate) scalar: bool,
}

/// Reads real numbers; `name` stands for them in messages.
pub(crate) fn real(name: &str, given: &Bound<'_, PyAny>) -> Result<Real> {
    let numpy = numpy(given.py())?;
    let array = numbers(name, given)?;
    let scalar = array.getattr("ndim")?.extract::<usize>()? == 0;
    let flat = numpy.call_method1("ascontiguousarray", (array.call_method0("ravel")?, "float64"))?;
    let values = flat.extract::<PyReadonlyArray1<'_, f64>>()?.as_slice().map_err(PyErr::from)?.to_vec();
    Ok(Real { values, scalar })
}

/// An array of numbers, at least one.
fn numbers<'py>(name: &str, given: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
    let array = numpy(given.py())?.call_method1("asarray", (given,))?;
    let dtype = array.getattr("dtype")?;
    if array.getattr("size")?.extract::<usize>()? == 0 {
        return Err(Error::input(name, "an empty array", "need at least one").into());
    }
    match &*dtype.getattr("kind")?.extract::<String>()? {
        "f" | "i" | "u" => Ok(array),
        _ => Err(Error::input(name, format!("an array of {dtype}"), "must be numbers").into()),
    }
}

/// Numbers of any real type and layout, in C order, with their shape; borrowed where the array is f32 in C order.
pub(crate) fn reals<'py>(name: &str, given: &Bound<'py, PyAny>) -> Result<PyReadonlyArrayDyn<'py, f32>> {
    let (numpy, array) = (numpy(given.py())?, numbers(name, given)?);
    Ok(numpy.call_method1("ascontiguousarray", (array, "float32"))?.extract::<PyReadonlyArrayDyn<'py, f32>>()?)
}

/// A number alone where `scalar`, else an array of them.
pub(crate) fn values(py: Python<'_>, values: Vec<f64>, scalar: bool) -> PyResult<Py<PyAny>> {
    match (scalar, &values[..]) {
        (true, [value]) => Ok(value.into_pyobject(py)?.into_any().unbind()),
        _ => Ok(PyArray1::from_vec(py, values).into_any().unbind()),
    }
}

/// An array `[rows, columns]`.
pub(crate) fn matrix<T: numpy::Element>(py: Python<'_>, values: Vec<T>, shape: [usize; 2]) -> PyResult<Py<PyAny>> {
    Ok(PyArray1::from_vec(py, values).reshape(shape)?.into_any().unbind())
}

/// Numbers, NaN where there is none.
pub(crate) fn floats(py: Python<'_>, values: impl IntoIterator<Item = Option<f64>>) -> Bound<'_, PyArray1<f64>> {
    // + 0.0 turns -0 into 0.
    PyArray1::from_iter(py, values.into_iter().map(|v| v.unwrap_or(f64::NAN) + 0.0))
}

/// A number of each row.
pub(crate) type Number<T> = fn(&T) -> Option<f64>;

/// Columns of numbers.
pub(crate) fn add_floats<T>(columns: &Bound<'_, PyDict>, rows: &[T], numbers: &[(&str, Number<T>)]) -> PyResult<()> {
    numbers.iter().try_for_each(|(name, of)| columns.set_item(name, floats(columns.py(), rows.iter().map(of))))
}

/// A list of texts.
pub(crate) fn texts<'py, T: AsRef<str>>(
    py: Python<'py>,
    texts: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
) -> PyResult<Bound<'py, PyList>> {
    let texts: Vec<_> = texts.into_iter().map(|text| pyo3::types::PyString::new(py, text.as_ref())).collect();
    PyList::new(py, texts)
}

/// Columns as a DataFrame of pandas.
pub(crate) fn frame<'py>(columns: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    let py = columns.py();
    match py.import("pandas") {
        Ok(pandas) => pandas.call_method1("DataFrame", (columns,)),
        Err(missing) if missing.is_instance_of::<PyImportError>(py) => Err(PyImportError::new_err(
            "to_frame() needs pandas: pip install pandas; columns() has the same as a dict of arrays",
        )),
        Err(other) => Err(other),
    }
}
