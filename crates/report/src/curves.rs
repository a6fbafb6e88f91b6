//! The general plot: labelled curves, with confidence bands and markers where they have them.

use crate::{
    About, Figure,
    axis::{Axis, Scale},
    color,
    legend::{self, BAND, Key},
    panel::Panel,
    scene::{Line, Rect, Scene, Stroke},
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Files that others made name curves, and resvg takes time by the square of a text's length.
const LONGEST_LABEL: usize = 500;

/// A series of values. One without any is an entry of the legend alone: say what all dashed lines are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// What the legend says, up to 500 characters; a curve without a label has no entry.
    pub label: String,
    /// `(x, y)` in the order in which they are joined. What cannot be placed, like a zero on a logarithmic axis or a
    /// NaN, leaves a gap.
    pub points: Vec<(f64, f64)>,
    /// A shaded band, `(x, low, high)`.
    pub band: Vec<(f64, f64, f64)>,
    /// The line that joins the points, if any.
    pub line: Option<Line>,
    /// Marks each point.
    pub dots: bool,
    /// Index into the palette. Curves that belong together, like a law and its asymptote, share one.
    pub color: usize,
}

impl Curve {
    /// A solid line in the palette's first colour.
    pub fn new(label: impl Into<String>, points: impl Into<Vec<(f64, f64)>>) -> Self {
        Self { label: label.into(), points: points.into(), line: Some(Line::Solid), ..Self::default() }
    }

    /// Sets the palette index.
    pub fn color(self, color: usize) -> Self {
        Self { color, ..self }
    }

    /// Sets the pattern of the line.
    pub fn line(self, line: Line) -> Self {
        Self { line: Some(line), ..self }
    }

    /// Marks the points and joins them no more.
    pub fn dots(self) -> Self {
        Self { line: None, dots: true, ..self }
    }

    /// Shades a band, `(x, low, high)`.
    pub fn band(self, band: impl Into<Vec<(f64, f64, f64)>>) -> Self {
        Self { band: band.into(), ..self }
    }

    pub(crate) fn key(&self) -> Key {
        let band = !self.band.is_empty();
        let label = match self.label.char_indices().nth(LONGEST_LABEL) {
            Some((end, _)) => format!("{}…", &self.label[..end]),
            None => self.label.clone(),
        };
        Key { label, color: color::series(self.color), line: self.line, dots: self.dots, band }
    }

    pub(crate) fn draw(&self, scene: &mut Scene, panel: &mut Panel) {
        let color = color::series(self.color);
        if let Some(line) = self.line {
            panel.line(scene, self.points.iter().copied(), Stroke { color, width: 1.8, line });
        }
        // A single point makes no line, but it must not vanish.
        if self.dots || self.points.len() == 1 {
            panel.dots(scene, self.points.iter().copied(), 3.0, color);
        }
    }
}

/// Labelled curves over common axes: inference loss against `k`, coverage against cost, and the like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, first at the back.
    pub curves: Vec<Curve>,
}

impl Curves {
    /// Draws the figure. The legend takes a corner without data, or the right margin where there is none.
    ///
    /// ```
    /// use retrial_report::{About, Axis, Curve, Curves};
    ///
    /// let points: Vec<_> = [1.0, 10.0, 100.0].map(|k| (k, 1.0 - 0.9 / k)).into();
    /// let curves = vec![Curve::new("a model", points)];
    /// let figure = Curves { x: Axis::log("attempts k"), y: Axis::linear("pass@k"), curves }
    ///     .figure(About::new("coverage", "Coverage", "Coverage against attempts."));
    /// assert!(figure.svg.starts_with("<svg") && figure.png.starts_with(b"\x89PNG"));
    /// ```
    pub fn figure(&self, about: About) -> Figure {
        let keys: Vec<_> = self.curves.iter().filter(|curve| !curve.label.is_empty()).map(Curve::key).collect();
        let size = legend::size(&keys);
        let (mut scene, panel) = self.draw(WIDTH);
        if let Some(corner) = panel.free_corner(size) {
            legend::column(&mut scene, &keys, corner);
        } else {
            let width = (WIDTH - size.0).max(WIDTH / 2.0);
            let margin = Rect::new(width - 4.0, 8.0, size.0, size.1);
            scene = self.draw(width).0;
            scene.width = scene.width.max(margin.right() + 8.0);
            scene.height = scene.height.max(margin.bottom() + 8.0);
            legend::column(&mut scene, &keys, margin);
        }
        Figure::new(about, &scene)
    }

    fn draw(&self, width: f64) -> (Scene, Panel) {
        let mut scene = Scene::new(WIDTH, HEIGHT);
        let panel = panel(&mut scene, Rect::new(0.0, 0.0, width, HEIGHT), "", (&self.x, &self.y), &self.curves);
        (scene, panel)
    }
}

/// Draws curves in a panel that fits them all: bands at the back, lines and marks above.
pub(crate) fn panel(scene: &mut Scene, outer: Rect, heading: &str, (x, y): (&Axis, &Axis), curves: &[Curve]) -> Panel {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let bands = || curves.iter().flat_map(|curve| &curve.band);
    let xs = points().map(|at| at.0).chain(bands().map(|at| at.0));
    // A band may reach down to zero; on a logarithmic axis it is cut rather than allowed to press all else flat.
    let least = points().map(|at| at.1).filter(|y| *y > 0.0).fold(f64::INFINITY, f64::min) / 3.0;
    let cut = |low: f64| if y.log { low.max(least) } else { low };
    let ys = points().map(|at| at.1).chain(bands().flat_map(|at| [cut(at.1), at.2]));
    // Trials, ranks, epochs and numbers of groups.
    let whole = x.range.is_none() && points().next().is_some() && points().all(|at| at.0.fract() == 0.0);
    let scales = (Scale::fit(x, xs).whole(whole), Scale::fit(y, ys));
    let mut panel = Panel::new(scene, outer, heading, (x, scales.0), (y, scales.1));
    for curve in curves {
        panel.band(scene, &curve.band, color::series(curve.color).faded(BAND));
    }
    for curve in curves {
        curve.draw(scene, &mut panel);
    }
    panel.note_if_empty(scene);
    panel
}

/// The losses of one epoch of training, means per sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epoch {
    /// Epochs count from 1.
    pub epoch: f64,
    /// Reconstruction and divergence together.
    pub total: f64,
    /// Binary cross-entropy.
    pub bce: f64,
    /// Kullback-Leibler divergence of the latent distribution from its prior.
    pub kl: f64,
}

/// The course of training.
pub fn training(about: About, epochs: &[Epoch]) -> Figure {
    let curve = |label, color, value: fn(&Epoch) -> f64| {
        Curve::new(label, epochs.iter().map(|epoch| (epoch.epoch, value(epoch))).collect::<Vec<_>>()).color(color)
    };
    Curves {
        x: Axis::log("epoch"),
        y: Axis::linear("loss per sample (nats)"),
        curves: vec![
            curve("total", 6, |epoch| epoch.total),
            curve("binary cross-entropy", 0, |epoch| epoch.bce),
            curve("KL divergence", 1, |epoch| epoch.kl),
        ],
    }
    .figure(about)
}
