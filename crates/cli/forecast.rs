//! `retrial forecast`

use crate::{
    backtest,
    input::{InputArgs, Reading, given_law, headline, law, notes, positive, replicates},
    numbers::share,
    progress::Terminal,
    ui,
};
use clap::Args;
use retrial_counts::Group;
use retrial_spec::{Error, Result};
use retrial_theory::{
    Data,
    fit::{Kind, Law, Settings},
    forecast::{self, Forecast as At, Method},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Forecast coverage beyond the attempts that were made
///
/// Every law with intervals that hold if the law does: of mixing laws by profile likelihood, of curve laws by BCa
/// bootstrap. Worst-case bounds over all laws that fit the counts hold whatever the law. Where problems were tried
/// equally often, smoothed Good-Toulmin and Chao's lower bound. --backtest shows each method only the first attempts and
/// scores what it says of all, over the groups that the methods have in common.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial forecast counts.csv --k 1e5,1e6\n  retrial forecast counts.csv --k 1e6 --law beta-binomial \
                        --bootstrap 1000 --json\n  retrial forecast --law-at zero-inflated:A=0.9,alpha=3,beta=0.4 --k 1,1e3,1e9\n  retrial forecast attempts.csv.gz --attempts 1e4 --problems 128 \
                        --backtest 100,300,1000"
)]
pub struct Forecast {
    /// Files and directories of counts, as in retrial coverage
    #[arg(value_name = "FILE", required_unless_present = "law_at")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Attempts per problem to forecast
    #[arg(long, value_name = "K,..", value_delimiter = ',', value_parser = attempts, required_unless_present = "backtest")]
    k: Vec<f64>,
    /// Laws to use (default: all), by the names of retrial fit
    #[arg(long, value_name = "LAW,..", value_delimiter = ',', value_parser = law)]
    law: Vec<Kind>,
    /// A law with its parameters, evaluated as it is; may be given again. Needs no file
    #[arg(long, value_name = "LAW:NAME=X,..", value_parser = given_law, conflicts_with = "backtest")]
    law_at: Vec<Law>,
    /// Replicates for the intervals of curve laws, which have no likelihood; 0 for none
    #[arg(long, value_name = "B", default_value_t = 200, value_parser = replicates)]
    bootstrap: u32,
    /// Seed of the replicates; results do not depend on threads
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Show the methods only this many attempts and score their forecast of all (needs a table of attempts)
    #[arg(long, value_name = "M,..", value_delimiter = ',', value_parser = positive)]
    backtest: Vec<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Forecast {
    pub fn run(&self) -> Result<()> {
        if self.files.is_empty() {
            return self.given();
        }
        let input = InputArgs { files: self.files.clone(), reading: self.reading.clone() };
        let groups = input.read()?;
        let terminal = Terminal::new();
        if !self.backtest.is_empty() {
            if self.reading.stopped {
                let limit = "attempts that stopped at a success hide none to foretell: drop --stopped or --backtest";
                return Err(Error::input("backtest", "--stopped as well", limit));
            }
            if !self.k.is_empty() {
                return Err(Error::input(
                    "backtest",
                    "--k as well",
                    "it forecasts all attempts that were made: drop --k",
                ));
            }
            return backtest::run(&groups, &self.backtest, &terminal, self.json);
        }
        let mut text = String::from(
            "95 % intervals, for other problems of the same kind: of laws, if the law holds; bounds, whatever the law\n",
        );
        let mut objects = vec![];
        for group in groups {
            let data = self.reading.data(&group)?;
            let methods = self.methods(&data, &terminal)?;
            terminal.clear();
            text += &format!("\n{}\n{}", headline(&group, &data), self.table(&methods));
            let left_out =
                methods.iter().filter_map(|m| Some((&m.name, m.says.clone().err().or_else(|| note(m, &data))?)));
            text += &left_out.map(|(name, why)| format!("{name}: {why}\n")).collect::<String>();
            objects.extend(methods.iter().map(|method| self.object(&group, &data, method)));
        }
        if self.json { ui::print_json(&objects) } else { ui::print(&text) }
    }

    fn methods(&self, data: &Data, terminal: &Terminal) -> Result<Vec<Method>> {
        let settings = Settings { replicates: self.bootstrap, seed: self.seed };
        let kinds: Vec<Kind> = if self.law.is_empty() { Kind::fitted().collect() } else { self.law.clone() };
        let mut methods = forecast::methods(&kinds, data, &self.k, &settings, terminal)?;
        methods.splice(kinds.len()..kinds.len(), self.law_at.iter().map(|law| self.law(law)));
        Ok(methods)
    }

    /// Laws that were given, without counts.
    fn given(&self) -> Result<()> {
        let methods: Vec<Method> = self.law_at.iter().map(|law| self.law(law)).collect();
        if self.json {
            let object = |(law, method): (&Law, &Method)| {
                let points = method.says.iter().flatten().map(|at| json!({ "k": at.k, "value": at.value }));
                json!({ "law": law, "points": points.collect::<Vec<_>>() })
            };
            return ui::print_json(&self.law_at.iter().zip(&methods).map(object).collect::<Vec<_>>());
        }
        ui::print(&self.table(&methods))
    }

    /// A law that was given, at every k.
    fn law(&self, law: &Law) -> Method {
        let at = |&k: &f64| At { k, value: law.coverage(k), low: None, high: None };
        let says = Ok(self.k.iter().map(at).collect());
        Method { name: format!("given: {law}"), intervals: None, says, stands_in: None }
    }

    fn table(&self, methods: &[Method]) -> String {
        let head = |k: &f64| if *k < 1e15 { format!("k = {}", ui::thousands(*k as u64)) } else { format!("k = {k:e}") };
        let first = ["method", "interval by"].map(String::from);
        let mut rows = vec![first.into_iter().chain(self.k.iter().map(head)).collect::<Vec<_>>()];
        for Method { name, intervals, says, .. } in methods {
            let Ok(points) = says else { continue };
            let cell = |k: &f64| points.iter().find(|at| at.k == *k).map_or("not available".into(), show);
            let by = intervals.as_ref().map_or("-".into(), |(by, _)| by.clone());
            rows.push([name.clone(), by].into_iter().chain(self.k.iter().map(cell)).collect());
        }
        ui::table(&rows)
    }

    fn object(&self, group: &Group, data: &Data, method: &Method) -> Value {
        let points = method.says.as_ref().ok();
        let point = |&k: &f64| {
            let at = points.and_then(|points| points.iter().find(|at| at.k == k));
            // A value that is not a number becomes null, and + 0.0 turns -0 into 0.
            json!({ "k": k, "value": at.map(|at| at.value + 0.0), "low": at.and_then(|at| at.low).map(|v| v + 0.0), "high": at.and_then(|at| at.high).map(|v| v + 0.0) })
        };
        json!({
            "group": group.to_string(), "model": group.model, "benchmark": group.benchmark,
            "measured_to": data.reach(), "method": method.name, "confidence": 0.95,
            "interval_by": method.intervals.as_ref().map(|(by, _)| by),
            "holds_if": method.intervals.as_ref().map(|(_, condition)| condition), "notes": notes(group, data),
            "points": self.k.iter().map(point).collect::<Vec<_>>(), "not_available": method.says.as_ref().err(),
            "note": note(method, data),
        })
    }
}

/// What to know of a law that lies below what was measured.
fn note(method: &Method, data: &Data) -> Option<String> {
    let [law, measured] = method.stands_in?.map(share);
    let reach = ui::thousands(data.reach());
    Some(format!("its own {law} lies below the {measured} measured at {reach} attempts, which stands in"))
}

/// A forecast with its interval; of bounds, the interval alone.
fn show(at: &At) -> String {
    let value = if at.value.is_nan() { String::new() } else { share(at.value) };
    let interval = at.low.zip(at.high).map(|(low, high)| format!("[{}, {}]", share(low), share(high)));
    [value, interval.unwrap_or_default()].join(" ").trim().to_string()
}

/// A number of attempts, whole or not needed to be: laws are continuous in it.
fn attempts(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(k) if (1.0..=1e15).contains(&k) => Ok(k),
        _ => Err("must be a number from 1 to 1e15, such as 1e6".into()),
    }
}
