//! `retrial cost`

use crate::{
    folder::{self, Folder, FolderArgs},
    input::{InputArgs, headline, law, notes, replicates},
    laws,
    numbers::{Short, share, table_ks},
    policy,
    price::PriceArgs,
    priced::{Budget, Priced, Target},
    progress::Terminal,
    ui,
};
use clap::Args;
use retrial_counts::Group;
use retrial_report::{Block, Report, Section};
use retrial_spec::{Error, Result, text::visible};
use retrial_theory::{
    budget::{Bought, Outlook, Reached, best_model},
    fit::{Kind, Settings, fit},
    laws::Cost as Price,
};
use serde_json::{Value, json};

/// Coverage against cost: what a target costs, what a budget buys, which model is best
///
/// A problem costs its prompt once and its decoded tokens at every attempt (Eq. 13 of the paper). Up to the attempts
/// that were made coverage is measured; beyond them a law forecasts it. Costs and budgets are per problem. The attempts
/// that a target takes come with a 95 % interval for other problems of the same kind: of measured coverage, and beyond
/// it of the law, if the law holds. Attempts are whole: a target takes the first number that reaches it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial cost counts.csv --prompt-tokens 200 --decode-tokens 300 --flops-per-token \
                        \"Pythia 12B=2.4e10,Pythia 70M=1.4e8\" --target 0.9 --group Pythia\n  retrial cost counts.csv \
                        --prompt-tokens 200 --decode-tokens 300 --prompt-price 1e-7 --decode-price 4e-7 --budget 0.05 --out report"
)]
pub struct Cost {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    price: PriceArgs,
    /// Coverage to reach
    #[arg(long, value_name = "COVERAGE", allow_hyphen_values = true)]
    target: Option<f64>,
    /// Cost per problem to spend: FLOPs, or the currency of the prices
    #[arg(long, value_name = "COST", allow_hyphen_values = true)]
    budget: Option<f64>,
    /// Law beyond the attempts that were made, by the names of retrial fit
    #[arg(long, value_name = "LAW", default_value = "eq8", value_parser = law)]
    law: Kind,
    /// Replicates for the interval of attempts of a law fitted by least squares; 0 for none
    #[arg(long, value_name = "B", default_value_t = 200, value_parser = replicates)]
    bootstrap: u32,
    /// Seed of the replicates; results do not depend on threads
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    folder: FolderArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Cost {
    pub fn run(&self) -> Result<()> {
        self.price.check()?;
        if let Some(target) = self.target.filter(|target| !(*target > 0.0 && *target <= 1.0)) {
            return Err(Error::input("target", target, "must be above 0 and at most 1"));
        }
        if let Some(budget) = self.budget.filter(|budget| !(*budget > 0.0 && budget.is_finite())) {
            return Err(Error::input("budget", budget, "must be a finite number > 0"));
        }
        let mut folder = self.folder.create()?;
        // One list of prices serves all groups of a file.
        let groups = self.input.reading.read(&self.input.files)?;
        self.price.check_models(&groups.iter().map(|group| &*group.model).collect::<Vec<_>>())?;
        let groups = self.input.reading.wanted(groups, &self.input.source())?;
        let priced: Vec<Priced> = groups.into_iter().map(|group| self.price(group)).collect::<Result<_>>()?;
        let best = self.best(&priced);
        let report = folder.as_mut().map(|folder| self.report(folder, &priced, &best)).transpose()?;
        if self.json {
            return ui::print_json(&priced.iter().map(|p| self.object(p, &best)).collect::<Vec<_>>());
        }
        let unit = self.price.unit();
        let mut text = format!(
            "Costs per problem in {unit}; beyond the attempts that were made the law {} forecasts\n",
            self.law.name()
        );
        for p in &priced {
            text += &format!("\n{}\n{}", headline(&p.group, &p.outlook.data), ui::table(&self.table(p)));
            text += &self.sentences(p).iter().map(|line| format!("{line}\n")).collect::<String>();
        }
        if !best.is_empty() {
            text.push('\n');
            text += &best.iter().map(|line| format!("{line}\n")).collect::<String>();
        }
        ui::print(&(text + &report.unwrap_or_default()))
    }

    fn price(&self, group: Group) -> Result<Priced> {
        let data = self.input.reading.data(&group)?;
        let price = self.price.of(&group.model)?;
        let fitted = fit(self.law, &data).ok();
        let outlook = Outlook::new(data, fitted);
        let target = self.target.map(|coverage| self.reach(&outlook, &price, coverage)).transpose()?;
        let budget = self.budget.map(|cost| {
            let Bought { trials, coverage, forecast, allocation, sequential, npmle } =
                outlook.buy(&price, cost, &group.counts)?;
            Ok::<_, Error>(Budget { cost, attempts: trials, coverage, forecast, allocation, sequential, npmle })
        });
        let budget = budget.transpose()?;
        Ok(Priced { group, outlook, price, target, budget })
    }

    fn reach(&self, outlook: &Outlook, price: &Price, coverage: f64) -> Result<Target> {
        let (terminal, settings) = (Terminal::new(), Settings { replicates: self.bootstrap, seed: self.seed });
        let Reached { trials, interval, forecast } = outlook.reach(coverage, &settings, &terminal)?;
        terminal.clear();
        let no_interval = match (interval, self.bootstrap) {
            (Some(_), _) => None,
            (None, 0) => Some("--bootstrap 0 asks for none"),
            (None, _) => Some("too few replicates have a law of this kind"),
        };
        let cost = trials.map(|k| price.total(k as f64));
        Ok(Target { coverage, attempts: trials, cost, interval, no_interval, forecast })
    }

    /// A sentence per benchmark and question: which of several models.
    fn best(&self, priced: &[Priced]) -> Vec<String> {
        let mut benchmarks: Vec<&str> = priced.iter().map(|p| p.group.benchmark.as_str()).collect();
        benchmarks.sort_unstable();
        benchmarks.dedup();
        let mut lines = vec![];
        for benchmark in benchmarks {
            let models: Vec<&Priced> = priced.iter().filter(|p| p.group.benchmark == benchmark).collect();
            if models.len() < 2 {
                continue;
            }
            let on = if benchmark.is_empty() { String::new() } else { format!(" on {}", visible(benchmark)) };
            let price = |p: &Priced| [p.price.total(0.0), p.price.trial()];
            let alike = models.iter().all(|p| price(p) == price(models[0]));
            if let Some(target) = self.target {
                let cost = |p: &&Priced| p.target.as_ref().and_then(|t| t.cost);
                let cheapest = models.iter().filter_map(|p| Some((p, cost(p)?))).min_by(|a, b| a.1.total_cmp(&b.1));
                lines.push(match cheapest {
                    Some((p, cost)) if alike => format!(
                        "Fewest attempts to reach {target}{on}: {}, for {}; all models have one price, so this is not which is \
                         cheapest: give MODEL=NUMBER for each",
                        visible(&p.group.model),
                        Short(cost)
                    ),
                    Some((p, cost)) => {
                        format!("Cheapest to reach {target}{on}: {}, for {}", visible(&p.group.model), Short(cost))
                    }
                    None => format!("No model reaches {target}{on}"),
                });
            }
            if let Some(budget) = self.budget {
                let curves: Vec<_> =
                    models.iter().map(|p| (p.price, |k: f64| p.outlook.known(k.floor()).unwrap_or(-1.0))).collect();
                let curves: Vec<_> =
                    curves.iter().map(|(price, curve)| (*price, curve as &dyn Fn(f64) -> f64)).collect();
                if let Some((at, coverage)) = best_model(&curves, budget).filter(|(_, coverage)| *coverage >= 0.0) {
                    let model = visible(&models[at].group.model);
                    let at = if alike { " at one price for all models" } else { "" };
                    lines.push(format!("Best for {}{on}{at}: {model}, coverage {}", Short(budget), share(coverage)));
                }
            }
        }
        lines
    }

    fn table(&self, p: &Priced) -> Vec<Vec<String>> {
        let mut ks = table_ks(p.outlook.data.reach());
        ks.push(p.outlook.data.reach().saturating_mul(10));
        let mut rows = vec![["attempts", "cost", "coverage", "by"].map(String::from).to_vec()];
        for k in ks {
            let forecast = k > p.outlook.data.reach();
            rows.push(vec![
                ui::thousands(k),
                Short(p.price.total(k as f64)).to_string(),
                if forecast && p.outlook.fitted.is_none() {
                    "no fit".into()
                } else {
                    share(p.outlook.coverage(k as f64))
                },
                if forecast { self.law.name().into() } else { "measured".into() },
            ]);
        }
        rows
    }

    fn sentences(&self, p: &Priced) -> Vec<String> {
        let how =
            |forecast: bool| if forecast { format!("forecast by {}", self.law.name()) } else { "measured".into() };
        let mut lines = vec![prompt(p)];
        if let Some(t) = &p.target {
            lines.push(match (t.attempts, t.cost) {
                (Some(k), Some(cost)) => {
                    format!(
                        "Coverage {} takes {} attempts, cost {} ({})",
                        t.coverage,
                        ui::thousands(k),
                        Short(cost),
                        how(t.forecast)
                    )
                }
                _ if p.outlook.fitted.is_none() => {
                    format!(
                        "Coverage {} was not reached, and {} has no fit to forecast by",
                        t.coverage,
                        self.law.name()
                    )
                }
                _ => format!("Coverage {} is out of reach ({})", t.coverage, how(true)),
            });
            lines.push(interval_sentence(t, p));
        }
        if let Some(b) = &p.budget {
            let (cost, k) = (Short(b.cost), ui::thousands(b.attempts));
            lines.push(match b.coverage {
                _ if b.attempts == 0 => format!("{cost} pays for no attempt: one costs {}", Short(p.price.total(1.0))),
                Some(coverage) => {
                    format!("{cost} buys {k} attempts: coverage {} ({})", share(coverage), how(b.forecast))
                }
                None => format!("{cost} buys {k} attempts, and {} has no fit to forecast by", self.law.name()),
            });
            if let Some(a) = &b.allocation {
                lines.push(format!(
                    "Spent on top of what was tried, {} attempts on {} problems solve {:.2} more; spread evenly over the unsolved, {:.2} (expected by the NPMLE, which cannot tell the hardest from the impossible)",
                    ui::thousands(a.trials.iter().sum()),
                    ui::thousands(a.trials.iter().filter(|&&more| more > 0).count() as u64),
                    a.gain.max(0.0),
                    a.even_gain.max(0.0)
                ));
            }
            if let Some(s) = &b.sequential {
                lines.push(format!(
                    "One attempt after the other, always at the unsolved problem likeliest to succeed next, they are expected to solve {:.2}: what a success saves goes to the others",
                    s.gain
                ));
            }
        }
        lines
    }

    fn object(&self, p: &Priced, best: &[String]) -> Value {
        let curve: Vec<Value> = p
            .measured()
            .iter()
            .map(|at| json!({ "k": at.k, "cost": p.price.total(at.k as f64), "coverage": at.value, "low": at.low, "high": at.high }))
            .collect();
        json!({
            "group": p.group.to_string(), "model": p.group.model, "benchmark": p.group.benchmark, "unit": self.price.unit(),
            "prompt": { "cost": p.price.total(0.0), "charged": if p.price.total(0.0) > 0.0 { "once per problem" } else { "not at all" } },
            "notes": notes(&p.group, &p.outlook.data), "law": p.outlook.fitted.as_ref().map(|f| f.law.kind().name()), "measured": curve, "target": p.target, "budget": p.budget,
            "best": best,
        })
    }

    fn report(&self, folder: &mut Folder, priced: &[Priced], best: &[String]) -> Result<String> {
        let unit = self.price.unit();
        let rows = |p: &Priced| {
            let Group { model, benchmark, .. } = &p.group;
            let measured = p.measured().into_iter().map(|at| (at.k as f64, at.value, "measured"));
            let law = p.forecast().into_iter().map(|(k, coverage)| (k, coverage, self.law.name()));
            let row = |(k, coverage, by)| (model.clone(), benchmark.clone(), k, p.price.total(k), coverage, by);
            measured.chain(law).map(row).collect::<Vec<_>>()
        };
        folder.write(
            "cost.csv",
            folder::csv(["model", "benchmark", "k", "cost", "coverage", "by"], priced.iter().flat_map(rows))?,
        )?;
        if self.budget.is_some() {
            policy::write(folder, priced)?;
        }
        folder.draw(laws::cost(priced, self.law, unit))?;
        let mut sections = vec![Section::new(
            "Coverage against cost",
            folder.figures.iter().cloned().map(Block::Figure).collect::<Vec<_>>(),
        )];
        sections[0].blocks.extend(best.iter().cloned().map(Block::Note));
        for p in priced {
            let mut blocks =
                vec![Block::Paragraph(headline(&p.group, &p.outlook.data)), folder::block("", &self.table(p))];
            blocks.extend(self.sentences(p).into_iter().map(Block::Paragraph));
            sections.push(Section::new(p.group.to_string(), blocks));
        }
        folder.finish(&Report {
            title: "Coverage against inference cost".into(),
            lead: format!("Success counts in {}; costs per problem in {unit}.", self.input.source()),
            facts: vec![],
            sections,
        })
    }
}

/// Whether prompts are paid.
fn prompt(p: &Priced) -> String {
    match p.price.total(0.0) {
        cost if cost > 0.0 => format!("The prompt is charged once per problem, {}, whatever the attempts", Short(cost)),
        _ => "The prompt is not charged: attempts alone cost".into(),
    }
}

/// The interval of the attempts that a target takes, or why there is none.
fn interval_sentence(t: &Target, p: &Priced) -> String {
    let law = if t.forecast && p.outlook.fitted.is_some() { ", if the law holds" } else { "" };
    let costs = |k: u64| Short(p.price.total(k as f64));
    let [from, to] = match (t.interval, t.no_interval) {
        (Some(ends), _) => ends,
        (None, why) => return format!("No interval of these attempts: {}", why.unwrap_or("coverage has none")),
    };
    let what = match (from, to) {
        (Some(from), Some(to)) => {
            let (low, high) = (ui::thousands(from), ui::thousands(to));
            format!("from {low} to {high} attempts, cost {} to {}", costs(from), costs(to))
        }
        (Some(from), None) => {
            format!("{} attempts or more, cost {} or more: it may be out of reach", ui::thousands(from), costs(from))
        }
        (None, _) => "out of reach".into(),
    };
    format!("95 % interval, for other problems of the same kind{law}: {what}")
}
