//! Rows of a table, and where they stand.

use crate::Column;
use retrial_spec::Error;
use std::{borrow::Cow, fmt::Display, path::Path};

/// The fields of a row by [`Column`](crate::Column); `None` where the table has no such column.
pub(crate) type Fields<'a> = [Option<Cow<'a, str>>; Column::COUNT];

/// Where a row stands.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The file.
    pub path: &'a Path,
    /// From 1, without the header.
    pub row: u64,
    /// From 1, as an editor counts; 0 where rows are no lines.
    pub line: u64,
}

impl Place<'_> {
    /// A fault in one field.
    pub(crate) fn fault(&self, column: &str, fault: impl Display, fix: impl Display) -> Error {
        let line = if self.line > 0 { format!(" (line {})", self.line) } else { String::new() };
        Error::file(self.path, format!("row {}{line}, column {column}: {fault}", self.row), fix)
    }
}
