//! Figures as SVG and PNG, and the self-contained HTML report.
//!
//! Plain numbers go in, text and bytes come out: nothing here prints, writes files, or knows what was run. A figure
//! is laid out once, as a list of shapes, and written twice. The same input gives the same bytes.
//!
//! Odd data is drawn as far as it goes: what has no place (NaN, or zero on a logarithmic axis) is left out, and an
//! empty figure says that it is empty.
//!
//! In every text `^{..}` raises and `_{..}` lowers what it encloses: `10^{-4}`. The embedded font has Latin-1, Greek,
//! and common mathematical signs.

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
        Self { svg: svg::document(scene, &title), png: raster::png(scene), name, title, caption }
    }
}
