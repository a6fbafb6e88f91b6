//! Coverage against cost.

use crate::{arrays::frame, counts::Counts, fault::Result, fit::settings, watch::watched};
use numpy::PyArray1;
use pyo3::{prelude::*, types::PyDict};
use retrial_spec::Error;
use retrial_theory::{
    budget::{Bought, Outlook, Reached},
    coverage::Point,
    fit::{Kind, fit},
    laws::Cost as Price,
};

/// What coverage costs; made by cost. Its frame has the measured curve. Costs and budgets are per problem.
///
/// Attributes
/// ----------
/// attempts : int or None
///     Attempts per problem that the target takes; None without a target, or where none reach it.
/// cost : float or None
///     What they cost.
/// attempts_low, attempts_high : int or None
///     Their 95 % interval for other problems of the same kind; None in place of an end that is out of reach, and where there
///     is no interval.
/// forecast : bool or None
///     Whether the target lies beyond the attempts that were made.
/// affordable : int or None
///     Attempts per problem that the budget buys; None without a budget.
/// coverage : float or None
///     Their coverage; None where it would take a law and none fits.
/// allocation : ndarray of uint64, [problems], or None
///     Further attempts at each problem where the budget is spent on top of what was tried, where it helps most.
/// gain, even_gain : float or None
///     Problems that these are expected to solve, and that they would, spread evenly over the unsolved.
/// give_up_after : ndarray of uint64, [problems], or None
///     The same budget spent one attempt after the other: further attempts after which a problem is given up.
/// sequential_gain : float or None
///     Problems that these are expected to solve.
#[pyclass(frozen, module = "retrial")]
pub(crate) struct Cost {
    price: Price,
    band: Vec<Point>,
    reached: Option<Reached>,
    bought: Option<Bought>,
}

/// What a target costs, and what a budget buys.
///
/// A problem costs its prompt once and its decoded tokens at every attempt. Up to the attempts that were made coverage is
/// measured; beyond them a law forecasts it.
///
/// Parameters
/// ----------
/// counts : Counts
/// prompt_tokens, decode_tokens : float
///     Tokens of the prompt, paid once per problem, and tokens decoded per attempt.
/// flops_per_token : float, optional
///     About twice the parameters; or
/// prompt_price, decode_price : float, optional
///     Prices of a token, in any currency.
/// target : float, optional
///     Coverage to reach.
/// budget : float, optional
///     Cost per problem to spend: FLOPs, or the currency of the prices.
/// law : str
///     The law beyond the attempts that were made.
/// bootstrap, seed : int
///     Replicates for the interval of attempts of a law fitted by least squares, and their seed.
///
/// Returns
/// -------
/// Cost
#[pyfunction(name = "cost")]
#[pyo3(signature = (counts, *, prompt_tokens, decode_tokens, flops_per_token = None, prompt_price = None, decode_price = None, target = None, budget = None, law = "eq8", bootstrap = 200, seed = 1))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn of_counts(
    counts: &Bound<'_, Counts>,
    prompt_tokens: f64,
    decode_tokens: f64,
    flops_per_token: Option<f64>,
    prompt_price: Option<f64>,
    decode_price: Option<f64>,
    target: Option<f64>,
    budget: Option<f64>,
    law: &str,
    bootstrap: u32,
    seed: u64,
) -> Result<Cost> {
    let price = match (flops_per_token, prompt_price, decode_price) {
        (Some(flops), None, None) => Price::new(flops, prompt_tokens, decode_tokens)?,
        (None, Some(prompt), Some(decode)) => priced(prompt, decode, prompt_tokens, decode_tokens)?,
        _ => {
            let limit = "give flops_per_token, or prompt_price and decode_price";
            return Err(Error::input("cost of a token", "neither or both", limit).into());
        }
    };
    let (Counts { group, data, .. }, kind) = (counts.get(), Kind::named(law)?);
    let (band, reached, bought) = watched(counts.py(), None, |watch| {
        let outlook = Outlook::new(data.clone(), fit(kind, data).ok());
        let reached = target.map(|target| outlook.reach(target, &settings(bootstrap, seed), watch)).transpose()?;
        let bought = budget.map(|budget| outlook.buy(&price, budget, &group.counts)).transpose()?;
        Ok((data.band(), reached, bought))
    })?;
    Ok(Cost { price, band, reached, bought })
}

/// A price in money, rounded as that of the command line: prompt tokens weigh as so many decoded ones.
fn priced(prompt: f64, decode: f64, prompt_tokens: f64, decode_tokens: f64) -> Result<Price> {
    Price::priced(prompt, decode, prompt_tokens, decode_tokens)?; // which names what is out of range
    Ok(Price::new(decode, prompt_tokens * prompt / decode, decode_tokens)?)
}

/// Further attempts at each problem.
fn whole<'py>(py: Python<'py>, values: &[u64]) -> Bound<'py, PyArray1<u64>> {
    PyArray1::from_slice(py, values)
}

#[pymethods]
impl Cost {
    #[getter]
    fn attempts(&self) -> Option<u64> {
        self.reached?.trials
    }

    #[getter]
    fn cost(&self) -> Option<f64> {
        Some(self.price.total(self.reached?.trials? as f64))
    }

    #[getter]
    fn attempts_low(&self) -> Option<u64> {
        self.reached?.interval?[0]
    }

    #[getter]
    fn attempts_high(&self) -> Option<u64> {
        self.reached?.interval?[1]
    }

    #[getter]
    fn forecast(&self) -> Option<bool> {
        Some(self.reached?.forecast)
    }

    #[getter]
    fn affordable(&self) -> Option<u64> {
        Some(self.bought.as_ref()?.trials)
    }

    #[getter]
    fn coverage(&self) -> Option<f64> {
        self.bought.as_ref()?.coverage
    }

    #[getter]
    fn allocation<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<u64>>> {
        Some(whole(py, &self.bought.as_ref()?.allocation.as_ref()?.trials))
    }

    #[getter]
    fn gain(&self) -> Option<f64> {
        Some(self.bought.as_ref()?.allocation.as_ref()?.gain)
    }

    #[getter]
    fn even_gain(&self) -> Option<f64> {
        Some(self.bought.as_ref()?.allocation.as_ref()?.even_gain)
    }

    #[getter]
    fn give_up_after<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<u64>>> {
        Some(whole(py, &self.bought.as_ref()?.sequential.as_ref()?.until))
    }

    #[getter]
    fn sequential_gain(&self) -> Option<f64> {
        Some(self.bought.as_ref()?.sequential.as_ref()?.gain)
    }

    /// The measured curve as columns k, cost, coverage, low and high (for other problems of the same kind), a dict.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        columns.set_item("k", PyArray1::from_iter(py, self.band.iter().map(|at| at.k)))?;
        let costs = self.band.iter().map(|at| self.price.total(at.k as f64));
        columns.set_item("cost", PyArray1::from_iter(py, costs))?;
        columns.set_item("coverage", PyArray1::from_iter(py, self.band.iter().map(|at| at.value)))?;
        columns.set_item("low", PyArray1::from_iter(py, self.band.iter().map(|at| at.low)))?;
        columns.set_item("high", PyArray1::from_iter(py, self.band.iter().map(|at| at.high)))?;
        Ok(columns)
    }

    /// The columns as a DataFrame. Needs pandas.
    fn to_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame(&self.columns(py)?)
    }

    fn __repr__(&self) -> String {
        let number = |v: Option<u64>| v.map_or("None".into(), |v| v.to_string());
        format!("Cost(attempts={}, affordable={})", number(self.attempts()), number(self.affordable()))
    }
}
