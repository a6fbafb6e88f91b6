//! The trial-correlation matrix and its eigenvalues beside their null model (the paper's Fig. 6).

use crate::{
    About, Figure,
    axis::{Axis, Scale, count, number},
    color::{self, INK},
    curves::{self, Curve},
    font,
    image::Bitmap,
    legend,
    panel::{HEADING_SIZE, LABEL_SIZE, TICK_SIZE},
    scene::{Anchor, Line, Rect, Scene},
};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 430.0;
/// Room for the colour bar and its labels.
const BAR: f64 = 80.0;

/// Most cells that a heat map shows each way.
pub const MAX_CELLS: usize = 200;

/// `eigenvalue = scale * rank^-exponent` over a range of ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PowerLaw {
    /// How fast the eigenvalues fall.
    pub exponent: f64,
    /// The law's value at rank 1.
    pub scale: f64,
    /// First and last rank of the fit.
    pub ranks: (f64, f64),
}

/// The spectrum and the matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correlation {
    /// Eigenvalues of the data, largest first.
    pub eigenvalues: Vec<f64>,
    /// The within-sample permutation null: `(low, middle, high)` by rank.
    pub null: Vec<(f64, f64, f64)>,
    /// The power law fitted to the data.
    pub fit: Option<PowerLaw>,
    /// Correlations, row by row.
    pub matrix: Vec<f64>,
    /// Trials per row of the matrix.
    pub trials: usize,
}

impl Correlation {
    /// Draws the figure: the spectrum at the left, the matrix at the right. Of a matrix larger than [`MAX_CELLS`]
    /// every second (third, ...) trial is shown: means of neighbours would hide how much single pairs differ.
    pub fn figure(&self, about: About) -> Figure {
        let mut scene = Scene::new(WIDTH, HEIGHT);
        self.spectrum(&mut scene, Rect::new(0.0, 0.0, 0.49 * WIDTH, HEIGHT));
        self.heat_map(&mut scene, Rect::new(0.49 * WIDTH, 0.0, 0.51 * WIDTH, HEIGHT));
        Figure::new(about, &scene)
    }

    fn spectrum(&self, scene: &mut Scene, outer: Rect) {
        let ranked = |values: &mut dyn Iterator<Item = f64>| (1..).map(f64::from).zip(values).collect::<Vec<_>>();
        let ranks = (1..).map(f64::from);
        let band: Vec<_> = ranks.zip(&self.null).map(|(rank, null)| (rank, null.0, null.2)).collect();
        let mut curves = vec![
            Curve::new("data", ranked(&mut self.eigenvalues.iter().copied())).dots(),
            // Above the data, which it would vanish behind: they agree wherever trials are exchangeable.
            Curve::new("null: shuffled within samples", ranked(&mut self.null.iter().map(|null| null.1)))
                .color(1)
                .band(band),
        ];
        curves.retain(|curve| !curve.points.is_empty());
        if let Some(PowerLaw { exponent, scale, ranks }) = self.fit {
            let law = [ranks.0, ranks.1].map(|rank| (rank, scale * rank.powf(-exponent)));
            let label = format!("fit, rank^{{{}}}", number(-exponent, 3));
            curves.push(Curve::new(label, law).color(6).line(Line::Dashed));
        }
        let axes = (&Axis::log("rank"), &Axis::log("eigenvalue"));
        let panel = curves::panel(scene, outer, "(a) spectrum", axes, &curves);
        let keys: Vec<_> = curves.iter().map(Curve::key).collect();
        if !keys.is_empty() {
            let size = legend::size(&keys);
            // The spectrum falls from the top left: the top right is the emptiest corner if none is free.
            let top_right = Rect::new(panel.frame.right() - size.0, panel.frame.y, size.0, size.1);
            let corner = panel.free_corner(size).unwrap_or(top_right);
            legend::column(scene, &keys, corner);
        }
    }

    fn heat_map(&self, scene: &mut Scene, outer: Rect) {
        let left = font::width(&count(self.trials as u64), TICK_SIZE) + 36.0;
        let side = (outer.height - 76.0).min(outer.width - left - BAR);
        let frame = Rect::new(outer.right() - BAR - side, outer.y + 30.0, side, side);
        scene.text((frame.x, outer.y + 16.0), Anchor::Start, "(b) correlation of trials", HEADING_SIZE, INK);
        let trials = if self.trials.checked_pow(2) == Some(self.matrix.len()) { self.trials } else { 0 };
        if trials == 0 {
            scene.border(frame, color::GRID, 1.0);
            scene.label(frame.center(), Anchor::Middle, "no data to show", LABEL_SIZE, color::GRAY);
            return;
        }
        let stride = trials.div_ceil(MAX_CELLS);
        let shown: Vec<usize> = (0..trials).step_by(stride).collect();
        let cell = |row: usize, column: usize| self.matrix[row * trials + column];
        let cells = || shown.iter().flat_map(|&row| shown.iter().map(move |&column| cell(row, column)));
        // From 0, or from the most negative correlation rounded down to a tenth, to 1.
        let low = cells().filter(|value| value.is_finite()).fold(0.0, f64::min);
        let low = ((low * 10.0).floor() / 10.0).max(-1.0);
        let rgb = cells().flat_map(|value| color::viridis((value - low) / (1.0 - low))).collect();
        scene.bitmap(frame, Bitmap { width: shown.len(), height: shown.len(), rgb });
        scene.border(frame, INK, 1.0);
        Self::trial_axes(scene, frame, trials);

        let bar = Rect::new(frame.right() + 18.0, frame.y, 16.0, side);
        let colors = (0..256).rev().flat_map(|step| color::viridis(f64::from(step) / 255.0)).collect();
        scene.bitmap(bar, Bitmap { width: 1, height: 256, rgb: colors });
        scene.border(bar, INK, 1.0);
        let axis = Axis::linear("").range(low, 1.0);
        for tick in Scale::fit(&axis, []).ticks(6) {
            let y = bar.bottom() - tick.at * side;
            scene.rule([(bar.right(), y), (bar.right() + 4.0, y)], INK, 1.0);
            scene.label((bar.right() + 8.0, y), Anchor::Start, &tick.label.unwrap_or_default(), TICK_SIZE, INK);
        }
    }

    /// The first, the middle and the last trial along both sides; trial 1 is at the top left.
    fn trial_axes(scene: &mut Scene, frame: Rect, trials: usize) {
        let mut marks = vec![1, trials.div_ceil(2), trials];
        marks.dedup();
        for trial in marks {
            let at = (trial as f64 - 0.5) / trials as f64 * frame.width;
            let label = count(trial as u64);
            scene.text((frame.x + at, frame.bottom() + 18.0), Anchor::Middle, &label, TICK_SIZE, INK);
            scene.label((frame.x - 8.0, frame.y + at), Anchor::End, &label, TICK_SIZE, INK);
        }
        scene.text((frame.center().0, frame.bottom() + 38.0), Anchor::Middle, "trial", LABEL_SIZE, INK);
        let widest = font::width(&count(trials as u64), TICK_SIZE);
        scene.upright((frame.x - widest - 14.0, frame.center().1), "trial", LABEL_SIZE, INK);
    }
}
