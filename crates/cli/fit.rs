//! `retrial fit`

use crate::{
    fits::{self, Fits},
    folder::{self, Folder, FolderArgs},
    input::{Convention, InputArgs, headline, law, laws_help, replicates},
    laws,
    progress::Terminal,
    tails::{self, Tails, tails},
    ui,
};
use clap::Args;
use retrial_report::{Block, Report, Section};
use retrial_spec::Result;
use retrial_theory::{
    fit::{Kind, Settings, study_all},
    npmle::npmle,
};
use serde_json::{Value, json};

/// Fit every scaling law to success counts, with intervals and goodness of fit
///
/// Mixing laws by maximum likelihood from the counts, curve laws by least squares on the coverage curve. Each stands
/// beside the NPMLE, the likeliest of all mixing laws: no law of a success probability per problem can do better. nll
/// includes binomial coefficients. 95 % intervals of parameters, for other problems of the same kind, hold if the law
/// does: of mixing laws by profile likelihood, of curve laws by BCa bootstrap (with --bootstrap).
///
/// Of each group the best law is printed, the one of least AIC; --all prints every law, as --law
/// does of those that it names.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial fit counts.csv\n  retrial fit counts.csv --law beta-binomial,eq8 --bootstrap 200 --json\n  \
                        retrial fit counts.csv --convention success --out report\n  retrial fit first.csv --stopped\n  \
                        retrial fit batches.csv --stopped --batch 60"
)]
pub struct Fit {
    #[command(flatten)]
    input: InputArgs,
    /// Laws to fit (default: all)
    #[arg(long, value_name = "LAW,..", value_delimiter = ',', value_parser = law, long_help = laws_help("Laws to fit (default: all)"))]
    law: Vec<Kind>,
    /// Replicates for p-values of mixing laws and for the intervals of curve laws
    #[arg(long, value_name = "B", default_value_t = 0, value_parser = replicates)]
    bootstrap: u32,
    /// Seed of the replicates; results do not depend on threads
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whose probability Beta(alpha, beta) spreads
    #[arg(long, value_enum, default_value_t = Convention::Failure)]
    convention: Convention,
    /// Print every law, as tables: its parameters with their intervals, its likelihood and its misfit
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    folder: FolderArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Fit {
    pub fn run(&self) -> Result<()> {
        let mut folder = self.folder.create()?;
        let kinds = if self.law.is_empty() { Kind::fitted().collect() } else { self.law.clone() };
        let terminal = Terminal::new();
        let settings = Settings { replicates: self.bootstrap, seed: self.seed };
        let fits = self.input.read()?.into_iter().map(|group| {
            let data = self.input.reading.data(&group)?;
            let npmle = npmle(&data);
            let fitted = study_all(&kinds, &data, &npmle, &settings, &terminal)?;
            let laws = kinds.iter().copied().zip(fitted).collect();
            Ok(Fits { band: data.band(), group, data, npmle: Some(npmle), laws })
        });
        let fits: Vec<Fits> = fits.collect::<Result<_>>()?;
        terminal.clear();
        let tails = tails(&fits);
        let report = folder.as_mut().map(|folder| self.report(folder, &fits, &tails)).transpose()?;
        if self.json {
            let mut objects: Vec<Value> = fits.iter().flat_map(|fits| fits.objects(self.convention)).collect();
            for object in &mut objects {
                let same = |t: &&Tails| object["law"] == t.law.name() && object["benchmark"] == *t.benchmark;
                let across = tails.iter().find(same).map(|t| json!(t.across));
                object["across_groups"] = across.unwrap_or_default();
            }
            return ui::print_json(&objects);
        }
        let mut text = format!("Convention: {}\n", self.convention.text());
        for fits in &fits {
            text += &format!("\n{}\n", headline(&fits.group, &fits.data));
            if self.in_full() {
                text += &self.tables(fits);
            } else {
                text += &ui::facts(&fits.summary(self.convention));
                text += &fits.reach().map(|line| line + "\n").unwrap_or_default();
            }
        }
        for tails in &tails {
            let (title, table) = (tails.title(self.convention), ui::table(&tails.table(self.convention)));
            text += &format!("\n{title}\n{table}{}\n", tails.sentence());
        }
        text += match (self.bootstrap, self.in_full()) {
            (0, true) => {
                "\n--bootstrap 200 adds p-values of the goodness of fit and intervals of the laws by least squares.\n"
            }
            (0, false) => "\n--all prints every law; --bootstrap 200 tests how well they fit.\n",
            (_, true) => "",
            (_, false) => "\n--all prints every law.\n",
        };
        ui::print(&(text + &report.unwrap_or_default()))
    }

    /// Whether every law is printed, or the best alone.
    fn in_full(&self) -> bool {
        self.all || !self.law.is_empty()
    }

    /// All that was fitted to a group.
    fn tables(&self, fits: &Fits) -> String {
        let mut text = ui::table(&ui::without_empty(fits.table(self.convention)));
        text += &fits.reach().map(|line| line + "\n").unwrap_or_default();
        text += &fits.certificate();
        text += &fits.verdicts().iter().map(|line| format!("{line}\n")).collect::<String>();
        let intervals = fits.intervals(self.convention);
        if intervals.len() > 1 {
            text += &format!("95 % intervals, if the law holds\n{}", ui::table(&intervals));
        }
        text
    }

    fn report(&self, folder: &mut Folder, fits: &[Fits], tails: &[Tails]) -> Result<String> {
        folder.write("fits.csv", fits::csv(fits, self.convention)?)?;
        folder.write("curves.csv", laws::curves_csv(fits)?)?;
        folder.draw(laws::coverage(fits)?)?;
        folder.draw(laws::loss(fits)?)?;
        if !tails.is_empty() {
            folder.draw(tails::figure(tails, self.convention))?;
        }
        let mut sections = vec![Section::new(
            "Coverage and loss",
            folder.figures.iter().cloned().map(Block::Figure).collect::<Vec<_>>(),
        )];
        for fits in fits {
            let note = "nll in nats, binomial coefficients included; behind NPMLE: nats by which the likeliest of all \
                        mixing laws is ahead; RMSE and worst deviation in units of coverage.";
            let mut blocks = vec![
                Block::Paragraph(headline(&fits.group, &fits.data)),
                folder::block(note, &fits.table(self.convention)),
            ];
            blocks.extend(fits.verdicts().into_iter().map(Block::Note));
            let intervals = fits.intervals(self.convention);
            if intervals.len() > 1 {
                blocks.push(folder::block("95 % intervals of the parameters, if the law holds.", &intervals));
            }
            sections.push(Section::new(fits.group.to_string(), blocks));
        }
        for tails in tails {
            let blocks = vec![folder::block("", &tails.table(self.convention)), Block::Paragraph(tails.sentence())];
            sections.push(Section::new(tails.title(self.convention), blocks));
        }
        folder.finish(&Report {
            title: "Scaling laws of repeated attempts".into(),
            lead: format!(
                "Success counts of {} groups in {}, and the laws that describe them. Convention: {}.",
                fits.len(),
                self.input.source(),
                self.convention.text()
            ),
            facts: vec![],
            sections,
        })
    }
}
