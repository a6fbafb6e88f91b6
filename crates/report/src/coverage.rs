//! Coverage by threshold beside the errors that it comes from (the paper's Fig. 5).

use crate::{
    About, Figure,
    axis::{Axis, Scale, short},
    color::{self, Color, GRAY},
    curves::{self, Curve},
    legend::{self, Key},
    panel::Panel,
    scene::{Line, Rect, Scene, Stroke},
};

const WIDTH: f64 = 960.0;
const PANELS: f64 = 400.0;

/// Coverage after `k` trials, with its confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Trials per sample.
    pub k: f64,
    /// pass@k.
    pub value: f64,
    /// Lower end of the interval; NaN if there is none.
    pub low: f64,
    /// Upper end of the interval; NaN if there is none.
    pub high: f64,
}

/// What was measured and what theory says at one threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Threshold {
    /// The error below which a trial succeeds.
    pub epsilon: f64,
    /// Measured coverage.
    pub measured: Vec<Estimate>,
    /// Eq. 8, `(k, pass@k)`.
    pub eq8: Vec<(f64, f64)>,
    /// Eq. 12, `(k, pass@k)`.
    pub eq12: Vec<(f64, f64)>,
}

/// Counts of errors in bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// What the legend says.
    pub label: String,
    /// Ends of the bins, ascending, one more than there are counts.
    pub edges: Vec<f64>,
    /// Errors per bin.
    pub counts: Vec<u64>,
}

/// The colour of histogram `index`: gray, which no threshold has, as long as there is but one.
fn shade(index: usize) -> Color {
    [GRAY, color::series(5), color::series(4)][index % 3]
}

impl Histogram {
    /// Density per bin as `(low, high, density)`, with bins joined until about a hundred span the bulk of the errors.
    fn density(&self) -> Vec<(f64, f64, f64)> {
        let bins = self.edges.windows(2).zip(&self.counts).map(|(edge, count)| (edge[0], edge[1], *count as f64));
        let bins: Vec<_> = bins.filter(|(low, high, _)| low.is_finite() && high.is_finite() && low < high).collect();
        let total: f64 = bins.iter().map(|bin| bin.2).sum();
        // The rarest errors of a long run lie far out and would squeeze all others.
        let counts = || bins.iter().map(|bin| bin.2);
        let (first, last) = (tail(counts(), 1e-4 * total), bins.len() - tail(counts().rev(), 1e-4 * total));
        let bulk = bins.get(first..last).unwrap_or_default();
        let joined = bulk.len().div_ceil(100).max(1);
        bulk.chunks(joined)
            .map(|bins| {
                let (low, high) = (bins[0].0, bins[bins.len() - 1].1);
                (low, high, bins.iter().map(|bin| bin.2).sum::<f64>() / total / (high - low))
            })
            .collect()
    }
}

/// How many counts from the first on add up to no more than `most`.
fn tail(counts: impl Iterator<Item = f64>, most: f64) -> usize {
    let sums = counts.scan(0.0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= most).count()
}

/// Coverage for several thresholds, and the errors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// Draws pass@k on a logarithmic axis, which shows small coverage and hides how close to 1 it comes.
    pub log: bool,
    /// One colour each, in this order.
    pub thresholds: Vec<Threshold>,
    /// Drawn over each other.
    pub histograms: Vec<Histogram>,
}

impl Coverage {
    /// Draws the figure: coverage at the left, errors at the right, one legend below.
    pub fn figure(&self, about: About) -> Figure {
        let (colors, lines) = self.keys();
        let groups: &[&[Key]] = &[&colors, &lines];
        let mut scene = Scene::new(WIDTH, PANELS + legend::rows_height(groups, WIDTH - 70.0) + 14.0);
        self.coverage(&mut scene, Rect::new(0.0, 0.0, 0.55 * WIDTH, PANELS));
        self.errors(&mut scene, Rect::new(0.55 * WIDTH, 0.0, 0.45 * WIDTH, PANELS));
        legend::rows(&mut scene, groups, (56.0, PANELS + 4.0), WIDTH - 70.0);
        Figure::new(about, &scene)
    }

    /// What colours mean, and what kinds of mark do.
    fn keys(&self) -> (Vec<Key>, Vec<Key>) {
        let color = |(index, threshold): (usize, &Threshold)| Key {
            label: format!("ε = {}", short(threshold.epsilon, 5)),
            color: color::series(index),
            line: Some(Line::Solid),
            dots: true,
            band: false,
        };
        let key = |label: &str, line, dots| Key { label: label.into(), color: GRAY, line, dots, band: dots };
        let any = |has: fn(&Threshold) -> bool| self.thresholds.iter().any(has);
        let banded = any(|threshold| threshold.measured.iter().any(|at| at.low.is_finite()));
        let measured = if banded { "measured, with 95 % band" } else { "measured" };
        let mut lines = Vec::new();
        if any(|threshold| !threshold.measured.is_empty()) {
            lines.push(Key { band: banded, ..key(measured, None, true) });
        }
        if any(|threshold| !threshold.eq8.is_empty()) {
            lines.push(key("Eq. 8, Beta law", Some(Line::Solid), false));
        }
        if any(|threshold| !threshold.eq12.is_empty()) {
            lines.push(key("Eq. 12, correlated trials", Some(Line::Dotted), false));
        }
        let histogram = |(index, Histogram { label, .. }): (usize, &Histogram)| Key {
            label: label.clone(),
            color: shade(index),
            line: None,
            dots: false,
            band: true,
        };
        let named = self.histograms.iter().enumerate().filter(|(_, histogram)| !histogram.label.is_empty());
        lines.extend(named.map(histogram));
        (self.thresholds.iter().enumerate().map(color).collect(), lines)
    }

    fn coverage(&self, scene: &mut Scene, outer: Rect) {
        let mut curves = Vec::new();
        for (color, threshold) in self.thresholds.iter().enumerate() {
            let measured = &threshold.measured;
            let band: Vec<_> = measured.iter().map(|at| (at.k, at.low, at.high)).collect();
            curves.push(Curve::new("", &*threshold.eq8).color(color));
            curves.push(Curve::new("", &*threshold.eq12).color(color).line(Line::Dotted));
            curves.push(
                Curve::new("", measured.iter().map(|at| (at.k, at.value)).collect::<Vec<_>>())
                    .color(color)
                    .dots()
                    .band(band),
            );
        }
        let label = "coverage pass@k";
        let y = if self.log {
            // What was measured sets the range: a law may be off by any number of decades.
            let measured = self.thresholds.iter().flat_map(|threshold| &threshold.measured).map(|at| at.value);
            let least = measured.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
            Axis { range: (least < 1.0).then_some((least / 3.0, 1.3)), ..Axis::log(label) }
        } else {
            Axis::linear(label).range(0.0, 1.02)
        };
        curves::panel(scene, outer, "(a) coverage", (&Axis::log("trials per sample k"), &y), &curves);
    }

    fn errors(&self, scene: &mut Scene, outer: Rect) {
        let densities: Vec<_> = self.histograms.iter().map(Histogram::density).collect();
        let bins = || densities.iter().flatten();
        let epsilons = self.thresholds.iter().map(|threshold| threshold.epsilon);
        let x = Axis::linear("error e = ‖x − y‖_{2}");
        let y = Axis::linear("density");
        let x_scale = Scale::fit(&x, bins().flat_map(|bin| [bin.0, bin.1]).chain(epsilons));
        let y_scale = Scale::fit(&y, bins().map(|bin| bin.2).chain([0.0]));
        let mut panel = Panel::new(scene, outer, "(b) errors", (&x, x_scale), (&y, y_scale));
        for (index, bins) in densities.iter().enumerate() {
            let shade = shade(index);
            let band: Vec<_> = bins.iter().flat_map(|bin| [(bin.0, 0.0, bin.2), (bin.1, 0.0, bin.2)]).collect();
            panel.band(scene, &band, shade.faded(0.25));
            let steps = bins.iter().flat_map(|bin| [(bin.0, bin.2), (bin.1, bin.2)]);
            panel.line(scene, steps, Stroke { color: shade, width: 1.2, line: Line::Solid });
        }
        panel.note_if_empty(scene);
        for (index, threshold) in self.thresholds.iter().enumerate() {
            let stroke = Stroke { color: color::series(index), width: 1.8, line: Line::Solid };
            panel.vertical(scene, threshold.epsilon, stroke);
        }
    }
}
