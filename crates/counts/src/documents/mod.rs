//! Documents of evaluation harnesses, known by the names at their top.

mod evalplus;
mod inspect;
mod multipl_e;
mod promptfoo;
mod swe_bench;

use crate::{Group, Options, attempts::Attempts};
pub(crate) use inspect::archive;
use retrial_spec::{Error, Result};
use std::path::Path;

/// How reading a document ends: it is none of its kind, or what [`Attempts`] say to it.
type Parsed = Result<Result<()>, serde_json::Error>;

/// A kind of document.
pub(crate) struct Document {
    /// Whose documents they are.
    pub name: &'static str,
    /// What is recognised, in a line of help.
    pub about: &'static str,
    /// Names that are all at its top.
    needs: &'static [&'static str],
    /// Reads one; the error says what is not as it should be.
    read: fn(&Path, &[u8], &mut Attempts<'_>) -> Parsed,
}

/// Every kind.
pub(crate) const DOCUMENTS: &[Document] =
    &[evalplus::DOCUMENT, inspect::DOCUMENT, promptfoo::DOCUMENT, swe_bench::DOCUMENT, multipl_e::DOCUMENT];

/// The kind with these names at its top.
pub(crate) fn of(names: &[String]) -> Option<&'static Document> {
    DOCUMENTS.iter().find(|document| document.needs.iter().all(|name| names.iter().any(|of| of == name)))
}

impl Document {
    /// Reads one.
    pub(crate) fn read(&self, path: &Path, text: &[u8], options: &Options) -> Result<Vec<Group>> {
        let mut attempts = Attempts::new(path, options)?;
        match (self.read)(path, text, &mut attempts) {
            Ok(read) => read?,
            Err(e) => {
                let fault = format!("looks like {} ({}), but: {e}", self.name, self.about);
                return Err(Error::file(path, fault, "give it as the harness wrote it, or as a table"));
            }
        }
        attempts.finish()
    }
}
