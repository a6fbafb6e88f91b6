//! The one error type. Its variants are the things a caller can act on.

use crate::text::shown;
use std::{fmt::Display, io, path::PathBuf};

/// `Result` with Retrial's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. Each message names the object, what was got, the limit and, where one is
/// known, the fix, on one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value the caller gave cannot be used.
    #[error("{object}: got {got}; {limit}")]
    Input {
        /// What was given: a flag, a tensor, an argument.
        object: String,
        /// What it was.
        got: String,
        /// What it must be, and how to get there.
        limit: String,
    },
    /// A file was read but does not hold what it should.
    #[error("{}: {fault}; {fix}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
        /// What to do about it.
        fix: String,
    },
    /// The operating system refused a file operation: missing file, no permission, full disk.
    ///
    /// The message is whole, the system's word included; that word is therefore no [`source`](std::error::Error::source)
    /// beside it, which would be printed twice.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// A verb: "read", "create", "write".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's own word.
        cause: io::Error,
    },
    /// A device is missing, too small, or failed.
    #[error("device {device}: {fault}; {fix}")]
    Device {
        /// The device as the user would name it.
        device: String,
        /// What happened, or what was looked for.
        fault: String,
        /// What to do about it.
        fix: String,
    },
    /// The observer asked to stop. What was finished before is kept by whoever catches this.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// An unusable value: `object: got ...; limit`. Whatever was got, the message stays one line that a person can read.
    pub fn input(object: impl Display, got: impl Display, limit: impl Display) -> Self {
        let got = Some(got.to_string()).filter(|got| !got.is_empty()).unwrap_or_else(|| "nothing".into());
        Self::Input { object: shown(&object.to_string()), got: shown(&got), limit: shown(&limit.to_string()) }
    }

    /// A malformed file. Whatever it holds, the message stays one line that a person can read.
    pub fn file(path: impl Into<PathBuf>, fault: impl Display, fix: impl Display) -> Self {
        Self::File { path: path.into(), fault: shown(&fault.to_string()), fix: shown(&fix.to_string()) }
    }

    /// Turns an [`io::Error`] into one that names the file: `.map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { action, path, cause }
    }

    /// True where the caller's input is at fault (exit code 2), false where Retrial or a device failed (1).
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Input { .. } | Self::File { .. } | Self::Io { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    /// A printer that walks the sources of an error, as many do, says everything once.
    #[test]
    fn messages_are_whole_and_not_repeated() {
        let errors = [
            Error::input("trials", 0, "must be at least 1"),
            Error::input("device", "", "must be auto, cuda, wgsl or cpu"),
            Error::file("run/tally.bin", "is truncated", "sample again"),
            Error::io("read", "run.json")(io::Error::from(io::ErrorKind::NotFound)),
            Error::Device { device: "cuda".into(), fault: "lost".into(), fix: "resume".into() },
            Error::Cancelled,
        ];
        for error in errors {
            assert!(error.source().is_none() && error.to_string().lines().count() == 1, "{error}");
            assert!(!error.to_string().contains("got ;"), "{error}: what is empty is not seen");
        }
        // What strangers wrote into a file is quoted, neither obeyed nor in full.
        let name = "two\nlines \u{1b}[2J".repeat(100);
        for error in [Error::input(&name, &name, &name), Error::file("counts.csv", &name, &name)] {
            let message = error.to_string();
            assert!(message.len() < 4000 && message.contains("two\\nlines \\u{1b}[2J"), "{}", message.len());
            assert!(!message.contains(crate::text::is_obeyed));
        }
        let error = Error::io("read", "run.json")(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(error.to_string(), format!("cannot read run.json: {}", io::ErrorKind::NotFound));
    }
}
