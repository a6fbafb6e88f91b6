//! Readers of anyone's success counts.
//!
//! | input | one row is | columns |
//! |---|---|---|
//! | counts | a problem | `problem_id, num_samples, num_correct` |
//! | attempts | an attempt, or a problem with a list of them | `problem_id, success`, and `attempt` where rows are not in order |
//! | successes | an attempt that succeeded | `problem_id, attempt`; the number of attempts is given |
//! | a matrix | a problem | an outcome an attempt: `.npy`, or CSV |
//! | files of harnesses | as theirs | known by their content: [`formats`] |
//! | a Retrial run | - | a directory; every threshold is a group |
//!
//! Runs are read with the feature `runs`, which is on by default; without it the crate needs neither the engine nor the VAE.
//!
//! Tables are CSV (commas, tabs or semicolons) with a header, JSON lines, JSON arrays or Parquet, plain or gzipped, in UTF-8 or
//! UTF-16, and [`Columns`] knows their columns by other names. With columns `model` and `benchmark` a table holds several
//! groups; with `cluster`, problems that belong together. Every fault names file, row and column; row 1 is the first below the header.
//!
//! CSV and JSON lines are read as streams, within limits that keep memory below 1 GB: rows of 16 MiB, 10,000 columns,
//! 8 GiB in all as unpacked, names of 64 KiB, 10,000 groups, [`MAX_PROBLEMS`] problems, and 640 MiB for what is kept of
//! them, which is some 20 million rows of attempts. Documents of harnesses are read whole, up to 512 MiB. What exceeds a
//! limit is refused by its name.

mod aligned;
mod attempts;
mod builder;
mod columns;
mod dialects;
mod documents;
mod files;
mod group;
mod json;
mod matrix;
mod options;
mod parquet;
mod place;
mod rows;
mod run;
mod source;
mod table;
mod yaml;

pub use aligned::Aligned;
pub use builder::MAX_PROBLEMS;
pub use columns::{Column, Columns};
pub use group::{Group, Outcomes};
pub use options::{Missing, Options};
pub use run::of_tally;

use retrial_spec::Result;
use std::path::PathBuf;

/// Reads files and directories: at least one group, in the order in which they first appear. `-` is standard input.
///
/// A group that lies in several files is put together: problems of all, and attempts at the same problem added.
///
/// # Errors
/// A file that cannot be read or was given twice, columns that are missing, numbers that are no counts, problems that
/// appear twice in a file, and options that the input contradicts.
///
/// ```
/// use retrial_counts::{Options, read};
///
/// # fn main() -> retrial_spec::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("counts.csv");
/// # std::fs::write(&path, "problem_id,num_samples,num_correct\na,100,3\nb,100,0\n").unwrap();
/// let groups = read(&[path], &Options::default())?;
/// assert_eq!(groups[0].counts[0].successes(), 3);
/// # Ok(())
/// # }
/// ```
pub fn read(paths: &[PathBuf], options: &Options) -> Result<Vec<Group>> {
    files::read(paths, options)
}

/// The files of harnesses that are known by their content: whose they are, and what is recognised.
pub fn formats() -> Vec<(&'static str, &'static str)> {
    let dialects = dialects::DIALECTS.iter().map(|dialect| (dialect.name, dialect.about));
    documents::DOCUMENTS.iter().map(|document| (document.name, document.about)).chain(dialects).collect()
}
