//! Success counts of one model on one benchmark.

use crate::{
    arrays::{attempts, frame, texts},
    curve::Curve,
    estimate::{given, most_pass, scope, without_others},
    fault::{Result, warn},
    source::{batches, options, read},
};
use numpy::PyArray1;
use pyo3::{
    prelude::*,
    types::{PyDict, PyList},
};
use retrial_counts::{Group, Outcomes};
use retrial_spec::Error;
use retrial_theory::{
    Data,
    coverage::{self, Estimator, Point, Scope, anytime, clustered_curve},
};
use std::collections::{BTreeMap, HashSet};

/// Attempts and successes of one model at the problems of one benchmark.
///
/// Parameters
/// ----------
/// n : int or array of int
///     Attempts at each problem; stretched to the shape of c where it is one number.
/// c : int or array of int
///     Successes among them, one entry per problem.
/// problems : sequence of str, optional
///     Names of the problems, by which models are compared; "0", "1", ... by default.
/// model, benchmark : str, optional
///     Who was tried, on what.
/// clusters : sequence of str, optional
///     To what each problem belongs, for intervals for other clusters.
/// stopped : bool, optional
///     Attempts at a problem ended at its first success, or with `batch` at the end of the batch that held it.
/// batch : int, optional
///     Attempts came by so many until a batch held a success.
///
/// Attributes
/// ----------
/// n, c : ndarray of uint64, [problems], not to be written
///     Attempts and successes.
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Counts {
    pub(crate) group: Group,
    pub(crate) data: Data,
    #[pyo3(get)]
    n: Py<PyAny>,
    #[pyo3(get)]
    c: Py<PyAny>,
}

impl Counts {
    /// Warns where attempts seem to have stopped at a success that nobody said they did.
    pub(crate) fn build(py: Python<'_>, group: Group, batch: Option<u64>) -> Result<Self> {
        let data = py.detach(|| match batch {
            Some(batch) => Data::batched(&group.counts, batch),
            None => Data::new(&group.counts),
        })?;
        if let Some([solved, unsolved]) = data.seems_stopped() {
            let text = format!(
                "{group}: solved problems have fewer attempts ({solved:.1} on average) than unsolved ones ({unsolved:.1}): if \
                 attempts ended at a success, all that follows is biased without stopped=True (and batch=N where they came by N)"
            );
            warn(py, &text)?;
        }
        let column = |of: fn(&coverage::Counts) -> u64| -> PyResult<Py<PyAny>> {
            let array = PyArray1::from_vec(py, group.counts.iter().map(of).collect());
            array.getattr("flags")?.setattr("writeable", false)?;
            Ok(array.into_any().unbind())
        };
        let (n, c) = (column(coverage::Counts::trials)?, column(coverage::Counts::successes)?);
        Ok(Self { group, data, n, c })
    }

    fn curve(
        &self,
        py: Python<'_>,
        k: &Bound<'_, PyAny>,
        points: impl FnOnce(&[u64]) -> retrial_spec::Result<Vec<Point>> + Send,
    ) -> Result<Curve> {
        let ks = attempts(k)?;
        let points = py.detach(|| points(&ks.values))?;
        Ok(Curve::of_points(py, &ks.values, &points, ks.scalar)?)
    }

    fn unbiased(&self, k: &Bound<'_, PyAny>, estimator: Estimator, scope: Scope) -> Result<Curve> {
        let points = |ks: &[u64]| self.data.unbiased(estimator, ks, scope);
        self.curve(k.py(), k, |ks| Ok(without_others(&self.data, scope, points(ks)?)))
    }
}

#[pymethods]
impl Counts {
    #[new]
    #[pyo3(signature = (n, c, *, problems = None, model = "", benchmark = "", clusters = None, stopped = false, batch = None))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        n: &Bound<'_, PyAny>,
        c: &Bound<'_, PyAny>,
        problems: Option<Vec<String>>,
        model: &str,
        benchmark: &str,
        clusters: Option<Vec<String>>,
        stopped: bool,
        batch: Option<u64>,
    ) -> Result<Self> {
        let counts = given(n, c)?;
        let numbered = || (0..counts.len()).map(|problem| problem.to_string()).collect();
        let problems: Vec<Box<str>> = names(problems.unwrap_or_else(numbered), "problems", counts.len())?;
        if let Some(twice) = twice(&problems) {
            return Err(Error::input("problems", format!("{twice} twice"), "give each its own name").into());
        }
        let clusters = clusters.map(|given| names(given, "clusters", counts.len())).transpose()?.unwrap_or_default();
        let (model, benchmark) = (model.into(), benchmark.into());
        let group = Group { model, benchmark, problems, counts, clusters, outcomes: Outcomes::Counted, notes: vec![] };
        Self::build(n.py(), group, batches(stopped, batch)?)
    }

    /// Reads the counts of one model on one benchmark.
    ///
    /// Parameters
    /// ----------
    /// source : path, list of paths or DataFrame
    ///     Tables (CSV, JSON lines, Parquet; plain or gzipped), outcome matrices (.npy), files of evaluation harnesses, run
    ///     directories of retrial sample, known by their content as by the command line (retrial coverage --help lists
    ///     them). A table has a row per problem with problem_id, num_samples, num_correct, or one per attempt with
    ///     problem_id and success; and model, benchmark, cluster where there are several.
    /// group : str, optional
    ///     Text in "model, benchmark" of the one that is wanted.
    /// columns : dict of str to str, optional
    ///     What the table calls its columns, such as {"num_correct": "passed"}.
    /// attempts, problems : int, optional
    ///     Attempts per problem, and problems, where the source does not say.
    /// stopped, batch : optional
    ///     As of Counts.
    /// true : str, optional
    ///     The outcome that is a success, where that is not 1, true, pass or C.
    /// threshold : float, optional
    ///     Outcomes are scores, and a success is one of at least this.
    /// missing : {"error", "drop", "fail"}
    ///     What an attempt without an outcome is: a fault of the source, no attempt, or a failure.
    ///
    /// Returns
    /// -------
    /// Counts
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     Where the source is malformed, or holds several such groups; read_all returns all of them.
    /// OSError
    ///     Where it cannot be read.
    #[staticmethod]
    #[pyo3(signature = (source, *, group = None, columns = None, attempts = None, problems = None, stopped = false, batch = None, r#true = None, threshold = None, missing = "error"))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn read(
        source: &Bound<'_, PyAny>,
        group: Option<&str>,
        columns: Option<BTreeMap<String, String>>,
        attempts: Option<u64>,
        problems: Option<usize>,
        stopped: bool,
        batch: Option<u64>,
        r#true: Option<String>,
        threshold: Option<f64>,
        missing: &str,
    ) -> Result<Self> {
        let options = options(columns, attempts, problems, batches(stopped, batch)?, r#true, threshold, missing)?;
        let mut groups = read(source, &options, group)?;
        if let [_, _, ..] = &groups[..] {
            let names: Vec<String> = groups.iter().map(Group::to_string).collect();
            let limit = format!("name one by group=, of {}; or take Counts.read_all", names.join("; "));
            return Err(Error::input("source", format!("{} groups of counts", groups.len()), limit).into());
        }
        Self::build(source.py(), groups.remove(0), options.stopped)
    }

    /// Reads the counts of every model on every benchmark of a source.
    ///
    /// Parameters as of read.
    ///
    /// Returns
    /// -------
    /// list of Counts
    ///     In the order in which they first appear, at least one.
    #[staticmethod]
    #[pyo3(signature = (source, *, group = None, columns = None, attempts = None, problems = None, stopped = false, batch = None, r#true = None, threshold = None, missing = "error"))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn read_all(
        source: &Bound<'_, PyAny>,
        group: Option<&str>,
        columns: Option<BTreeMap<String, String>>,
        attempts: Option<u64>,
        problems: Option<usize>,
        stopped: bool,
        batch: Option<u64>,
        r#true: Option<String>,
        threshold: Option<f64>,
        missing: &str,
    ) -> Result<Vec<Self>> {
        let options = options(columns, attempts, problems, batches(stopped, batch)?, r#true, threshold, missing)?;
        let groups = read(source, &options, group)?.into_iter();
        groups.map(|group| Self::build(source.py(), group, options.stopped)).collect()
    }

    /// Unbiased pass@k: that at least one of k attempts succeeds; of stopped attempts by the product limit.
    ///
    /// Parameters
    /// ----------
    /// k : int or array of int
    ///     Attempts to estimate for, at least 1.
    /// scope : {"benchmark", "population", "clusters", "anytime"}
    ///     What the 95 % interval is for: these problems tried again; other problems of their kind; other clusters of
    ///     problems; or these problems, at whatever moment one stops.
    ///
    /// Returns
    /// -------
    /// Curve
    ///     The mean over the problems at each k; NaN where it is not available.
    #[pyo3(signature = (k, *, scope = "benchmark"))]
    pub(crate) fn pass_at_k(&self, k: &Bound<'_, PyAny>, scope: &str) -> Result<Curve> {
        let py = k.py();
        if matches!(scope, "clusters" | "anytime") && self.data.is_stopped() {
            let limit = "attempts that stopped at a success have intervals for population and benchmark alone";
            return Err(Error::input("scope", scope, limit).into());
        }
        match scope {
            "clusters" => {
                let none = || Error::input("scope", scope, "these counts have no clusters: give Counts(.., clusters=)");
                let clusters = self.group.cluster_numbers().ok_or_else(none)?;
                self.curve(py, k, |ks| clustered_curve(&self.group.counts, &clusters, ks))
            }
            "anytime" => self.curve(py, k, |ks| {
                let points = anytime(&self.group.counts, ks)?.into_iter();
                Ok(points.map(|(k, value, [low, high])| Point { k, value, low, high }).collect())
            }),
            _ => {
                let scope = crate::estimate::scope(scope)?;
                self.curve(py, k, |ks| Ok(without_others(&self.data, scope, self.data.curve(ks, scope))))
            }
        }
    }

    /// Unbiased pass^k: that all of k attempts succeed.
    ///
    /// Parameters and result as of retrial.pass_at_k.
    #[pyo3(signature = (k, *, scope = "benchmark"))]
    fn pass_hat_k(&self, k: &Bound<'_, PyAny>, scope: &str) -> Result<Curve> {
        self.unbiased(k, Estimator::AllPass, self::scope(scope)?)
    }

    /// Unbiased G-Pass@k: that at least ceil(tau k) of k attempts, and at least one, succeed.
    ///
    /// Parameters and result as of retrial.g_pass_at_k.
    #[pyo3(signature = (k, tau, *, scope = "benchmark"))]
    fn g_pass_at_k(&self, k: &Bound<'_, PyAny>, tau: f64, scope: &str) -> Result<Curve> {
        self.unbiased(k, most_pass(tau)?, self::scope(scope)?)
    }

    /// Who was tried.
    #[getter]
    fn model(&self) -> &str {
        &self.group.model
    }

    /// On what; may be empty.
    #[getter]
    fn benchmark(&self) -> &str {
        &self.group.benchmark
    }

    /// Names of the problems, a list of str.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        texts(py, &self.group.problems)
    }

    /// The attempts of a batch where attempts stopped at a success, else None.
    #[getter]
    fn batch(&self) -> Option<u64> {
        self.data.batch()
    }

    /// The largest k at which coverage is measured.
    #[getter]
    fn reach(&self) -> u64 {
        self.data.reach()
    }

    /// What to know of the source, a list of str.
    #[getter]
    fn notes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        texts(py, &self.group.notes)
    }

    /// The columns problem_id, num_samples and num_correct, and model and benchmark, as a dict.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (columns, all) = (PyDict::new(py), self.group.problems.len());
        columns.set_item("model", texts(py, vec![&self.group.model; all])?)?;
        columns.set_item("benchmark", texts(py, vec![&self.group.benchmark; all])?)?;
        columns.set_item("problem_id", self.problems(py)?)?;
        columns.set_item("num_samples", &self.n)?;
        columns.set_item("num_correct", &self.c)?;
        Ok(columns)
    }

    /// The columns as a DataFrame, a row for each problem, which read reads. Needs pandas.
    fn to_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame(&self.columns(py)?)
    }

    fn __len__(&self) -> usize {
        self.group.problems.len()
    }

    fn __repr__(&self) -> String {
        let Self { group, data, .. } = self;
        let (least, most) = (group.least_trials(), group.most_trials());
        let attempts = if least == most { most.to_string() } else { format!("{least} to {most}") };
        format!("Counts({group}: {} problems, {attempts} attempts; {} solved)", data.samples(), data.solved())
    }
}

/// As many names as there are problems.
fn names(given: Vec<String>, object: &str, count: usize) -> Result<Vec<Box<str>>> {
    if given.len() != count {
        return Err(Error::input(object, format!("{} names", given.len()), format!("there are {count} counts")).into());
    }
    Ok(given.into_iter().map(Into::into).collect())
}

/// The first name that was there before.
fn twice(names: &[Box<str>]) -> Option<&str> {
    let mut seen = HashSet::new();
    names.iter().find(|name| !seen.insert(&***name)).map(|name| &**name)
}
