//! What a sampling run found.

use crate::{arrays::frame, counts::Counts, curve::Curve, fault::Result};
use numpy::{IntoPyArray, PyArray1, ToPyArray};
use pyo3::{prelude::*, types::PyDict};
use retrial_engine::arrays;
use retrial_spec::{Error, Tally};

/// What trials of every image found; made by Model.sample.
///
/// Attributes
/// ----------
/// thresholds : ndarray of float32, [thresholds]
/// successes : ndarray of uint64, [N, thresholds]
///     Trials of each image with an error below each threshold.
/// first_success : ndarray of uint64, [N, thresholds]
///     The first of them, from 1; 0 where there is none.
/// histogram : ndarray of uint64, [N, bins], or None
///     Errors of each image; None of counts_only.
/// histogram_edges : ndarray of float32, [bins + 1], or None
/// trials : int
///     Trials per image.
/// temperature, seed, kernel, device
///     How they were drawn, and what computed.
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Samples {
    tally: Tally,
    #[pyo3(get)]
    thresholds: Py<PyAny>,
    #[pyo3(get)]
    successes: Py<PyAny>,
    #[pyo3(get)]
    first_success: Py<PyAny>,
    #[pyo3(get)]
    histogram: Option<Py<PyAny>>,
    #[pyo3(get)]
    histogram_edges: Option<Py<PyAny>>,
    #[pyo3(get)]
    temperature: f64,
    #[pyo3(get)]
    seed: u64,
    #[pyo3(get)]
    kernel: String,
    #[pyo3(get)]
    device: String,
}

impl Samples {
    pub(crate) fn new(
        py: Python<'_>,
        tally: Tally,
        temperature: f64,
        seed: u64,
        kernel: String,
        device: String,
    ) -> PyResult<Self> {
        let histogram = (!tally.is_counts_only()).then(|| arrays::histogram(&tally));
        let (histogram, edges) = histogram.unzip();
        Ok(Self {
            thresholds: arrays::thresholds(&tally).into_pyarray(py).into_any().unbind(),
            successes: arrays::successes(&tally).into_pyarray(py).into_any().unbind(),
            first_success: arrays::first_success(&tally).into_pyarray(py).into_any().unbind(),
            histogram: histogram.map(|counts| counts.into_pyarray(py).into_any().unbind()),
            histogram_edges: edges.map(|edges| edges.into_pyarray(py).into_any().unbind()),
            tally,
            temperature,
            seed,
            kernel,
            device,
        })
    }

    /// The number of a threshold.
    fn number(&self, threshold: f64) -> Result<usize> {
        let declared = self.tally.thresholds();
        // As it was given, or as the array has it.
        let found = declared.iter().position(|&t| t == threshold as f32);
        let list = || declared.iter().map(f32::to_string).collect::<Vec<_>>().join(", ");
        Ok(found.ok_or_else(|| Error::input("threshold", threshold, format!("must be one of {}", list())))?)
    }
}

#[pymethods]
impl Samples {
    /// The counts at one of the thresholds, to fit, forecast or compare.
    ///
    /// Parameters
    /// ----------
    /// threshold : float
    ///
    /// Returns
    /// -------
    /// Counts
    fn counts(&self, py: Python<'_>, threshold: f64) -> Result<Counts> {
        let at = self.number(threshold)?;
        Counts::build(py, retrial_counts::of_tally("run", &self.tally)?.remove(at), None)
    }

    /// Unbiased pass@k at every threshold; at one of them it is counts(threshold).pass_at_k(k).
    ///
    /// Parameters
    /// ----------
    /// k : int or array of int
    ///     Trials per image, at least 1.
    /// scope : {"benchmark", "population"}
    ///     As of retrial.pass_at_k.
    ///
    /// Returns
    /// -------
    /// list of Curve
    ///     One for each threshold.
    #[pyo3(signature = (k, *, scope = "benchmark"))]
    fn pass_at_k(&self, k: &Bound<'_, PyAny>, scope: &str) -> Result<Vec<Curve>> {
        let groups = retrial_counts::of_tally("run", &self.tally)?.into_iter();
        groups.map(|group| Counts::build(k.py(), group, None)?.pass_at_k(k, scope)).collect()
    }

    /// Trials per image.
    #[getter]
    fn trials(&self) -> u64 {
        self.tally.trials().count()
    }

    /// The columns sample, threshold, trials, successes and first_success as a dict of arrays, a row for each image and
    /// threshold.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (samples, thresholds) = (self.tally.rows().len(), self.tally.thresholds());
        let columns = PyDict::new(py);
        let numbers = (0..samples as u64).flat_map(|sample| std::iter::repeat_n(sample, thresholds.len()));
        columns.set_item("sample", PyArray1::from_iter(py, numbers))?;
        columns.set_item("threshold", thresholds.repeat(samples).to_pyarray(py))?;
        columns.set_item("trials", PyArray1::from_vec(py, vec![self.trials(); samples * thresholds.len()]))?;
        columns.set_item("successes", self.successes.call_method0(py, "ravel")?)?;
        columns.set_item("first_success", self.first_success.call_method0(py, "ravel")?)?;
        Ok(columns)
    }

    /// The columns as a DataFrame. Needs pandas.
    fn to_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame(&self.columns(py)?)
    }

    fn __repr__(&self) -> String {
        let (samples, thresholds) = (self.tally.rows().len(), self.tally.thresholds().len());
        format!(
            "Samples({samples} images, {} trials each, {thresholds} thresholds, {} of {})",
            self.trials(),
            self.kernel,
            self.device
        )
    }
}
