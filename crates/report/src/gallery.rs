//! A grid of images with their errors: originals and what became of them (the paper's Fig. 7).

use crate::{
    About, Figure,
    axis::{count, number},
    color::{GRAY, INK},
    font,
    image::Image,
    panel::{LABEL_SIZE, TICK_SIZE},
    scene::{Anchor, Rect, Scene},
};

const IMAGE: f64 = 84.0;
const LINE: f64 = 16.0;

/// Most columns that the figure shows.
pub const MAX_COLUMNS: usize = 12;

/// An image and what is printed under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// The image.
    pub image: Image,
    /// Its error, if it is a reconstruction.
    pub error: Option<f64>,
    /// The trial that drew it, counted from 1.
    pub trial: Option<u64>,
}

impl Tile {
    fn notes(&self) -> Vec<String> {
        let error = self.error.map(|error| format!("e = {}", number(error, 4)));
        let trial = self.trial.map(|trial| format!("trial {}", count(trial)));
        error.into_iter().chain(trial).collect()
    }
}

/// A row of tiles: original, reconstruction at z = mu, best trial, worst trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Stands at the left.
    pub label: String,
    /// One tile for each column.
    pub tiles: Vec<Tile>,
}

/// A grid of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gallery {
    /// What stands above the columns.
    pub columns: Vec<String>,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

impl Gallery {
    /// Draws the figure with at most [`MAX_COLUMNS`] columns.
    pub fn figure(&self, about: About) -> Figure {
        let tiles = || self.rows.iter().flat_map(|row| row.tiles.iter().take(MAX_COLUMNS));
        let notes: Vec<String> = tiles().flat_map(Tile::notes).collect();
        let texts = notes.iter().chain(&self.columns).map(|text| font::width(text, TICK_SIZE));
        let cell = texts.fold(IMAGE, f64::max) + 14.0;
        let labels = self.rows.iter().map(|row| font::width(&row.label, LABEL_SIZE));
        let left = labels.fold(0.0, f64::max) + 30.0;
        let columns = self.rows.iter().map(|row| row.tiles.len()).max().unwrap_or(0).min(MAX_COLUMNS);
        let heights: Vec<f64> = self
            .rows
            .iter()
            .map(|row| IMAGE + 12.0 + LINE * row.tiles.iter().map(|tile| tile.notes().len()).max().unwrap_or(0) as f64)
            .collect();
        let mut scene =
            Scene::new(left + columns.max(3) as f64 * cell + 6.0, 34.0 + heights.iter().sum::<f64>().max(60.0));

        for (column, label) in self.columns.iter().take(columns).enumerate() {
            scene.text((left + (column as f64 + 0.5) * cell, 20.0), Anchor::Middle, label, TICK_SIZE, GRAY);
        }
        let mut top = 30.0;
        for (row, height) in self.rows.iter().zip(heights) {
            scene.label((12.0, top + IMAGE / 2.0), Anchor::Start, &row.label, LABEL_SIZE, INK);
            for (column, tile) in row.tiles.iter().take(columns).enumerate() {
                let x = left + (column as f64 + 0.5) * cell;
                let frame = fitted(&tile.image, Rect::new(x - IMAGE / 2.0, top, IMAGE, IMAGE));
                scene.bitmap(frame, tile.image.bitmap());
                scene.border(frame, GRAY, 1.0);
                for (line, note) in tile.notes().iter().enumerate() {
                    let y = top + IMAGE + 15.0 + line as f64 * LINE;
                    scene.text((x, y), Anchor::Middle, note, TICK_SIZE, if line == 0 { INK } else { GRAY });
                }
            }
            top += height;
        }
        if columns == 0 {
            scene.label((scene.width / 2.0, scene.height / 2.0), Anchor::Middle, "no data to show", LABEL_SIZE, GRAY);
        }
        Figure::new(about, &scene)
    }
}

/// The largest rectangle of an image's proportions in the middle of a frame, not thinner than a line.
pub(crate) fn fitted(image: &Image, frame: Rect) -> Rect {
    let (width, height) = (image.width().max(1) as f64, image.height().max(1) as f64);
    let scale = (frame.width / width).min(frame.height / height);
    let (width, height) = ((width * scale).max(4.0), (height * scale).max(4.0));
    Rect::new(frame.center().0 - width / 2.0, frame.center().1 - height / 2.0, width, height)
}
