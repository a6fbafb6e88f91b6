//! Rows as JSON: objects a line, one after the other, or in an array.

use crate::{
    Column, Columns, Group, Options,
    builder::{Builder, shortened},
    documents,
    json::{self, Scalar},
    place::{Fields, Place},
    source::{self, MAX_ROW, Source},
};
use retrial_spec::{Error, Result};
use serde::Deserialize;
use std::{borrow::Cow, io::BufRead, path::Path};

/// Reads JSON of any kind.
pub(crate) fn read(path: &Path, mut source: Source, options: &Options) -> Result<Vec<Group>> {
    let mut first = vec![];
    source.read_until(b'\n', &mut first).map_err(|e| source::fault(path, e))?;
    // An object in a line is a row, unless it is a document.
    if let Ok(names) = json::names(&first)
        && documents::of(&names).is_none()
    {
        return lines(path, source, first, &names, options);
    }
    let text = source.document(path, first)?;
    let objects = json::objects(&text).map_err(|e| {
        Error::file(
            path,
            format!("line {}, column {}: is no JSON ({e})", e.line(), e.column()),
            "check it, or write CSV",
        )
    })?;
    let Some(first) = objects.first() else {
        return Err(Error::file(path, "is JSON without an object", "give a row an attempt or a problem"));
    };
    let names = json::names(&text[first.clone()]).unwrap_or_default();
    if let (Some(document), [_]) = (documents::of(&names), &objects[..]) {
        return document.read(path, &text, options);
    }
    let (options, header, note) = of_table(&text[first.clone()], &names, options);
    let mut rows = Rows::new(path, &header, &options, note);
    for (row, object) in (1..).zip(objects) {
        let line = 1 + text[..object.start].iter().filter(|b| **b == b'\n').count() as u64;
        // Counting lines of many objects again and again would take forever.
        let line = if row <= 1000 { line } else { 0 };
        rows.add(&text[object], Place { path, row, line })?;
    }
    rows.finish()
}

fn lines(path: &Path, mut source: Source, first: Vec<u8>, names: &[String], options: &Options) -> Result<Vec<Group>> {
    let (options, header, note) = of_table(&first, names, options);
    let (mut rows, mut text, mut row) = (Rows::new(path, &header, &options, note), first, 0);
    for line in 1.. {
        if text.trim_ascii().is_empty() {
            // A blank line counts as part of the next row, so that blanks come to an end too.
            text.clear();
        } else {
            source.next_row();
            row += 1;
            rows.add(&text, Place { path, row, line })?;
            text.clear();
        }
        if source.read_until(b'\n', &mut text).map_err(|e| source::fault(path, e))? == 0 {
            break;
        }
    }
    rows.finish()
}

/// The options for a table whose first object has these names, the names, and what to know of the choice.
fn of_table(first: &[u8], names: &[String], options: &Options) -> (Options, String, Option<String>) {
    /// lm-evaluation-harness says which of its columns are metrics.
    #[derive(Deserialize)]
    struct Metrics {
        metrics: Vec<String>,
    }
    let titles: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut given, mut note) = (options.columns.clone(), None);
    let is_sample = ["doc_id", "filter"].iter().all(|name| titles.contains(name));
    if is_sample
        && !given.is_renamed(Column::Success)
        && let Ok(Metrics { metrics }) = serde_json::from_slice(first)
        && let Some(metric) = metrics.iter().find(|metric| titles.contains(&metric.as_str()))
    {
        given.name_it(Column::Success, metric);
        note = (metrics.len() > 1).then(|| {
            let (all, metric) = (shortened(&metrics.join(", ")), shortened(metric));
            format!("of the metrics {all} this is {metric}: --columns success=NAME takes another")
        });
    }
    let (columns, _) = given.of_table(&titles);
    (Options { columns, ..options.clone() }, titles.join(", "), note)
}

/// Objects on their way to groups.
struct Rows<'a> {
    path: &'a Path,
    /// The names of the first object.
    header: &'a str,
    options: &'a Options,
    builder: Option<Builder<'a>>,
    /// What to know of every group.
    note: Option<String>,
    /// Whether a problem was named by a number, and whether by a text that could be one.
    named_by: [bool; 2],
}

impl<'a> Rows<'a> {
    fn new(path: &'a Path, header: &'a str, options: &'a Options, note: Option<String>) -> Self {
        Self { path, header, options, builder: None, note, named_by: [false; 2] }
    }

    fn add(&mut self, text: &[u8], place: Place<'_>) -> Result<()> {
        let columns: &'a Columns = &self.options.columns;
        let names = Column::ALL.map(|column| columns.name(column));
        if text.len() as u64 > MAX_ROW {
            return Err(place.fault(
                "any",
                format!("is of a row of more than {} MiB", MAX_ROW >> 20),
                "keep fewer columns",
            ));
        }
        let values = json::row(text, &names).map_err(|e| {
            let place = format!(
                "row {}{}",
                place.row,
                if place.line > 0 { format!(" (line {})", place.line) } else { String::new() }
            );
            let fault = format!("{place}, column {}: is no JSON object", e.column());
            Error::file(self.path, fault, format!("write one object a line ({e})"))
        })?;
        // Two columns may be called the same.
        let value =
            |name: &str| names.iter().zip(&values).find(|(of, _)| **of == name).and_then(|(_, value)| value.as_ref());
        let (mut fields, mut list) = (Fields::default(), None);
        for (column, name) in Column::ALL.into_iter().zip(names) {
            fields[column as usize] = match value(name) {
                None => None,
                Some(Scalar::List(items)) if column == Column::Success => {
                    list = Some(items);
                    Some("".into())
                }
                Some(value) => match value.text() {
                    Some(text) => Some(Cow::from(text)),
                    None => {
                        let fix = "must be a number, a string, true or false";
                        return Err(place.fault(name, "is an array or object", fix));
                    }
                },
            };
        }
        self.check_name(value(names[Column::Problem as usize]), place)?;
        if self.builder.is_none() {
            let missing = Column::ALL.into_iter().find(|&c| columns.is_renamed(c) && fields[c as usize].is_none());
            if let Some(column) = missing {
                let fix = format!("the object has {}", shortened(self.header));
                return Err(place.fault(columns.name(column), "is missing", fix));
            }
        }
        let present = || fields.each_ref().map(Option::is_some);
        let builder = match &mut self.builder {
            Some(builder) => builder,
            none => none.insert(Builder::new(self.path, present(), self.header, self.options)?),
        };
        let Some(items) = list else { return builder.add(&fields, place) };
        if fields[Column::Attempt as usize].is_some() {
            let fix = "a row that lists attempts has no number of one: keep one of the two columns";
            return Err(place.fault(columns.name(Column::Success), "is a list", fix));
        }
        for item in items {
            fields[Column::Success as usize] = Some(item.text().unwrap_or_default().into());
            builder.add(&fields, place)?;
        }
        Ok(())
    }

    /// Refuses problems 1 and "1" in one table, which would be taken for one.
    fn check_name(&mut self, problem: Option<&Scalar<'_>>, place: Place<'_>) -> Result<()> {
        match problem {
            Some(Scalar::Number(_)) => self.named_by[0] = true,
            Some(Scalar::Text(text)) if text.parse::<f64>().is_ok() => self.named_by[1] = true,
            _ => {}
        }
        if self.named_by == [true; 2] {
            let name = self.options.columns.name(Column::Problem);
            let fault = "is a number in some rows and the text of one in others";
            return Err(place.fault(
                name,
                fault,
                "write all numbers alike: 1 and \"1\" would be taken for one problem",
            ));
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Group>> {
        let mut groups = self.builder.map_or_else(|| Ok(vec![]), Builder::finish)?;
        groups.iter_mut().for_each(|group| group.notes.extend(self.note.clone()));
        Ok(groups)
    }
}
