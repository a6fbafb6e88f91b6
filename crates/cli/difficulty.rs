//! `retrial difficulty`

use crate::{
    input::{InputArgs, headline, notes},
    numbers::{Short, fixed},
    ui,
};
use clap::Args;
use retrial_counts::Group;
use retrial_spec::Result;
use retrial_theory::{
    Data,
    coverage::Counts,
    difficulty::{Class, Posterior, posterior, spectrum},
    npmle::{Npmle, npmle},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How hard the problems are, and which are easy, hard or unsolved
///
/// The density of the difficulty s = -ln p (Eq. 10 of the paper, p the failure probability) from the NPMLE, the
/// likeliest of all mixing laws, down to its resolution: one over the attempts in difficulty, three over the number of
/// problems in share. The NPMLE is a law of few atoms, and smaller shares say where atoms happened to fall: they are given
/// as bounds. And what the counts say of each problem, with the other problems as prior (empirical Bayes).
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial difficulty counts.csv\n  retrial difficulty counts.csv --group \"Pythia 12B\" --list 128\n  \
                        retrial difficulty counts.csv --json"
)]
pub struct Difficulty {
    #[command(flatten)]
    input: InputArgs,
    /// Bins of the density per factor of ten
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    per_decade: u32,
    /// Rows of hardest problems to list, those with equal counts in one; with --json, all problems are
    #[arg(long, value_name = "N", default_value_t = 10)]
    list: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Difficulty {
    pub fn run(&self) -> Result<()> {
        let (mut text, mut objects) = (String::new(), vec![]);
        let groups = self.input.read()?;
        for group in &groups {
            let data = self.input.reading.data(group)?;
            let npmle = npmle(&data);
            // Equal counts have equal posteriors.
            let cells: BTreeMap<Counts, Posterior> =
                data.cells().iter().map(|(counts, _)| (*counts, posterior(&npmle, *counts))).collect();
            let problems: Vec<Problem> = group
                .problems
                .iter()
                .zip(&group.counts)
                .map(|(name, counts)| (&**name, *counts, cells[counts]))
                .collect();
            if self.json {
                objects.push(self.object(group, &data, &npmle, &problems));
            } else {
                text += &self.text(group, &data, &npmle, problems);
            }
        }
        if self.json { ui::print_json(&objects) } else { ui::print(text.trim_start()) }
    }

    fn text(&self, group: &Group, data: &Data, npmle: &Npmle, mut problems: Vec<Problem>) -> String {
        let spectrum = spectrum(npmle, data, self.per_decade);
        let many = |class| ui::thousands(problems.iter().filter(|(.., p)| p.class == class).count() as u64);
        let (easy, hard, unsolved) = (many(Class::Easy), many(Class::Hard), many(Class::Unsolved));
        let mut text = format!("\n{}\n", headline(group, data));
        let least = 100.0 * spectrum.least_share;
        let harder = match spectrum.resolved(spectrum.unresolved) {
            Some(share) => format!("{:.1} %", 100.0 * share),
            None => format!("fewer than {least:.1} %"),
        };
        text += &format!(
            "{easy} easy (an attempt is likelier to succeed than not), {hard} hard, {unsolved} unsolved\n\
             Resolution {} in difficulty (1 / attempts): {harder} of the problems are harder than that, and may be \
             solvable or not\n\
             Resolution {least:.1} % in share (3 / problems): smaller shares are not told from none\n",
            Short(spectrum.resolution),
        );
        let mut rows = vec![["difficulty s", "share", "density f(s)"].map(String::from).to_vec()];
        for &(from, to, density) in &spectrum.bins {
            let (width, range) = (to - from, format!("{} to {}", Short(from), Short(to)));
            rows.push(match spectrum.resolved(density * width) {
                Some(share) => vec![range, fixed(share, 4), Short(density).to_string()],
                None => {
                    let least = spectrum.least_share;
                    vec![range, format!("< {}", fixed(least, 4)), format!("< {}", Short(least / width))]
                }
            });
        }
        text += &ui::table(&rows);
        // Equal counts say the same: such problems stand in one row.
        problems.sort_by(|a, b| a.2.success.total_cmp(&b.2.success).then_with(|| a.1.cmp(&b.1)));
        if self.list > 0 {
            let head = ["problem", "solved", "class", "success rate", "95 % interval", "next"];
            let mut rows = vec![head.map(String::from).to_vec()];
            for tied in problems.chunk_by(|a, b| a.1 == b.1).take(self.list) {
                let (_, counts, p) = &tied[0];
                let mut names: Vec<&str> = tied.iter().take(3).map(|(name, ..)| *name).collect();
                let more = format!("{} more", tied.len() - names.len());
                names.extend((tied.len() > names.len()).then_some(&*more));
                rows.push(vec![
                    names.join(", "),
                    format!("{} of {}", ui::thousands(counts.successes()), ui::thousands(counts.trials())),
                    name_of(p.class).into(),
                    Short(p.success).to_string(),
                    format!("[{}, {}]", Short(p.low), Short(p.high)),
                    format!("{:.3}", p.next),
                ]);
            }
            text += &format!("Hardest (next: solved by as many attempts again)\n{}", ui::table(&rows));
        }
        text
    }

    fn object<'a>(&self, group: &Group, data: &Data, npmle: &Npmle, problems: &[Problem<'a>]) -> Object<'a> {
        let spectrum = spectrum(npmle, data, self.per_decade);
        let bin = |&(from, to, density): &(f64, f64, f64)| {
            let share = spectrum.resolved(density * (to - from));
            json!({
                "from": from, "to": to, "density": share.map(|_| density), "share": share,
                "share_below": share.is_none().then_some(spectrum.least_share),
            })
        };
        let problem = |&(problem, counts, Posterior { class, success, low, high, next }): &Problem<'a>| Row {
            problem,
            attempts: counts.trials(),
            successes: counts.successes(),
            class: name_of(class),
            success,
            low,
            high,
            next,
        };
        let group = json!({
            "group": group.to_string(), "model": group.model, "benchmark": group.benchmark,
            "notes": notes(group, data), "npmle": npmle, "resolution": spectrum.resolution, "share_resolution": spectrum.least_share,
            "unresolved": spectrum.resolved(spectrum.unresolved),
            "density": spectrum.bins.iter().map(bin).collect::<Vec<_>>(),
        });
        Object { group, problems: problems.iter().map(problem).collect() }
    }
}

/// A group as JSON.
#[derive(Serialize)]
struct Object<'a> {
    #[serde(flatten)]
    group: Value,
    problems: Vec<Row<'a>>,
}

/// A problem as JSON. There may be millions, and a [`Value`] of each would take a kilobyte.
#[derive(Serialize)]
struct Row<'a> {
    problem: &'a str,
    attempts: u64,
    successes: u64,
    class: &'static str,
    success: f64,
    low: f64,
    high: f64,
    next: f64,
}

fn name_of(class: Class) -> &'static str {
    match class {
        Class::Easy => "easy",
        Class::Hard => "hard",
        Class::Unsolved => "unsolved",
    }
}

/// Name, counts, and what they say.
type Problem<'a> = (&'a str, Counts, Posterior);
