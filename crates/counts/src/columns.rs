//! What columns are called.

use retrial_spec::{Error, Result};
use std::fmt;

/// What a column of a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Who was tried; one model named after the file without it.
    Model,
    /// On what; empty without it.
    Benchmark,
    /// Which problem.
    Problem,
    /// Attempts at the problem.
    Samples,
    /// Successes among them.
    Correct,
    /// Number of the attempt, from 1.
    Attempt,
    /// Whether the attempt succeeded: 0, 1, true or false.
    Success,
    /// To what the problem belongs, with others that are alike: a subject, a text.
    Cluster,
}

impl Column {
    /// Every column, in the order of their discriminants.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Model,
        Self::Benchmark,
        Self::Problem,
        Self::Samples,
        Self::Correct,
        Self::Attempt,
        Self::Success,
        Self::Cluster,
    ];
    /// Their number.
    pub const COUNT: usize = 8;

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Benchmark => "benchmark",
            Self::Problem => "problem_id",
            Self::Samples => "num_samples",
            Self::Correct => "num_correct",
            Self::Attempt => "attempt",
            Self::Success => "success",
            Self::Cluster => "cluster",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The names that a table gives its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns([Option<String>; Column::COUNT]);

impl Columns {
    /// The usual names but for the given `(usual, name)` pairs. An error where `usual` is none or given twice.
    pub fn renamed<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut columns = Self::default();
        for (usual, name) in pairs {
            let Some(column) = Column::ALL.into_iter().find(|column| column.name() == usual) else {
                let known = Column::ALL.map(Column::name).join(", ");
                return Err(Error::input("column", usual, format!("must be one of {known}")));
            };
            if columns.0[column as usize].replace(name.into()).is_some() {
                return Err(Error::input("column", format!("{usual} twice"), "give each one name"));
            }
        }
        Ok(columns)
    }

    /// What the table calls a column.
    pub fn name(&self, column: Column) -> &str {
        self.0[column as usize].as_deref().unwrap_or(column.name())
    }

    /// Gives a column a name.
    pub(crate) fn name_it(&mut self, column: Column, name: &str) {
        self.0[column as usize] = Some(name.into());
    }

    /// Whether the column was given a name, and so must be there.
    pub(crate) fn is_renamed(&self, column: Column) -> bool {
        self.0[column as usize].is_some()
    }
}
