//! `retrial coverage`

use crate::{
    input::{InputArgs, headline, notes, positive},
    summary::{share, table_ks},
    ui,
};
use clap::Args;
use retrial_counts::Group;
use retrial_spec::{Error, Result};
use retrial_theory::{
    Data,
    coverage::{Estimator, Point, Scope, first_success_curve},
};
use serde::Serialize;
use serde_json::json;

/// Estimate pass@k, pass^k and G-Pass@k from success counts
///
/// pass@k by the unbiased estimator 1 - C(n-c, k) / C(n, k) and, where single attempts are known, by first successes;
/// pass^k: all of k attempts succeed; G-Pass@k: at least tau k of them do. 95 % intervals say what they hold for: the
/// same problems tried again (fixed benchmark), or other problems of the same kind (resampled problems). A k beyond the
/// attempts that were made is not available. Attempts that ended at a success (--stopped, --batch) have pass@k alone, by
/// the product limit (Kaplan-Meier) over batches: without bias at every k, with intervals for resampled problems that are
/// wide for a fixed benchmark.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial coverage counts.csv\n  retrial coverage counts.csv.gz --k 1,10,1e3 --tau 0.5,1 --json\n  \
                        retrial coverage results.jsonl --columns problem_id=task_id,success=passed\n  \
                        retrial coverage successes.csv --attempts 1e4 --problems 128\n  \
                        retrial coverage counts.csv --stopped --batch 60\n  retrial coverage runs/reproduce"
)]
pub struct Coverage {
    #[command(flatten)]
    input: InputArgs,
    /// Attempts k (default: powers of ten)
    #[arg(long, value_name = "K,..", value_delimiter = ',', value_parser = positive)]
    k: Vec<u64>,
    /// Also G-Pass@k at these shares of k
    #[arg(long, value_name = "TAU,..", value_delimiter = ',', allow_hyphen_values = true)]
    tau: Vec<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One estimate of one group at every k.
#[derive(Serialize)]
struct Estimate {
    /// What of k attempts is estimated, and how.
    estimate: String,
    points: Vec<Row>,
}

/// One estimate at one k; nothing where it is not available.
#[derive(Serialize)]
struct Row {
    k: u64,
    value: Option<f64>,
    /// 95 %, for the same problems tried again.
    fixed_benchmark: Option<[f64; 2]>,
    /// 95 %, for other problems of the same kind.
    resampled_problems: Option<[f64; 2]>,
}

impl Coverage {
    pub fn run(&self) -> Result<()> {
        if let Some(tau) = self.tau.iter().find(|tau| !(0.0..=1.0).contains(*tau)) {
            return Err(Error::input("tau", tau, "must be from 0 to 1"));
        }
        let mut text = String::from(
            "95 % intervals: fixed benchmark, for the same problems tried again; resampled problems, for others like them\n",
        );
        let mut objects = vec![];
        for group in self.input.read()? {
            let data = self.input.data(&group)?;
            let estimates = self.estimates(&group, &data)?;
            text += &format!("\n{}\n{}", headline(&group, &data), table(&estimates));
            if data.is_stopped() {
                text += "unbiased pass@k, pass^k and G-Pass@k are not available: attempts that stop at a success bias them\n";
                if let Some(batch) = data.batch().filter(|batch| *batch > 1) {
                    text += &format!(
                        "product limit over batches of {batch}; within a batch its successes are taken to lie anywhere in it\n"
                    );
                }
            }
            let Group { model, benchmark, .. } = &group;
            objects.push(json!({
                "group": group.to_string(), "model": model, "benchmark": benchmark, "problems": data.samples() as u64,
                "solved": data.solved() as u64, "attempts": [group.least_trials(), group.most_trials()],
                "stopped": data.is_stopped(), "batch": data.batch(), "notes": notes(&data), "confidence": 0.95, "estimates": estimates,
            }));
        }
        if self.json { ui::print_json(&objects) } else { ui::print(&text) }
    }

    fn estimates(&self, group: &Group, data: &Data) -> Result<Vec<Estimate>> {
        let ks = if self.k.is_empty() { table_ks(data.reach()) } else { self.k.clone() };
        let rows = |curve: &dyn Fn(Scope) -> Result<Vec<Point>>| {
            let (fixed, resampled) = (curve(Scope::Benchmark)?, curve(Scope::Population)?);
            let interval = |points: &[Point], k| points.iter().find(|p| p.k == k).map(|p| [p.low, p.high]);
            let row = |&k: &u64| Row {
                k,
                value: fixed.iter().find(|p| p.k == k).map(|p| p.value),
                fixed_benchmark: interval(&fixed, k),
                resampled_problems: interval(&resampled, k),
            };
            Ok::<_, Error>(ks.iter().map(row).collect())
        };
        let mut estimates = vec![];
        let mut add = |estimate: String, curve: &dyn Fn(Scope) -> Result<Vec<Point>>| {
            estimates.push(Estimate { estimate, points: rows(curve)? });
            Ok::<_, Error>(())
        };
        if data.is_stopped() {
            let name = if data.batch() == Some(1) { "first-success pass@k" } else { "product-limit pass@k" };
            add(name.into(), &|scope| Ok(data.curve(&ks, scope)))?;
            return Ok(estimates);
        }
        add("unbiased pass@k".into(), &|scope| data.unbiased(Estimator::Pass, &ks, scope))?;
        if let Some(mut first) = group.first_successes() {
            let trials = data.reach();
            first.iter_mut().for_each(|at| *at = at.filter(|&at| at < trials));
            add("first-success pass@k".into(), &|_| first_success_curve(&first, trials, &ks))?;
        }
        add("pass^k".into(), &|scope| data.unbiased(Estimator::AllPass, &ks, scope))?;
        for &tau in &self.tau {
            add(format!("G-Pass@k, tau {tau}"), &|scope| data.unbiased(Estimator::MostPass(tau), &ks, scope))?;
        }
        Ok(estimates)
    }
}

fn table(estimates: &[Estimate]) -> String {
    let mut rows = vec![["estimate", "k", "value", "fixed benchmark", "resampled problems"].map(String::from).to_vec()];
    // A bound of 1e-300 is a way to say 0.
    let end = |v: f64| share(if v < 1e-99 { 0.0 } else { v });
    let interval =
        |ends: Option<[f64; 2]>| ends.map_or(String::new(), |[low, high]| format!("[{}, {}]", end(low), end(high)));
    for Estimate { estimate, points } in estimates {
        for (i, row) in points.iter().enumerate() {
            rows.push(vec![
                if i == 0 { estimate.clone() } else { String::new() },
                ui::thousands(row.k),
                row.value.map_or("not available".into(), share),
                interval(row.fixed_benchmark),
                interval(row.resampled_problems),
            ]);
        }
    }
    ui::table(&rows)
}
