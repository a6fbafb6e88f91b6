//! Draws a scene into pixels by exact area coverage. The rasteriser that comes with the font does all the work:
//! every shape is an outline, and its area in a pixel is the pixel's opacity.

use std::f64::consts::TAU;

use ab_glyph::{OutlineCurve, Point as Corner, point};
use ab_glyph_rasterizer::Rasterizer;

use crate::{
    color::Color,
    font,
    image::Bitmap,
    scene::{Point, Rect, Scene, Shape, Stroke, Text},
};

/// Pixels of the PNG per pixel of the scene, each way.
pub(crate) const SCALE: u32 = 2;

/// The PNG file of a scene.
pub(crate) fn png(scene: &Scene) -> Vec<u8> {
    let mut canvas = Canvas::new(scene.width, scene.height);
    for shape in &scene.shapes {
        match shape {
            Shape::Area { points, fill } => canvas.fill(&[outline(points)], *fill),
            Shape::Line { points, stroke } => canvas.fill(&stroked(points, stroke), stroke.color),
            Shape::Disc { center, radius, fill } => canvas.fill(&[disc(*center, *radius)], *fill),
            Shape::Text(text) => canvas.text(text),
            Shape::Bitmap { frame, bitmap } => canvas.blit(frame, bitmap),
        }
    }
    canvas.bitmap.png(SCALE)
}

/// A closed curve in scene coordinates.
type Outline = Vec<Curve>;

/// A piece of an outline: its start, control points and end. Quadratic is all that TrueType needs.
#[derive(Clone, Copy)]
enum Curve {
    Line([Point; 2]),
    Quad([Point; 3]),
}

impl Curve {
    fn points(&self) -> &[Point] {
        match self {
            Self::Line(points) => points,
            Self::Quad(points) => points,
        }
    }
}

struct Canvas {
    bitmap: Bitmap,
    rasterizer: Rasterizer,
}

impl Canvas {
    fn new(width: f64, height: f64) -> Self {
        let pixels = |length: f64| ((length * f64::from(SCALE)).round() as usize).max(1);
        let (width, height) = (pixels(width), pixels(height));
        let rgb = vec![255; 3 * width * height];
        Self { bitmap: Bitmap { width, height, rgb }, rasterizer: Rasterizer::new(0, 0) }
    }

    /// Paints everything inside the outlines, which must all turn the same way where they overlap.
    fn fill(&mut self, outlines: &[Outline], color: Color) {
        let scale = f64::from(SCALE);
        // A little room around the canvas keeps what lies outside it apart; nothing needs to be drawn exactly there.
        let limit = (self.bitmap.width as f64 + 64.0, self.bitmap.height as f64 + 64.0);
        let place = |(x, y): Point| ((x * scale).clamp(-64.0, limit.0), (y * scale).clamp(-64.0, limit.1));
        let points = outlines.iter().flatten().flat_map(Curve::points).map(|at| place(*at));
        let Some((low, high)) = bounds(points) else { return };
        let (left, top) = (low.0.floor(), low.1.floor());
        // One more column, because the rasteriser writes the end of an edge into the pixel after it.
        self.rasterizer.reset((high.0 - left).ceil() as usize + 2, (high.1 - top).ceil() as usize + 1);
        let local = |at: Point| -> Corner {
            let (x, y) = place(at);
            point((x - left) as f32, (y - top) as f32)
        };
        for curve in outlines.iter().flatten() {
            match *curve {
                Curve::Line([a, b]) => self.rasterizer.draw_line(local(a), local(b)),
                Curve::Quad([a, b, c]) => self.rasterizer.draw_quad(local(a), local(b), local(c)),
            }
        }
        let (left, top, bitmap) = (left as i64, top as i64, &mut self.bitmap);
        self.rasterizer.for_each_pixel_2d(|x, y, coverage| {
            let (x, y) = (left + i64::from(x), top + i64::from(y));
            if coverage > 1e-3 && (0..bitmap.width as i64).contains(&x) && (0..bitmap.height as i64).contains(&y) {
                let at = 3 * (y as usize * bitmap.width + x as usize);
                let alpha = f64::from(coverage.min(1.0)) * color.alpha;
                for (under, over) in bitmap.rgb[at..at + 3].iter_mut().zip(color.rgb) {
                    *under = (f64::from(*under) + (f64::from(over) - f64::from(*under)) * alpha).round() as u8;
                }
            }
        });
    }

    fn text(&mut self, Text { at, text, size, color, anchor, upright }: &Text) {
        let mut pen = -anchor.share() * font::width(text, *size);
        for run in font::runs(text) {
            let unit = run.scale * size / font::units_per_em();
            for glyph in run.text.chars().map(font::glyph) {
                let place = |corner: Corner| {
                    let (x, y) = (pen + f64::from(corner.x) * unit, -run.rise * size - f64::from(corner.y) * unit);
                    if *upright { (at.0 + y, at.1 - x) } else { (at.0 + x, at.1 + y) }
                };
                let curve = |curve: &OutlineCurve| match *curve {
                    OutlineCurve::Line(a, b) => Curve::Line([place(a), place(b)]),
                    OutlineCurve::Quad(a, b, c) => Curve::Quad([place(a), place(b), place(c)]),
                    OutlineCurve::Cubic(a, _, _, b) => Curve::Line([place(a), place(b)]),
                };
                if let Some(glyph) = font::outline(glyph) {
                    self.fill(&[glyph.curves.iter().map(curve).collect()], *color);
                }
                pen += font::advance(glyph) * run.scale * size;
            }
        }
    }

    /// Nearest neighbour: a pixel of the model stays a square with sharp edges.
    fn blit(&mut self, frame: &Rect, bitmap: &Bitmap) {
        if bitmap.is_empty() {
            return;
        }
        let scale = f64::from(SCALE);
        let span = |start: f64, length: f64, end: usize| {
            let (from, to) = ((start * scale).round(), ((start + length) * scale).round());
            from.clamp(0.0, end as f64) as usize..to.clamp(0.0, end as f64) as usize
        };
        let source = |pixel: usize, start: f64, length: f64, count: usize| {
            let share = ((pixel as f64 + 0.5) / scale - start) / length;
            ((share * count as f64) as usize).min(count - 1)
        };
        for y in span(frame.y, frame.height, self.bitmap.height) {
            let from_y = source(y, frame.y, frame.height, bitmap.height);
            for x in span(frame.x, frame.width, self.bitmap.width) {
                let at = 3 * (y * self.bitmap.width + x);
                let pixel = bitmap.pixel(source(x, frame.x, frame.width, bitmap.width), from_y);
                self.bitmap.rgb[at..at + 3].copy_from_slice(&pixel);
            }
        }
    }
}

/// The corners of the box around all points, without those that are no numbers.
fn bounds(points: impl Iterator<Item = Point>) -> Option<(Point, Point)> {
    points.filter(|(x, y)| x.is_finite() && y.is_finite()).fold(None, |bounds, (x, y)| {
        let (low, high) = bounds.unwrap_or(((x, y), (x, y)));
        Some(((low.0.min(x), low.1.min(y)), (high.0.max(x), high.1.max(y))))
    })
}

fn outline(points: &[Point]) -> Outline {
    let ends = points.iter().cycle().skip(1);
    points.iter().zip(ends).map(|(a, b)| Curve::Line([*a, *b])).collect()
}

fn disc((x, y): Point, radius: f64) -> Outline {
    let corner = |index: u32| {
        let (sin, cos) = (f64::from(index) / 32.0 * TAU).sin_cos();
        (x + radius * cos, y + radius * sin)
    };
    outline(&(0..32).map(corner).collect::<Vec<_>>())
}

/// The outlines of a stroke: a rectangle for each piece, and a triangle that closes the gap on the outer side of each
/// bend. All turn the same way, so that overlaps are painted once.
fn stroked(points: &[Point], stroke: &Stroke) -> Vec<Outline> {
    let half = stroke.width / 2.0;
    let mut outlines = Vec::new();
    for dash in dashed(points, stroke.line.dashes()) {
        let mut last: Option<Point> = None;
        for piece in dash.windows(2) {
            let ((ax, ay), (bx, by)) = (piece[0], piece[1]);
            let length = (bx - ax).hypot(by - ay);
            if length == 0.0 {
                continue;
            }
            let (nx, ny) = ((ay - by) / length * half, (bx - ax) / length * half);
            outlines.push(outline(&[(ax + nx, ay + ny), (ax - nx, ay - ny), (bx - nx, by - ny), (bx + nx, by + ny)]));
            if let Some((mx, my)) = last {
                outlines.push(outline(&match mx * ny - my * nx > 0.0 {
                    true => [(ax, ay), (ax - mx, ay - my), (ax - nx, ay - ny)],
                    false => [(ax, ay), (ax + nx, ay + ny), (ax + mx, ay + my)],
                }));
            }
            last = Some((nx, ny));
        }
    }
    outlines
}

/// Cuts a line into its dashes.
fn dashed(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    let Some(&first) = pattern.first() else { return vec![points.to_vec()] };
    let (mut dashes, mut current) = (Vec::new(), Vec::from_iter(points.first().copied()));
    let (mut index, mut left) = (0, first);
    for piece in points.windows(2) {
        let (mut from, to) = (piece[0], piece[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length < left || !length.is_finite() {
                left -= length;
                current.push(to);
                break;
            }
            from = (from.0 + (to.0 - from.0) * left / length, from.1 + (to.1 - from.1) * left / length);
            current.push(from);
            if index % 2 == 0 {
                dashes.push(std::mem::take(&mut current));
            }
            index += 1;
            left = pattern[index % pattern.len()];
            current = vec![from];
        }
    }
    if index % 2 == 0 {
        dashes.push(current);
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{color::INK, scene::Line};

    fn drawn(points: &[Point], width: f64) -> f64 {
        let mut canvas = Canvas::new(20.0, 20.0);
        canvas.fill(&stroked(points, &Stroke { color: INK.faded(1.0), width, line: Line::Solid }), Color::hex(0));
        canvas.bitmap.rgb.iter().step_by(3).map(|value| 1.0 - f64::from(*value) / 255.0).sum::<f64>() / 4.0
    }

    #[test]
    fn a_stroke_covers_its_length_times_its_width() {
        assert!((drawn(&[(2.0, 2.0), (14.0, 11.0)], 1.5) - 15.0 * 1.5).abs() < 0.1);
        let bent = drawn(&[(2.0, 2.0), (12.0, 2.0), (12.0, 12.0)], 2.0);
        assert!((bent - (40.0 - 1.0 + 0.5)).abs() < 0.1, "{bent}");
        assert_eq!(
            drawn(&[(2.0, 2.0), (12.0, 2.0), (12.0, 12.0)], 2.0),
            drawn(&[(12.0, 12.0), (12.0, 2.0), (2.0, 2.0)], 2.0)
        );
    }

    #[test]
    fn dashes_follow_the_arc_length() {
        let lengths: Vec<f64> = dashed(&[(0.0, 0.0), (5.0, 0.0), (5.0, 8.0)], &[4.0, 3.0])
            .iter()
            .map(|dash| dash.windows(2).map(|piece| (piece[1].0 - piece[0].0) + (piece[1].1 - piece[0].1)).sum())
            .collect();
        assert_eq!(lengths, [4.0, 4.0]);
    }

    #[test]
    fn shapes_far_outside_or_without_numbers_do_no_harm() {
        let mut canvas = Canvas::new(4.0, 4.0);
        canvas.fill(&[outline(&[(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)])], INK);
        assert!(canvas.bitmap.rgb.iter().all(|value| *value == 0x22));
        canvas.fill(&[outline(&[(f64::NAN, 0.0), (3.0, f64::NAN), (f64::INFINITY, 1.0)])], INK);
        canvas.fill(&[vec![]], INK);
    }
}
