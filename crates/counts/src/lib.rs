//! Readers of anyone's success counts.
//!
//! | input | one row is | columns |
//! |---|---|---|
//! | counts | a problem | `problem_id, num_samples, num_correct` |
//! | attempts | an attempt | `problem_id, success`, and `attempt` where rows are not in order |
//! | successes | an attempt that succeeded | `problem_id, attempt`; the number of attempts is given |
//! | a Retrial run | - | a directory; every threshold is a group |
//!
//! Tables are CSV with a header or JSON lines, plain or gzipped, and [`Columns`] knows their columns by other names. With
//! columns `model` and `benchmark` a table holds several groups. Every fault names file, row and column; row 1 is the
//! first below the header.
//!
//! Tables are read as streams, within limits that keep memory below 1 GB: rows of 16 MiB, 10,000 columns, 8 GiB in all
//! as unpacked, names of 64 KiB, 10,000 groups, [`MOST_PROBLEMS`] problems, and 640 MiB for what is kept of them, which
//! is some 20 million rows of attempts. What exceeds one is refused by its name.

mod builder;
mod columns;
mod group;
mod json;
mod run;
mod stream;
mod table;

pub use builder::MOST_PROBLEMS;
pub use columns::{Column, Columns};
pub use group::{Group, Outcomes};

use retrial_spec::Result;
use std::path::Path;

/// What the input does not say itself.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names of the columns.
    pub columns: Columns,
    /// Attempts per problem, where only successes are listed or a table of counts has no `num_samples`.
    pub attempts: Option<u64>,
    /// Problems per group, where only successes are listed: the others were never solved.
    pub problems: Option<usize>,
    /// Attempts at a problem came by so many and ended with the first batch that held a success, or were cut short at the
    /// most there are of its group; by 1, they ended at the first success.
    pub stopped: Option<u64>,
}

/// Reads a table or a run directory: at least one group, in the order in which they first appear.
///
/// # Errors
/// A file that cannot be read, columns that are missing, numbers that are no counts, problems that appear twice, and
/// options that the input contradicts.
pub fn read(path: &Path, options: &Options) -> Result<Vec<Group>> {
    if path.is_dir() { run::read(path, options) } else { table::read(path, options) }
}
