//! Models on one benchmark, as tables, sentences, JSON and a figure.

use crate::{
    input::notes,
    numbers::{fixed, share},
    ui,
};
use retrial_counts::{Aligned, Group};
use retrial_report::{About, Axis, Curve, Curves, Figure, Line, Pair};
use retrial_spec::{Result, text::visible};
use retrial_theory::{
    Data,
    compare::{Better, Difference, PValues, Pairs, Rank},
    coverage::{Counts, Scope, log_grid},
};
use serde_json::{Value, json};

/// Models on one benchmark.
pub struct Contest {
    pub benchmark: String,
    pub groups: Vec<Group>,
    pub aligned: Aligned,
    pub ks: Vec<u64>,
    /// Of two models the one pair; of more, every model with the next.
    pub duels: Vec<Duel>,
    /// For these problems and for others, at every `k`; of two models none.
    pub rankings: Vec<(u64, [Vec<Rank>; 2])>,
}

/// Two of them.
pub struct Duel {
    pub models: [usize; 2],
    pub differences: Vec<Difference>,
    pub p_values: Vec<PValues>,
    pub wins: [f64; 3],
    pub bayes: Better,
}

impl Contest {
    pub fn name(&self) -> String {
        if self.benchmark.is_empty() { "Comparison".into() } else { visible(&self.benchmark).into_owned() }
    }

    /// What tells this model from the others.
    fn label(&self, model: usize) -> String {
        let group = &self.groups[model];
        let alone = self.groups.iter().filter(|of| of.model == group.model).count() == 1;
        if alone { visible(&group.model).into_owned() } else { group.to_string() }
    }

    pub fn title(&self, duel: &Duel) -> String {
        let [a, b] = duel.models;
        let attempts = |model: usize| {
            let trials = || self.aligned.counts[model].iter().map(Counts::trials);
            match (trials().min().unwrap_or(0), trials().max().unwrap_or(0)) {
                (least, most) if least == most => ui::thousands(most),
                (least, most) => format!("{} to {}", ui::thousands(least), ui::thousands(most)),
            }
        };
        let problems = ui::thousands(self.aligned.problems.len() as u64);
        format!(
            "A {}, B {}: {problems} problems, {} and {} attempts each",
            self.label(a),
            self.label(b),
            attempts(a),
            attempts(b)
        )
    }

    pub fn table(&self, duel: &Duel) -> Vec<Vec<String>> {
        let head = ["k", "A", "B", "A - B", "these problems", "p", "others of their kind", "p"];
        let ends = |[low, high]: [f64; 2]| format!("[{}, {}]", fixed(low, 4), fixed(high, 4));
        let row = |(d, p): (&Difference, &PValues)| {
            let others = d.others.map_or("not available".into(), ends);
            let p_others = p.others.map_or("-".into(), small);
            let [a, b] = d.of.map(share);
            vec![ui::thousands(d.k), a, b, fixed(d.difference, 4), ends(d.these), small(p.these), others, p_others]
        };
        let rows = duel.differences.iter().zip(&duel.p_values).map(row);
        [head.map(String::from).to_vec()].into_iter().chain(rows).collect()
    }

    pub fn sentences(&self, duel: &Duel) -> Vec<String> {
        let mut lines = vec![];
        let [a, b, neither] = duel.wins.map(|n| ui::thousands(n as u64));
        lines.push(format!("By share of successes A is ahead on {a} problems, B on {b}, neither on {neither}"));
        let sure = |sign: f64| {
            let holds = |d: &&Difference| sign * d.these[usize::from(sign < 0.0)] > 0.0;
            let ks: Vec<String> = duel.differences.iter().filter(holds).map(|d| ui::thousands(d.k)).collect();
            (!ks.is_empty()).then(|| ks.join(", "))
        };
        match (sure(1.0), sure(-1.0)) {
            (Some(a), Some(b)) => {
                lines.push(format!("The order turns: on these problems A is surely better at k = {a}, B at k = {b}"))
            }
            (Some(ks), None) => lines.push(format!("On these problems A is surely better at k = {ks}")),
            (None, Some(ks)) => lines.push(format!("On these problems B is surely better at k = {ks}")),
            (None, None) => lines.push("On these problems neither is surely better at any of these k".into()),
        }
        let Better { of: [a, b], probability } = duel.bayes;
        lines.push(format!(
            "Bayes@N: A {} ± {}, B {} ± {}; A succeeds more often on these problems with probability {}",
            fixed(a.mean, 4),
            fixed(a.deviation, 4),
            fixed(b.mean, 4),
            fixed(b.deviation, 4),
            fixed(probability, 3)
        ));
        let needed = |d: &Difference| {
            let count = |n: Option<f64>| n.map(|n| ui::thousands(n as u64));
            let attempts = count(d.attempts)?;
            let more = count(d.problems).map(|n| format!(", or with {n} others tried as often")).unwrap_or_default();
            Some(format!(
                "A difference of {} at k = {} is found in 4 cases of 5 with {attempts} attempts at each of these problems{more}",
                fixed(d.difference.abs(), 4),
                ui::thousands(d.k)
            ))
        };
        lines.extend(duel.differences.first().and_then(needed));
        lines
    }

    /// Rows of a ranking.
    pub fn places(&self, [these, others]: &[Vec<Rank>; 2]) -> Vec<Vec<String>> {
        let head = ["model", "pass@k", "these problems", "places", "others of their kind", "places"];
        let ends = |[low, high]: [f64; 2]| format!("[{}, {}]", share(low), share(high));
        let range =
            |[first, last]: [usize; 2]| if first == last { first.to_string() } else { format!("{first} to {last}") };
        let row = |rank: &Rank| {
            let other = others.iter().find(|other| other.model == rank.model);
            let [interval, places] = other.map_or(["-".into(), "-".into()], |o| [ends(o.interval), range(o.places)]);
            vec![self.label(rank.model), share(rank.value), ends(rank.interval), range(rank.places), interval, places]
        };
        [head.map(String::from).to_vec()].into_iter().chain(these.iter().map(row)).collect()
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for (k, places) in &self.rankings {
            text += &format!(
                "\n{}: order by pass@{}, of {} problems\n",
                self.name(),
                ui::thousands(*k),
                self.aligned.problems.len()
            );
            text += &ui::table(&self.places(places));
        }
        for duel in &self.duels {
            text += &format!("\n{}\n{}", visible(&self.title(duel)), ui::table(&self.table(duel)));
            text += &self.sentences(duel).iter().map(|line| format!("{line}\n")).collect::<String>();
        }
        text
    }

    pub fn object(&self) -> Value {
        let duel = |duel: &Duel| {
            let point = |(d, p): (&Difference, &PValues)| {
                json!({
                    "k": d.k, "a": d.of[0], "b": d.of[1], "difference": d.difference, "these_problems": d.these,
                    "p_these_problems": p.these, "other_problems": d.others, "p_other_problems": p.others,
                    "correlation": d.correlation, "attempts_to_find": d.attempts, "problems_to_find": d.problems,
                })
            };
            json!({
                "a": self.label(duel.models[0]), "b": self.label(duel.models[1]),
                "points": duel.differences.iter().zip(&duel.p_values).map(point).collect::<Vec<_>>(),
                "wins": { "a": duel.wins[0], "b": duel.wins[1], "neither": duel.wins[2] },
                "bayes": { "a": duel.bayes.of[0], "b": duel.bayes.of[1], "a_better": duel.bayes.probability },
            })
        };
        let ranking = |(k, [these, others]): &(u64, [Vec<Rank>; 2])| {
            let rank = |rank: &Rank| json!({ "model": self.label(rank.model), "value": rank.value, "interval": rank.interval, "places": rank.places });
            let [these, others] = [these, others].map(|ranks| ranks.iter().map(rank).collect::<Vec<_>>());
            json!({ "k": k, "these_problems": these, "other_problems": others })
        };
        let groups = self.groups.iter().zip(&self.aligned.left_out).map(|(group, left_out)| {
            let data = Data::new(&group.counts).ok();
            let notes = data.map(|data| notes(group, &data)).unwrap_or_default();
            json!({ "model": group.model, "benchmark": group.benchmark, "left_out": left_out, "notes": notes })
        });
        json!({
            "benchmark": self.benchmark, "problems": self.aligned.problems.len(), "confidence": 0.95,
            "groups": groups.collect::<Vec<_>>(), "pairs": self.duels.iter().map(duel).collect::<Vec<_>>(),
            "rankings": self.rankings.iter().map(ranking).collect::<Vec<_>>(),
        })
    }

    /// Coverage of all, and how far the first in order is ahead of each other one.
    pub fn figure(&self, number: usize) -> Result<Figure> {
        let reach = self.aligned.counts.iter().flatten().map(Counts::trials).min().unwrap_or(0);
        let ks = log_grid(reach, 8);
        let (mut left, mut right) = (vec![], vec![]);
        let order: Vec<usize> = match self.rankings.last() {
            Some((_, [these, _])) => these.iter().map(|rank| rank.model).collect(),
            None => vec![0, 1],
        };
        for (color, &model) in order.iter().enumerate() {
            let points = Data::new(&self.aligned.counts[model])?.curve(&ks, Scope::Benchmark);
            let band: Vec<_> = points.iter().map(|p| (p.k as f64, p.low, p.high)).collect();
            let values: Vec<_> = points.iter().map(|p| (p.k as f64, p.value)).collect();
            left.push(Curve::new(self.label(model), values).color(color).band(band));
            if color > 0 {
                let pairs = Pairs::new(&self.aligned.counts[order[0]], &self.aligned.counts[model])?;
                let points = pairs.differences(&ks);
                let band: Vec<_> = points.iter().map(|d| (d.k as f64, d.these[0], d.these[1])).collect();
                let values: Vec<_> = points.iter().map(|d| (d.k as f64, d.difference)).collect();
                right.push(Curve::new("", values).color(color).band(band));
            }
        }
        let ends = [1.0, reach.max(2) as f64];
        right.push(Curve::new("", ends.map(|k| (k, 0.0)).to_vec()).color(7).line(Line::Dotted));
        let first = self.label(order[0]);
        let name = if number == 0 { "comparison".into() } else { format!("comparison-{}", number + 1) };
        let figure = Pair {
            left: (
                "(a) coverage".into(),
                Curves {
                    x: Axis::log("attempts k"),
                    y: Axis::linear("coverage pass@k").range(0.0, 1.02),
                    curves: left,
                },
            ),
            right: (
                "(b) difference".into(),
                Curves {
                    x: Axis::log("attempts k"),
                    y: Axis::linear("pass@k of the first less that of others"),
                    curves: right,
                },
            ),
        };
        Ok(figure.figure(About::new(
            name,
            format!("{}: models on the same problems", self.name()),
            format!(
                "(a) pass@k with 95 % intervals for these problems. (b) By how much {first} is ahead of each other model, \
                 problem by problem: where a band leaves out zero, the difference is sure."
            ),
        )))
    }
}

/// A p-value; of random deals the smallest is one in all of them.
fn small(p: f64) -> String {
    if p < 1e-3 { format!("{p:.0e}") } else { fixed(p, 3) }
}
