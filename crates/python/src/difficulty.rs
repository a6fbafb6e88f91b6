//! How hard the problems are.

use crate::{
    arrays::{Number, add_floats, floats, frame, texts},
    counts::Counts,
    fault::Result,
    watch::watched,
};
use numpy::PyArray1;
use pyo3::{
    prelude::*,
    types::{PyDict, PyList},
};
use retrial_spec::Error;
use retrial_theory::{
    coverage,
    difficulty::{Class, Posterior, Spectrum, posterior, spectrum},
    npmle::npmle,
};
use std::collections::BTreeMap;

/// How hard the problems are; made by difficulty. Its frame has a row for each problem.
///
/// Attributes
/// ----------
/// resolution : float
///     1 / attempts: difficulties s = -ln p below it are not told from ones that cannot be solved.
/// share_resolution : float
///     3 / problems: smaller shares are not told from none.
/// unresolved : float
///     The share of problems with a difficulty below the resolution; NaN where it is below share_resolution.
/// edges : ndarray of float64, [bins + 1]
///     Difficulties between which densities are.
/// density : ndarray of float64, [bins]
///     Share of problems per unit of s; NaN where the share of a bin is below share_resolution.
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Difficulty {
    counts: Py<Counts>,
    spectrum: Spectrum,
    problems: Vec<Posterior>,
}

/// How hard the problems are, and which are easy, hard or unsolved.
///
/// The density of the difficulty s = -ln p, p the failure probability, from the likeliest of all mixing laws; and what the
/// counts say of each problem, with the others as prior (empirical Bayes).
///
/// Parameters
/// ----------
/// counts : Counts
/// per_decade : int
///     Bins of the density per factor of ten, 1 to 100.
///
/// Returns
/// -------
/// Difficulty
#[pyfunction(name = "difficulty")]
#[pyo3(signature = (counts, *, per_decade = 2))]
pub(crate) fn of_counts(counts: &Bound<'_, Counts>, per_decade: u32) -> Result<Difficulty> {
    if !(1..=100).contains(&per_decade) {
        return Err(Error::input("per_decade", per_decade, "must be from 1 to 100").into());
    }
    let Counts { group, data, .. } = counts.get();
    let (spectrum, problems) = watched(counts.py(), None, |_| {
        let npmle = npmle(data);
        // Equal counts have equal posteriors.
        let cells: BTreeMap<coverage::Counts, Posterior> =
            data.cells().iter().map(|(counts, _)| (*counts, posterior(&npmle, *counts))).collect();
        Ok((spectrum(&npmle, data, per_decade), group.counts.iter().map(|counts| cells[counts]).collect()))
    })?;
    Ok(Difficulty { counts: counts.clone().unbind(), spectrum, problems })
}

#[pymethods]
impl Difficulty {
    #[getter]
    fn resolution(&self) -> f64 {
        self.spectrum.resolution
    }

    #[getter]
    fn share_resolution(&self) -> f64 {
        self.spectrum.least_share
    }

    #[getter]
    fn unresolved(&self) -> f64 {
        self.spectrum.resolved(self.spectrum.unresolved).unwrap_or(f64::NAN)
    }

    #[getter]
    fn edges<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let bins = &self.spectrum.bins;
        PyArray1::from_iter(py, bins.iter().map(|bin| bin.0).chain(bins.last().map(|bin| bin.1)))
    }

    #[getter]
    fn density<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let resolved =
            |&(from, to, density): &(f64, f64, f64)| self.spectrum.resolved(density * (to - from)).map(|_| density);
        floats(py, self.spectrum.bins.iter().map(resolved))
    }

    /// The columns problem_id, attempts, successes, class (easy, hard or unsolved), success (the mean of the success
    /// probability), low, high (its 95 % interval from the counts alone) and next (the probability that as many attempts
    /// again would hold a success) as a dict, a row for each problem.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.counts.bind(py);
        let class = |of: &Posterior| match of.class {
            Class::Easy => "easy",
            Class::Hard => "hard",
            Class::Unsolved => "unsolved",
        };
        let columns = PyDict::new(py);
        columns.set_item("problem_id", counts.getattr("problems")?.cast_into::<PyList>()?)?;
        columns.set_item("attempts", counts.getattr("n")?)?;
        columns.set_item("successes", counts.getattr("c")?)?;
        columns.set_item("class", texts(py, self.problems.iter().map(class))?)?;
        let numbers: &[(&str, Number<Posterior>)] = &[
            ("success", |of| Some(of.success)),
            ("low", |of| Some(of.low)),
            ("high", |of| Some(of.high)),
            ("next", |of| Some(of.next)),
        ];
        add_floats(&columns, &self.problems, numbers)?;
        Ok(columns)
    }

    /// The columns as a DataFrame. Needs pandas.
    fn to_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame(&self.columns(py)?)
    }

    fn __repr__(&self) -> String {
        let many = |class| self.problems.iter().filter(|of| of.class == class).count();
        let (easy, hard, unsolved) = (many(Class::Easy), many(Class::Hard), many(Class::Unsolved));
        format!("Difficulty({easy} easy, {hard} hard, {unsolved} unsolved)")
    }
}
