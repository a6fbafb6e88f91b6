//! `retrial fit`

use crate::{
    folder::{self, Folder, FolderArgs},
    input::{Convention, InputArgs, headline, law, notes, replicates, threads},
    laws,
    progress::Terminal,
    summary::{Short, fixed, interval},
    ui,
};
use clap::Args;
use retrial_counts::Group;
use retrial_report::{Block, Report, Section};
use retrial_spec::Result;
use retrial_theory::{
    Data,
    coverage::Point,
    fit::{Fitted, Kind, NoFit, Settings, study_all},
    npmle::{Npmle, npmle},
};
use serde_json::{Map, Value, json};

/// Fit every scaling law to success counts, with intervals and goodness of fit
///
/// Mixing laws by maximum likelihood from the counts, curve laws by least squares on the coverage curve. Each stands
/// beside the NPMLE, the likeliest of all mixing laws: no law of a success probability per problem can do better. nll
/// includes binomial coefficients. 95 % intervals of parameters, for other problems of the same kind, hold if the law
/// does: of mixing laws by profile likelihood, of curve laws by BCa bootstrap (with --bootstrap).
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial fit counts.csv\n  retrial fit counts.csv --law beta-binomial,eq8 --bootstrap 200 --json\n  \
                        retrial fit counts.csv --convention success --out report\n  retrial fit first.csv --stopped\n  \
                        retrial fit batches.csv --stopped --batch 60"
)]
pub struct Fit {
    #[command(flatten)]
    input: InputArgs,
    /// Laws to fit (default: all): eq8, beta-binomial, zero-inflated, scaled-beta, kumaraswamy, two-betas, stretched,
    /// log-log, power-law, eq12
    #[arg(long, value_name = "LAW,..", value_delimiter = ',', value_parser = law)]
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
    #[command(flatten)]
    folder: FolderArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A group and all that was fitted to it.
pub struct Fits {
    pub group: Group,
    pub data: Data,
    npmle: Npmle,
    /// Measured coverage with intervals for other problems of the same kind.
    pub band: Vec<Point>,
    /// In the order of the laws that were asked for.
    pub laws: Vec<(Kind, Result<Fitted, NoFit>)>,
}

impl Fit {
    pub fn run(&self) -> Result<()> {
        let mut folder = self.folder.create()?;
        let kinds = if self.law.is_empty() { Kind::ALL.to_vec() } else { self.law.clone() };
        let terminal = Terminal::new();
        let settings = Settings { replicates: self.bootstrap, seed: self.seed, threads: threads() };
        let fits = self.input.read()?.into_iter().map(|group| {
            let data = self.input.data(&group)?;
            let npmle = npmle(&data);
            let fitted = study_all(&kinds, &data, &npmle, &settings, &terminal)?;
            let laws = kinds.iter().copied().zip(fitted).collect();
            Ok(Fits { band: laws::measured(&data), group, data, npmle, laws })
        });
        let fits: Vec<Fits> = fits.collect::<Result<_>>()?;
        terminal.clear();
        let report = folder.as_mut().map(|folder| self.report(folder, &fits)).transpose()?;
        if self.json {
            return ui::print_json(&fits.iter().flat_map(|fits| fits.objects(self.convention)).collect::<Vec<_>>());
        }
        let mut text = format!("Convention: {}\n", self.convention.text());
        for fits in &fits {
            text += &format!("\n{}\n", headline(&fits.group, &fits.data));
            text += &ui::table(&fits.table(self.convention));
            text += &match fits.certified() {
                true => format!(
                    "NPMLE: nll {:.3}, certified to {:.0e}\n",
                    fits.npmle.nll.max(0.0),
                    fits.npmle.gap.max(1e-16)
                ),
                false => format!("NPMLE: not found (certificate {:.0e})\n", fits.npmle.gap),
            };
            text += &fits.verdicts().iter().map(|line| format!("{line}\n")).collect::<String>();
            let intervals = fits.intervals(self.convention);
            if intervals.len() > 1 {
                text += &format!("95 % intervals, if the law holds\n{}", ui::table(&intervals));
            }
        }
        if self.bootstrap == 0 {
            text +=
                "\n--bootstrap 200 adds p-values of the goodness of fit and intervals of the laws by least squares.\n";
        }
        ui::print(&(text + &report.unwrap_or_default()))
    }

    fn report(&self, folder: &mut Folder, fits: &[Fits]) -> Result<String> {
        folder.write("fits.csv", self.fits_csv(fits)?)?;
        folder.write("curves.csv", laws::curves_csv(fits)?)?;
        folder.draw(laws::coverage(fits)?)?;
        folder.draw(laws::loss(fits)?)?;
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
        folder.finish(&Report {
            title: "Scaling laws of repeated attempts".into(),
            lead: format!(
                "Success counts of {} groups in {}, and the laws that describe them. Convention: {}.",
                fits.len(),
                self.input.file.display(),
                self.convention.text()
            ),
            facts: vec![],
            sections,
        })
    }

    fn fits_csv(&self, fits: &[Fits]) -> Result<String> {
        let head = [
            "model",
            "benchmark",
            "law",
            "by",
            "convention",
            "A",
            "alpha",
            "beta",
            "parameters",
            "nll",
            "aic",
            "bic",
            "rmse",
            "worst",
            "behind_npmle",
            "p_value",
            "verdict",
        ];
        let row = |fits: &Fits, kind: Kind, law: &Result<Fitted, NoFit>| {
            let Group { model, benchmark, .. } = &fits.group;
            let fitted = law.as_ref().ok();
            let value = |name| fitted.and_then(|f| parameter(f, self.convention, name));
            let behind = fitted.and_then(|f| fits.behind(f));
            (
                (model.clone(), benchmark.clone(), kind.name(), by(kind), self.convention),
                (value("A"), value("alpha"), value("beta"), fitted.map(|f| others(f, self.convention))),
                (fitted.and_then(|f| f.nll), fitted.and_then(|f| f.aic), fitted.and_then(|f| f.bic)),
                (fitted.map(|f| f.misfit.rmse), fitted.map(|f| f.misfit.max), behind),
                fitted.and_then(|f| f.goodness).map(|g| g.p_value),
                fits.sentence(law),
            )
        };
        folder::csv(head, fits.iter().flat_map(|fits| fits.laws.iter().map(|(kind, law)| row(fits, *kind, law))))
    }
}

impl Fits {
    /// The fit of one kind, if it was asked for and exists.
    pub fn of(&self, kind: Kind) -> Option<&Fitted> {
        self.laws.iter().find(|(of, _)| *of == kind)?.1.as_ref().ok()
    }

    /// Whether the NPMLE is what its name says: no law is likelier by more than one part in a thousand.
    fn certified(&self) -> bool {
        self.npmle.gap < 1e-3
    }

    /// Nats by which the NPMLE is likelier.
    fn behind(&self, fitted: &Fitted) -> Option<f64> {
        fitted.nll.filter(|_| self.certified()).map(|nll| (nll - self.npmle.nll).max(0.0))
    }

    fn table(&self, convention: Convention) -> Vec<Vec<String>> {
        let head =
            ["law", "by", "A", "alpha", "beta", "others", "nll", "AIC", "BIC", "behind NPMLE", "p", "RMSE", "worst"];
        let mut rows = vec![head.map(String::from).to_vec()];
        for (kind, law) in &self.laws {
            let Ok(fitted) = law else {
                rows.push(vec![kind.name().into(), by(*kind).into(), "no fit".into()]);
                continue;
            };
            let value = |name| parameter(fitted, convention, name).map_or("-".into(), |v| Short(v).to_string());
            let places = |v: Option<f64>, places: usize| v.map_or("-".into(), |v| fixed(v, places));
            rows.push(vec![
                kind.name().into(),
                by(*kind).into(),
                value("A"),
                value("alpha"),
                value("beta"),
                others(fitted, convention),
                places(fitted.nll, 3),
                places(fitted.aic, 1),
                places(fitted.bic, 1),
                places(self.behind(fitted), 2),
                places(fitted.goodness.map(|g| g.p_value), 3),
                places(Some(fitted.misfit.rmse), 4),
                places(Some(fitted.misfit.max), 4),
            ]);
        }
        rows
    }

    /// A sentence for each law.
    fn verdicts(&self) -> Vec<String> {
        self.laws.iter().map(|(kind, law)| format!("{}: {}", kind.name(), self.sentence(law))).collect()
    }

    /// Whether the law fits, in words.
    fn sentence(&self, law: &Result<Fitted, NoFit>) -> String {
        let fitted = match law {
            Ok(fitted) => fitted,
            Err(why) => return format!("there is no fit: {why}"),
        };
        match self.outside(fitted) {
            Some([from, to]) => {
                let to = if to > from { format!(" to {}", ui::thousands(to)) } else { String::new() };
                let from = ui::thousands(from);
                let verdict = fitted.verdict();
                format!("does not fit: it leaves the 95 % band of measured coverage at k = {from}{to}; it {verdict}")
            }
            None => fitted.verdict(),
        }
    }

    /// The first and the last k where the law leaves the 95 % band of measured coverage, for other problems of the same
    /// kind. A law of those problems may miss the band of these very ones.
    fn outside(&self, fitted: &Fitted) -> Option<[u64; 2]> {
        let inside = |p: &&Point| (p.low..=p.high).contains(&fitted.coverage(p.k as f64));
        let outside: Vec<u64> = self.band.iter().filter(|p| !inside(p)).map(|p| p.k).collect();
        Some([*outside.first()?, *outside.last()?])
    }

    fn intervals(&self, convention: Convention) -> Vec<Vec<String>> {
        let mut rows = vec![["law", "parameter", "value", "interval", "by"].map(String::from).to_vec()];
        for fitted in self.laws.iter().filter_map(|(_, law)| law.as_ref().ok()) {
            for of in &fitted.intervals {
                rows.push(vec![
                    fitted.law.kind().name().into(),
                    convention.name(of.parameter).into(),
                    fitted.law.parameter(of.parameter).map_or("-".into(), |v| Short(v).to_string()),
                    interval(of.low, of.high, range(of.parameter)),
                    of.method.to_string(),
                ]);
            }
        }
        rows
    }

    /// One JSON object per law.
    fn objects(&self, convention: Convention) -> Vec<Value> {
        let Group { model, benchmark, .. } = &self.group;
        let object = |(kind, law): &(Kind, Result<Fitted, NoFit>)| {
            let fitted = law.as_ref().ok();
            let value = |name| fitted.and_then(|f| parameter(f, convention, name));
            let parameters: Option<Map<String, Value>> = fitted.map(|f| {
                f.law.parameters().into_iter().map(|(name, v)| (convention.name(name).into(), json!(v))).collect()
            });
            let interval = |i: &retrial_theory::fit::Interval| {
                json!({
                    "parameter": convention.name(i.parameter), "method": i.method, "low": i.low, "high": i.high,
                    "identified": i.low > range(i.parameter)[0] || i.high < range(i.parameter)[1],
                })
            };
            let goodness = fitted.and_then(|f| self.behind(f).map(|nats| (nats, f.goodness)));
            json!({
                "group": self.group.to_string(), "model": model, "benchmark": benchmark,
                "problems": self.data.samples() as u64, "notes": notes(&self.data), "law": kind.name(), "by": by(*kind),
                "convention": convention, "A": value("A"), "alpha": value("alpha"), "beta": value("beta"),
                "parameters": parameters, "nll": fitted.and_then(|f| f.nll),
                "aic": fitted.and_then(|f| f.aic), "bic": fitted.and_then(|f| f.bic),
                "misfit": fitted.map(|f| f.misfit),
                "intervals": fitted.map(|f| f.intervals.iter().map(interval).collect::<Vec<_>>()),
                "goodness": goodness.map(|(nats, tested)| json!({
                    "npmle_nll": self.npmle.nll, "npmle_gap": self.npmle.gap, "behind_npmle": nats,
                    "p_value": tested.map(|g| g.p_value), "replicates": tested.map_or(0, |g| g.replicates),
                })),
                "outside_band": fitted.and_then(|f| self.outside(f)), "verdict": self.sentence(law),
            })
        };
        self.laws.iter().map(object).collect()
    }
}

/// All that a parameter can be.
fn range(parameter: &str) -> [f64; 2] {
    if ["A", "scale", "share", "p"].contains(&parameter) { [0.0, 1.0] } else { [0.0, f64::INFINITY] }
}

fn by(kind: Kind) -> &'static str {
    if kind.by_likelihood() { "likelihood" } else { "least squares" }
}

/// A parameter by its name in the convention. Mixing laws without an `A` of their own hold that every problem can be
/// solved, `A = 1`.
fn parameter(fitted: &Fitted, convention: Convention, name: &'static str) -> Option<f64> {
    // Swapping twice gives back the paper's name.
    let found = fitted.law.parameter(convention.name(name));
    found.or_else(|| (name == "A" && fitted.law.kind().by_likelihood()).then_some(1.0))
}

/// The parameters that have no column of their own.
fn others(fitted: &Fitted, convention: Convention) -> String {
    let of_column = |name: &str| ["A", "alpha", "beta"].contains(&name);
    let parameters = fitted.law.parameters().into_iter().filter(|(name, _)| !of_column(name));
    let text: Vec<String> = parameters.map(|(name, v)| format!("{} {}", convention.name(name), Short(v))).collect();
    if text.is_empty() { "-".into() } else { text.join(", ") }
}
