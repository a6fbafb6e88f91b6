//! The exponent of the hard tail, compared across groups: training checkpoints, sizes of a model.

use crate::{
    fits::Fits,
    input::Convention,
    numbers::{Short, interval},
};
use retrial_report::{About, Axis, Curve, Curves, Figure};
use retrial_spec::text::visible;
use retrial_theory::fit::{Across, Fitted, Kind, across};
use serde::Serialize;

/// The exponent of one law over the groups of a benchmark.
#[derive(Serialize)]
pub struct Tails {
    pub benchmark: String,
    pub law: Kind,
    /// Model, exponent and its 95 % interval, in the order of the input.
    pub groups: Vec<(String, f64, Option<[f64; 2]>)>,
    /// Whether all have one.
    pub across: Across,
}

/// Laws whose beta says how fast the last problems are solved (Eqs. 8 and 9).
const KINDS: [Kind; 2] = [Kind::BETA, Kind::ZERO_INFLATED];

/// Every benchmark on which two groups or more have such a fit.
pub fn tails(fits: &[Fits]) -> Vec<Tails> {
    let mut benchmarks: Vec<&str> = vec![];
    for fits in fits {
        if !benchmarks.contains(&fits.group.benchmark.as_str()) {
            benchmarks.push(&fits.group.benchmark);
        }
    }
    let mut found = vec![];
    for benchmark in benchmarks {
        for law in KINDS {
            let of: Vec<(&Fits, &Fitted)> = fits
                .iter()
                .filter(|fits| fits.group.benchmark == benchmark)
                .filter_map(|fits| Some((fits, fits.of(law)?)))
                .collect();
            let pairs: Vec<_> = of.iter().map(|(fits, fitted)| (*fitted, &fits.data)).collect();
            let Some(across) = across(&pairs, "beta") else { continue };
            let group = |(fits, fitted): &(&Fits, &Fitted)| {
                let ends = fitted.intervals.iter().find(|i| i.parameter == "beta").map(|i| [i.low, i.high]);
                (fits.group.model.clone(), fitted.law.parameter("beta").unwrap_or(f64::NAN), ends)
            };
            found.push(Tails { benchmark: benchmark.into(), law, groups: of.iter().map(group).collect(), across });
        }
    }
    found
}

impl Tails {
    pub fn title(&self, convention: Convention) -> String {
        let on = if self.benchmark.is_empty() { String::new() } else { format!(" on {}", visible(&self.benchmark)) };
        format!("{} of {} across groups{on}", convention.name("beta"), self.law.name())
    }

    /// Rows of a table, a head first.
    pub fn table(&self, convention: Convention) -> Vec<Vec<String>> {
        let head = vec!["model".into(), convention.name("beta").into(), "95 % interval".into()];
        let row = |(model, value, ends): &(String, f64, Option<[f64; 2]>)| {
            let ends = ends.map_or("-".into(), |[low, high]| interval(low, high, [0.0, f64::INFINITY]));
            vec![visible(model).into_owned(), Short(*value).to_string(), ends]
        };
        [head].into_iter().chain(self.groups.iter().map(row)).collect()
    }

    /// Whether one exponent serves all, in a sentence.
    pub fn sentence(&self) -> String {
        let Across { common, interval: [low, high], statistic, freedom, p_value, .. } = self.across;
        let verdict = if p_value < 0.05 { "is refuted" } else { "is not refuted" };
        format!(
            "One exponent for all, {} [{}, {}], {verdict}: likelihood ratio {statistic:.2} with {freedom} degrees of freedom, p = {}",
            Short(common),
            Short(low),
            Short(high),
            if p_value < 1e-3 { format!("{p_value:.0e}") } else { format!("{p_value:.3}") }
        )
    }
}

/// Exponents in the order of the input, of every law and benchmark.
pub fn figure(tails: &[Tails], convention: Convention) -> Figure {
    let mut curves = vec![];
    for (color, tails) in tails.iter().enumerate() {
        // A bar for each: between groups there is nothing.
        for (i, (_, value, ends)) in tails.groups.iter().enumerate() {
            let (x, label) = ((i + 1) as f64, if i == 0 { tails.title(convention) } else { String::new() });
            let bar = ends.map_or(vec![], |[low, high]| [x - 0.1, x + 0.1].map(|x| (x, low, high.min(1e3))).to_vec());
            curves.push(Curve::new(label, [(x, *value)]).color(color).dots().band(bar));
        }
    }
    Curves { x: Axis::linear("group, in the order of the input"), y: Axis::log("exponent of the hard tail"), curves }
        .figure(About::new(
            "tails",
            "The exponent of the hard tail across groups",
            "With 95 % intervals by profile likelihood, if the law holds. The loss 1 - pass@k falls as k to the power of it \
             (Eq. 9).",
        ))
}
