//! Tables of pixels: an image a line, as MNIST and its kin are passed around.

use super::grey::{self, Grey, ROUNDING};
use retrial_files::Stream;
use retrial_spec::{Error, Result, Shape};
use std::path::Path;

/// Longest line: 4096 pixels of 25 digits, as `numpy.savetxt` writes them, and as much again.
const LONGEST_LINE: usize = 1 << 18;
/// Longest field.
const LONGEST_FIELD: usize = 256;
/// Most values of a table, plain or packed.
const MAX_VALUES: usize = 1 << 26;

const LABEL: [&str; 6] = ["label", "labels", "class", "target", "digit", "y"];
/// Numbers of the rows, the first as pandas writes it.
const INDEX: [&str; 4] = ["", "index", "id", "unnamed: 0"];

/// What a column holds.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    Pixel,
    Label,
    Index,
}

/// Reads the first `samples` lines, or all.
///
/// A first line that is not all numbers, or counts 0, 1, 2 ..., names the columns; without one, the first column is the
/// label where only the others fill a square. Values are taken as they are where none is above 1; whole ones up to 255
/// are divided by 255.
pub(super) fn read(mut stream: Stream, samples: Option<usize>) -> Result<Grey> {
    let path = stream.path();
    if samples == Some(0) {
        return Err(Error::input(format!("samples of {}", path.display()), 0, "must be at least 1"));
    }
    let mut table: Option<Table> = None;
    let mut number = 0;
    while table.as_ref().is_none_or(|table| samples.is_none_or(|wanted| table.rows < wanted)) {
        number += 1;
        let Some(line) = stream.line(LONGEST_LINE, format_args!("in line {number}"))? else { break };
        let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { &line };
        if line.trim().is_empty() {
            continue;
        }
        match &mut table {
            Some(table) => table.push(number, line)?,
            None => table = Some(Table::begin(path, number, line)?),
        }
    }
    let Some(table) = table.filter(|table| table.rows > 0) else {
        return Err(Error::file(path, "has no line of pixels", "give an image a line"));
    };
    if let Some(wanted) = samples.filter(|&wanted| wanted > table.rows) {
        let limit = format!("must be 1 to {}, the number it holds", table.rows);
        return Err(Error::input(format!("samples of {}", path.display()), wanted, limit));
    }
    table.finish()
}

struct Table<'a> {
    path: &'a Path,
    separator: char,
    columns: Vec<Column>,
    /// What was made of the columns.
    layout: String,
    rows: usize,
    values: Vec<f32>,
    pixels: usize,
    /// Labels as long as they are whole numbers from 0 to 255.
    labels: Option<Vec<u8>>,
}

impl<'a> Table<'a> {
    fn begin(path: &'a Path, number: u64, line: &str) -> Result<Self> {
        let separator = [',', ';', '\t'].into_iter().find(|&s| line.contains(s)).unwrap_or(' ');
        let names: Vec<String> = fields(line.trim_start_matches('#'), separator).map(str::to_lowercase).collect();
        let counts = names.len() > 3 && names.iter().enumerate().all(|(at, name)| *name == at.to_string());
        let named = counts || names.iter().any(|name| name.parse::<f32>().is_err());
        let role = |name: &String| match &**name {
            name if LABEL.contains(&name) => Column::Label,
            name if INDEX.contains(&name) => Column::Index,
            _ => Column::Pixel,
        };
        let square = |n: usize| n.isqrt().pow(2) == n;
        let mut columns = vec![Column::Pixel; names.len()];
        if named {
            columns = names.iter().map(role).collect();
        } else if names.len() > 2 && square(names.len() - 1) && !square(names.len()) {
            columns[0] = Column::Label;
        }
        let count = |of| columns.iter().filter(|&&column| column == of).count();
        if count(Column::Label) > 1 {
            return Err(Error::file(
                path,
                "has more than one column of labels",
                format!("one of {}", LABEL.join(", ")),
            ));
        }
        let pixels = count(Column::Pixel);
        if named && names.len() == 1 {
            return Err(Error::file(path, "is a text without columns", "give a table of pixels, an image a line"));
        }
        if pixels <= 1 && names.len() <= 3 {
            let fault = "has no more than one column of numbers: these are labels, not images";
            return Err(Error::file(path, fault, "give the table that holds the pixels, an image a line"));
        }
        if pixels > Shape::MAX.pixels {
            grey::check_pixels(path, pixels)?;
        }
        let left_out: Vec<String> = columns
            .iter()
            .zip(&names)
            .filter(|(column, _)| **column != Column::Pixel)
            .map(|(_, name)| if named { format!("column '{name}'") } else { "the first column".into() })
            .collect();
        let layout = match &left_out[..] {
            [] => format!("every column is a pixel, {pixels} of them"),
            left_out => format!("{} left out, {pixels} pixels remain", left_out.join(" and ")),
        };
        let labels = (count(Column::Label) > 0).then(Vec::new);
        let mut table = Self { path, separator, columns, layout, rows: 0, values: vec![], pixels, labels };
        if !named {
            table.push(number, line)?;
        }
        Ok(table)
    }

    fn push(&mut self, number: u64, line: &str) -> Result<()> {
        let (path, before) = (self.path, self.values.len());
        let mut at = 0;
        for field in fields(line, self.separator) {
            let wrong = |got: &str, fix: &str| {
                let shown: String = got.chars().take(40).collect();
                let fault = format!("has '{}' in line {number}, column {}", shown.escape_debug(), at + 1);
                Error::file(path, fault, fix)
            };
            if field.len() > LONGEST_FIELD {
                return Err(wrong(field, &format!("a field has at most {LONGEST_FIELD} bytes")));
            }
            match self.columns.get(at) {
                None | Some(Column::Index) => {}
                Some(Column::Label) => {
                    let label = field.parse().ok().filter(|v: &f32| (0.0..=255.0).contains(v) && v.fract() == 0.0);
                    match (label, &mut self.labels) {
                        (Some(label), Some(labels)) => labels.push(label as u8),
                        _ => self.labels = None,
                    }
                }
                Some(Column::Pixel) => {
                    let value = field.parse().map_err(|_| wrong(field, "pixels must be numbers"))?;
                    self.values.push(value);
                }
            }
            at += 1;
        }
        if at != self.columns.len() {
            let fault = format!("has {at} columns in line {number}, where line 1 has {}", self.columns.len());
            return Err(Error::file(path, fault, "every line must hold one whole image"));
        }
        debug_assert_eq!(self.values.len() - before, self.pixels);
        self.rows += 1;
        match self.values.len() > MAX_VALUES {
            true => {
                let object = format!("values of {}", path.display());
                let got = format!("more than {} samples of {}", self.rows - 1, self.pixels);
                Err(Error::input(object, got, format!("must be at most {MAX_VALUES} in all; take fewer samples")))
            }
            false => Ok(()),
        }
    }

    fn finish(self) -> Result<Grey> {
        let Self { path, layout, rows, mut values, pixels, labels, .. } = self;
        let (least, most) = grey::range(&values);
        let whole = values.iter().all(|v| v.fract() == 0.0);
        let mut notes = vec![];
        let rule = if whole && most > 1.0 && least >= 0.0 && most <= 255.0 {
            notes.extend(grey::bytes_to_one(path, &mut values)?);
            "whole numbers are divided by 255"
        } else {
            "values are taken as they are"
        };
        notes.insert(0, format!("{}: {rows} images; {layout}; {rule}", path.display()));
        Ok(Grey { values, pixels, labels: labels.filter(|labels| labels.len() == rows), rounding: ROUNDING, notes })
    }
}

/// The fields of a line without space and quotes around them.
fn fields(line: &str, separator: char) -> impl Iterator<Item = &str> {
    let line = line.trim_matches([' ', '\r']);
    // Any number of spaces separates.
    let fields = line.split(separator).filter(move |field| separator != ' ' || !field.is_empty());
    fields.map(|field| field.trim().trim_matches('"').trim())
}
