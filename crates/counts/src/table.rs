//! Tables as CSV and as JSON lines: from bytes to rows of fields.

use crate::{
    Column, Columns, Group, Options,
    builder::Builder,
    json::{self, Scalar},
    stream::Stream,
};
use retrial_spec::{Error, Result};
use std::{
    borrow::Cow,
    io::{self, BufRead},
    path::Path,
};

/// More are no table of counts.
const MOST_COLUMNS: usize = 10_000;

/// The fields of a row by [`Column`]; `None` where the table has no such column.
pub type Fields<'a> = [Option<Cow<'a, str>>; 7];

/// Where a row stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub path: &'a Path,
    /// From 1, without the header.
    pub row: u64,
    /// From 1, as an editor counts.
    pub line: u64,
}

impl Place<'_> {
    /// A fault in one field.
    pub fn fault(&self, column: &str, fault: impl std::fmt::Display, fix: impl std::fmt::Display) -> Error {
        Error::file(self.path, format!("row {} (line {}), column {column}: {fault}", self.row, self.line), fix)
    }
}

/// Reads a table of any kind.
pub fn read(path: &Path, options: &Options) -> Result<Vec<Group>> {
    let mut stream = Stream::open(path).map_err(|e| unread(path, e))?;
    // An empty file is a table without a header; blanks before the first row are nothing.
    let first = loop {
        let bytes = stream.fill_buf().map_err(|e| unread(path, e))?;
        let blanks = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let (first, empty) = (bytes.get(blanks).copied(), bytes.is_empty());
        if first.is_some() || empty {
            break first;
        }
        stream.consume(blanks);
    };
    match first {
        Some(b'{') => json(path, stream, options),
        Some(b'[') => Err(Error::file(path, "is a JSON array", "write one object a line (JSON lines), or CSV")),
        Some(_) => csv(path, stream, options),
        None => Err(Error::file(path, "is empty", "give a table of counts or attempts, CSV or JSON lines")),
    }
}

/// What is wrong with a file that cannot be read on: the system's word, or a limit of [`Stream`].
fn unread(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            Error::file(path, format!("holds {error}"), "no table of counts does; check it, or keep fewer columns")
        }
        _ => Error::io("read", path)(error),
    }
}

fn csv(path: &Path, stream: Stream, options: &Options) -> Result<Vec<Group>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(stream);
    let header = reader.headers().map_err(|e| unreadable(path, e))?.clone();
    reader.get_mut().next_row();
    let at = positions(path, &header, &options.columns)?;
    let mut builder = Builder::new(path, at.map(|at| at.is_some()), options)?;
    let mut record = csv::StringRecord::new();
    for row in 1.. {
        if !reader.read_record(&mut record).map_err(|e| unreadable(path, e))? {
            break;
        }
        reader.get_mut().next_row();
        let line = record.position().map_or(row + 1, csv::Position::line);
        builder.add(&at.map(|at| at.and_then(|at| record.get(at)).map(Cow::from)), Place { path, row, line })?;
    }
    builder.finish()
}

/// Where the header has each column.
fn positions(path: &Path, header: &csv::StringRecord, columns: &Columns) -> Result<[Option<usize>; 7]> {
    if header.len() > MOST_COLUMNS {
        let fault = format!("header, column {MOST_COLUMNS}: is followed by {} more", header.len() - MOST_COLUMNS);
        return Err(Error::file(path, fault, "no table of counts has so many; keep those that are needed"));
    }
    let mut at = [None; 7];
    for column in Column::ALL {
        let name = columns.name(column);
        let mut found = header.iter().enumerate().filter(|(_, title)| *title == name).map(|(at, _)| at);
        at[column as usize] = found.next();
        if found.next().is_some() {
            return Err(Error::file(path, format!("header, column {name}: appears twice"), "rename one of them"));
        }
        if at[column as usize].is_none() && columns.is_renamed(column) {
            let fault = format!("header, column {name}: is missing");
            return Err(Error::file(
                path,
                fault,
                format!("the table has {}", header.iter().collect::<Vec<_>>().join(", ")),
            ));
        }
    }
    Ok(at)
}

/// What the csv reader says of a table it cannot read, with the row as everywhere else.
fn unreadable(path: &Path, error: csv::Error) -> Error {
    let row = |p: &csv::Position| format!("row {} (line {})", p.record(), p.line());
    let place = error.position().map(row).unwrap_or_default();
    match error.into_kind() {
        csv::ErrorKind::Io(e) => unread(path, e),
        csv::ErrorKind::Utf8 { err, .. } => {
            Error::file(path, format!("{place}, column {}: is not UTF-8", err.field() + 1), "save the table as UTF-8")
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let fault = format!("{place}, column {}: has {len} fields", len.min(expected_len) + 1);
            Error::file(path, fault, format!("the header has {expected_len}"))
        }
        other => Error::file(path, format!("{other:?}"), "give a table with a header"),
    }
}

fn json(path: &Path, mut stream: Stream, options: &Options) -> Result<Vec<Group>> {
    let names = Column::ALL.map(|column| options.columns.name(column));
    let (mut builder, mut text, mut row) = (None, Vec::new(), 0);
    for line in 1.. {
        text.clear();
        if stream.read_until(b'\n', &mut text).map_err(|e| unread(path, e))? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue; // and counts as part of the next row, so that blanks come to an end too
        }
        stream.next_row();
        row += 1;
        let place = Place { path, row, line };
        let values = json::row(&text, &names).map_err(|e| {
            let fault = format!("row {row} (line {line}), column {}: is no JSON object", e.column());
            Error::file(path, fault, format!("write one object a line ({e})"))
        })?;
        let mut fields: Fields = Default::default();
        for (field, name) in fields.iter_mut().zip(names) {
            // Two columns may be called the same.
            *field = match names.iter().zip(&values).find(|(of, _)| **of == name).and_then(|(_, value)| value.as_ref())
            {
                Some(Scalar::Text(text)) => Some(text.clone()),
                Some(Scalar::Nested) => {
                    return Err(place.fault(
                        name,
                        "is an array or object",
                        "must be a number, a string, true or false",
                    ));
                }
                None => None,
            };
        }
        if builder.is_none() {
            let missing =
                Column::ALL.into_iter().find(|&c| options.columns.is_renamed(c) && fields[c as usize].is_none());
            if let Some(column) = missing {
                let fix = format!("the object has {}", json::names(&text).join(", "));
                return Err(place.fault(options.columns.name(column), "is missing", fix));
            }
        }
        let present = || fields.each_ref().map(Option::is_some);
        let builder = match &mut builder {
            Some(builder) => builder,
            none => none.insert(Builder::new(path, present(), options)?),
        };
        builder.add(&fields, place)?;
    }
    builder.map_or_else(|| Ok(vec![]), Builder::finish)
}
