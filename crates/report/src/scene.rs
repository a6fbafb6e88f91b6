//! A figure as a list of shapes in CSS pixels, y down. [`svg`](crate::svg) writes them, and [`raster`](crate::raster)
//! draws what it wrote, so that both files show the same figure.

use crate::{color::Color, font, image::Bitmap};

/// A place in the figure: x to the right, y down.
pub(crate) type Point = (f64, f64);

/// An upright rectangle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub(crate) fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self { x, y, width, height }
    }

    pub(crate) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub(crate) fn center(&self) -> Point {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    pub(crate) fn contains(&self, (x, y): Point) -> bool {
        (self.x..=self.right()).contains(&x) && (self.y..=self.bottom()).contains(&y)
    }

    pub(crate) fn grown(&self, by: f64) -> Self {
        Self::new(self.x - by, self.y - by, self.width + 2.0 * by, self.height + 2.0 * by)
    }

    pub(crate) fn corners(&self) -> [Point; 4] {
        [(self.x, self.y), (self.right(), self.y), (self.right(), self.bottom()), (self.x, self.bottom())]
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// One unbroken stroke.
    #[default]
    Solid,
    /// Long dashes.
    Dashed,
    /// Short dots.
    Dotted,
}

impl Line {
    /// Lengths on and off, in pixels; empty for an unbroken line.
    pub(crate) fn dashes(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[7.0, 4.0],
            Self::Dotted => &[1.6, 3.0],
        }
    }
}

/// Colour, width and pattern of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    pub color: Color,
    pub width: f64,
    pub line: Line,
}

/// Which part of a text lies at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text; `^{..}` raises and `_{..}` lowers a part of it. `at` is on the baseline.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub at: Point,
    pub text: String,
    pub size: f64,
    pub color: Color,
    pub anchor: Anchor,
    /// Read from bottom to top.
    pub upright: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Area { points: Vec<Point>, fill: Color },
    Line { points: Vec<Point>, stroke: Stroke },
    Disc { center: Point, radius: f64, fill: Color },
    Text(Text),
    Bitmap { frame: Rect, bitmap: Bitmap },
}

/// The shapes of one figure, first drawn first.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Shape>,
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    pub(crate) fn area(&mut self, points: impl Into<Vec<Point>>, fill: Color) {
        self.shapes.push(Shape::Area { points: points.into(), fill });
    }

    pub(crate) fn line(&mut self, points: impl Into<Vec<Point>>, stroke: Stroke) {
        self.shapes.push(Shape::Line { points: points.into(), stroke });
    }

    /// The usual case: an unbroken line.
    pub(crate) fn rule(&mut self, points: impl Into<Vec<Point>>, color: Color, width: f64) {
        self.line(points, Stroke { color, width, line: Line::Solid });
    }

    /// An unbroken line around four corners. It starts between two of them, so that all four are joined.
    pub(crate) fn loop_around(&mut self, [a, b, c, d]: [Point; 4], color: Color, width: f64) {
        let start = ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
        self.rule([start, b, c, d, a, start], color, width);
    }

    /// A border just outside `frame`.
    pub(crate) fn border(&mut self, frame: Rect, color: Color, width: f64) {
        self.loop_around(frame.grown(width / 2.0).corners(), color, width);
    }

    pub(crate) fn disc(&mut self, center: Point, radius: f64, fill: Color) {
        self.shapes.push(Shape::Disc { center, radius, fill });
    }

    pub(crate) fn bitmap(&mut self, frame: Rect, bitmap: Bitmap) {
        self.shapes.push(Shape::Bitmap { frame, bitmap });
    }

    /// Text whose baseline starts, is centred or ends at `at`.
    pub(crate) fn text(&mut self, at: Point, anchor: Anchor, text: &str, size: f64, color: Color) {
        self.shapes.push(Shape::Text(Text { at, text: text.into(), size, color, anchor, upright: false }));
    }

    /// Text whose figures and capitals are centred in height on `at`.
    pub(crate) fn label(&mut self, (x, y): Point, anchor: Anchor, text: &str, size: f64, color: Color) {
        self.text((x, y + font::CAP_HEIGHT / 2.0 * size), anchor, text, size, color);
    }

    /// Centred text that reads from bottom to top.
    pub(crate) fn upright(&mut self, at: Point, text: &str, size: f64, color: Color) {
        let anchor = Anchor::Middle;
        self.shapes.push(Shape::Text(Text { at, text: text.into(), size, color, anchor, upright: true }));
    }
}
