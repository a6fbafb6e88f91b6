//! The header of a `.npy` file: a Python dictionary of three known entries, read in one pass.
//!
//! Nothing in it nests but one tuple of numbers, so a grammar of Python's literals, with all that it can be made to try,
//! is not needed.

use super::{Dtype, Header};
use crate::stream::Stream;
use retrial_spec::{Error, Result};
use std::path::Path;

/// NumPy writes 128 bytes for any shape of numbers.
const LONGEST: usize = 1 << 16;
/// NumPy's own limit.
const MAX_AXES: usize = 64;

pub(super) fn header(stream: &mut Stream) -> Result<Header> {
    let len = match stream.header()? {
        [_, _, _, _, _, _, 1, _] => usize::from(u16::from_le_bytes(stream.header()?)),
        [_, _, _, _, _, _, 2 | 3, _] => u32::from_le_bytes(stream.header()?) as usize,
        [.., major, minor] => {
            return Err(malformed(stream.path(), format!("is .npy of an unknown version, {major}.{minor}")));
        }
    };
    if len > LONGEST {
        return Err(malformed(stream.path(), format!("has a header of {len} bytes")));
    }
    let header = stream.header_of(len)?;
    Dictionary { path: stream.path(), rest: &String::from_utf8_lossy(&header) }.read()
}

fn malformed(path: &Path, fault: String) -> Error {
    Error::file(path, fault, "write it with numpy.save")
}

/// What is left to read.
struct Dictionary<'a> {
    path: &'a Path,
    rest: &'a str,
}

impl<'a> Dictionary<'a> {
    fn read(mut self) -> Result<Header> {
        let (mut dtype, mut fortran, mut shape) = (None, None, None);
        if !self.takes('{') {
            return Err(self.malformed("has a header that is no dictionary"));
        }
        while !self.takes('}') {
            let Some(key) = self.string() else { return Err(self.malformed("has a header without names")) };
            if !self.takes(':') {
                return Err(self.malformed(&format!("lacks a value of '{}' in its header", shown(key))));
            }
            let new = match key {
                "descr" => dtype.replace(self.dtype()?).is_none(),
                "fortran_order" => fortran.replace(self.truth()?).is_none(),
                "shape" => shape.replace(self.shape()?).is_none(),
                _ => false,
            };
            if !new {
                return Err(self.malformed(&format!("has '{}' in its header, which does not belong", shown(key))));
            }
            if !self.takes(',') && !self.rest.starts_with('}') {
                return Err(self.malformed(&format!("has more than a value behind '{key}' in its header")));
            }
        }
        if !self.rest.trim_start().is_empty() {
            return Err(self.malformed("has more in its header than a dictionary"));
        }
        let lacks = |key: &str| self.malformed(&format!("lacks '{key}' in its header"));
        Ok(Header {
            dtype: dtype.ok_or_else(|| lacks("descr"))?,
            fortran: fortran.ok_or_else(|| lacks("fortran_order"))?,
            shape: shape.ok_or_else(|| lacks("shape"))?,
        })
    }

    fn dtype(&mut self) -> Result<Dtype> {
        let fault = match self.string() {
            Some(text) => match Dtype::parse(text) {
                Some(dtype) => return Ok(dtype),
                None if text.contains('O') => format!("has dtype {} (Python objects, which are not read)", shown(text)),
                None => format!("has dtype {}", shown(text)),
            },
            None => "has dtype of several fields".into(),
        };
        Err(Error::file(self.path, fault, "must be real numbers; save x.astype('<f4')"))
    }

    fn truth(&mut self) -> Result<bool> {
        for (word, truth) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest.trim_start();
                return Ok(truth);
            }
        }
        Err(self.malformed("has a 'fortran_order' that is neither True nor False"))
    }

    fn shape(&mut self) -> Result<Vec<usize>> {
        let mut axes = vec![];
        let tuple = "has no tuple for its shape";
        if !self.takes('(') {
            return Err(self.malformed(tuple));
        }
        while !self.takes(')') {
            let Some(end) = self.rest.find([',', ')']) else { return Err(self.malformed(tuple)) };
            let axis = self.rest[..end].trim_end();
            // Python 2 wrote 3L.
            let digits = axis.strip_suffix('L').unwrap_or(axis);
            let length = digits.parse().ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()));
            axes.push(length.ok_or_else(|| self.malformed(&format!("has an axis of length {}", shown(axis))))?);
            self.rest = &self.rest[end..];
            if !self.takes(',') && axes.len() == 1 {
                return Err(self.malformed(tuple)); // (3) is a number
            }
            if axes.len() > MAX_AXES {
                return Err(self.malformed(&format!("has more than {MAX_AXES} axes")));
            }
        }
        Ok(axes)
    }

    /// A string in quotes of either kind.
    fn string(&mut self) -> Option<&'a str> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = self.rest[1..].split_once(quote)?;
        self.rest = rest.trim_start();
        Some(text)
    }

    /// Goes over a character and the space around it.
    fn takes(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(wanted);
        self.rest = rest.map_or(self.rest, str::trim_start);
        rest.is_some()
    }

    fn malformed(&self, fault: &str) -> Error {
        malformed(self.path, fault.into())
    }
}

/// The beginning of what a header says, on one line.
fn shown(text: &str) -> String {
    let end = text.char_indices().nth(40).map_or(text.len(), |(end, _)| end);
    text[..end].escape_debug().to_string()
}
