//! What a budget on top of what was tried is expected to solve, by how it is spent.

use crate::{
    folder::{self, Folder},
    priced::Priced,
};
use retrial_counts::Group;
use retrial_report::{About, Axis, Curve, Curves, Figure, Line};
use retrial_spec::{Error, Result, text::visible};
use retrial_theory::{
    budget::{allocate, sequential},
    coverage::log_grid,
};

/// What so many further attempts are expected to solve.
struct Point {
    attempts: f64,
    /// Per problem.
    cost: f64,
    /// Problems solved: tried one after the other, allotted beforehand, spread evenly over the unsolved.
    solved: [f64; 3],
}

/// Where further attempts go (allocation.csv), and how much each policy solves at every cost up to the budget (policy.csv
/// and a figure).
pub fn write(folder: &mut Folder, priced: &[Priced]) -> Result<()> {
    let rows = priced.iter().flat_map(|p| {
        let budgets = || p.budget.iter().filter_map(|b| b.allocation.as_ref().zip(b.sequential.as_ref()));
        let more = budgets().flat_map(|(allocation, sequential)| allocation.trials.iter().zip(&sequential.until));
        let Group { model, benchmark, problems, .. } = &p.group;
        problems.iter().zip(more).map(move |(problem, (more, until))| (model, benchmark, problem, more, until))
    });
    let head = ["model", "benchmark", "problem_id", "further_attempts", "give_up_after"];
    folder.write("allocation.csv", folder::csv(head, rows)?)?;
    let curves: Vec<(&Priced, Vec<Point>)> = priced.iter().map(|p| Ok((p, points(p)?))).collect::<Result<_>>()?;
    let rows = curves.iter().flat_map(|(p, points)| {
        let row = move |at: &Point| (&p.group.model, &p.group.benchmark, at.attempts, at.cost, at.solved);
        points.iter().map(row).collect::<Vec<_>>()
    });
    let head = ["model", "benchmark", "further_attempts", "cost_per_problem", "sequential", "allotted", "even"];
    folder.write("policy.csv", folder::csv(head, rows)?)?;
    if curves.iter().any(|(_, points)| !points.is_empty()) {
        folder.draw(figure(&curves))?;
    }
    Ok(())
}

fn points(p: &Priced) -> Result<Vec<Point>> {
    let Some(budget) = &p.budget else { return Ok(vec![]) };
    let most = budget.allocation.as_ref().map_or(0, |allocation| allocation.trials.iter().sum());
    let npmle = &budget.npmle;
    let point = |attempts: u64| {
        let beforehand = allocate(npmle, &p.group.counts, attempts)?;
        let solved = [sequential(npmle, &p.group.counts, attempts as f64)?.gain, beforehand.gain, beforehand.even_gain];
        let cost = p.price.trial() * attempts as f64 / p.outlook.data.samples();
        Ok::<_, Error>(Point { attempts: attempts as f64, cost, solved })
    };
    log_grid(most, 6).into_iter().map(point).collect()
}

fn figure(curves: &[(&Priced, Vec<Point>)]) -> Figure {
    let mut drawn = vec![];
    for (color, (p, points)) in curves.iter().enumerate() {
        let solved = p.outlook.data.solved();
        for (i, line) in [Line::Solid, Line::Dashed, Line::Dotted].into_iter().enumerate() {
            let label = if i == 0 { visible(&p.group.model).into_owned() } else { String::new() };
            let coverage = |at: &Point| (at.cost, (solved + at.solved[i]) / p.outlook.data.samples());
            drawn.push(Curve::new(label, points.iter().map(coverage).collect::<Vec<_>>()).color(color).line(line));
        }
    }
    // Entries of the legend alone.
    for (label, line) in [("allotted beforehand", Line::Dashed), ("spread evenly", Line::Dotted)] {
        drawn.push(Curve::new(label, vec![]).color(6).line(line));
    }
    let x = Axis::log("further cost per problem");
    Curves { x, y: Axis::linear("share of problems solved"), curves: drawn }.figure(About::new(
        "policy",
        "What further attempts are expected to solve",
        "Attempts one after the other, always at the unsolved problem likeliest to succeed next (solid); the same number \
         allotted beforehand to where they help most (dashed); spread evenly over the unsolved problems (dotted). Expected by \
         the NPMLE of the counts, which cannot tell the hardest problems from impossible ones.",
    ))
}
