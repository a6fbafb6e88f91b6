//! Success counts on the command line: what the commands on anyone's counts share.

use crate::ui;
use clap::Args;
use retrial_counts::{Columns, Group, Options};
use retrial_spec::{Error, Result};
use retrial_theory::{Data, fit::Kind};
use std::{num::NonZero, path::PathBuf, thread};

/// Where the counts are and how to read them.
#[derive(Args, Clone)]
pub struct InputArgs {
    /// CSV with a header, JSON lines (either may be .gz), or a directory that retrial sample wrote
    ///
    /// One row per problem with model, benchmark, problem_id, num_samples, num_correct; or one row per attempt with
    /// success (0, 1, true, false) in place of the numbers; or one row per successful attempt with its number from 1
    /// in attempt, given --attempts and --problems. Without model and benchmark the file is one group.
    ///
    /// A table is read as a stream and may have rows of 16 MiB, 10,000 columns, 8 GiB as unpacked, fields of 64 KiB,
    /// 10,000 groups, 3,000,000 problems, and attempts that fill 640 MiB (some 20 million).
    pub file: PathBuf,
    /// What the file calls its columns, such as problem_id=task,num_correct=passed
    #[arg(long, value_name = "COLUMN=NAME,..", value_delimiter = ',', value_parser = pair)]
    pub columns: Vec<(String, String)>,
    /// Attempts per problem, where the file does not say
    #[arg(long, value_name = "N", value_parser = count)]
    pub attempts: Option<u64>,
    /// Problems per group, where the file lists successful attempts only
    #[arg(long, value_name = "N", value_parser = count)]
    pub problems: Option<u64>,
    /// Attempts at a problem ended at its first success, or with --batch at the end of the batch that held it
    #[arg(long)]
    pub stopped: bool,
    /// Attempts came by N until a batch held a success; the most there are may cut the last batch short
    #[arg(long, value_name = "N", requires = "stopped", value_parser = positive)]
    pub batch: Option<u64>,
    /// Only groups whose "model, benchmark" contains this
    #[arg(long, value_name = "TEXT")]
    pub group: Option<String>,
}

impl InputArgs {
    /// Reads the groups.
    pub fn read(&self) -> Result<Vec<Group>> {
        let options = Options {
            columns: Columns::renamed(self.columns.iter().map(|(column, name)| (column.as_str(), name.as_str())))?,
            attempts: self.attempts,
            problems: self.problems.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            stopped: self.stopped.then(|| self.batch.unwrap_or(1)),
        };
        let mut groups = retrial_counts::read(&self.file, &options)?;
        if let Some(wanted) = &self.group {
            let names: Vec<String> = groups.iter().map(Group::to_string).collect();
            groups.retain(|group| group.to_string().contains(wanted));
            if groups.is_empty() {
                let limit = format!("{} has {}", self.file.display(), names.join("; "));
                return Err(Error::input("group", wanted, limit));
            }
        }
        Ok(groups)
    }

    /// The counts of a group as the laws take them. Says so on stderr where they seem to have been stopped.
    pub fn data(&self, group: &Group) -> Result<Data> {
        let data = match self.stopped {
            true => Data::batched(&group.counts, self.batch.unwrap_or(1)),
            false => Data::new(&group.counts),
        }?;
        notes(&data).iter().for_each(|line| ui::note(format_args!("{group}: {line}")));
        Ok(data)
    }
}

/// What a user of these counts should know.
pub fn notes(data: &Data) -> Vec<String> {
    let stopped = |[solved, unsolved]: [f64; 2]| {
        format!(
            "solved problems have fewer attempts ({solved:.1} on average) than unsolved ones ({unsolved:.1}): if attempts \
             ended at a success, all that follows is biased without --stopped (and --batch N where they came by N)"
        )
    };
    data.seems_stopped().map(stopped).into_iter().collect()
}

/// What a group is: problems, attempts, and how many were solved.
pub fn headline(group: &Group, data: &Data) -> String {
    let (least, most) = (group.least_trials(), group.most_trials());
    let attempts = match least == most {
        true => format!("{} attempts each", ui::thousands(most)),
        false => format!("{} to {} attempts", ui::thousands(least), ui::thousands(most)),
    };
    let stopped = match data.batch() {
        None => String::new(),
        Some(1) => ", stopped at the first success".into(),
        Some(batch) => format!(", by {} until one succeeds", ui::thousands(batch)),
    };
    let [problems, solved] = [data.samples(), data.solved()].map(|n| ui::thousands(n as u64));
    format!("{group}: {problems} problems, {attempts}{stopped}; {solved} solved")
}

/// How Beta laws are written down: whose probability they spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// Beta(alpha, beta) of the failure probability, as in the paper; beta is the exponent of the tail
    Failure,
    /// Beta(alpha, beta) of the success probability; alpha is the exponent of the tail
    Success,
}

impl Convention {
    /// What the paper's `name` is called here: the other convention swaps alpha and beta.
    pub fn name(self, name: &'static str) -> &'static str {
        match (self, name) {
            (Self::Failure, _) => name,
            (Self::Success, "alpha") => "beta",
            (Self::Success, "beta") => "alpha",
            (Self::Success, "alpha2") => "beta2",
            (Self::Success, "beta2") => "alpha2",
            (Self::Success, _) => name,
        }
    }

    /// For headings.
    pub fn text(self) -> &'static str {
        match self {
            Self::Failure => "alpha, beta of the failure probability (convention: failure)",
            Self::Success => "alpha, beta of the success probability (convention: success)",
        }
    }
}

/// A whole number, also as `1e6`.
pub fn count(text: &str) -> std::result::Result<u64, String> {
    if let Ok(n) = text.parse() {
        return Ok(n);
    }
    match text.parse::<f64>() {
        Ok(v) if v >= 0.0 && v.fract() == 0.0 && v <= 9e15 => Ok(v as u64),
        _ => Err("must be a whole number from 0 to 9e15, such as 1000 or 1e6".into()),
    }
}

/// A whole number of at least one.
pub fn positive(text: &str) -> std::result::Result<u64, String> {
    count(text).and_then(|n| if n == 0 { Err("must be at least 1".into()) } else { Ok(n) })
}

/// A number of bootstrap replicates.
pub fn replicates(text: &str) -> std::result::Result<u32, String> {
    count(text)?.try_into().map_err(|_| format!("must be at most {}", u32::MAX))
}

/// The name of a law.
pub fn law(text: &str) -> std::result::Result<Kind, String> {
    let names = || Kind::ALL.map(Kind::name).join(", ");
    Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| format!("must be one of {}", names()))
}

/// `left=right`.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(left, right)| !left.trim().is_empty() && !right.trim().is_empty());
    let (left, right) = parts.ok_or("must be COLUMN=NAME, such as num_correct=passed")?;
    Ok((left.trim().into(), right.trim().into()))
}

/// All cores.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_powers_of_ten() {
        assert_eq!(count("1e6"), Ok(1_000_000));
        assert_eq!(count("2.5e3"), Ok(2500));
        assert_eq!(count("18446744073709551615"), Ok(u64::MAX));
        for odd in ["-1", "0.5", "1e30", "nan", "x", ""] {
            assert!(count(odd).is_err(), "{odd}");
        }
        assert!(positive("0").is_err());
        assert_eq!(replicates("1e3"), Ok(1000));
        assert!(replicates("1e10").is_err());
    }
}
