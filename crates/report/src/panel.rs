//! One coordinate system: frame, ticks, grid, and the marks drawn in it.

use crate::{
    axis::{Axis, Scale},
    color::{Color, GRAY, GRID, INK},
    font,
    scene::{Anchor, Point, Rect, Scene, Stroke},
};

pub(crate) const TICK_SIZE: f64 = 12.0;
pub(crate) const LABEL_SIZE: f64 = 13.0;
pub(crate) const HEADING_SIZE: f64 = 14.0;

/// A frame with axes into which data is drawn. Nothing leaves the frame.
pub(crate) struct Panel {
    pub frame: Rect,
    x: Scale,
    y: Scale,
    /// Places that data covers, so that a legend can stay away from them.
    ink: Vec<Point>,
}

impl Panel {
    /// Draws the axes inside `outer` and returns the frame between them. `heading` may be empty.
    pub(crate) fn new(
        scene: &mut Scene,
        outer: Rect,
        heading: &str,
        (x_axis, x): (&Axis, Scale),
        (y_axis, y): (&Axis, Scale),
    ) -> Self {
        let top = outer.y + if heading.is_empty() { 8.0 } else { 30.0 };
        let bottom = outer.bottom() - 46.0;
        let y_ticks = y.ticks(((bottom - top) / 45.0) as usize);
        let labels = y_ticks.iter().filter_map(|tick| tick.label.as_deref());
        let widest = labels.map(|label| font::width(label, TICK_SIZE)).fold(12.0, f64::max);
        let left = outer.x + widest + 34.0;
        let frame = Rect::new(left, top, outer.right() - 14.0 - left, bottom - top);
        let x_ticks = x.ticks((frame.width / 70.0) as usize);

        for tick in x_ticks.iter().filter(|tick| tick.label.is_some()) {
            let x = frame.x + tick.at * frame.width;
            scene.rule([(x, frame.y), (x, frame.bottom())], GRID, 1.0);
        }
        for tick in y_ticks.iter().filter(|tick| tick.label.is_some()) {
            let y = frame.bottom() - tick.at * frame.height;
            scene.rule([(frame.x, y), (frame.right(), y)], GRID, 1.0);
        }
        for tick in &x_ticks {
            let x = frame.x + tick.at * frame.width;
            let length = if tick.label.is_some() { 5.0 } else { 3.0 };
            scene.rule([(x, frame.bottom()), (x, frame.bottom() + length)], INK, 1.0);
            if let Some(label) = &tick.label {
                scene.text((x, frame.bottom() + 18.0), Anchor::Middle, label, TICK_SIZE, INK);
            }
        }
        for tick in &y_ticks {
            let y = frame.bottom() - tick.at * frame.height;
            let length = if tick.label.is_some() { 5.0 } else { 3.0 };
            scene.rule([(frame.x - length, y), (frame.x, y)], INK, 1.0);
            if let Some(label) = &tick.label {
                scene.label((frame.x - 8.0, y), Anchor::End, label, TICK_SIZE, INK);
            }
        }
        let [(left, top), _, (right, bottom), _] = frame.corners();
        // Two lines and not one with a corner, which would be rasterised as a shape as large as the frame.
        scene.rule([(left, top), (left, bottom + 0.5)], INK, 1.0);
        scene.rule([(left, bottom), (right, bottom)], INK, 1.0);
        scene.text((frame.center().0, outer.bottom() - 8.0), Anchor::Middle, &x_axis.label, LABEL_SIZE, INK);
        scene.upright((outer.x + 14.0, frame.center().1), &y_axis.label, LABEL_SIZE, INK);
        scene.text((left, outer.y + 16.0), Anchor::Start, heading, HEADING_SIZE, INK);
        Self { frame, x, y, ink: Vec::new() }
    }

    /// Where a value lies in the scene, possibly outside the frame.
    fn place(&self, (x, y): Point) -> Option<Point> {
        Some((
            self.frame.x + self.x.place(x)? * self.frame.width,
            self.frame.bottom() - self.y.place(y)? * self.frame.height,
        ))
    }

    /// Joins the values in order. Those that cannot be placed leave a gap.
    pub(crate) fn line(&mut self, scene: &mut Scene, values: impl IntoIterator<Item = Point>, stroke: Stroke) {
        let (mut run, mut last) = (Vec::new(), None);
        for value in values {
            let Some(next) = self.place(value) else {
                self.finish(scene, &mut run, stroke);
                last = None;
                continue;
            };
            // Steps too small to see make the file larger and nothing else.
            if last.is_some_and(|last| near(last, next)) {
                continue;
            }
            if let Some((from, to)) = last.and_then(|last| clip(last, next, &self.frame)) {
                if run.last() != Some(&from) {
                    self.finish(scene, &mut run, stroke);
                    run.push(from);
                }
                run.push(to);
            }
            last = Some(next);
        }
        self.finish(scene, &mut run, stroke);
    }

    /// Draws a run of points that lie in the frame.
    fn finish(&mut self, scene: &mut Scene, run: &mut Vec<Point>, stroke: Stroke) {
        if run.len() > 1 {
            for piece in run.windows(2) {
                let ((ax, ay), (bx, by)) = (piece[0], piece[1]);
                let steps = ((bx - ax).hypot(by - ay) / 4.0).ceil().max(1.0);
                let step = |index: u32| f64::from(index) / steps;
                let between = |share: f64| (ax + share * (bx - ax), ay + share * (by - ay));
                self.ink.extend((0..=steps as u32).map(|index| between(step(index))));
            }
            scene.line(std::mem::take(run), stroke);
        }
        run.clear();
    }

    /// Shades between two bounds, given as `(x, low, high)`. A low bound below the axis is drawn on it.
    pub(crate) fn band(&mut self, scene: &mut Scene, bounds: &[(f64, f64, f64)], color: Color) {
        let (top, bottom) = (self.frame.y, self.frame.bottom());
        let edges: Vec<Option<(f64, f64, f64)>> = bounds
            .iter()
            .map(|&(x, low, high)| {
                let (x, high) = self.place((x, high))?;
                let low = if low.is_nan() { None } else { Some(self.place((1.0, low)).map_or(bottom, |at| at.1)) }?;
                let inside = (self.frame.x - 0.5..=self.frame.right() + 0.5).contains(&x);
                inside.then(|| (x, low.clamp(top, bottom), high.clamp(top, bottom)))
            })
            .collect();
        for run in edges.split(Option::is_none) {
            let mut run: Vec<_> = run.iter().flatten().copied().collect();
            // A lone bound gets the width of a mark.
            if let [(x, low, high)] = run[..] {
                run = vec![(x - 3.0, low, high), (x + 3.0, low, high)];
            }
            if run.is_empty() {
                continue;
            }
            for (x, low, high) in &run {
                self.ink.extend((0..=8).map(|step| (*x, low + (high - low) * f64::from(step) / 8.0)));
            }
            let upper = run.iter().map(|(x, _, high)| (*x, *high));
            let lower = run.iter().rev().map(|(x, low, _)| (*x, *low));
            scene.area(upper.chain(lower).collect::<Vec<_>>(), color);
        }
    }

    /// Marks each value, unless it would cover the mark before it by more than half.
    pub(crate) fn dots(
        &mut self,
        scene: &mut Scene,
        values: impl IntoIterator<Item = Point>,
        radius: f64,
        color: Color,
    ) {
        let mut last: Option<Point> = None;
        for value in values {
            let Some(at) = self.place(value) else { continue };
            let hidden = last.is_some_and(|(x, y)| (at.0 - x).hypot(at.1 - y) < radius);
            if self.frame.grown(0.5).contains(at) && !hidden {
                scene.disc(at, radius, color);
                self.ink.push(at);
                last = Some(at);
            }
        }
    }

    /// A line across the frame at one value of x.
    pub(crate) fn vertical(&mut self, scene: &mut Scene, x: f64, stroke: Stroke) {
        let Some(share) = self.x.place(x).filter(|share| (0.0..=1.0).contains(share)) else { return };
        let x = self.frame.x + share * self.frame.width;
        scene.line([(x, self.frame.y), (x, self.frame.bottom())], stroke);
    }

    /// Says so where nothing could be drawn.
    pub(crate) fn note_if_empty(&self, scene: &mut Scene) {
        if self.ink.is_empty() {
            scene.label(self.frame.center(), Anchor::Middle, "no data to show", LABEL_SIZE, GRAY);
        }
    }

    /// A corner of the frame with room for a box that covers no data.
    pub(crate) fn free_corner(&self, (width, height): (f64, f64)) -> Option<Rect> {
        let (left, top) = (self.frame.x + 10.0, self.frame.y + 4.0);
        let (right, bottom) = (self.frame.right() - width - 4.0, self.frame.bottom() - height - 8.0);
        if right < left || bottom < top {
            return None;
        }
        [(right, top), (left, bottom), (left, top), (right, bottom)]
            .map(|(x, y)| Rect::new(x, y, width, height))
            .into_iter()
            .find(|corner| !self.ink.iter().any(|point| corner.grown(6.0).contains(*point)))
    }
}

/// Less than a third of a pixel apart.
fn near(a: Point, b: Point) -> bool {
    (a.0 - b.0).abs() < 0.3 && (a.1 - b.1).abs() < 0.3
}

/// The part of a piece of line inside a frame (Liang and Barsky).
fn clip(from: Point, to: Point, frame: &Rect) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    let sides =
        [(-dx, from.0 - frame.x), (dx, frame.right() - from.0), (-dy, from.1 - frame.y), (dy, frame.bottom() - from.1)];
    for (outward, room) in sides {
        if outward == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if outward < 0.0 {
            enter = enter.max(room / outward);
        } else {
            leave = leave.min(room / outward);
        }
    }
    let at = |share: f64| match share {
        0.0 => from,
        1.0 => to,
        _ => (from.0 + share * dx, from.1 + share * dy),
    };
    (enter <= leave).then(|| (at(enter), at(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_the_frame() {
        let frame = Rect::new(0.0, 0.0, 10.0, 10.0);
        assert_eq!(clip((-5.0, 5.0), (5.0, 5.0), &frame), Some(((0.0, 5.0), (5.0, 5.0))));
        assert_eq!(clip((1.0, 1.0), (9.0, 9.0), &frame), Some(((1.0, 1.0), (9.0, 9.0))));
        assert_eq!(clip((-5.0, 5.0), (-1.0, 50.0), &frame), None);
        assert_eq!(clip((5.0, -20.0), (5.0, 20.0), &frame), Some(((5.0, 0.0), (5.0, 10.0))));
    }
}
