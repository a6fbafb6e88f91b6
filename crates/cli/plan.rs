//! `retrial plan`

use crate::{
    input::{InputArgs, Reading, given_law, headline, notes, positive},
    numbers::{fixed, share},
    ui,
};
use clap::Args;
use retrial_counts::{Aligned, Group};
use retrial_spec::{Error, Result};
use retrial_theory::{
    Data,
    compare::Pairs,
    fit::Law,
    npmle::npmle,
    plan::{Design, Paired, Population, Variance},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Plan a measurement: how many problems, and how many attempts at each
///
/// For a 95 % interval of pass@k no wider than --width, or to tell two models apart whose pass@k differs by --difference in
/// 4 cases of 5. From the counts of a pilot, whose problems stand for all of their kind (their spread is that of the NPMLE,
/// without the noise of the pilot's attempts), or from a law (--law). For --difference two groups are best, which show how
/// alike the two models find problems; of one group, another model of the same spread with a --correlation.
///
/// More attempts at the same problems narrow the interval for these very problems, and that for others of their kind only
/// until nothing but the difference of problems is left.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial plan pilot.csv --width 0.05\n  retrial plan pilot.csv --k 10 --width 0.05 --tries 20,100\n  \
                        retrial plan a.jsonl b.jsonl --difference 0.02\n  \
                        retrial plan --law beta-binomial:alpha=4.65,beta=0.36 --k 1,100 --width 0.1 --these 164"
)]
pub struct Plan {
    /// Counts of a pilot, as in retrial coverage
    #[arg(value_name = "FILE", required_unless_present = "law")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// A law with its parameters in place of a pilot, by the names of retrial simulate
    #[arg(long, value_name = "LAW:NAME=X,..", value_parser = given_law, conflicts_with_all = ["files", "stopped"])]
    law: Option<Law>,
    /// Attempts k of pass@k
    #[arg(long, value_name = "K,..", value_delimiter = ',', value_parser = positive, default_value = "1")]
    k: Vec<u64>,
    #[command(flatten)]
    goal: Goal,
    /// With --difference and one model: how alike the other finds problems, from -1 to 1
    #[arg(long, value_name = "R", default_value_t = 0.0, allow_hyphen_values = true)]
    correlation: f64,
    /// Attempts at each problem to plan for (default: seven numbers, from k to 100 k)
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = positive)]
    tries: Vec<u64>,
    /// Problems that there are (default: those of the pilot)
    #[arg(long, value_name = "N", value_parser = positive)]
    these: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is to be reached.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Goal {
    /// An interval of pass@k no wider than this
    #[arg(long, value_name = "W", value_parser = proper)]
    width: Option<f64>,
    /// Two models told apart whose pass@k differs by this
    #[arg(long, value_name = "D", value_parser = proper)]
    difference: Option<f64>,
}

/// A measurement to plan.
struct Task {
    /// The pilot, or the law.
    title: String,
    subject: Subject,
    /// Problems that there are.
    problems: Option<f64>,
    /// Model and benchmark of the pilot's groups.
    groups: Vec<Value>,
    /// What to know of the pilot.
    notes: Vec<String>,
}

/// What is planned for.
enum Subject {
    One(Population),
    Two(Paired),
}

/// How a goal is reached at one `k`.
struct Way {
    k: u64,
    /// pass@k of the first model.
    value: f64,
    variance: Variance,
    /// Attempts of the variance.
    tried: u64,
    /// Attempts at each problem, and problems.
    designs: Vec<(u64, Option<u64>)>,
    /// Attempts at each of the pilot's problems, for these very ones.
    these: Option<u64>,
    /// The width of the interval for others on so many problems, however many attempts.
    narrowest: Option<f64>,
}

impl Plan {
    pub fn run(&self) -> Result<()> {
        if self.reading.stopped {
            let limit = "plan for attempts whose number is set beforehand: give a pilot of such";
            return Err(Error::input("plan", "--stopped", limit));
        }
        let mut text = String::new();
        let mut objects = vec![];
        for Task { title, subject, problems, groups, notes } in self.tasks()? {
            let ways = self.k.iter().map(|&k| self.way(&subject, k, problems)).collect::<Result<Vec<Way>>>()?;
            text += &format!("{}{title}\n", if text.is_empty() { "" } else { "\n" });
            text += &ways.iter().map(|way| self.text(way, problems)).collect::<String>();
            objects.push(json!({
                "pilot": title, "groups": groups, "problems": problems, "notes": notes, "width": self.goal.width, "difference": self.goal.difference,
                "plans": ways.iter().map(object).collect::<Vec<_>>(),
            }));
        }
        if self.json { ui::print_json(&objects) } else { ui::print(&text) }
    }

    fn tasks(&self) -> Result<Vec<Task>> {
        let these = self.these.map(|n| n as f64);
        let one = |population: Population| match self.goal.difference {
            Some(_) => Ok(Subject::Two(Paired::of_one(&population, self.correlation, &self.k)?)),
            None => Ok::<_, Error>(Subject::One(population)),
        };
        if let Some(law) = &self.law {
            let subject = one(Population::of_law(law)?)?;
            return Ok(vec![Task { title: law.to_string(), subject, problems: these, groups: vec![], notes: vec![] }]);
        }
        let input = InputArgs { files: self.files.clone(), reading: self.reading.clone() };
        let groups = if self.goal.difference.is_some() { input.read_apart()? } else { input.read()? };
        let data = groups.iter().map(|group| self.reading.data(group)).collect::<Result<Vec<Data>>>()?;
        if let ([a, b], Some(_)) = (&groups[..], self.goal.difference) {
            return self.two([a, b], &data).map(|task| vec![task]);
        }
        let task = |(group, data): (&Group, &Data)| {
            Ok(Task {
                title: headline(group, data),
                subject: one(Population::of_pilot(&npmle(data)))?,
                problems: these.or(Some(data.samples())),
                groups: vec![named(group)],
                notes: notes(group, data),
            })
        };
        groups.iter().zip(&data).map(task).collect()
    }

    /// Two models of a pilot.
    fn two(&self, groups: [&Group; 2], data: &[Data]) -> Result<Task> {
        let aligned = Aligned::new(&groups)?;
        let pairs = Pairs::new(&aligned.counts[0], &aligned.counts[1])?;
        if let Some(k) = self.k.iter().find(|&&k| k > pairs.reach()) {
            return Err(Error::input("k", k, format!("the pilot has {} attempts at a problem", pairs.reach())));
        }
        let both = [&aligned.counts[0], &aligned.counts[1]].map(|counts| Data::new(counts).map(|data| npmle(&data)));
        let [a, b] = both;
        let contest = Paired::of_pilot(&pairs, [&a?, &b?], &self.k);
        let title = format!("{} and {}: {} problems in common", groups[0], groups[1], aligned.problems.len());
        let notes = groups.iter().zip(data).flat_map(|(group, data)| notes(group, data)).collect();
        let problems = Some(self.these.map_or(pairs.problems(), |n| n as f64));
        Ok(Task { title, subject: Subject::Two(contest), problems, groups: groups.map(named).to_vec(), notes })
    }

    fn way(&self, subject: &Subject, k: u64, problems: Option<f64>) -> Result<Way> {
        let tries = match self.tries.is_empty() {
            true => [1, 2, 5, 10, 20, 50, 100].map(|times| k.saturating_mul(times)).to_vec(),
            false => self.tries.clone(),
        };
        if let Some(few) = tries.iter().find(|&&n| n < k) {
            return Err(Error::input("tries", few, format!("pass@{k} needs at least {k} at each problem")));
        }
        let tried = tries[0];
        let goal = self.goal.width.or(self.goal.difference).unwrap_or(1.0);
        Ok(match subject {
            Subject::One(population) => {
                let designs =
                    tries.iter().map(|&n| Ok((n, population.problems(k, n, goal)?))).collect::<Result<_>>()?;
                // So many attempts are as good as any number.
                let all =
                    Design { problems: problems.unwrap_or(1.0), attempts: k.saturating_mul(1_000_000).max(1 << 40) };
                let narrowest = problems.map(|_| population.intervals(k, all)).transpose()?;
                Way {
                    k,
                    value: population.coverage(k),
                    variance: population.variance(k, tried)?,
                    tried,
                    designs,
                    these: problems.and_then(|problems| population.attempts(k, problems, goal)),
                    narrowest: narrowest.map(|[_, [low, high]]| high - low),
                }
            }
            Subject::Two(contest) => Way {
                k,
                value: contest.coverage(k),
                variance: contest.variance(k, tried)?,
                tried,
                designs: tries.iter().map(|&n| Ok((n, contest.problems(k, n, goal)?))).collect::<Result<_>>()?,
                these: problems.and_then(|problems| contest.attempts(k, problems, goal)),
                narrowest: None,
            },
        })
    }

    fn text(&self, way: &Way, problems: Option<f64>) -> String {
        let goal = match (self.goal.width, self.goal.difference) {
            (Some(width), _) => format!("a 95 % interval for others no wider than {width}"),
            (_, difference) => format!("a difference of {} found in 4 cases of 5", difference.unwrap_or_default()),
        };
        let Variance { problems: between, attempts: within } = way.variance;
        let of_problems = if between + within > 0.0 { between / (between + within) } else { 0.0 };
        let mut text = format!(
            "\npass@{} {}: with {} at each problem, {} % of what makes {} vary is that problems differ, the rest that attempts do\n",
            ui::thousands(way.k),
            share(way.value),
            attempts(way.tried),
            fixed(100.0 * of_problems, 0),
            if self.goal.width.is_some() { "it" } else { "a difference" },
        );
        text += &format!("For {goal}:\n");
        let mut rows = vec![["attempts at each", "problems", "attempts in all"].map(String::from).to_vec()];
        let never = || "no number".to_string();
        for &(n, problems) in &way.designs {
            let all = problems.map_or_else(never, |problems| ui::thousands(problems.saturating_mul(n)));
            rows.push(vec![ui::thousands(n), problems.map_or_else(never, ui::thousands), all]);
        }
        text += &ui::table(&rows);
        if let Some(problems) = problems {
            let count = ui::thousands(problems as u64);
            text += &match way.these {
                Some(n) => format!("For these {count} problems alone: {} at each\n", attempts(n)),
                None => format!("For these {count} problems alone no number of attempts is enough\n"),
            };
            if let Some(narrowest) = way.narrowest {
                text += &format!(
                    "On {count} problems the interval for others stays wider than {}, however many attempts\n",
                    fixed(narrowest, 4)
                );
            }
        }
        text
    }
}

fn named(group: &Group) -> Value {
    json!({ "model": group.model, "benchmark": group.benchmark })
}

fn object(way: &Way) -> Value {
    let design = |&(attempts, problems): &(u64, Option<u64>)| json!({ "attempts": attempts, "problems": problems });
    json!({
        "k": way.k, "value": way.value, "attempts": way.tried, "variance": way.variance,
        "designs": way.designs.iter().map(design).collect::<Vec<_>>(), "attempts_for_these_problems": way.these,
        "narrowest": way.narrowest,
    })
}

fn attempts(n: u64) -> String {
    if n == 1 { "1 attempt".into() } else { format!("{} attempts", ui::thousands(n)) }
}

/// A number between 0 and 1.
fn proper(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|v| *v > 0.0 && *v < 1.0).ok_or_else(|| "must be between 0 and 1, such as 0.05".into())
}
