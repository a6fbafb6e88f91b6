//! `retrial coverage`

use crate::{
    input::{InputArgs, formats_help, headline, notes, positive},
    numbers::{share, share_with_interval, table_ks},
    ui,
};
use clap::Args;
use retrial_counts::Group;
use retrial_spec::{Error, Result, text::visible};
use retrial_theory::{
    Data,
    coverage::{Estimator, Point, Scope, anytime, clustered_curve, first_success_curve},
};
use serde::Serialize;
use serde_json::json;
use std::{fmt, process::ExitCode};

const EXAMPLES: &str = "Examples:\n  retrial coverage counts.csv\n  retrial coverage counts.csv.gz --k 1,10,1e3 --tau 0.5,1 --json\n  \
                        retrial coverage samples_gsm8k.jsonl\n  retrial coverage results.jsonl --columns problem_id=name,success=score --threshold 0.5\n  \
                        retrial coverage successes.csv --attempts 1e4 --problems 128\n  \
                        retrial coverage counts.csv --stopped --batch 60\n  retrial coverage runs/reproduce\n  \
                        retrial coverage counts.csv --require 'pass@1>=0.8' --least-per-problem 0.2    # exit code 1 if not";

/// Estimate pass@k, pass^k and G-Pass@k from success counts
///
/// pass@k by the unbiased estimator 1 - C(n-c, k) / C(n, k) and, where single attempts are known, by first successes;
/// pass^k: all of k attempts succeed; G-Pass@k: at least tau k of them do. 95 % intervals say what they hold for: the
/// same problems tried again (fixed benchmark), or other problems of the same kind (resampled problems). A k beyond the
/// attempts that were made is not available. With a column that says what problems belong together (--columns
/// cluster=subject), intervals for other such clusters stand beside. Attempts that ended at a success (--stopped, --batch) have pass@k alone, by
/// the product limit (Kaplan-Meier) over batches: without bias at every k, with intervals for resampled problems that are
/// wide for a fixed benchmark.
#[derive(Args)]
#[command(
    after_long_help = format!("{}\n{EXAMPLES}", formats_help()), after_help = EXAMPLES,
)]
pub struct Coverage {
    #[command(flatten)]
    input: InputArgs,
    /// Attempts k (default: powers of ten)
    #[arg(long, value_name = "K,..", value_delimiter = ',', value_parser = positive)]
    k: Vec<u64>,
    /// Also pass^k, the probability that all of k attempts succeed (JSON always has it)
    #[arg(long)]
    pass_hat_k: bool,
    /// Also G-Pass@k at these shares of k
    #[arg(long, value_name = "TAU,..", value_delimiter = ',', allow_hyphen_values = true)]
    tau: Vec<f64>,
    /// Exit with code 1 unless this holds of every group: pass@K or pass^K, one of >= > <= <, and a number
    #[arg(long, value_name = "pass@K>=X", value_parser = requirement, value_delimiter = ',')]
    require: Vec<Requirement>,
    /// Exit with code 1 unless every problem has at least this share of successes
    #[arg(long, value_name = "X", value_parser = share_of_all)]
    least_per_problem: Option<f64>,
    /// Also intervals that hold together at all moments at which attempts may be stopped, where all problems were tried
    /// equally often
    #[arg(long)]
    anytime: bool,
    /// What is required must hold of the whole 95 % interval for these problems, not of the estimate alone
    #[arg(long, requires = "require")]
    surely: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const PASS_HAT_K: &str = "pass^k";

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
    /// 95 %, for other clusters of problems of the same kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    resampled_clusters: Option<[f64; 2]>,
    /// 95 %, for the same problems, at whatever moment one stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    any_moment: Option<[f64; 2]>,
}

impl Coverage {
    pub fn run(&self) -> Result<ExitCode> {
        if let Some(tau) = self.tau.iter().find(|tau| !(0.0..=1.0).contains(*tau)) {
            return Err(Error::input("tau", tau, "must be from 0 to 1"));
        }
        let mut text = String::from(
            "95 % intervals: fixed benchmark, for the same problems tried again; resampled problems, for others like them\n",
        );
        let (mut objects, mut failed) = (vec![], 0);
        for group in self.input.read()? {
            let data = self.input.reading.data(&group)?;
            let estimates = self.estimates(&group, &data)?;
            text += &format!("\n{}\n{}", headline(&group, &data), table(&estimates, self.pass_hat_k));
            if data.is_stopped() {
                text += "unbiased pass@k, pass^k and G-Pass@k are not available: attempts that stop at a success bias them\n";
                if let Some(batch) = data.batch().filter(|batch| *batch > 1) {
                    text += &format!(
                        "product limit over batches of {batch}; within a batch its successes are taken to lie anywhere in it\n"
                    );
                }
            }
            let required = self.required(&group, &data)?;
            for Verdict { requirement, holds, found } in &required {
                text +=
                    &format!("{}: required {requirement}, found {found}\n", if *holds { "passed" } else { "FAILED" });
                failed += usize::from(!holds);
            }
            let Group { model, benchmark, .. } = &group;
            objects.push(json!({
                "group": group.to_string(), "model": model, "benchmark": benchmark, "problems": data.samples() as u64,
                "solved": data.solved() as u64, "attempts": [group.least_trials(), group.most_trials()],
                "stopped": data.is_stopped(), "batch": data.batch(), "notes": notes(&group, &data), "confidence": 0.95, "estimates": estimates, "required": required,
            }));
        }
        if self.json { ui::print_json(&objects) } else { ui::print(&text) }?;
        if failed > 0 {
            ui::tell(format_args!("{failed} of what is required of {} does not hold", self.input.source()));
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Intervals of unbiased pass@k for other clusters, where the input has them, and for any moment, where asked for.
    fn more_intervals(&self, group: &Group, ks: &[u64], rows: &mut [Row]) -> Result<()> {
        if let Some(clusters) = group.cluster_numbers() {
            let curve = clustered_curve(&group.counts, &clusters, ks)?;
            for row in rows.iter_mut() {
                row.resampled_clusters = curve.iter().find(|p| p.k == row.k).map(|p| [p.low, p.high]);
            }
        }
        if self.anytime {
            let curve = anytime(&group.counts, ks)?;
            for row in rows.iter_mut() {
                row.any_moment = curve.iter().find(|(k, ..)| *k == row.k).map(|(.., ends)| *ends);
            }
        }
        Ok(())
    }

    /// What is required, and whether it holds.
    fn required(&self, group: &Group, data: &Data) -> Result<Vec<Verdict>> {
        let mut verdicts = vec![];
        for requirement in &self.require {
            let &Requirement { estimator, k, .. } = requirement;
            let points = match data.is_stopped() && estimator == Estimator::Pass {
                true => data.curve(&[k], Scope::Benchmark),
                false => data.unbiased(estimator, &[k], Scope::Benchmark)?,
            };
            let Some(point) = points.first() else {
                let limit = format!("{group} has {} attempts at a problem: require less", data.reach());
                return Err(Error::input("require", requirement, limit));
            };
            let holds = match self.surely {
                true => requirement.holds(point.low) && requirement.holds(point.high),
                false => requirement.holds(point.value),
            };
            verdicts.push(Verdict { requirement: requirement.to_string(), holds, found: share_with_interval(point) });
        }
        if let Some(least) = self.least_per_problem {
            let rate = |i: usize| group.counts[i].successes() as f64 / group.counts[i].trials() as f64;
            let mut below: Vec<usize> = (0..group.counts.len()).filter(|&i| rate(i) < least).collect();
            below.sort_by(|&a, &b| rate(a).total_cmp(&rate(b)));
            let named: Vec<String> =
                below.iter().take(5).map(|&i| format!("{} {}", visible(&group.problems[i]), share(rate(i)))).collect();
            let found = match below.len() {
                0 => format!("all {} problems", group.counts.len()),
                n => format!("{n} problems below: {}{}", named.join(", "), if n > 5 { ", .." } else { "" }),
            };
            verdicts.push(Verdict {
                requirement: format!("{least} of the attempts at every problem"),
                holds: below.is_empty(),
                found,
            });
        }
        Ok(verdicts)
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
                resampled_problems: interval(&resampled, k).filter(|_| data.samples() > 1.0),
                resampled_clusters: None,
                any_moment: None,
            };
            Ok::<_, Error>(ks.iter().map(row).collect())
        };
        let estimate = |estimate: &str, curve: &dyn Fn(Scope) -> Result<Vec<Point>>| {
            Ok::<_, Error>(Estimate { estimate: estimate.into(), points: rows(curve)? })
        };
        if data.is_stopped() {
            let name = if data.batch() == Some(1) { "first-success pass@k" } else { "product-limit pass@k" };
            return Ok(vec![estimate(name, &|scope| Ok(data.curve(&ks, scope)))?]);
        }
        let unbiased = |name: &str, of: Estimator| estimate(name, &|scope| data.unbiased(of, &ks, scope));
        let mut estimates = vec![unbiased("unbiased pass@k", Estimator::Pass)?];
        self.more_intervals(group, &ks, &mut estimates[0].points)?;
        if let Some(mut first) = group.first_successes() {
            let trials = data.reach();
            first.iter_mut().for_each(|at| *at = at.filter(|&at| at < trials));
            estimates.push(estimate("first-success pass@k", &|_| first_success_curve(&first, trials, &ks))?);
        }
        estimates.push(unbiased(PASS_HAT_K, Estimator::AllPass)?);
        for &tau in &self.tau {
            estimates.push(unbiased(&format!("G-Pass@k, tau {tau}"), Estimator::MostPass(tau))?);
        }
        Ok(estimates)
    }
}

/// What an estimate must be.
#[derive(Clone, Debug)]
struct Requirement {
    estimator: Estimator,
    k: u64,
    sign: &'static str,
    bound: f64,
}

/// Whether something that was required holds.
#[derive(Serialize)]
struct Verdict {
    requirement: String,
    holds: bool,
    found: String,
}

impl Requirement {
    fn holds(&self, value: f64) -> bool {
        match self.sign {
            ">=" => value >= self.bound,
            "<=" => value <= self.bound,
            ">" => value > self.bound,
            _ => value < self.bound,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.estimator == Estimator::AllPass { "pass^" } else { "pass@" };
        write!(f, "{name}{}{}{}", self.k, self.sign, self.bound)
    }
}

/// `pass@10>=0.8`.
fn requirement(text: &str) -> std::result::Result<Requirement, String> {
    let fault = || "must be such as pass@1>=0.8 or pass^3>0.5 (quoted, for a shell)".to_string();
    let sign = [">=", "<=", ">", "<"].into_iter().find(|sign| text.contains(sign)).ok_or_else(fault)?;
    let (left, bound) = text.split_once(sign).ok_or_else(fault)?;
    let named = |name: &str, estimator| left.trim().strip_prefix(name).map(|k| (estimator, k));
    let (estimator, k) = named("pass@", Estimator::Pass).or(named("pass^", Estimator::AllPass)).ok_or_else(fault)?;
    Ok(Requirement { estimator, k: positive(k.trim())?, sign, bound: share_of_all(bound)? })
}

/// From 0 to 1.
fn share_of_all(text: &str) -> std::result::Result<f64, String> {
    text.trim().parse().ok().filter(|v| (0.0..=1.0).contains(v)).ok_or_else(|| format!("{text}: must be from 0 to 1"))
}

/// One of the intervals of a row.
type Interval = fn(&Row) -> Option<[f64; 2]>;

fn table(estimates: &[Estimate], pass_hat_k: bool) -> String {
    // A bound of 1e-300 is a way to say 0.
    let end = |v: f64| share(if v < 1e-99 { 0.0 } else { v });
    let interval =
        |ends: Option<[f64; 2]>| ends.map_or(String::new(), |[low, high]| format!("[{}, {}]", end(low), end(high)));
    // What only some inputs have, or only some users ask for, has no column elsewhere.
    let has = |of: Interval| estimates.iter().flat_map(|e| &e.points).any(|row| of(row).is_some());
    let mut columns: Vec<(&str, Interval)> =
        vec![("fixed benchmark", |row| row.fixed_benchmark), ("resampled problems", |row| row.resampled_problems)];
    if has(|row| row.resampled_clusters) {
        columns.push(("resampled clusters", |row| row.resampled_clusters));
    }
    if has(|row| row.any_moment) {
        columns.push(("fixed benchmark, any moment", |row| row.any_moment));
    }
    let head = ["estimate", "k", "value"].into_iter().chain(columns.iter().map(|(name, _)| *name));
    let mut rows = vec![head.map(String::from).collect::<Vec<_>>()];
    for Estimate { estimate, points } in estimates.iter().filter(|e| pass_hat_k || e.estimate != PASS_HAT_K) {
        for (i, row) in points.iter().enumerate() {
            let first = if i == 0 { estimate.clone() } else { String::new() };
            let value = row.value.map_or("not available".into(), share);
            let mut cells = vec![first, ui::thousands(row.k), value];
            cells.extend(columns.iter().map(|(_, of)| interval(of(row))));
            rows.push(cells);
        }
    }
    ui::table(&rows)
}
