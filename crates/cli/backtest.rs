//! `retrial forecast --backtest`: which method would have foretold what was measured.

use crate::{numbers::share, progress::Terminal, ui};
use retrial_counts::{Group, Outcomes};
use retrial_spec::{Error, Result};
use retrial_theory::backtest::{Attempts, Comparison, Mean, Score, backtest};
use serde_json::json;

/// Scores every method on every group and prints forecasts and mean errors.
pub fn run(groups: &[Group], shown: &[u64], terminal: &Terminal, json: bool) -> Result<()> {
    let mut shown = shown.to_vec();
    shown.sort_unstable();
    shown.dedup();
    let shown = &shown[..];
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
    let (groups, scores): (Vec<&Group>, Vec<Vec<Score>>) = scored.into_iter().unzip();
    let compared: Vec<Comparison> = shown.iter().map(|&m| Comparison::new(&scores, m)).collect();
    if json {
        let object = |at: usize, score: &Score| {
            let group = groups[at];
            let compared = compared.iter().find(|c| c.shown == score.shown);
            let mean = compared.and_then(|c| c.methods.iter().find(|mean| mean.method == score.method));
            json!({
                "group": group.to_string(), "model": group.model, "benchmark": group.benchmark,
                "attempts": group.most_trials(), "shown": score.shown, "method": score.method,
                "forecast": score.forecast, "low": score.low, "high": score.high, "truth": score.truth,
                "error": score.error(), "groups": groups.len(), "answered": mean.map(|m| m.answered),
                "common": compared.map(|c| c.common[at]), "mean_error": mean.and_then(|m| m.error),
                "best": compared.and_then(Comparison::best).is_some_and(|(method, _)| method == score.method),
            })
        };
        let flat = scores.iter().enumerate().flat_map(|(at, scores)| scores.iter().map(move |score| (at, score)));
        return ui::print_json(&flat.map(|(at, score)| object(at, score)).collect::<Vec<_>>());
    }
    let mut text = String::new();
    for (group, scores) in groups.iter().zip(&scores) {
        let truth = scores.first().map_or(f64::NAN, |score| score.truth);
        let trials = ui::thousands(group.most_trials());
        text += &format!(
            "{group}: coverage at {trials} attempts is {}; forecast from the first attempts, with 95 % intervals by profile \
             likelihood where there is one\n",
            share(truth)
        );
        text += &ui::table(&each(scores, shown));
        text.push('\n');
    }
    text += "Mean absolute error over the common groups, which every method with a forecast for at least half of the groups \
             forecasts; groups forecast; intervals over the common groups that held the truth\n";
    text += &ui::table(&means(&compared, groups.len()));
    text += &compared.iter().map(|c| closest(c, groups.len())).collect::<String>();
    ui::print(&text)
}

/// The forecasts of one group: a row per method and a column per number of attempts shown.
fn each(scores: &[Score], shown: &[u64]) -> Vec<Vec<String>> {
    let methods = scores.iter().filter(|s| s.shown == scores[0].shown).map(|s| s.method);
    let cell = |method: &str, m: u64| {
        let Some(score) = scores.iter().find(|s| s.method == method && s.shown == m) else { return "-".into() };
        let interval = score.low.zip(score.high).map(|(low, high)| format!("[{}, {}]", share(low), share(high)));
        let text = [score.forecast.map(share), interval].into_iter().flatten().collect::<Vec<_>>().join(" ");
        if text.is_empty() { "no forecast".into() } else { text }
    };
    let row = |method: &str| row(method, shown.iter().map(|&m| cell(method, m)));
    [head(shown)].into_iter().chain(methods.map(row)).collect()
}

/// How the methods compare: a row per method and a column per number of attempts shown.
fn means(compared: &[Comparison], groups: usize) -> Vec<Vec<String>> {
    let cell = |mean: &Mean| {
        let error = mean.error.map_or("-".into(), |error| format!("{error:.4}"));
        let held = if mean.intervals > 0 { format!("{}/{}", mean.held, mean.intervals) } else { "-".into() };
        format!("{error}  {} of {groups}  {held}", mean.answered)
    };
    let shown: Vec<u64> = compared.iter().map(|c| c.shown).collect();
    let common = |c: &Comparison| format!("{} of {groups}", c.common.iter().filter(|common| **common).count());
    let mut rows = vec![head(&shown), row("common groups", compared.iter().map(common))];
    let methods = compared.first().map_or(&[][..], |c| &c.methods);
    rows.extend(
        methods.iter().enumerate().map(|(i, mean)| row(mean.method, compared.iter().map(|c| cell(&c.methods[i])))),
    );
    rows
}

/// Which method came closest, in words.
fn closest(c: &Comparison, groups: usize) -> String {
    let (shown, common) = (ui::thousands(c.shown), c.common.iter().filter(|common| **common).count());
    match c.best() {
        Some((method, error)) => {
            format!(
                "From the first {shown}: {method} is closest, off by {error:.4} on average over {common} of {}\n",
                counted(groups)
            )
        }
        None => format!("From the first {shown}: the methods have no group in common to be compared on\n"),
    }
}

fn head(shown: &[u64]) -> Vec<String> {
    row("method", shown.iter().map(|m| format!("first {}", ui::thousands(*m))))
}

fn row(first: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    [first.to_string()].into_iter().chain(cells).collect()
}

fn counted(groups: usize) -> String {
    if groups == 1 { "1 group".into() } else { format!("{groups} groups") }
}
