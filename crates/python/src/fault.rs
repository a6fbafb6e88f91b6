//! What goes wrong, as Python's exceptions.

use pyo3::{
    PyErr, PyResult, Python, create_exception,
    exceptions::{PyKeyboardInterrupt, PyRuntimeError, PyUserWarning, PyValueError},
};
use retrial_spec::Error;
use std::{ffi::CString, io};

/// Under Python's name.
mod raised {
    super::create_exception!(
        retrial,
        Error,
        super::PyRuntimeError,
        "A device is missing or failed, or Retrial is at fault."
    );
}

pub(crate) use raised::Error as RetrialError;

/// An error of Retrial's or of Python's.
pub(crate) enum Fault {
    /// Of the crates below.
    Retrial(Error),
    /// Of the interpreter, NumPy or a callback.
    Python(PyErr),
}

/// `Result` with [`Fault`].
pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Retrial(error)
    }
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        let error = match fault {
            Fault::Python(error) => return error,
            Fault::Retrial(error) => error,
        };
        let text = error.to_string();
        match error {
            // OSError and those below it, such as FileNotFoundError.
            Error::Io { cause, .. } => io::Error::new(cause.kind(), text).into(),
            Error::Cancelled => PyKeyboardInterrupt::new_err(()),
            error if error.is_input() => PyValueError::new_err(text),
            _ => RetrialError::new_err(text),
        }
    }
}

/// A line that a user should know, as a UserWarning.
pub(crate) fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    let text = CString::new(text.replace('\0', "")).unwrap_or_default();
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 1)
}
