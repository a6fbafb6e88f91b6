//! Everything fitted to a group of counts, as tables, sentences, CSV and JSON.

use crate::{
    folder,
    input::{Convention, notes},
    numbers::{Short, fixed, interval},
    ui,
};
use retrial_counts::Group;
use retrial_spec::Result;
use retrial_theory::{
    Data,
    coverage::Point,
    fit::{Fitted, Kind, Nested, NoFit, Range, fit, nested},
    npmle::Npmle,
};
use serde_json::{Map, Value, json};

/// A group and all that was fitted to it.
pub struct Fits {
    pub group: Group,
    pub data: Data,
    /// The likeliest of all mixing laws, where it was looked for.
    pub npmle: Option<Npmle>,
    /// Measured coverage with intervals for other problems of the same kind.
    pub band: Vec<Point>,
    /// In the order of the laws that were asked for.
    pub laws: Vec<(Kind, Result<Fitted, NoFit>)>,
}

impl Fits {
    /// Fits of a run: of the paper's laws alone, and beside no NPMLE, which take a moment however many samples there are.
    pub fn of_run(group: Group) -> Result<Self> {
        let kinds = [Kind::EQ8, Kind::BETA, Kind::ZERO_INFLATED, Kind::EQ12];
        let data = Data::new(&group.counts)?;
        let laws = kinds.into_iter().map(|kind| (kind, fit(kind, &data))).collect();
        Ok(Self { band: data.band(), group, data, npmle: None, laws })
    }

    /// The fit of one kind, if it was asked for and exists.
    pub fn of(&self, kind: Kind) -> Option<&Fitted> {
        self.laws.iter().find(|(of, _)| *of == kind)?.1.as_ref().ok()
    }

    /// The NPMLE, if it is what its name says.
    fn certified(&self) -> Option<&Npmle> {
        self.npmle.as_ref().filter(|npmle| npmle.is_certified())
    }

    /// Nats by which the NPMLE is likelier.
    fn behind(&self, fitted: &Fitted) -> Option<f64> {
        fitted.behind(self.npmle.as_ref()?)
    }

    /// How good the NPMLE is, in a line.
    pub fn certificate(&self) -> String {
        match (self.certified(), &self.npmle) {
            (Some(npmle), _) => {
                format!("NPMLE: nll {:.3}, certified to {:.0e}\n", npmle.nll.max(0.0), npmle.gap.max(1e-16))
            }
            (None, Some(npmle)) => format!("NPMLE: not found (certificate {:.0e})\n", npmle.gap),
            (None, None) => String::new(),
        }
    }

    /// How far curve laws see, where that is not as far as all attempts.
    pub fn reach(&self) -> Option<String> {
        let (seen, most) = (self.data.reach(), self.group.most_trials());
        (seen < most).then(|| {
            let [seen, most] = [seen, most].map(ui::thousands);
            format!("Laws by least squares, RMSE and worst see the curve to k = {seen}, the fewest attempts at a problem, not to {most}")
        })
    }

    /// Tests of laws against the narrower ones that they contain.
    fn nested(&self) -> Vec<Nested> {
        nested(self.laws.iter().filter_map(|(_, law)| law.as_ref().ok()))
    }

    /// Rows of a table, a head first.
    pub fn table(&self, convention: Convention) -> Vec<Vec<String>> {
        let head =
            ["law", "by", "A", "alpha", "beta", "others", "nll", "AIC", "BIC", "behind NPMLE", "p", "RMSE", "worst"];
        let mut rows = vec![head.map(String::from).to_vec()];
        for (kind, law) in &self.laws {
            let Ok(fitted) = law else {
                rows.push(vec![kind.name().into(), by(*kind).into(), "no fit".into()]);
                continue;
            };
            let value = |name| parameter(fitted, convention, name).map_or("-".into(), |v| Short(v).to_string());
            let places = |v: Option<f64>, places: usize| v.map_or("-".into(), |v| fixed(v, places));
            rows.push(vec![
                kind.name().into(),
                by(*kind).into(),
                value("A"),
                value("alpha"),
                value("beta"),
                others(fitted, convention),
                places(fitted.nll, 3),
                places(fitted.aic, 1),
                places(fitted.bic, 1),
                places(self.behind(fitted), 2),
                places(fitted.goodness.map(|g| g.p_value), 3),
                places(Some(fitted.misfit.rmse), 4),
                places(Some(fitted.misfit.max), 4),
            ]);
        }
        rows
    }

    /// Laws with a likelihood, and how good they are by AIC; the best first.
    fn by_aic(&self) -> Vec<(f64, &Fitted)> {
        let fitted = self.laws.iter().filter_map(|(_, law)| law.as_ref().ok());
        let mut laws: Vec<_> = fitted.filter_map(|law| Some((law.aic?, law))).collect();
        laws.sort_by(|a, b| a.0.total_cmp(&b.0));
        laws
    }

    /// The best law in a few lines: its misfit, its parameters with 95 % intervals, and whether it fits.
    pub fn summary(&self, convention: Convention) -> Vec<(&'static str, String)> {
        let laws = self.by_aic();
        let Some(&(aic, best)) = laws.first() else {
            let why = self.laws.iter().find_map(|(_, law)| law.as_ref().err());
            return vec![("Best law", why.map_or("none".into(), |why| format!("none: {why}")))];
        };
        let name = |fitted: &Fitted| fitted.law.kind().name();
        let next = laws.get(1).map(|(next, law)| format!("; next {}, {} behind", name(law), fixed(next - aic, 1)));
        let misfit = &best.misfit;
        let mut lines = vec![
            ("Best law", format!("{} (AIC {}{})", name(best), fixed(aic, 1), next.unwrap_or_default())),
            ("Misfit", format!("{} of coverage (RMS), at most {}", fixed(misfit.rmse, 4), fixed(misfit.max, 4))),
        ];
        lines.extend(best.law.parameters().into_iter().map(|(parameter, value)| {
            let found = best.intervals.iter().find(|of| of.parameter == parameter);
            let ends = found.map(|of| interval(of.low, of.high, range(best.law.kind(), parameter)));
            (
                convention.name(parameter),
                format!("{} {}", Short(value), ends.unwrap_or_default()).trim_end().to_string(),
            )
        }));
        lines.push(("Verdict", best.standing(&self.band)));
        let fitted = self.laws.iter().filter_map(|(_, law)| law.as_ref().ok());
        let refuted: Vec<&str> = fitted.filter(|law| law.is_refuted(&self.band)).map(name).collect();
        if !refuted.is_empty() {
            lines.push(("Refuted", refuted.join(", ")));
        }
        let beaten = self.nested().into_iter().filter(|test| test.p_value < 0.05);
        lines.extend(beaten.map(|test| ("Narrower", nested_sentence(&test))));
        lines
    }

    /// A sentence for each law, and for each that contains a narrower one.
    pub fn verdicts(&self) -> Vec<String> {
        let sentences = self.laws.iter().map(|(kind, law)| format!("{}: {}", kind.name(), self.sentence(law)));
        sentences.chain(self.nested().iter().map(nested_sentence)).collect()
    }

    /// Whether the law fits, in words.
    fn sentence(&self, law: &Result<Fitted, NoFit>) -> String {
        match law {
            Ok(fitted) => fitted.verdict_beside(&self.band),
            Err(why) => format!("there is no fit: {why}"),
        }
    }

    /// Rows of a table of the intervals, a head first.
    pub fn intervals(&self, convention: Convention) -> Vec<Vec<String>> {
        let mut rows = vec![["law", "parameter", "value", "interval", "by"].map(String::from).to_vec()];
        for fitted in self.laws.iter().filter_map(|(_, law)| law.as_ref().ok()) {
            for of in &fitted.intervals {
                rows.push(vec![
                    fitted.law.kind().name().into(),
                    convention.name(of.parameter).into(),
                    fitted.law.parameter(of.parameter).map_or("-".into(), |v| Short(v).to_string()),
                    interval(of.low, of.high, range(fitted.law.kind(), of.parameter)),
                    of.method.to_string(),
                ]);
            }
        }
        rows
    }

    /// One JSON object per law.
    pub fn objects(&self, convention: Convention) -> Vec<Value> {
        let Group { model, benchmark, .. } = &self.group;
        let object = |(kind, law): &(Kind, Result<Fitted, NoFit>)| {
            let fitted = law.as_ref().ok();
            let value = |name| fitted.and_then(|f| parameter(f, convention, name));
            let parameters: Option<Map<String, Value>> = fitted.map(|f| {
                f.law.parameters().into_iter().map(|(name, v)| (convention.name(name).into(), json!(v))).collect()
            });
            let interval = |i: &retrial_theory::fit::Interval| {
                let [least, most] = range(*kind, i.parameter);
                json!({
                    "parameter": convention.name(i.parameter), "method": i.method, "low": i.low, "high": i.high,
                    "identified": i.low > least || i.high < most,
                })
            };
            let goodness = fitted.and_then(|f| Some((self.certified()?, self.behind(f)?, f.goodness)));
            let nested = self.nested().into_iter().find(|test| test.wider == *kind);
            json!({
                "group": self.group.to_string(), "model": model, "benchmark": benchmark,
                "problems": self.data.samples() as u64, "notes": notes(&self.group, &self.data), "law": kind.name(), "by": by(*kind),
                "convention": convention, "A": value("A"), "alpha": value("alpha"), "beta": value("beta"),
                "parameters": parameters, "nll": fitted.and_then(|f| f.nll),
                "aic": fitted.and_then(|f| f.aic), "bic": fitted.and_then(|f| f.bic),
                "misfit": fitted.map(|f| f.misfit),
                "intervals": fitted.map(|f| f.intervals.iter().map(interval).collect::<Vec<_>>()),
                "goodness": goodness.map(|(npmle, nats, tested)| json!({
                    "npmle_nll": npmle.nll, "npmle_gap": npmle.gap, "behind_npmle": nats,
                    "p_value": tested.map(|g| g.p_value), "replicates": tested.map_or(0, |g| g.replicates),
                })),
                "nested": nested.map(|test| json!({
                    "narrower": test.narrower, "statistic": test.statistic, "p_value": test.p_value,
                })),
                "seen_to": self.data.reach(), "outside_band": fitted.and_then(|f| f.outside(&self.band)), "verdict": self.sentence(law),
            })
        };
        self.laws.iter().map(object).collect()
    }
}

/// Whether a law is refuted by one that contains it, in words.
fn nested_sentence(test: &Nested) -> String {
    let Nested { narrower, wider, statistic, p_value } = test;
    let verdict = if *p_value < 0.05 { "is refuted by" } else { "is not refuted by" };
    let (narrower, wider) = (narrower.name(), wider.name());
    format!("{narrower} {verdict} {wider}: likelihood ratio {statistic:.2}, p = {p_value:.3}")
}

/// All that a parameter can be.
fn range(kind: Kind, parameter: &str) -> [f64; 2] {
    let found = kind.parameters().iter().find(|p| p.name == parameter);
    found.map_or(Range::Real, |p| p.range).ends()
}

fn by(kind: Kind) -> &'static str {
    if kind.by_likelihood() { "likelihood" } else { "least squares" }
}

/// A parameter by its name in the convention. Mixing laws without an `A` of their own hold that every problem can be
/// solved, `A = 1`.
fn parameter(fitted: &Fitted, convention: Convention, name: &'static str) -> Option<f64> {
    // Swapping twice gives back the paper's name.
    let found = fitted.law.parameter(convention.name(name));
    found.or_else(|| (name == "A" && fitted.law.kind().by_likelihood()).then_some(1.0))
}

/// The parameters that have no column of their own.
fn others(fitted: &Fitted, convention: Convention) -> String {
    let of_column = |name: &str| ["A", "alpha", "beta"].contains(&name);
    let parameters = fitted.law.parameters().into_iter().filter(|(name, _)| !of_column(name));
    let text: Vec<String> = parameters.map(|(name, v)| format!("{} {}", convention.name(name), Short(v))).collect();
    if text.is_empty() { "-".into() } else { text.join(", ") }
}

/// `fits.csv`: a row per group and law.
pub fn csv(fits: &[Fits], convention: Convention) -> Result<String> {
    let head = [
        "model",
        "benchmark",
        "law",
        "by",
        "convention",
        "A",
        "alpha",
        "beta",
        "parameters",
        "nll",
        "aic",
        "bic",
        "rmse",
        "worst",
        "behind_npmle",
        "p_value",
        "verdict",
    ];
    let row = |fits: &Fits, kind: Kind, law: &Result<Fitted, NoFit>| {
        let Group { model, benchmark, .. } = &fits.group;
        let fitted = law.as_ref().ok();
        let value = |name| fitted.and_then(|f| parameter(f, convention, name));
        let behind = fitted.and_then(|f| fits.behind(f));
        (
            (model.clone(), benchmark.clone(), kind.name(), by(kind), convention),
            (value("A"), value("alpha"), value("beta"), fitted.map(|f| others(f, convention))),
            (fitted.and_then(|f| f.nll), fitted.and_then(|f| f.aic), fitted.and_then(|f| f.bic)),
            (fitted.map(|f| f.misfit.rmse), fitted.map(|f| f.misfit.max), behind),
            fitted.and_then(|f| f.goodness).map(|g| g.p_value),
            fits.sentence(law),
        )
    };
    folder::csv(head, fits.iter().flat_map(|fits| fits.laws.iter().map(|(kind, law)| row(fits, *kind, law))))
}
