//! Writes a scene as SVG. There are no ids, styles or scripts in it, so any number of figures fit in one page.

use std::fmt::{self, Write};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    color::Color,
    font,
    scene::{Anchor, Point, Scene, Shape, Stroke, Text},
};

/// The SVG document of a scene; `label` is read out in its place.
pub(crate) fn document(scene: &Scene, label: &str) -> String {
    let mut svg = String::new();
    write(&mut svg, scene, label).expect("a String takes every write");
    svg
}

fn write(svg: &mut String, scene: &Scene, label: &str) -> fmt::Result {
    let (width, height) = (Num(scene.width), Num(scene.height));
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{}" font-family="{}">"#,
        escape(&font::plain(label)),
        font::FAMILY
    )?;
    writeln!(svg, r##"<path d="M0,0H{width}V{height}H0Z" fill="#fff"/>"##)?;
    for shape in &scene.shapes {
        match shape {
            Shape::Area { points, fill } => {
                write!(svg, r#"<path d="{}Z" {}/>"#, Path(points), Paint("fill", *fill))?;
            }
            Shape::Line { points, stroke } => line(svg, points, stroke)?,
            Shape::Disc { center: (x, y), radius, fill } => {
                let paint = Paint("fill", *fill);
                write!(svg, r#"<circle cx="{}" cy="{}" r="{}" {paint}/>"#, Num(*x), Num(*y), Num(*radius))?;
            }
            Shape::Text(text) => write_text(svg, text)?,
            Shape::Bitmap { frame, bitmap } if !bitmap.is_empty() => {
                let [x, y, width, height] = [frame.x, frame.y, frame.width, frame.height].map(Num);
                // Not every viewer heeds `pixelated`; what is large already cannot be blurred much.
                let png = bitmap.enlarged(128 / bitmap.width.max(bitmap.height)).png(1.0);
                write!(
                    svg,
                    r#"<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{}"/>"#,
                    BASE64_STANDARD.encode(png)
                )?;
            }
            Shape::Bitmap { .. } => continue,
        }
        svg.push('\n');
    }
    writeln!(svg, "</svg>")
}

fn line(svg: &mut String, points: &[Point], stroke: &Stroke) -> fmt::Result {
    let (paint, width) = (Paint("stroke", stroke.color), Num(stroke.width));
    write!(svg, r#"<path d="{}" fill="none" {paint} stroke-width="{width}""#, Path(points))?;
    if points.len() > 2 {
        write!(svg, r#" stroke-linejoin="bevel""#)?;
    }
    for (index, length) in stroke.line.dashes().iter().enumerate() {
        write!(svg, "{}{}", if index == 0 { " stroke-dasharray=\"" } else { "," }, Num(*length))?;
    }
    write!(svg, "{}/>", if stroke.line.dashes().is_empty() { "" } else { "\"" })
}

fn write_text(svg: &mut String, Text { at: (x, y), text, size, color, anchor, upright }: &Text) -> fmt::Result {
    let (x, y) = (Num(*x), Num(*y));
    write!(svg, r#"<text x="{x}" y="{y}" font-size="{}" {}"#, Num(*size), Paint("fill", *color))?;
    match anchor {
        Anchor::Start => {}
        Anchor::Middle => write!(svg, r#" text-anchor="middle""#)?,
        Anchor::End => write!(svg, r#" text-anchor="end""#)?,
    }
    if *upright {
        write!(svg, r#" transform="rotate(-90 {x} {y})""#)?;
    }
    svg.push('>');
    let mut risen = 0.0;
    for run in font::runs(text) {
        let text = escape(run.text);
        if run.rise == risen {
            svg.push_str(&text);
        } else {
            // `dy` moves the pen for good: each run undoes what the last one did.
            let (dy, size) = (Num((risen - run.rise) * size), Num(run.scale * size));
            write!(svg, r#"<tspan dy="{dy}" font-size="{size}">{text}</tspan>"#)?;
            risen = run.rise;
        }
    }
    write!(svg, "</text>")
}

/// `M1,2L3,4`.
struct Path<'a>(&'a [Point]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(x, y)) in self.0.iter().enumerate() {
            write!(f, "{}{},{}", if index == 0 { 'M' } else { 'L' }, Num(x), Num(y))?;
        }
        Ok(())
    }
}

/// `fill="#0072b2" fill-opacity="0.2"`.
struct Paint(&'static str, Color);

impl fmt::Display for Paint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, Color { rgb: [r, g, b], alpha }) = self;
        write!(f, r##"{what}="#{r:02x}{g:02x}{b:02x}""##)?;
        if *alpha < 1.0 { write!(f, r#" {what}-opacity="{}""#, Num(*alpha)) } else { Ok(()) }
    }
}

/// A coordinate: two decimals at most, and always a number.
#[derive(Clone, Copy)]
struct Num(f64);

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = if self.0.is_finite() { (self.0 * 100.0).round() / 100.0 } else { 0.0 };
        // Adding zero turns -0 into 0.
        write!(f, "{}", rounded + 0.0)
    }
}

/// Text as it stands in XML and HTML, inside and outside attributes. What XML forbids, and marks that turn the direction
/// of the text behind them, become a sign that something stood there.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                escaped.push('\u{FFFD}')
            }
            '\u{FFFE}' | '\u{FFFF}' => escaped.push('\u{FFFD}'),
            c if c.is_control() => escaped.push('\u{FFFD}'),
            c => escaped.push(c),
        }
    }
    escaped
}
