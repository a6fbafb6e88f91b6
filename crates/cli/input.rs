//! Success counts on the command line: what the commands on anyone's counts share.

use crate::ui;
use clap::Args;
use retrial_counts::{Columns, Group, Missing, Options};
use retrial_spec::{Error, Result};
use retrial_theory::{
    Data,
    fit::{Kind, Law},
};
use std::{collections::HashMap, path::PathBuf};

/// Where the counts are and how to read them.
#[derive(Args, Clone)]
pub struct InputArgs {
    /// Files and directories of results, known by their content, or - for standard input
    ///
    /// Tables (CSV with commas, tabs or semicolons, JSON lines, JSON arrays, Parquet): one row per problem with model, benchmark,
    /// problem_id, num_samples, num_correct; or one row per attempt with success in place of the numbers; or one row per
    /// problem with a list of outcomes in success; or one row per successful attempt with its number in attempt, given
    /// --attempts and --problems. A matrix of outcomes, problems x attempts (.npy, CSV). A run of retrial sample. All may be
    /// gzipped, and a group that lies in several files is put together. Files of evaluation harnesses are listed below.
    ///
    /// A table is read as a stream and may have rows of 16 MiB, 10,000 columns, 8 GiB as unpacked, fields of 64 KiB,
    /// 10,000 groups, 3,000,000 problems, and attempts that fill 640 MiB (some 20 million); a document may have 512 MiB.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub reading: Reading,
}

/// How to read counts.
#[derive(Args, Clone)]
pub struct Reading {
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
    /// The outcome that is a success, where that is not 1, true, pass or C
    #[arg(long = "true", value_name = "TEXT", conflicts_with = "threshold")]
    pub truth: Option<String>,
    /// Outcomes are scores, and a success is one of at least X
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub threshold: Option<f64>,
    /// What an attempt without an outcome is; both reads the input once with each of drop and fail
    #[arg(long, value_enum, default_value_t = MissingArg::Error)]
    pub missing: MissingArg,
    /// Only groups whose "model, benchmark" contains this
    #[arg(long, value_name = "TEXT")]
    pub group: Option<String>,
}

impl InputArgs {
    /// Reads the groups.
    pub fn read(&self) -> Result<Vec<Group>> {
        self.reading.wanted(self.reading.read(&self.files)?, &self.source())
    }

    /// Reads the groups of every file by itself. Models of one name in several files are told apart by
    /// their files.
    pub fn read_apart(&self) -> Result<Vec<Group>> {
        let mut all: Vec<(PathBuf, Group)> = vec![];
        for file in &self.files {
            let groups = self.reading.read(std::slice::from_ref(file))?;
            all.extend(groups.into_iter().map(|group| (file.clone(), group)));
        }
        let mut uses: HashMap<(String, String), usize> = HashMap::new();
        for (_, group) in &all {
            *uses.entry((group.model.clone(), group.benchmark.clone())).or_default() += 1;
        }
        let rename = |(file, mut group): (PathBuf, Group)| {
            if uses[&(group.model.clone(), group.benchmark.clone())] > 1 {
                // A model without a name is called like its file, which says less than where that lies.
                let alone = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&group.model));
                let file = file.display();
                group.model = if alone { file.to_string() } else { format!("{file}: {}", group.model) };
            }
            group
        };
        self.reading.wanted(all.into_iter().map(rename).collect(), &self.source())
    }

    /// What was read, for a sentence.
    pub fn source(&self) -> String {
        let names: Vec<String> = self.files.iter().take(4).map(|file| file.display().to_string()).collect();
        match self.files.len().checked_sub(4) {
            None | Some(0) => names.join(", "),
            Some(more) => format!("{} and {more} more", names.join(", ")),
        }
    }
}

impl Reading {
    /// Reads the groups of all files together.
    pub fn read(&self, files: &[PathBuf]) -> Result<Vec<Group>> {
        let read = |missing| {
            let options = Options {
                columns: Columns::renamed(self.columns.iter().map(|(column, name)| (column.as_str(), name.as_str())))?,
                attempts: self.attempts,
                problems: self.problems.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
                stopped: self.stopped.then(|| self.batch.unwrap_or(1)),
                missing,
                truth: self.truth.clone(),
                threshold: self.threshold,
            };
            retrial_counts::read(files, &options)
        };
        let named = |missing, how: &str| {
            let mut groups = read(missing)?;
            for group in &mut groups {
                group.benchmark = [group.benchmark.as_str(), how].join(" ").trim().into();
            }
            Ok::<_, Error>(groups)
        };
        match self.missing {
            MissingArg::Error => read(Missing::Error),
            MissingArg::Drop => read(Missing::Drop),
            MissingArg::Fail => read(Missing::Fail),
            MissingArg::Both => {
                let mut groups = named(Missing::Drop, "(missing dropped)")?;
                groups.extend(named(Missing::Fail, "(missing failed)")?);
                Ok(groups)
            }
        }
    }

    /// The groups that are asked for.
    pub fn wanted(&self, mut groups: Vec<Group>, source: &str) -> Result<Vec<Group>> {
        if let Some(wanted) = &self.group {
            let names: Vec<String> = groups.iter().map(Group::to_string).collect();
            groups.retain(|group| group.to_string().contains(wanted));
            if groups.is_empty() {
                return Err(Error::input("group", wanted, format!("{source} has {}", names.join("; "))));
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
        notes(group, &data).iter().for_each(|line| ui::note(format_args!("{group}: {line}")));
        Ok(data)
    }
}

/// What a user of these counts should know.
pub fn notes(group: &Group, data: &Data) -> Vec<String> {
    let stopped = |[solved, unsolved]: [f64; 2]| {
        format!(
            "solved problems have fewer attempts ({solved:.1} on average) than unsolved ones ({unsolved:.1}): if attempts \
             ended at a success, all that follows is biased without --stopped (and --batch N where they came by N)"
        )
    };
    let few = |problems: f64| match problems {
        1.0 => "one problem says nothing of others: intervals for other problems are left out".into(),
        _ => format!(
            "{problems} problems are few: 95 % intervals for other problems may hold in 85 % of cases only, where problems differ much"
        ),
    };
    let few = (data.samples() < 10.0).then(|| few(data.samples()));
    let more = group.notes.iter().cloned();
    data.seems_stopped().map(stopped).into_iter().chain(few).chain(more).collect()
}

/// What an attempt without an outcome is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MissingArg {
    /// A fault of the file
    Error,
    /// No attempt
    Drop,
    /// A failure
    Fail,
    /// Read the input twice: without them, and with them as failures
    Both,
}

/// Lines of help: the files of harnesses that need no flag.
pub fn formats_help() -> String {
    let formats = retrial_counts::formats();
    let width = formats.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = formats.iter().map(|(name, about)| format!("  {name:<width$}  {about}\n"));
    format!("Files of evaluation harnesses:\n{}", lines.collect::<String>())
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

/// The name of a law that is fitted.
pub fn law(text: &str) -> std::result::Result<Kind, String> {
    let names = || Kind::fitted().map(Kind::name).collect::<Vec<_>>().join(", ");
    Kind::fitted().find(|kind| kind.name() == text).ok_or_else(|| format!("must be one of {}", names()))
}

/// A law with its parameters, `name:parameter=value,..`.
pub fn given_law(text: &str) -> std::result::Result<Law, String> {
    let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
    let parameters = parameters.split(',').filter(|part| !part.trim().is_empty()).map(|part| {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("{part}: must be NAME=NUMBER"))?;
        let value = value.trim().parse().map_err(|_| format!("{}: got {value}; must be a number", name.trim()))?;
        Ok((name.trim(), value))
    });
    let parameters = parameters.collect::<std::result::Result<Vec<_>, String>>()?;
    Kind::named(name.trim()).and_then(|kind| Law::new(kind, &parameters)).map_err(|e| e.to_string())
}

/// What an option means, and a line for each law that is fitted.
pub fn laws_help(what: &str) -> String {
    let lines = Kind::fitted().map(|kind| format!("\n  {:<14} {}", kind.name(), kind.about()));
    format!("{what}:{}", lines.collect::<String>())
}

/// `left=right`.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(left, right)| !left.trim().is_empty() && !right.trim().is_empty());
    let (left, right) = parts.ok_or("must be COLUMN=NAME, such as num_correct=passed")?;
    Ok((left.trim().into(), right.trim().into()))
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
