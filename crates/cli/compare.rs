//! `retrial compare`

use crate::{
    contest::{Contest, Duel},
    folder::{self, Folder, FolderArgs},
    input::{InputArgs, positive, replicates},
    numbers::table_ks,
    progress::Terminal,
    ui,
};
use clap::Args;
use retrial_counts::{Aligned, Group};
use retrial_report::{Block, Report, Section};
use retrial_spec::{Error, Result, text::visible};
use retrial_theory::{
    compare::{Pairs, ranks},
    coverage::{Counts, Scope},
    fit::Settings,
};
use serde_json::Value;

/// Compare models on the same problems: by how much, how surely, and in which order
///
/// Two groups of counts, of one file or of two, or many. Problems are matched by their names, and differences of pass@k
/// taken problem by problem: what makes a problem hard for one model mostly makes it hard for the other. Every interval and
/// test says what it speaks of. These problems: only attempts are random; the test deals every problem's successes at
/// random to the attempts of the two (with one attempt each, McNemar's exact test). Other problems of their kind: problems
/// are random too; the test changes the signs of their differences at random.
///
/// Bayes@N (arXiv 2510.04265) is the success rate of one attempt at these problems, by Bayes' rule under uniform priors.
/// The places of more than two models are those that differences leave open, all of them at 95 % together; each is
/// compared with the next in order, and all with each other in differences.csv.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial compare before.jsonl after.jsonl\n  retrial compare counts.csv --group MATH --k 1,100\n  \
                        retrial compare counts.csv --models Gemma,Llama --out comparison"
)]
pub struct Compare {
    #[command(flatten)]
    input: InputArgs,
    /// Only models whose name contains one of these, in this order
    #[arg(long, value_name = "TEXT,..", value_delimiter = ',')]
    models: Vec<String>,
    /// Attempts k (default: powers of ten)
    #[arg(long, value_name = "K,..", value_delimiter = ',', value_parser = positive)]
    k: Vec<u64>,
    /// Random deals of the permutation tests
    #[arg(long, value_name = "B", default_value_t = 9999, value_parser = replicates)]
    permutations: u32,
    /// Seed of the permutation tests; results do not depend on threads
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    folder: FolderArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub fn run(&self) -> Result<()> {
        if self.input.reading.stopped {
            let limit = "attempts that stopped at a success have no unbiased pass@k to compare: drop --stopped";
            return Err(Error::input("compare", "--stopped", limit));
        }
        let mut folder = self.folder.create()?;
        let groups = self.chosen(self.input.read_apart()?)?;
        for group in &groups {
            self.input.reading.data(group)?; // says what to know of it
        }
        let terminal = Terminal::new();
        let contests: Vec<Contest> = self
            .by_benchmark(groups)?
            .into_iter()
            .map(|groups| self.contest(groups, &terminal))
            .collect::<Result<_>>()?;
        terminal.clear();
        let report = folder.as_mut().map(|folder| self.report(folder, &contests)).transpose()?;
        if self.json {
            let objects: Vec<Value> = contests.iter().map(Contest::object).collect();
            return ui::print_json(&objects);
        }
        let head =
            "95 % intervals and two-sided p-values: for these problems, tried again, and for others of their kind\n";
        let text: String = contests.iter().map(Contest::text).collect();
        ui::print(&(head.to_string() + &text + &report.unwrap_or_default()))
    }

    /// The groups of the models that are asked for.
    fn chosen(&self, groups: Vec<Group>) -> Result<Vec<Group>> {
        if self.models.is_empty() {
            return Ok(groups);
        }
        let mut chosen: Vec<Group> = vec![];
        for wanted in &self.models {
            let found: Vec<&Group> = groups.iter().filter(|group| group.model.contains(wanted.trim())).collect();
            if found.is_empty() {
                let mut models: Vec<_> = groups.iter().map(|group| visible(&group.model)).collect();
                models.dedup();
                return Err(Error::input("models", wanted, format!("the models are {}", models.join(", "))));
            }
            let new = found.into_iter().filter(|group| !chosen.contains(group)).cloned().collect::<Vec<_>>();
            chosen.extend(new);
        }
        Ok(chosen)
    }

    /// Two groups are one contest whatever they are called; more are told apart by their benchmark.
    fn by_benchmark(&self, groups: Vec<Group>) -> Result<Vec<Vec<Group>>> {
        if groups.len() == 2 {
            return Ok(vec![groups]);
        }
        let count = groups.len();
        let mut contests: Vec<Vec<Group>> = vec![];
        for group in groups {
            match contests.iter_mut().find(|contest| contest[0].benchmark == group.benchmark) {
                Some(contest) => contest.push(group),
                None => contests.push(vec![group]),
            }
        }
        for alone in contests.iter().filter(|contest| contest.len() == 1 && count > 1) {
            ui::note(format_args!("{}: no other model on this benchmark, left out", alone[0]));
        }
        contests.retain(|contest| contest.len() > 1);
        if contests.is_empty() {
            let got = format!("{} without two models on one benchmark", self.input.source());
            return Err(Error::input("groups to compare", got, "give a second file, or a table with a column model"));
        }
        Ok(contests)
    }

    fn contest(&self, groups: Vec<Group>, terminal: &Terminal) -> Result<Contest> {
        let aligned = Aligned::new(&groups.iter().collect::<Vec<_>>())?;
        for (group, &left_out) in groups.iter().zip(&aligned.left_out).filter(|(_, left_out)| **left_out > 0) {
            ui::note(format_args!("{group}: {left_out} problems that others have not are left out"));
        }
        let reach = aligned.counts.iter().flatten().map(Counts::trials).min().unwrap_or(0);
        let ks = match self.k.is_empty() {
            true => table_ks(reach),
            false => self.k.iter().copied().filter(|&k| k <= reach).collect(),
        };
        if let Some(k) = self.k.iter().find(|&&k| k > reach) {
            let limit = format!("the fewest attempts at a problem are {reach}: ask for fewer");
            return Err(Error::input("k", k, limit));
        }
        let settings = Settings { replicates: self.permutations, seed: self.seed };
        let mut rankings = vec![];
        let mut order: Vec<usize> = (0..groups.len()).collect();
        if groups.len() > 2 {
            for &k in &ks {
                let rank = |scope| ranks(&aligned.counts, k, scope);
                rankings.push((k, [rank(Scope::Benchmark)?, rank(Scope::Population)?]));
            }
            order = rankings[0].1[0].iter().map(|rank| rank.model).collect();
        }
        let duel = |models: &[usize]| {
            let pairs = Pairs::new(&aligned.counts[models[0]], &aligned.counts[models[1]])?;
            Ok(Duel {
                models: [models[0], models[1]],
                differences: pairs.differences(&ks),
                p_values: pairs.permutation(&ks, &settings, terminal)?,
                wins: pairs.wins(),
                bayes: pairs.bayes(),
            })
        };
        let duels = order.windows(2).map(duel).collect::<Result<_>>()?;
        Ok(Contest { benchmark: groups[0].benchmark.clone(), groups, aligned, ks, duels, rankings })
    }

    fn report(&self, folder: &mut Folder, contests: &[Contest]) -> Result<String> {
        let mut rows = vec![];
        for contest in contests {
            let names: Vec<String> = contest.groups.iter().map(Group::to_string).collect();
            for a in 0..names.len() {
                for b in a + 1..names.len() {
                    let pairs = Pairs::new(&contest.aligned.counts[a], &contest.aligned.counts[b])?;
                    rows.extend(pairs.differences(&contest.ks).into_iter().map(|d| {
                        let [others_low, others_high] = d.others.map_or([None; 2], |ends| ends.map(Some));
                        let [low, high] = d.these;
                        (
                            names[a].clone(),
                            names[b].clone(),
                            d.k,
                            d.of,
                            d.difference,
                            low,
                            high,
                            others_low,
                            others_high,
                        )
                    }));
                }
            }
        }
        let head =
            ["a", "b", "k", "pass_a", "pass_b", "difference", "these_low", "these_high", "others_low", "others_high"];
        folder.write("differences.csv", folder::csv(head, rows)?)?;
        let mut sections = vec![];
        for (i, contest) in contests.iter().enumerate() {
            let figure = contest.figure(i)?;
            folder.draw(figure.clone())?;
            let mut blocks = vec![Block::Figure(figure)];
            for duel in &contest.duels {
                blocks.push(folder::block(contest.title(duel), &contest.table(duel)));
                blocks.extend(contest.sentences(duel).into_iter().map(Block::Paragraph));
            }
            for (k, places) in &contest.rankings {
                blocks.push(folder::block(format!("Order by pass@{k}."), &contest.places(places)));
            }
            sections.push(Section::new(contest.name(), blocks));
        }
        folder.finish(&Report {
            title: "Models compared".into(),
            lead: format!("Success counts in {}; differences problem by problem.", self.input.source()),
            facts: vec![],
            sections,
        })
    }
}
