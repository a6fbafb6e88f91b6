//! Attempts one by one, of files that are no tables.

use crate::{
    Column, Group, Options,
    builder::Builder,
    place::{Fields, Place},
};
use retrial_spec::Result;
use std::path::Path;

/// Collects attempts in their order.
pub(crate) struct Attempts<'a> {
    path: &'a Path,
    builder: Builder<'a>,
    row: u64,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(path: &'a Path, options: &'a Options) -> Result<Self> {
        let mut present = [false; Column::COUNT];
        for column in [Column::Model, Column::Benchmark, Column::Problem, Column::Success] {
            present[column as usize] = true;
        }
        Ok(Self { path, builder: Builder::new(path, present, "", options)?, row: 0 })
    }

    /// Takes an outcome.
    pub(crate) fn add(&mut self, model: &str, benchmark: &str, problem: &str, outcome: &str) -> Result<()> {
        self.row += 1;
        let mut fields = Fields::default();
        let columns = [Column::Model, Column::Benchmark, Column::Problem, Column::Success];
        for (column, text) in columns.into_iter().zip([model, benchmark, problem, outcome]) {
            fields[column as usize] = Some(text.into());
        }
        self.builder.add(&fields, Place { path: self.path, row: self.row, line: 0 })
    }

    pub(crate) fn finish(self) -> Result<Vec<Group>> {
        self.builder.finish()
    }
}
