//! Laws, and laws fitted to counts.

use crate::{
    arrays::{Number, add_floats, floats, frame, real, texts, values},
    counts::Counts,
    fault::Result,
    watch::watched,
};
use pyo3::{exceptions::PyKeyError, prelude::*, types::PyDict};
use retrial_spec::Error;
use retrial_theory::{
    coverage::Point,
    fit::{self, Fitted, Kind, Settings, study_all},
    npmle::{Npmle, npmle},
};
use std::collections::BTreeMap;

/// A scaling law with its parameters.
///
/// Parameters
/// ----------
/// name : str
///     One of Law.names().
/// **parameters : float
///     As the name asks. alpha and beta are of the failure probability, as in Levi's paper; beta is the exponent of the
///     hard tail.
///
/// Examples
/// --------
/// >>> import retrial
/// >>> round(retrial.Law("beta-binomial", alpha=4.65, beta=0.361).coverage(1000), 4)
/// 0.8599
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Law(pub(crate) fit::Law);

#[pymethods]
impl Law {
    #[new]
    #[pyo3(signature = (name, **parameters))]
    fn new(name: &str, parameters: Option<BTreeMap<String, f64>>) -> Result<Self> {
        let parameters = parameters.unwrap_or_default();
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (&**name, *value)).collect();
        Ok(Self(fit::Law::new(Kind::named(name)?, &parameters)?))
    }

    /// The names of all laws, with a line on what each says, as a dict.
    #[staticmethod]
    fn names(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let names = PyDict::new(py);
        Kind::ALL.iter().try_for_each(|kind| names.set_item(kind.name(), kind.about()))?;
        Ok(names)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.kind().name()
    }

    /// Its parameters by name, a dict of float.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parameters = PyDict::new(py);
        self.0.parameters().into_iter().try_for_each(|(name, value)| parameters.set_item(name, value))?;
        Ok(parameters)
    }

    /// Coverage of k attempts.
    ///
    /// Parameters
    /// ----------
    /// k : float or array of float
    ///     Attempts per problem, at least 0, whole or not.
    ///
    /// Returns
    /// -------
    /// float or ndarray of float64, [k]
    fn coverage(&self, k: &Bound<'_, PyAny>) -> Result<Py<PyAny>> {
        coverage(&self.0, k)
    }

    fn __repr__(&self) -> String {
        let parameters: String = self.0.parameters().iter().map(|(name, v)| format!(", {name}={v}")).collect();
        format!("Law({:?}{parameters})", self.0.kind().name())
    }
}

fn coverage(law: &fit::Law, k: &Bound<'_, PyAny>) -> Result<Py<PyAny>> {
    let ks = real("k", k)?;
    if let Some(k) = ks.values.iter().find(|k| k.is_nan() || **k < 0.0) {
        return Err(Error::input("k", k, "must be at least 0").into());
    }
    Ok(values(k.py(), ks.values.iter().map(|&k| law.coverage(k)).collect(), ks.scalar)?)
}

/// A law fitted to counts.
///
/// Attributes
/// ----------
/// law : Law
/// by : {"likelihood", "least squares"}
/// nll, aic, bic : float or None
///     Negative log likelihood in nats, binomial coefficients included, and criteria; None of least squares.
/// rmse, worst : float
///     Distance from the measured coverage, root mean square and largest.
/// intervals : dict of str to (float, float)
///     95 % intervals of the parameters, if the law holds.
/// behind_npmle : float or None
///     Nats by which the likeliest of all mixing laws is ahead.
/// p_value : float or None
///     Of the goodness of fit; None without bootstrap.
/// verdict : str
///     Whether it fits, in words.
#[pyclass(frozen, get_all, module = "retrial")]
pub(crate) struct LawFit {
    law: Py<Law>,
    by: &'static str,
    nll: Option<f64>,
    aic: Option<f64>,
    bic: Option<f64>,
    rmse: f64,
    worst: f64,
    intervals: BTreeMap<&'static str, (f64, f64)>,
    behind_npmle: Option<f64>,
    p_value: Option<f64>,
    verdict: String,
}

#[pymethods]
impl LawFit {
    /// Coverage of k attempts; as of Law.
    fn coverage(&self, k: &Bound<'_, PyAny>) -> Result<Py<PyAny>> {
        coverage(&self.law.get().0, k)
    }

    fn __repr__(&self) -> String {
        format!("LawFit({}: {})", self.law.get().__repr__(), self.verdict)
    }
}

/// The laws fitted to counts; made by fit. fit["eq8"] is the LawFit of one.
///
/// Attributes
/// ----------
/// laws : dict of str to LawFit
///     Those that have a fit, by name.
/// no_fit : dict of str to str
///     Why the others have none.
/// npmle_nll, npmle_gap : float
///     Negative log likelihood of the likeliest of all mixing laws, and the certificate that there is no likelier one.
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Fit {
    fits: Vec<(&'static str, Py<LawFit>)>,
    #[pyo3(get)]
    no_fit: BTreeMap<&'static str, String>,
    #[pyo3(get)]
    npmle_nll: f64,
    #[pyo3(get)]
    npmle_gap: f64,
}

/// Fits scaling laws to counts: mixing laws by maximum likelihood, curve laws by least squares on the coverage curve.
///
/// Parameters
/// ----------
/// counts : Counts
/// laws : sequence of str, optional
///     Names of laws; all that are fitted by default.
/// bootstrap : int
///     Replicates for p-values of mixing laws and for the intervals of curve laws; 0 for none.
/// seed : int
///     Of the replicates; results do not depend on threads.
///
/// Returns
/// -------
/// Fit
#[pyfunction(name = "fit")]
#[pyo3(signature = (counts, laws = None, *, bootstrap = 0, seed = 1))]
pub(crate) fn of_counts(
    counts: &Bound<'_, Counts>,
    laws: Option<Vec<String>>,
    bootstrap: u32,
    seed: u64,
) -> Result<Fit> {
    let (py, data) = (counts.py(), &counts.get().data);
    let kinds = kinds(laws)?;
    let (npmle, band, fitted) = watched(py, None, |watch| {
        let npmle = npmle(data);
        let fitted = study_all(&kinds, data, &npmle, &settings(bootstrap, seed), watch)?;
        Ok((npmle, data.band(), fitted))
    })?;
    let (mut fits, mut no_fit) = (vec![], BTreeMap::new());
    for (kind, fitted) in kinds.iter().zip(fitted) {
        match fitted {
            Ok(fitted) => fits.push((kind.name(), Py::new(py, LawFit::new(py, &fitted, &npmle, &band)?)?)),
            Err(why) => drop(no_fit.insert(kind.name(), why.to_string())),
        }
    }
    Ok(Fit { fits, no_fit, npmle_nll: npmle.nll, npmle_gap: npmle.gap })
}

#[pymethods]
impl Fit {
    #[getter]
    fn laws<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let laws = PyDict::new(py);
        self.fits.iter().try_for_each(|(name, fit)| laws.set_item(name, fit))?;
        Ok(laws)
    }

    fn __getitem__(&self, py: Python<'_>, law: &str) -> PyResult<Py<LawFit>> {
        match (self.fits.iter().find(|(name, _)| *name == law), self.no_fit.get(law)) {
            (Some((_, fit)), _) => Ok(fit.clone_ref(py)),
            (None, Some(why)) => Err(PyKeyError::new_err(format!("{law} has no fit: {why}"))),
            (None, None) => Err(PyKeyError::new_err(format!("{law} was not fitted"))),
        }
    }

    /// The laws that have a fit as columns, a dict: law, by, a column for every parameter, nll, aic, bic, behind_npmle,
    /// p_value, rmse, worst and verdict; NaN where a law has none.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fits: Vec<&LawFit> = self.fits.iter().map(|(_, fit)| fit.get()).collect();
        let columns = PyDict::new(py);
        columns.set_item("law", texts(py, self.fits.iter().map(|(name, _)| *name))?)?;
        columns.set_item("by", texts(py, fits.iter().map(|fit| fit.by))?)?;
        let of = |fit: &LawFit, name: &str| fit.law.get().0.parameter(name);
        for name in fits.iter().flat_map(|fit| fit.law.get().0.parameters()).map(|(name, _)| name) {
            columns.set_item(name, floats(py, fits.iter().map(|fit| of(fit, name))))?;
        }
        let numbers: &[(&str, Number<&LawFit>)] = &[
            ("nll", |fit| fit.nll),
            ("aic", |fit| fit.aic),
            ("bic", |fit| fit.bic),
            ("behind_npmle", |fit| fit.behind_npmle),
            ("p_value", |fit| fit.p_value),
            ("rmse", |fit| Some(fit.rmse)),
            ("worst", |fit| Some(fit.worst)),
        ];
        add_floats(&columns, &fits, numbers)?;
        columns.set_item("verdict", texts(py, fits.iter().map(|fit| &fit.verdict))?)?;
        Ok(columns)
    }

    /// The columns as a DataFrame, a row for each law. Needs pandas.
    fn to_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame(&self.columns(py)?)
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.fits.iter().map(|(name, _)| *name).collect();
        format!("Fit({}; no fit of {} others)", names.join(", "), self.no_fit.len())
    }
}

impl LawFit {
    fn new(py: Python<'_>, fitted: &Fitted, npmle: &Npmle, band: &[Point]) -> PyResult<Self> {
        let kind = fitted.law.kind();
        Ok(Self {
            law: Py::new(py, Law(fitted.law))?,
            by: if kind.by_likelihood() { "likelihood" } else { "least squares" },
            nll: fitted.nll,
            aic: fitted.aic,
            bic: fitted.bic,
            rmse: fitted.misfit.rmse,
            worst: fitted.misfit.max,
            intervals: fitted.intervals.iter().map(|of| (of.parameter, (of.low, of.high))).collect(),
            behind_npmle: fitted.behind(npmle),
            p_value: fitted.goodness.map(|goodness| goodness.p_value),
            verdict: fitted.verdict_beside(band),
        })
    }
}

/// Laws by their names, or all that are fitted.
pub(crate) fn kinds(names: Option<Vec<String>>) -> Result<Vec<Kind>> {
    match names {
        None => Ok(Kind::fitted().collect()),
        Some(names) => Ok(names.iter().map(|name| Kind::named(name)).collect::<retrial_spec::Result<_>>()?),
    }
}

/// Replicates and their seed.
pub(crate) fn settings(replicates: u32, seed: u64) -> Settings {
    Settings { replicates, seed }
}
