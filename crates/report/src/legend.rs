//! Keys that say what the marks of a figure mean.

use crate::{
    color::{Color, INK, WHITE},
    font,
    panel::TICK_SIZE,
    scene::{Anchor, Line, Rect, Scene, Stroke},
};

const ROW: f64 = 19.0;
const SAMPLE: f64 = 26.0;
const GAP: f64 = 8.0;

/// One entry: a sample of the marks and what they stand for.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub label: String,
    pub color: Color,
    pub line: Option<Line>,
    pub dots: bool,
    pub band: bool,
}

impl Key {
    fn width(&self) -> f64 {
        SAMPLE + GAP + font::width(&self.label, TICK_SIZE)
    }

    fn draw(&self, scene: &mut Scene, x: f64, y: f64) {
        if self.band {
            scene.area(Rect::new(x, y - 6.0, SAMPLE, 12.0).corners(), self.color.faded(BAND));
        }
        if let Some(line) = self.line {
            scene.line([(x, y), (x + SAMPLE, y)], Stroke { color: self.color, width: 2.0, line });
        }
        if self.dots {
            scene.disc((x + SAMPLE / 2.0, y), 3.0, self.color);
        }
        scene.label((x + SAMPLE + GAP, y), Anchor::Start, &self.label, TICK_SIZE, INK);
    }
}

/// Opacity of confidence bands.
pub(crate) const BAND: f64 = 0.2;

/// Room for the keys one below the other.
pub(crate) fn size(keys: &[Key]) -> (f64, f64) {
    (keys.iter().map(Key::width).fold(0.0, f64::max) + 12.0, keys.len() as f64 * ROW + 6.0)
}

/// Draws the keys one below the other.
pub(crate) fn column(scene: &mut Scene, keys: &[Key], frame: Rect) {
    scene.area(frame.corners(), WHITE.faded(0.85));
    for (index, key) in keys.iter().enumerate() {
        key.draw(scene, frame.x + 6.0, frame.y + 3.0 + (index as f64 + 0.5) * ROW);
    }
}

/// Places the keys in rows of at most `width`: `(key, x, y)` from the top left corner, and the height of all rows.
fn flow(keys: &[Key], width: f64) -> (Vec<(&Key, f64, f64)>, f64) {
    let (mut x, mut y, mut placed) = (0.0, ROW / 2.0, Vec::new());
    for key in keys {
        if x > 0.0 && x + key.width() > width {
            (x, y) = (0.0, y + ROW);
        }
        placed.push((key, x, y));
        x += key.width() + 20.0;
    }
    (placed, y + ROW / 2.0)
}

/// Height of [`rows`].
pub(crate) fn rows_height(groups: &[&[Key]], width: f64) -> f64 {
    groups.iter().filter(|keys| !keys.is_empty()).map(|keys| flow(keys, width).1).sum()
}

/// Draws each group of keys as text flows, beginning a new row for each group.
pub(crate) fn rows(scene: &mut Scene, groups: &[&[Key]], (x, mut y): (f64, f64), width: f64) {
    for keys in groups.iter().filter(|keys| !keys.is_empty()) {
        let (placed, height) = flow(keys, width);
        for (key, dx, dy) in placed {
            key.draw(scene, x + dx, y + dy);
        }
        y += height;
    }
}
