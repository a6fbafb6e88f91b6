//! What became of cases: the table, the JSON and the lines that say what failed.

use crate::ui;
use retrial_check::{Case, Verdict};
use serde_json::{Value, json};

/// A case, and what became of it.
pub struct Judged {
    pub case: Case,
    /// What it was computed in, where that is not the case's: nobody knows of a stranger's kernel.
    pub name: String,
    pub outcome: Outcome,
    /// How to get it again.
    pub command: String,
}

/// What became of a case.
pub enum Outcome {
    Judged(Verdict),
    /// An implementation without room for the model.
    NoRoom,
    /// A kernel that wrote nothing, or not what it should: why.
    Unfit(String),
}

impl Judged {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Judged(verdict) => verdict.fault().map(ToString::to_string),
            Outcome::NoRoom => None,
            Outcome::Unfit(why) => Some(why.clone()),
        }
    }

    fn row(&self) -> Vec<String> {
        let case = &self.case;
        let mut row = vec![
            self.name.clone(),
            case.precision().to_string(),
            case.shape.to_string(),
            case.samples.to_string(),
            case.trials.to_string(),
        ];
        row.extend(match &self.outcome {
            Outcome::NoRoom => ["-".into(), "-".into(), "no room".into()],
            Outcome::Judged(Verdict::Agrees(a)) => {
                [format!("{:.1e}", a.max_error), format!("{:.0} %", 100.0 * a.used), "ok".into()]
            }
            _ => ["-".into(), "-".into(), "FAILED".into()],
        });
        row
    }

    fn object(&self) -> Value {
        let case = &self.case;
        let agreement = match &self.outcome {
            Outcome::Judged(verdict) => verdict.agreement(),
            _ => None,
        };
        json!({
            "name": self.name,
            "kernel": case.kernel.name(),
            "variant": case.variant.as_ref().map(|variant| &variant.kernel),
            "precision": case.precision(),
            "shape": case.shape,
            "samples": case.samples,
            "trials": case.trials,
            "max_error": agreement.map(|a| a.max_error),
            "of_bound": agreement.map(|a| a.used),
            "fault": self.fault(),
            "command": self.command,
        })
    }
}

/// Those that ran, as a table; how many of them passed.
pub fn table(judged: &[Judged]) -> String {
    let head = ["kernel", "precision", "shape", "samples", "trials", "max error", "of bound", "verdict"];
    let rows: Vec<_> = [head.map(String::from).to_vec()].into_iter().chain(judged.iter().map(Judged::row)).collect();
    let ran = judged.iter().filter(|judged| !matches!(judged.outcome, Outcome::NoRoom)).count();
    let failed = judged.iter().filter(|judged| judged.fault().is_some()).count();
    format!("{}\n{} of {ran} cases passed\n", ui::table(&rows), ran - failed)
}

/// Those that ran, for machines.
pub fn objects(judged: &[Judged]) -> Vec<Value> {
    judged.iter().filter(|judged| !matches!(judged.outcome, Outcome::NoRoom)).map(Judged::object).collect()
}

/// Says what failed; whether nothing did.
pub fn tell(judged: &[Judged]) -> bool {
    let mut passed = true;
    for judged in judged {
        if let Some(fault) = judged.fault() {
            ui::tell(format_args!("{} {}: {fault}", judged.name, judged.case.shape));
            ui::tell(format_args!("  rerun: {}", judged.command));
            passed = false;
        }
    }
    passed
}
