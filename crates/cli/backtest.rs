//! `retrial forecast --backtest`: which method would have foretold what was measured.

use crate::{
    summary::share,
    ui::{self, Terminal},
};
use retrial_counts::{Group, Outcomes};
use retrial_spec::{Error, Result};
use retrial_theory::backtest::{Attempts, Score, backtest};
use serde_json::json;

/// Scores every method on every group and prints forecasts and mean errors.
pub fn run(groups: &[Group], shown: &[u64], terminal: &Terminal, json: bool) -> Result<()> {
    let mut scored = vec![];
    for group in groups {
        let Outcomes::Listed(successes) = &group.outcomes else {
            let limit =
                "the back-test needs every attempt: a table with one row per attempt, or of all successful ones";
            return Err(Error::input("backtest", format!("counts alone for {group}"), limit));
        };
        if group.least_trials() != group.most_trials() {
            let got = format!("{} to {} attempts for {group}", group.least_trials(), group.most_trials());
            return Err(Error::input("backtest", got, "needs equally many attempts at every problem"));
        }
        let attempts = Attempts::new(group.most_trials(), successes.clone())?;
        scored.push((group, backtest(&attempts, shown, terminal)?));
    }
    terminal.clear();
    if json {
        let object = |(group, score): (&Group, &Score)| {
            json!({
                "group": group.to_string(), "model": group.model, "benchmark": group.benchmark,
                "attempts": group.most_trials(), "shown": score.shown, "method": score.method,
                "forecast": score.forecast, "low": score.low, "high": score.high, "truth": score.truth,
                "error": score.error(),
            })
        };
        let flat = scored.iter().flat_map(|(group, scores)| scores.iter().map(|score| (*group, score)));
        return ui::print_json(&flat.map(object).collect::<Vec<_>>());
    }
    let mut text = String::new();
    for (group, scores) in &scored {
        let truth = scores.first().map_or(f64::NAN, |score| score.truth);
        let trials = ui::thousands(group.most_trials());
        text +=
            &format!("{group}: coverage at {trials} attempts is {}; forecast from the first attempts\n", share(truth));
        text += &ui::table(&table(scores, shown, |scores| {
            let [score] = scores else { return "-".into() };
            let interval = score.low.zip(score.high).map(|(low, high)| format!("[{}, {}]", share(low), share(high)));
            [score.forecast.map(share), interval].into_iter().flatten().collect::<Vec<_>>().join(" ")
        }));
        text.push('\n');
    }
    let all: Vec<Score> = scored.into_iter().flat_map(|(_, scores)| scores).collect();
    text += &format!("Mean absolute error over {}, and how many intervals held the truth\n", counted(groups.len()));
    text += &ui::table(&table(&all, shown, |scores| {
        let errors: Vec<f64> = scores.iter().filter_map(|score| score.error()).collect();
        let within = |s: &&Score| Some(s.low? <= s.truth && s.truth <= s.high?);
        let held: Vec<bool> = scores.iter().filter_map(within).collect();
        let mean = (!errors.is_empty()).then(|| format!("{:.4}", errors.iter().sum::<f64>() / errors.len() as f64));
        let held = (!held.is_empty()).then(|| format!("{}/{}", held.iter().filter(|held| **held).count(), held.len()));
        [mean, held].into_iter().flatten().collect::<Vec<_>>().join("  ")
    }));
    ui::print(&text)
}

/// A row per method and a column per number of attempts shown.
fn table(scores: &[Score], shown: &[u64], cell: impl Fn(&[&Score]) -> String) -> Vec<Vec<String>> {
    let mut methods: Vec<&str> = vec![];
    for score in scores {
        if !methods.contains(&score.method) {
            methods.push(score.method);
        }
    }
    let head = shown.iter().map(|m| format!("first {}", ui::thousands(*m)));
    let mut rows = vec![["method".to_string()].into_iter().chain(head).collect::<Vec<_>>()];
    for method in methods {
        let of = |m: u64| scores.iter().filter(|s| s.method == method && s.shown == m).collect::<Vec<_>>();
        let cells = shown.iter().map(|&m| Some(cell(&of(m))).filter(|cell| !cell.is_empty()).unwrap_or("-".into()));
        rows.push([method.to_string()].into_iter().chain(cells).collect());
    }
    rows
}

fn counted(groups: usize) -> String {
    if groups == 1 { "1 group".into() } else { format!("{groups} groups") }
}
