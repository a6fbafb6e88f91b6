//! Models on the same problems.

use crate::{
    arrays::{Number, add_floats, attempts, frame, texts},
    counts::Counts,
    estimate::scope,
    fault::Result,
    fit::settings,
    watch::watched,
};
use numpy::PyArray1;
use pyo3::{
    prelude::*,
    types::{PyDict, PyList, PyTuple},
};
use retrial_counts::{Aligned, Group};
use retrial_spec::Error;
use retrial_theory::{
    compare::{Better, Difference, PValues, Pairs, ranks},
    coverage::{self, Scope, log_grid},
};

/// Models on the same problems; made by compare. Its frame has a row for each pair and k.
///
/// Attributes
/// ----------
/// pairs : list of Pair
///     Of two models the one pair; of more, every model with the next in order of pass@k at the first k.
/// models : list of str
///     In the order in which they were given.
/// left_out : list of int
///     Problems of each model that others have not.
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Comparison {
    #[pyo3(get)]
    models: Vec<String>,
    aligned: Aligned,
    duels: Vec<Duel>,
}

/// Two models.
struct Duel {
    models: [usize; 2],
    differences: Vec<Difference>,
    p_values: Vec<PValues>,
    wins: [f64; 3],
    bayes: Better,
}

/// Two models on the same problems.
///
/// Attributes
/// ----------
/// a, b : str
/// a_ahead, b_ahead, neither : int
///     Problems on which each has the larger share of successes.
/// a_bayes, b_bayes : (float, float)
///     Bayes@N: mean and standard deviation of the success rate of one attempt at these problems (arXiv 2510.04265).
/// a_better : float
///     The probability that a has the higher one.
#[pyclass(frozen, get_all, module = "retrial")]
pub(crate) struct Pair {
    a: String,
    b: String,
    a_ahead: u64,
    b_ahead: u64,
    neither: u64,
    a_bayes: (f64, f64),
    b_bayes: (f64, f64),
    a_better: f64,
}

#[pymethods]
impl Pair {
    fn __repr__(&self) -> String {
        format!("Pair(a={:?}, b={:?}, a_better={:.3})", self.a, self.b, self.a_better)
    }
}

/// Compares models on the same problems, which are matched by their names: by how much, how surely, and in which order.
///
/// Parameters
/// ----------
/// a, b, *others : Counts
///     Of at least two models.
/// k : int or array of int, optional
///     Attempts; powers of ten by default.
/// permutations : int
///     Random deals of the permutation tests.
/// seed : int
///     Of the permutation tests; results do not depend on threads.
///
/// Returns
/// -------
/// Comparison
#[pyfunction(name = "compare")]
#[pyo3(signature = (a, b, *others, k = None, permutations = 9999, seed = 1))]
pub(crate) fn of_counts(
    a: &Bound<'_, Counts>,
    b: &Bound<'_, Counts>,
    others: &Bound<'_, PyTuple>,
    k: Option<&Bound<'_, PyAny>>,
    permutations: u32,
    seed: u64,
) -> Result<Comparison> {
    let others = others.extract::<Vec<Bound<'_, Counts>>>()?;
    let all: Vec<&Counts> = [a, b].into_iter().chain(&others).map(Bound::get).collect();
    if all.iter().any(|counts| counts.data.is_stopped()) {
        let limit = "attempts that stopped at a success have no unbiased pass@k to compare";
        return Err(Error::input("compare", "stopped counts", limit).into());
    }
    let ks = k.map(attempts).transpose()?.map(|ks| ks.values);
    let groups: Vec<&Group> = all.iter().map(|counts| &counts.group).collect();
    let (aligned, duels) = watched(a.py(), None, |watch| {
        let aligned = Aligned::new(&groups)?;
        let reach = reach(&aligned);
        let ks = ks.unwrap_or_else(|| log_grid(reach, 1));
        if let Some(k) = ks.iter().find(|k| **k > reach) {
            let limit = format!("the fewest attempts at a problem are {reach}: ask for fewer");
            return Err(Error::input("k", k, limit));
        }
        let order = match groups.len() {
            2 => vec![0, 1],
            _ => ranks(&aligned.counts, ks[0], Scope::Benchmark)?.iter().map(|rank| rank.model).collect(),
        };
        let duel = |models: &[usize]| {
            let pairs = Pairs::new(&aligned.counts[models[0]], &aligned.counts[models[1]])?;
            Ok(Duel {
                models: [models[0], models[1]],
                differences: pairs.differences(&ks),
                p_values: pairs.permutation(&ks, &settings(permutations, seed), watch)?,
                wins: pairs.wins(),
                bayes: pairs.bayes(),
            })
        };
        let duels = order.windows(2).map(duel).collect::<retrial_spec::Result<_>>()?;
        Ok((aligned, duels))
    })?;
    let alone = |of: &Group| groups.iter().filter(|group| group.model == of.model).count() == 1;
    let name = |group: &&Group| if alone(group) { group.model.clone() } else { group.to_string() };
    Ok(Comparison { models: groups.iter().map(name).collect(), aligned, duels })
}

/// The fewest attempts at a problem.
fn reach(aligned: &Aligned) -> u64 {
    aligned.counts.iter().flatten().map(coverage::Counts::trials).min().unwrap_or(0)
}

#[pymethods]
impl Comparison {
    /// Names of the problems that all have, a list of str.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        texts(py, &self.aligned.problems)
    }

    #[getter]
    fn left_out(&self) -> Vec<usize> {
        self.aligned.left_out.clone()
    }

    #[getter]
    fn pairs(&self) -> Vec<Pair> {
        let pair = |duel: &Duel| {
            let [a, b] = duel.models.map(|model| self.models[model].clone());
            let [a_ahead, b_ahead, neither] = duel.wins.map(|problems| problems as u64);
            let [a_bayes, b_bayes] = duel.bayes.of.map(|of| (of.mean, of.deviation));
            Pair { a, b, a_ahead, b_ahead, neither, a_bayes, b_bayes, a_better: duel.bayes.probability }
        };
        self.duels.iter().map(pair).collect()
    }

    /// The models in order of pass@k, the best first.
    ///
    /// Parameters
    /// ----------
    /// k : int
    /// scope : {"benchmark", "population"}
    ///     Whether intervals and places are for these problems or for others of their kind.
    ///
    /// Returns
    /// -------
    /// dict
    ///     Columns model, value, low, high, and first and last: the places that a model may have, all of them at 95 %
    ///     together.
    #[pyo3(signature = (k, *, scope = "benchmark"))]
    fn ranking<'py>(&self, py: Python<'py>, k: u64, scope: &str) -> Result<Bound<'py, PyDict>> {
        let reach = reach(&self.aligned);
        if !(1..=reach).contains(&k) {
            return Err(Error::input("k", k, format!("must be from 1 to {reach}, the fewest attempts")).into());
        }
        let scope = self::scope(scope)?;
        let ranks = py.detach(|| ranks(&self.aligned.counts, k, scope))?;
        let columns = PyDict::new(py);
        columns.set_item("model", texts(py, ranks.iter().map(|rank| &self.models[rank.model]))?)?;
        columns.set_item("value", PyArray1::from_iter(py, ranks.iter().map(|rank| rank.value)))?;
        columns.set_item("low", PyArray1::from_iter(py, ranks.iter().map(|rank| rank.interval[0])))?;
        columns.set_item("high", PyArray1::from_iter(py, ranks.iter().map(|rank| rank.interval[1])))?;
        columns.set_item("first", PyArray1::from_iter(py, ranks.iter().map(|rank| rank.places[0] as u64)))?;
        columns.set_item("last", PyArray1::from_iter(py, ranks.iter().map(|rank| rank.places[1] as u64)))?;
        Ok(columns)
    }

    /// The columns a, b, k, pass_a, pass_b, difference, low, high and p (for these problems, tried again), others_low,
    /// others_high and others_p (for other problems of their kind) as a dict; NaN where something is not available.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let rows = |duel: &'_ Duel| duel.differences.len();
        let name = |side: usize| {
            let of = move |duel: &Duel| vec![self.models[duel.models[side]].clone(); rows(duel)];
            texts(py, self.duels.iter().flat_map(of).collect::<Vec<_>>())
        };
        let columns = PyDict::new(py);
        columns.set_item("a", name(0)?)?;
        columns.set_item("b", name(1)?)?;
        let points = self.duels.iter().flat_map(|duel| duel.differences.iter().zip(&duel.p_values));
        let points: Vec<_> = points.collect();
        columns.set_item("k", PyArray1::from_iter(py, points.iter().map(|(at, _)| at.k)))?;
        let numbers: &[(&str, Number<(&Difference, &PValues)>)] = &[
            ("pass_a", |(at, _)| Some(at.of[0])),
            ("pass_b", |(at, _)| Some(at.of[1])),
            ("difference", |(at, _)| Some(at.difference)),
            ("low", |(at, _)| Some(at.these[0])),
            ("high", |(at, _)| Some(at.these[1])),
            ("p", |(_, p)| Some(p.these)),
            ("others_low", |(at, _)| at.others.map(|ends| ends[0])),
            ("others_high", |(at, _)| at.others.map(|ends| ends[1])),
            ("others_p", |(_, p)| p.others),
        ];
        add_floats(&columns, &points, numbers)?;
        Ok(columns)
    }

    /// The columns as a DataFrame. Needs pandas.
    fn to_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame(&self.columns(py)?)
    }

    fn __repr__(&self) -> String {
        format!("Comparison({}: {} problems)", self.models.join(", "), self.aligned.problems.len())
    }
}
