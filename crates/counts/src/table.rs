//! Tables as CSV: from bytes to rows of fields.

use crate::{
    Column, Columns, Group, Options,
    builder::{Builder, shortened},
    matrix,
    place::{Fields, Place},
    source::{self, Source},
};
use retrial_spec::{Error, Result};
use std::{
    borrow::Cow,
    io::{BufRead, Chain, Cursor, Read},
    path::Path,
};

/// More are no table of counts.
const MAX_COLUMNS: usize = 10_000;

/// Reads a table with a header, parted by commas, tabs or semicolons, or a matrix of outcomes.
pub(crate) fn read(path: &Path, mut source: Source, options: &Options) -> Result<Vec<Group>> {
    let mut first = vec![];
    source.read_until(b'\n', &mut first).map_err(|e| source::fault(path, e))?;
    let delimiter = delimiter(&first);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .from_reader(Rest { rest: Cursor::new(first).chain(source) });
    let header = reader.headers().map_err(|e| unreadable(path, e))?.clone();
    reader.get_mut().next_row();
    let titles: Vec<&str> = header.iter().collect();
    let (columns, _) = options.columns.of_table(&titles);
    let at = positions(path, &header, &columns)?;
    let mut record = csv::StringRecord::new();
    let mut next = |record: &mut csv::StringRecord| {
        let more = reader.read_record(record).map_err(|e| unreadable(path, e));
        reader.get_mut().next_row();
        more
    };
    let mut more = next(&mut record)?;
    let is_table = at[Column::Problem as usize].is_some();
    if !is_table && more && matrix::is_row(&header, &record, options) {
        return matrix::read(path, &header, record, next, options);
    }
    let options = Options { columns, ..options.clone() };
    let mut builder = Builder::new(path, at.map(|at| at.is_some()), &titles.join(", "), &options)?;
    for row in 1.. {
        if !more {
            break;
        }
        let line = record.position().map_or(row + 1, csv::Position::line);
        builder.add(
            &at.map(|at| at.and_then(|at| record.get(at)).map(Cow::from)) as &Fields<'_>,
            Place { path, row, line },
        )?;
        more = next(&mut record)?;
    }
    builder.finish()
}

/// The first line, read again, and what follows.
struct Rest {
    rest: Chain<Cursor<Vec<u8>>, Source>,
}

impl Rest {
    fn next_row(&mut self) {
        self.rest.get_mut().1.next_row();
    }
}

impl Read for Rest {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.rest.read(out)
    }
}

/// What parts the fields of a header: what it has most of.
fn delimiter(header: &[u8]) -> u8 {
    let count = |of: u8| header.iter().filter(|b| **b == of).count();
    // Of as many, the first.
    [b',', b'\t', b';'].into_iter().rev().max_by_key(|&of| count(of)).unwrap_or(b',')
}

/// Where the header has each column.
fn positions(path: &Path, header: &csv::StringRecord, columns: &Columns) -> Result<[Option<usize>; Column::COUNT]> {
    if header.len() > MAX_COLUMNS {
        let fault = format!("header, column {MAX_COLUMNS}: is followed by {} more", header.len() - MAX_COLUMNS);
        return Err(Error::file(path, fault, "no table of counts has so many; keep those that are needed"));
    }
    let mut at = [None; Column::COUNT];
    for column in Column::ALL {
        let name = columns.name(column);
        let mut found = header.iter().enumerate().filter(|(_, title)| *title == name).map(|(at, _)| at);
        at[column as usize] = found.next();
        if found.next().is_some() {
            return Err(Error::file(path, format!("header, column {name}: appears twice"), "rename one of them"));
        }
        if at[column as usize].is_none() && columns.is_renamed(column) {
            let fault = format!("header, column {name}: is missing");
            let has = header.iter().collect::<Vec<_>>().join(", ");
            return Err(Error::file(path, fault, format!("the table has {}", shortened(&has))));
        }
    }
    Ok(at)
}

/// What the csv reader says of a table it cannot read, with the row as everywhere else.
fn unreadable(path: &Path, error: csv::Error) -> Error {
    let row = |p: &csv::Position| format!("row {} (line {})", p.record(), p.line());
    let place = error.position().map(row).unwrap_or_default();
    match error.into_kind() {
        csv::ErrorKind::Io(e) => source::fault(path, e),
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
