//! `retrial simulate`

use crate::{
    folder,
    input::{given_law as law, positive},
    ui,
};
use clap::Args;
use retrial_counts::MAX_PROBLEMS;
use retrial_files::write_to;
use retrial_spec::{Error, Result, text::visible};
use retrial_theory::{
    coverage::Counts,
    fit::{Kind, Law},
    laws::BetaLaw,
    simulate::{Design, simulate},
};
use std::path::PathBuf;

/// Draw success counts from the memorising model, in the format that the other commands read
///
/// Each problem draws its failure probability from the difficulty law; its attempts are independent (Eqs. 4 to 8 of the
/// paper, Eq. 1 for --zipf). The same seed gives the same table.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial simulate --beta 4.65,0.361 --problems 1000 --attempts 1e4 > counts.csv\n  \
                        retrial simulate --zipf 1 --problems 1e6 --attempts 1e9 --out counts.csv\n  \
                        retrial simulate --law kumaraswamy:alpha=2,beta=0.3 --problems 500 --attempts 100\n  \
                        retrial simulate --point 0.999 --problems 100 --attempts 1e4 --stopped --seed 7\n  \
                        retrial simulate --beta 4.65,0.36 --problems 128 --attempts 600 --stopped --batch 60"
)]
pub struct Simulate {
    #[command(flatten)]
    difficulty: DifficultyArgs,
    /// Problems to draw
    #[arg(long, value_name = "N", value_parser = positive)]
    problems: u64,
    /// Attempts per problem
    #[arg(long, value_name = "N", value_parser = positive)]
    attempts: u64,
    /// End the attempts at a problem at its first success
    #[arg(long)]
    stopped: bool,
    /// With --stopped: try a problem by N attempts at a time, and end with the batch that holds a success
    #[arg(long, value_name = "N", requires = "stopped", value_parser = positive)]
    batch: Option<u64>,
    /// Seed of the draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Name in the column model
    #[arg(long, default_value = "simulated")]
    model: String,
    /// Where to write the CSV (default: standard output)
    #[arg(long)]
    out: Option<PathBuf>,
}

/// How problems differ.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct DifficultyArgs {
    /// Law with its parameters, such as kumaraswamy:alpha=2,beta=0.3
    #[arg(long, value_name = "LAW:NAME=X,..", value_parser = law, long_help = help())]
    law: Option<Law>,
    /// Beta law of the failure probability (Eq 7)
    #[arg(long, value_name = "ALPHA,BETA", value_parser = two, allow_hyphen_values = true)]
    beta: Option<(f64, f64)>,
    /// Zipf's law of exponent 1 + ALPHA: a problem succeeds as often as it is met (Eq. 1)
    #[arg(long, value_name = "ALPHA", allow_hyphen_values = true)]
    zipf: Option<f64>,
    /// The same failure probability for every problem
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    point: Option<f64>,
}

impl DifficultyArgs {
    /// The law, and its name in the column benchmark.
    fn law(&self) -> Result<(Law, String)> {
        Ok(match (&self.law, self.beta, self.zipf, self.point) {
            (Some(law), ..) => (*law, law.to_string()),
            (_, Some((alpha, beta)), ..) => (BetaLaw::new(alpha, beta)?.into(), format!("beta {alpha} {beta}")),
            (_, _, Some(alpha), _) => (Law::new(Kind::ZIPF, &[("alpha", alpha)])?, format!("zipf {alpha}")),
            (.., Some(p)) => (Law::new(Kind::POINT, &[("p", p)])?, format!("point {p}")),
            _ => return Err(Error::input("difficulty", "none", "give one of --law, --beta, --zipf and --point")),
        })
    }
}

impl Simulate {
    pub fn run(&self) -> Result<()> {
        if self.problems > MAX_PROBLEMS as u64 {
            let limit = format!("must be at most {MAX_PROBLEMS}, as in every table that is read");
            return Err(Error::input("problems", self.problems, limit));
        }
        let (law, benchmark) = self.difficulty.law()?;
        let batch = self.stopped.then(|| self.batch.unwrap_or(1));
        let design = Design { law, samples: self.problems, trials: self.attempts, batch };
        let counts = simulate(&design, self.seed)?;
        let model = visible(&self.model); // the same bytes, printed or written
        let row =
            |(problem, counts): (u64, &Counts)| (&*model, &benchmark, problem, counts.trials(), counts.successes());
        let head = ["model", "benchmark", "problem_id", "num_samples", "num_correct"];
        let csv = folder::csv(head, (1..).zip(&counts).map(row))?;
        match &self.out {
            Some(path) => write_to(path, csv.as_bytes()),
            None => ui::print_as_is(&csv),
        }
    }
}

/// What `--law` takes: a line for each law, with its parameters.
fn help() -> String {
    let names = |kind: &Kind| kind.parameters().iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
    let lines = Kind::ALL.iter().map(|kind| format!("\n  {:<14} {} ({})", kind.name(), kind.about(), names(kind)));
    format!("Law with its parameters, such as kumaraswamy:alpha=2,beta=0.3:{}", lines.collect::<String>())
}

/// `a,b`.
fn two(text: &str) -> std::result::Result<(f64, f64), String> {
    let numbers = text.split_once(',').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    numbers.ok_or_else(|| "must be two numbers, such as 4.65,0.361".into())
}
