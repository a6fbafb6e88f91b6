//! From rows to groups: what a row means, and what it may not say.

use crate::{
    Column, Group, Missing, Options, Outcomes,
    place::{Fields, Place},
};
use retrial_spec::{Error, Result, text::visible};
use retrial_theory::coverage::Counts;
use std::{
    collections::{HashMap, hash_map::Entry},
    path::{Path, PathBuf},
};

/// Counts beyond this are no longer exact as f64.
const MAX_COUNT: u64 = 1 << 53;
/// Problems of all groups of a table together.
pub const MAX_PROBLEMS: usize = 3_000_000;
/// More are no models and benchmarks, but a column taken for one.
const MAX_GROUPS: usize = 10_000;
/// Bytes of a field.
const MAX_FIELD: usize = 64 << 10;
/// Bytes that groups, problems and attempts may take together, with what is made of them.
const MAX_MEMORY: usize = 640 << 20;
/// Bytes of a group, a problem and an attempt, beside their names.
const GROUP: usize = 1024;
const PROBLEM: usize = 200;
const ATTEMPT: usize = 32;

/// What one row stands for.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counts,
    Attempts,
    Successes,
}

/// One attempt, its number as the table has it, and its row for the message that it is there twice.
#[derive(Clone, Copy)]
struct Attempt {
    number: u64,
    row: u32,
    success: bool,
}

/// A group in the making.
#[derive(Default)]
struct Draft {
    model: Box<str>,
    benchmark: Box<str>,
    index: HashMap<Box<str>, usize>,
    counts: Vec<Counts>,
    attempts: Vec<Vec<Attempt>>,
    /// The cluster of each problem, where there is such a column.
    clusters: Vec<Box<str>>,
    /// Where stopped attempts cut the last batch short: attempts, and the row that says so.
    cut: Vec<(u64, u64)>,
    /// Attempts without an outcome.
    missing: u64,
}

/// Collects the rows of a table.
pub(crate) struct Builder<'a> {
    path: PathBuf,
    options: &'a Options,
    kind: Kind,
    /// The model of a table without that column.
    stem: String,
    drafts: Vec<Draft>,
    index: HashMap<(Box<str>, Box<str>), usize>,
    /// Group of the row before: tables are mostly sorted.
    last: usize,
    problems: usize,
    memory: usize,
    /// Columns of the first row; the others have the same.
    present: [bool; Column::COUNT],
    /// Whether an attempt has the number 0, and so all count from there.
    from_zero: bool,
}

impl<'a> Builder<'a> {
    /// An error where the columns that are there, of all in the `header`, make no table of any kind, or the options do not fit that kind.
    pub(crate) fn new(path: &Path, present: [bool; Column::COUNT], header: &str, options: &'a Options) -> Result<Self> {
        let has = |column: Column| present[column as usize];
        let kind = match [Column::Correct, Column::Success, Column::Attempt].map(has) {
            [true, ..] => Kind::Counts,
            [_, true, _] => Kind::Attempts,
            [.., true] => Kind::Successes,
            _ => {
                return Err(missing(
                    path,
                    Column::Correct,
                    "or success or attempt, with a row per attempt",
                    header,
                    options,
                ));
            }
        };
        if !has(Column::Problem) {
            return Err(missing(path, Column::Problem, "which tells problems apart", header, options));
        }
        let given = |name, value: Option<u64>, wanted: bool| match value {
            Some(value) if !wanted => Err(Error::input(
                name,
                format!("{value} for {}", path.display()),
                "the table says this itself: drop the option",
            )),
            _ => Ok(()),
        };
        let counted = has(Column::Samples);
        given("attempts", options.attempts, kind == Kind::Successes || kind == Kind::Counts && !counted)?;
        given("problems", options.problems.map(|n| n as u64), kind == Kind::Successes)?;
        if let Some(n) = options.attempts.filter(|n| !(1..=MAX_COUNT).contains(n)) {
            return Err(Error::input("attempts", n, format!("must be from 1 to {MAX_COUNT}")));
        }
        if let Some(n) = options.problems.filter(|n| !(1..=MAX_PROBLEMS).contains(n)) {
            return Err(Error::input("problems", n, format!("must be from 1 to {MAX_PROBLEMS}")));
        }
        if kind == Kind::Counts && !counted && options.attempts.is_none() {
            return Err(missing(path, Column::Samples, "or the number of attempts with --attempts", header, options));
        }
        if kind == Kind::Successes {
            let fault = "lists successes only (a column attempt, none of num_correct or success)";
            if options.attempts.is_none() {
                return Err(Error::file(path, fault, "say how many attempts each problem got with --attempts"));
            }
            if options.problems.is_none() {
                let fix = "say with --problems how many there are: those never solved are not in the table";
                return Err(Error::file(path, fault, fix));
            }
            if options.stopped.is_some() {
                return Err(Error::file(path, fault, "stopped data need the number of attempts of every problem"));
            }
        }
        if options.stopped == Some(0) {
            return Err(Error::input("batch", 0, "must be at least 1"));
        }
        Ok(Self {
            path: path.into(),
            options,
            kind,
            stem: stem(path),
            drafts: vec![],
            index: HashMap::new(),
            last: 0,
            problems: 0,
            memory: 0,
            present,
            from_zero: false,
        })
    }

    /// Refuses a row that makes the table too large.
    fn check(&self, fields: &Fields, place: Place<'_>) -> Result<()> {
        let long = |&column: &Column| fields[column as usize].as_ref().is_some_and(|text| text.len() > MAX_FIELD);
        let long = Column::ALL.into_iter().find(long);
        let (column, limit, fix) = if let Some(column) = long {
            (column, format!("{} KiB", MAX_FIELD >> 10), "give it a shorter name")
        } else if self.drafts.len() > MAX_GROUPS {
            (Column::Model, format!("{MAX_GROUPS} models on benchmarks"), "is it the column of the model?")
        } else if self.problems > MAX_PROBLEMS {
            (Column::Problem, format!("{MAX_PROBLEMS} problems"), "give the groups a table each")
        } else if self.memory > MAX_MEMORY {
            (Column::Problem, format!("{} MiB", MAX_MEMORY >> 20), "give counts instead of attempts, and short names")
        } else {
            return Ok(());
        };
        Err(place.fault(self.options.columns.name(column), format!("is more than {limit}"), fix))
    }

    /// Takes a row.
    pub(crate) fn add(&mut self, fields: &Fields, place: Place<'_>) -> Result<()> {
        self.check(fields, place)?;
        let name = |column: Column| self.options.columns.name(column);
        let text = |column: Column| match fields[column as usize].as_deref() {
            None | Some("") => Err(place.fault(name(column), "is empty", "every row needs it")),
            Some(text) => Ok(text),
        };
        let count = |column: Column| {
            let text = text(column)?;
            whole(text).map_err(|fix| place.fault(name(column), format!("is {text}"), fix))
        };
        // A model that only some rows have would make two groups of one.
        for column in [Column::Model, Column::Benchmark, Column::Attempt, Column::Cluster] {
            let (here, before) = (fields[column as usize].is_some(), self.present[column as usize]);
            if here != before {
                let (fault, fix) = match here {
                    true => ("is there, and the first row has none", "give it to every row or to none"),
                    false => ("is missing, and the first row has it", "give it to every row or to none"),
                };
                return Err(place.fault(name(column), fault, fix));
            }
        }
        let problem = text(Column::Problem)?;
        let model = if fields[Column::Model as usize].is_some() { text(Column::Model)? } else { &self.stem };
        let benchmark = fields[Column::Benchmark as usize].as_deref().unwrap_or_default();
        let same = |draft: &&Draft| *draft.model == *model && *draft.benchmark == *benchmark;
        let at = match self.drafts.get(self.last).filter(same) {
            Some(_) => self.last,
            None => match self.index.entry((model.into(), benchmark.into())) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    self.memory += GROUP + 2 * (model.len() + benchmark.len());
                    let (model, benchmark) = entry.key().clone();
                    self.drafts.push(Draft { model, benchmark, ..Draft::default() });
                    *entry.insert(self.drafts.len() - 1)
                }
            },
        };
        self.last = at;
        let draft = &mut self.drafts[at];
        let known = draft.index.get(problem).copied();
        if known.is_none() {
            self.problems += 1;
            self.memory += PROBLEM + problem.len();
        }
        if let Some(cluster) = fields[Column::Cluster as usize].as_deref() {
            match known.and_then(|at| draft.clusters.get(at)) {
                None => {
                    self.memory += PROBLEM + cluster.len();
                    draft.clusters.push(cluster.into());
                }
                Some(before) if **before != *cluster => {
                    let fault = format!("is {cluster}, and was {before} in another row of {problem}");
                    return Err(place.fault(name(Column::Cluster), fault, "a problem belongs to one"));
                }
                Some(_) => {}
            }
        }
        if self.kind == Kind::Counts {
            if known.is_some() {
                let fault = format!("{problem} appears twice in {}", label(draft));
                return Err(place.fault(name(Column::Problem), fault, "give each problem one row"));
            }
            let samples = self.options.attempts.map_or_else(|| count(Column::Samples), Ok)?;
            let correct = count(Column::Correct)?;
            if samples == 0 {
                let fix = "a problem needs at least one attempt: leave out those that were not tried";
                return Err(place.fault(name(Column::Samples), "is 0", fix));
            }
            if correct > samples {
                let fix = format!("there are only {samples} attempts");
                return Err(place.fault(name(Column::Correct), format!("is {correct}"), fix));
            }
            let counts = Counts::new(samples, correct)?;
            if let Some(batch) = self.options.stopped {
                let last = counts.last_batch(batch);
                if correct > last {
                    let fix = match batch {
                        1 => {
                            "attempts that stop at the first success have 0 or 1; with --batch N they come by N".into()
                        }
                        _ => format!(
                            "by {batch}, the last batch of {samples} attempts has {last}, and none before succeeded"
                        ),
                    };
                    return Err(place.fault(name(Column::Correct), format!("is {correct}"), fix));
                }
                if last < batch {
                    draft.cut.push((samples, place.row));
                }
            }
            draft.index.insert(problem.into(), draft.counts.len());
            draft.counts.push(counts);
            return Ok(());
        }
        let at = known.unwrap_or_else(|| {
            draft.index.insert(problem.into(), draft.attempts.len());
            draft.attempts.push(vec![]);
            draft.attempts.len() - 1
        });
        self.memory += ATTEMPT;
        let attempts = &mut draft.attempts[at];
        let success = match self.kind {
            Kind::Successes => true,
            _ => match self.options.outcome(fields[Column::Success as usize].as_deref().unwrap_or_default()) {
                Some(Ok(success)) => success,
                Some(Err(fix)) => {
                    let got = fields[Column::Success as usize].as_deref().unwrap_or_default();
                    return Err(place.fault(name(Column::Success), format!("is {got}"), fix));
                }
                None => {
                    draft.missing += 1;
                    match self.options.missing {
                        Missing::Error => {
                            let fix = "every row needs it; --missing drop leaves such attempts out, --missing fail counts them as \
                                       failures";
                            return Err(place.fault(name(Column::Success), "is empty", fix));
                        }
                        Missing::Drop => return Ok(()),
                        Missing::Fail => false,
                    }
                }
            },
        };
        let number = match fields[Column::Attempt as usize].as_deref() {
            None => attempts.len() as u64 + 1,
            // A row that only says that there is such a problem.
            Some("") if self.kind == Kind::Successes => return Ok(()),
            Some(_) => count(Column::Attempt)?,
        };
        let most = self.options.attempts.unwrap_or(MAX_COUNT);
        self.from_zero |= number == 0;
        if number > most {
            return Err(place.fault(name(Column::Attempt), format!("is {number}"), format!("there are only {most}")));
        }
        attempts.push(Attempt { number, row: place.row.try_into().unwrap_or(u32::MAX), success });
        Ok(())
    }

    /// The groups. An error without rows, or where attempts contradict each other or the options.
    pub(crate) fn finish(mut self) -> Result<Vec<Group>> {
        let drafts = std::mem::take(&mut self.drafts);
        if let Some(wanted) = self.options.problems
            && wanted.saturating_mul(drafts.len()) > MAX_PROBLEMS
        {
            let limit = format!("must be at most {MAX_PROBLEMS} in {} groups", drafts.len());
            return Err(Error::input("problems", wanted, limit));
        }
        if drafts.is_empty() {
            return Err(Error::file(&self.path, "holds a header and no rows", "give at least one problem"));
        }
        // Problems of which every attempt was left out are none.
        let groups: Vec<Group> = drafts.into_iter().map(|draft| self.group(draft)).collect::<Result<_>>()?;
        match groups.iter().find(|group| group.problems.is_empty()) {
            Some(group) => Err(Error::file(
                &self.path,
                format!("has no outcome for {group}"),
                "count missing ones with --missing fail",
            )),
            None => Ok(groups),
        }
    }

    fn group(&self, mut draft: Draft) -> Result<Group> {
        let group = label(&draft);
        let mut problems: Vec<Box<str>> = vec!["".into(); draft.index.len()];
        for (problem, at) in draft.index.drain() {
            problems[at] = problem;
        }
        let mut listed = Vec::with_capacity(draft.attempts.len());
        let gaps = draft.attempts.iter_mut().filter_map(|attempts| self.gap(attempts)).count();
        let empty: Vec<bool> = draft.attempts.iter().map(|a| a.is_empty() && self.kind == Kind::Attempts).collect();
        if empty.contains(&true) {
            let mut keep = empty.iter().map(|empty| !empty);
            problems.retain(|_| keep.next().unwrap_or(true));
            let mut keep = empty.iter().map(|empty| !empty);
            draft.clusters.retain(|_| keep.next().unwrap_or(true));
            draft.attempts.retain(|attempts| !attempts.is_empty());
        }
        for (attempts, problem) in draft.attempts.iter_mut().zip(&problems) {
            listed.push(self.successes(attempts, problem, &group)?);
            let samples = self.options.attempts.unwrap_or(attempts.len() as u64);
            let counts = Counts::new(samples, listed[listed.len() - 1].len() as u64)?;
            if let (Some(batch), Some(last)) = (self.options.stopped, attempts.last())
                && counts.last_batch(batch) < batch
            {
                draft.cut.push((samples, last.row.into()));
            }
            draft.counts.push(counts);
        }
        if let (Some(wanted), Some(attempts)) = (self.options.problems, self.options.attempts) {
            if problems.len() > wanted {
                let limit = format!("{group} has {} in {}", problems.len(), self.path.display());
                return Err(Error::input("problems", wanted, limit));
            }
            let unlisted = wanted - problems.len();
            problems.extend((1..=unlisted).map(|i| format!("unlisted {i}").into()));
            draft.counts.extend(vec![Counts::new(attempts, 0)?; unlisted]);
            listed.resize(wanted, vec![]);
            if unlisted > 0 {
                draft.clusters.clear(); // nobody says where those belong
            }
        }
        let most = draft.counts.iter().map(Counts::trials).max().unwrap_or(0);
        if let (Some(batch), Some((samples, row))) =
            (self.options.stopped, draft.cut.iter().find(|(samples, _)| *samples < most))
        {
            let column = if self.kind == Kind::Counts { Column::Samples } else { Column::Success };
            let column = self.options.columns.name(column);
            let fault = format!("row {row}, column {column}: attempts at a problem end at {samples}");
            let fix = format!("by {batch} they end with a batch, or at the most in {group}, {most}");
            return Err(Error::file(&self.path, fault, fix));
        }
        let stopped = |counts: &Counts| (counts.successes() > 0).then(|| counts.trials() - 1);
        let outcomes = match self.kind {
            Kind::Counts if self.options.stopped == Some(1) => {
                Outcomes::First(draft.counts.iter().map(stopped).collect())
            }
            Kind::Counts => Outcomes::Counted,
            _ => Outcomes::Listed(listed),
        };
        let Draft { model, benchmark, counts, clusters, missing, .. } = draft;
        let mut notes = vec![];
        if missing > 0 {
            let how = if self.options.missing == Missing::Drop { "are left out" } else { "count as failures" };
            notes.push(format!("{missing} attempts without an outcome {how}"));
        }
        if gaps > 0 {
            notes.push(format!(
                "attempts of {gaps} problems have gaps in their numbers: what is missing counts for nothing"
            ));
        }
        Ok(Group { model: model.into(), benchmark: benchmark.into(), problems, counts, clusters, outcomes, notes })
    }

    /// Whether numbers of a problem's attempts are left out.
    fn gap(&self, attempts: &mut [Attempt]) -> Option<()> {
        attempts.sort_by_key(|attempt| attempt.number);
        let gap = attempts.windows(2).any(|pair| pair[1].number > pair[0].number + 1);
        (self.kind == Kind::Attempts && gap).then_some(())
    }

    /// Which of a problem's attempts succeeded, from 0 in the order of their numbers.
    fn successes(&self, attempts: &mut [Attempt], problem: &str, group: &str) -> Result<Vec<u64>> {
        if let Some(pair) = attempts.windows(2).find(|pair| pair[0].number == pair[1].number) {
            let (column, number) = (self.options.columns.name(Column::Attempt), pair[1].number);
            let fault = format!("row {}, column {column}: {number} of problem {problem} appears twice", pair[1].row);
            return Err(Error::file(&self.path, fault, format!("give each attempt of {group} one row")));
        }
        let successes = match self.kind {
            Kind::Successes => {
                let from = u64::from(!self.from_zero);
                if let Some(last) = attempts.last().filter(|last| Some(last.number - from) >= self.options.attempts) {
                    let fault = format!(
                        "row {}, column {}: is {}",
                        last.row,
                        self.options.columns.name(Column::Attempt),
                        last.number
                    );
                    return Err(Error::file(
                        &self.path,
                        fault,
                        "attempts count from 0 here, and so it is none of them",
                    ));
                }
                attempts.iter().map(|attempt| attempt.number - from).collect()
            }
            _ => (0..).zip(&*attempts).filter(|(_, attempt)| attempt.success).map(|(at, _)| at).collect::<Vec<u64>>(),
        };
        if let (Some(batch), Some(&first)) = (self.options.stopped, successes.first())
            && attempts.len() as u64 > (first / batch + 1).saturating_mul(batch)
        {
            let (column, row) = (self.options.columns.name(Column::Success), attempts[first as usize].row);
            let fault = format!("row {row}, column {column}: attempts at problem {problem} go on after this success");
            let fix = match batch {
                1 => {
                    "drop --stopped, or the attempts after the first success; --batch for attempts that come in batches"
                }
                _ => "drop --stopped, or give the right --batch: no batch follows one that holds a success",
            };
            return Err(Error::file(&self.path, fault, fix));
        }
        Ok(successes)
    }
}

/// A count, or what it must be.
fn whole(text: &str) -> Result<u64, &'static str> {
    let value = match text.parse::<u64>() {
        Ok(value) => value as f64,
        Err(_) => text.parse::<f64>().unwrap_or(f64::NAN),
    };
    match value {
        v if v.is_nan() => Err("must be a number"),
        v if v < 0.0 => Err("must not be negative"),
        v if v > MAX_COUNT as f64 => Err("must be at most 2^53"),
        v if v.fract() != 0.0 => Err("must be a whole number"),
        v => Ok(v as u64),
    }
}

fn missing(path: &Path, column: Column, more: &str, header: &str, options: &Options) -> Error {
    let name = options.columns.name(column);
    let fix = format!("add it, {more}, or name the column that holds it with --columns {column}=NAME");
    let has = if header.is_empty() { String::new() } else { format!(" among {}", shortened(header)) };
    Error::file(path, format!("header, column {name}: is missing{has}"), fix)
}

/// On one line, and no longer than is read.
pub(crate) fn shortened(names: &str) -> String {
    const LONGEST: usize = 300;
    match names.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", visible(&names[..end])),
        None => visible(names).into_owned(),
    }
}

fn label(draft: &Draft) -> String {
    format!("{} {}", draft.model, draft.benchmark).trim_end().to_string()
}

/// The name of a file without its extensions.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name == "-" {
        return "stdin".into();
    }
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let ends = [".csv", ".tsv", ".jsonl", ".json", ".npy", ".yaml", ".yml", ".eval", ".parquet", ".results"];
    ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_string()
}
