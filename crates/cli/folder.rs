//! What `--out DIR` leaves: tables as CSV, figures as SVG and PNG, and the page.

use clap::Args;
use retrial_files::{clear_temporaries, write_inside};
use retrial_report::{Block, Figure, Report, Table};
use retrial_spec::{Error, Result, text::visible};
use serde::Serialize;
use std::{fs, io, path::PathBuf};

/// Where to leave a report.
#[derive(Args, Clone)]
pub struct FolderArgs {
    /// Leave report.html, the figures (SVG and PNG) and the tables (CSV) in a directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write into a directory that is not empty
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// A directory being filled.
pub struct Folder {
    path: PathBuf,
    /// Of the page, in order.
    pub figures: Vec<Figure>,
}

impl FolderArgs {
    /// Makes the directory, if one is wanted: before anything long is computed. What a killed command was writing there
    /// is removed.
    pub fn create(&self) -> Result<Option<Folder>> {
        let Some(path) = &self.out else { return Ok(None) };
        let occupied = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(Error::io("use as output directory", path)(e)),
        };
        if occupied && !self.force {
            let got = format!("{}, which is not empty", path.display());
            return Err(Error::input("output directory", got, "choose another, or pass --force to write into it"));
        }
        fs::create_dir_all(path).map_err(Error::io("create", path))?;
        clear_temporaries(path);
        Ok(Some(Folder { path: path.clone(), figures: vec![] }))
    }
}

impl Folder {
    /// Writes one file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        write_inside(&self.path, name, bytes.as_ref())
    }

    /// Writes a figure and keeps it for the page.
    pub fn draw(&mut self, figure: Figure) -> Result<()> {
        self.write(&format!("figures/{}.svg", figure.name), &figure.svg)?;
        self.write(&format!("figures/{}.png", figure.name), &figure.png)?;
        self.figures.push(figure);
        Ok(())
    }

    /// Writes the page; the last word on stdout says where it is.
    pub fn finish(&self, page: &Report) -> Result<String> {
        self.write("report.html", page.html())?;
        Ok(format!("\nReport  {}\n", visible(&self.path.join("report.html").display().to_string())))
    }
}

/// A table of the page from rows whose first is the head.
pub fn block(caption: impl Into<String>, rows: &[Vec<String>]) -> Block {
    let (head, rows) = rows.split_first().map(|(head, rows)| (head.clone(), rows.to_vec())).unwrap_or_default();
    Block::Table(Table { caption: caption.into(), head, rows })
}

/// A table as CSV; what is `None` stays empty. Names are kept from being [formulas](guarded).
pub fn csv<R: Serialize>(
    head: impl IntoIterator<Item = impl AsRef<[u8]>>,
    rows: impl IntoIterator<Item = R>,
) -> Result<String> {
    let bug = |e: &dyn std::fmt::Display| Error::input("CSV table", e, "please report this");
    let mut csv = csv::Writer::from_writer(vec![]);
    csv.write_record(head).map_err(|e| bug(&e))?;
    for row in rows {
        csv.serialize(row).map_err(|e| bug(&e))?;
    }
    let bytes = csv.into_inner().map_err(|e| bug(&e))?;
    // Only as text is a cell known to begin so: rows may be of any type.
    let mut plain = csv::ReaderBuilder::new().has_headers(false).from_reader(&*bytes);
    let (mut csv, mut row) = (csv::Writer::from_writer(vec![]), csv::StringRecord::new());
    while plain.read_record(&mut row).map_err(|e| bug(&e))? {
        csv.write_record(row.iter().map(guarded)).map_err(|e| bug(&e))?;
    }
    let bytes = csv.into_inner().map_err(|e| bug(&e))?;
    String::from_utf8(bytes).map_err(|e| bug(&e))
}

/// A cell behind an apostrophe where a spreadsheet would compute it: it begins as formulas do, and is no number.
fn guarded(cell: &str) -> String {
    let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let formula = formula || cell.starts_with(['\t', '\r', '\n']);
    if formula && cell.parse::<f64>().is_err() { format!("'{cell}") } else { cell.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_formulas_and_numbers_stay_numbers() {
        let names =
            ["=1+1", "+1+1", "-x", "@SUM(A1)", "\t=1", "\r\n=1", "＝1", "－1", "a", "'=1", "-", " =1", "=a,\"b\""];
        let rows = names.map(|name| (name, -0.5, Some(-3_i64), None::<f64>, f64::NEG_INFINITY));
        let text = csv(["=name", "a", "b", "c", "d"], rows).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().get(0), Some("'=name"));
        let read: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(read.len(), names.len());
        for (row, name) in read.iter().zip(names) {
            let wanted = if ["a", "'=1"].contains(&name) { name.into() } else { format!("'{name}") };
            assert_eq!(row.iter().collect::<Vec<_>>(), [&*wanted, "-0.5", "-3", "", "-inf"]);
        }
    }
}
