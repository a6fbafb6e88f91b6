//! The report: one HTML page that needs nothing else.

use std::fmt::{self, Write};

use crate::{Figure, font, svg::escape};

const STYLE: &str = include_str!("../assets/report.css");

/// A page. Texts are plain: everything is escaped, and `^{..}` and `_{..}` raise and lower as in the figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What was run.
    pub title: String,
    /// What came out, in a paragraph.
    pub lead: String,
    /// The key figures as (what, value), shown as tiles.
    pub facts: Vec<(String, String)>,
    /// The rest, in order.
    pub sections: Vec<Section>,
}

/// A heading and what follows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What follows it, in order.
    pub blocks: Vec<Block>,
}

impl Section {
    /// A section of blocks.
    pub fn new(heading: impl Into<String>, blocks: impl Into<Vec<Block>>) -> Self {
        Self { heading: heading.into(), blocks: blocks.into() }
    }
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Running text.
    Paragraph(String),
    /// Text set apart: what a reader must know not to misread what stands beside it.
    Note(String),
    /// Numbers in rows and columns.
    Table(Table),
    /// (what, value) pairs one below the other, for provenance: hashes, seed, device.
    Details(Vec<(String, String)>),
    /// A figure; figures are numbered through the page.
    Figure(Figure),
    /// Commands, kept as typed.
    Code(String),
}

/// A table. Columns of numbers are aligned at the right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What the table shows; may be empty.
    pub caption: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// Rows of cells; missing cells stay empty.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn columns(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0).max(self.head.len())
    }

    /// True where a column holds numbers and nothing else, apart from dashes and "n/a".
    fn is_numeric(&self, column: usize) -> bool {
        let cells = || self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim());
        let blank = |cell: &str| matches!(cell, "" | "-" | "–" | "—" | "n/a");
        cells().all(|cell| blank(cell) || is_number(cell)) && cells().any(is_number)
    }
}

/// True for `1,234`, `−0.5`, `< 1e-9`, `12 %`, `0.3 ± 0.1` and `2×10^{-7}`.
fn is_number(cell: &str) -> bool {
    let unsigned = cell.trim_start_matches(['<', '>', '≤', '≥', '~', '≈', '+', '-', '−', ' ']);
    unsigned.starts_with(|c: char| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || " .,_eE+-−–±×^{}()[]%".contains(c))
}

impl Report {
    /// The whole page.
    pub fn html(&self) -> String {
        let mut page = String::new();
        self.write(&mut page).expect("a String takes every write");
        page
    }

    fn write(&self, page: &mut String) -> fmt::Result {
        let title = escape(&font::plain(&self.title));
        write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n",
            rich(&self.title)
        )?;
        if !self.lead.is_empty() {
            writeln!(page, "<p class=\"lead\">{}</p>", rich(&self.lead))?;
        }
        if !self.facts.is_empty() {
            pairs(page, "facts", &self.facts)?;
        }
        let mut figures = 0;
        for section in &self.sections {
            writeln!(page, "<section>\n<h2>{}</h2>", rich(&section.heading))?;
            for block in &section.blocks {
                match block {
                    Block::Paragraph(text) => writeln!(page, "<p>{}</p>", rich(text))?,
                    Block::Note(text) => writeln!(page, "<p class=\"note\">{}</p>", rich(text))?,
                    Block::Table(table) => table.write(page)?,
                    Block::Details(details) => pairs(page, "details", details)?,
                    Block::Code(code) => writeln!(page, "<pre><code>{}</code></pre>", escape(code))?,
                    Block::Figure(figure) => {
                        figures += 1;
                        figure.write(page, figures)?;
                    }
                }
            }
            page.push_str("</section>\n");
        }
        page.push_str("</main>\n</body>\n</html>\n");
        Ok(())
    }
}

impl Table {
    fn write(&self, page: &mut String) -> fmt::Result {
        let classes: Vec<&str> =
            (0..self.columns()).map(|column| if self.is_numeric(column) { " class=\"number\"" } else { "" }).collect();
        page.push_str("<div class=\"wide\"><table>\n");
        if !self.caption.is_empty() {
            writeln!(page, "<caption>{}</caption>", rich(&self.caption))?;
        }
        if !self.head.is_empty() {
            page.push_str("<thead><tr>");
            for (column, class) in classes.iter().enumerate() {
                let name = self.head.get(column).map_or(String::new(), |name| rich(name));
                write!(page, "<th scope=\"col\"{class}>{name}</th>")?;
            }
            page.push_str("</tr></thead>\n");
        }
        page.push_str("<tbody>\n");
        for row in &self.rows {
            page.push_str("<tr>");
            for (column, class) in classes.iter().enumerate() {
                let cell = row.get(column).map_or(String::new(), |cell| rich(cell));
                write!(page, "<td{class}>{cell}</td>")?;
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody>\n</table></div>\n");
        Ok(())
    }
}

impl Figure {
    fn write(&self, page: &mut String, index: usize) -> fmt::Result {
        let (title, caption) = (rich(&self.title), rich(&self.caption));
        write!(page, "<figure>\n<div class=\"wide\">\n{}</div>\n", self.svg)?;
        writeln!(page, "<figcaption><b>Figure {index}. {title}.</b> {caption}</figcaption>\n</figure>")
    }
}

fn pairs(page: &mut String, class: &str, pairs: &[(String, String)]) -> fmt::Result {
    writeln!(page, "<dl class=\"{class}\">")?;
    for (what, value) in pairs {
        writeln!(page, "<div><dt>{}</dt><dd>{}</dd></div>", rich(what), rich(value))?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

/// Escaped text with its raised and lowered parts.
fn rich(text: &str) -> String {
    font::runs(text)
        .iter()
        .map(|run| match (run.rise, escape(run.text)) {
            (0.0, text) => text,
            (rise, text) if rise > 0.0 => format!("<sup>{text}</sup>"),
            (_, text) => format!("<sub>{text}</sub>"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_numbers_are_told_apart() {
        for number in ["1,234", "−0.5", "< 1e-9", "12 %", "0.3 ± 0.1", "2×10^{−7}", "0.01 (0.00–0.02)"] {
            assert!(is_number(number), "{number}");
        }
        for text in ["c59f468a", "f32", "3 seeds", "", "RTX 4090", "n/a"] {
            assert!(!is_number(text), "{text}");
        }
        let rows = [["a", "1"], ["b", "n/a"]].map(|row| row.map(String::from).to_vec()).to_vec();
        let table = Table { rows, ..Table::default() };
        assert_eq!([0, 1, 2].map(|column| table.is_numeric(column)), [false, true, false]);
    }

    #[test]
    fn text_is_escaped_and_raised() {
        assert_eq!(rich("<b> 10^{<i>}"), "&lt;b&gt; 10<sup>&lt;i&gt;</sup>");
    }
}
