//! Figures as SVG and PNG, and the self-contained HTML report.
//!
//! Plain numbers go in, text and bytes come out: nothing here prints, writes files, or knows what was run. A figure
//! is laid out once, as a list of shapes; they are written as SVG, and resvg draws that into a PNG. The same input
//! gives the same bytes.
//!
//! Odd data is drawn as far as it goes: what has no place (NaN, or zero on a logarithmic axis) is left out, and an
//! empty figure says that it is empty.
//!
//! In every text `^{..}` raises and `_{..}` lowers what it encloses: `10^{-4}`. The embedded font has Latin-1, Greek,
//! and common mathematical signs.
//!
//! # Why axes and legends are drawn here
//!
//! On 2026-11-28 the paper's Figs. 5 and 6 were drawn with plotting libraries too, and looked at 1280 and 400 pixels
//! wide (`cargo build --release --timings`, one job). Neither was as legible, or would replace more than half of
//! `axis` and `panel`:
//!
//! - kuva 0.6.0 (95 s of one core to build; its terminal and dark themes work): without ranges chosen by hand,
//!   logarithmic axes run to whole decades and cut the outermost marks in half. A value that has no place pulls its
//!   line to the foot of the frame. The legend of Fig. 5 is one column that halves the panel above it. Dashes run
//!   together. The matrix is a rectangle for each cell, with soft edges: a moiré in the PNG, 2.9 MB of SVG instead of
//!   0.1. In a terminal curves can be told apart, the matrix cannot.
//! - plotters 0.3.7 (46 s): close, once every range is chosen by hand. Marks lie on whole pixels in SVG too, so
//!   curves that are nearly flat become stairs. The legend belongs to one panel and one given corner, and covers what
//!   is there. The SVG of the matrix takes 3.5 MB.
//! - Both raise only those exponents that Unicode has signs for.
//!
//! resvg 0.49.0 did replace the rasteriser that was here. Over 18 figures at most 1.1 % of the pixels, at the edges
//! of lines, letters and cells, differ by more than 16 of 255 levels; side by side nobody can say which is which, at
//! either width. The files are 31 % smaller. It costs 40 s of one core with its parsers unoptimised (100 s
//! otherwise), 80 ms a figure, and 9 MB of program.

mod axis;
mod cartoon;
mod color;
mod correlation;
mod coverage;
mod curves;
mod font;
mod gallery;
mod html;
mod image;
mod legend;
mod pair;
mod panel;
mod raster;
mod scene;
mod svg;

pub use axis::Axis;
pub use cartoon::{Attempts, Cartoon, MAX_SAMPLES, MAX_TRIALS};
pub use correlation::{Correlation, MAX_CELLS, PowerLaw};
pub use coverage::{Coverage, Estimate, Histogram, Threshold};
pub use curves::{Curve, Curves, Epoch, training};
pub use gallery::{Gallery, MAX_COLUMNS, Row, Tile};
pub use html::{Block, Report, Section, Table};
pub use image::Image;
pub use pair::Pair;
pub use scene::Line;

/// What a figure is called and what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Stem of its files.
    pub name: String,
    /// A few words, without a full stop; screen readers say them in place of the figure.
    pub title: String,
    /// Whole sentences: what is drawn, and what to read into it.
    pub caption: String,
}

impl About {
    /// A name, a title and a caption.
    pub fn new(name: impl Into<String>, title: impl Into<String>, caption: impl Into<String>) -> Self {
        Self { name: name.into(), title: title.into(), caption: caption.into() }
    }
}

/// A finished figure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// Stem of its files.
    pub name: String,
    /// A few words, without a full stop.
    pub title: String,
    /// Whole sentences.
    pub caption: String,
    /// An SVG document.
    pub svg: String,
    /// The same as a PNG file, with two pixels for each of the SVG's, each way.
    pub png: Vec<u8>,
}

impl Figure {
    fn new(About { name, title, caption }: About, scene: &scene::Scene) -> Self {
        let svg = svg::document(scene, &title);
        let png = raster::png(&svg, scene.width, scene.height);
        Self { name, title, caption, svg, png }
    }
}
