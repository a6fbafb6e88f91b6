//! Draws the SVG of a figure into pixels: resvg does all the work, with the embedded font and no other, so that what a
//! system has installed changes no pixel.

use std::sync::{Arc, LazyLock};

use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{
        Options, Tree,
        fontdb::{Database, Source},
    },
};

use crate::{font, image::Bitmap};

/// Pixels of the PNG per pixel of the SVG, each way.
const SCALE: f64 = 2.0;
/// A figure with thousands of entries in its legend is drawn smaller than that, to fit in memory.
const MOST_PIXELS: f64 = 36e6;

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_source(Source::Binary(Arc::new(font::FILE)));
    Options { fontdb: Arc::new(fonts), ..Options::default() }
});

/// The PNG file of an SVG document of this size.
pub(crate) fn png(svg: &str, width: f64, height: f64) -> Vec<u8> {
    let scale = SCALE.min((MOST_PIXELS / (width * height)).sqrt());
    let [columns, rows] = [width, height].map(|length| ((length * scale).round() as u32).max(1));
    let mut page = Pixmap::new(columns, rows).expect("fewer bytes than an i32 counts");
    page.fill(Color::WHITE);
    // Of a document with more than a million shapes, which usvg refuses, the page stays empty: it would be black.
    if let Ok(tree) = Tree::from_str(svg, &OPTIONS) {
        resvg::render(&tree, Transform::from_scale(scale as f32, scale as f32), &mut page.as_mut());
    }
    let rgb = page.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
    Bitmap { width: columns as usize, height: rows as usize, rgb }.png(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        color::{Color, INK},
        scene::{Anchor, Line, Point, Rect, Scene, Stroke},
        svg,
    };

    /// How much of a scene is black, in pixels of the scene.
    fn black(scene: &Scene) -> f64 {
        let file = png(&svg::document(scene, ""), scene.width, scene.height);
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut data = vec![0; reader.output_buffer_size().unwrap()];
        let samples = reader.next_frame(&mut data).unwrap().color_type.samples();
        data.iter().step_by(samples).map(|value| 1.0 - f64::from(*value) / 255.0).sum::<f64>() / SCALE.powi(2)
    }

    fn stroked(points: &[Point], width: f64, line: Line) -> f64 {
        let mut scene = Scene::new(20.0, 20.0);
        scene.line(points, Stroke { color: Color::hex(0), width, line });
        black(&scene)
    }

    #[test]
    fn a_stroke_covers_its_length_times_its_width() {
        assert!((stroked(&[(2.0, 2.0), (14.0, 11.0)], 1.5, Line::Solid) - 15.0 * 1.5).abs() < 0.2);
        let bent = stroked(&[(2.0, 2.0), (12.0, 2.0), (12.0, 12.0)], 2.0, Line::Solid);
        assert!((bent - (40.0 - 1.0 + 0.5)).abs() < 0.2, "{bent}");
        // Two dashes of 7 with a gap of 4 between them.
        let dashed = stroked(&[(1.0, 10.0), (19.0, 10.0)], 2.0, Line::Dashed);
        assert!((dashed - 28.0).abs() < 0.2, "{dashed}");
    }

    #[test]
    fn text_is_drawn_in_the_embedded_font_alone() {
        assert_eq!(OPTIONS.fontdb.len(), 1);
        let text = |text: &str| {
            let mut scene = Scene::new(60.0, 30.0);
            scene.text((5.0, 20.0), Anchor::Start, text, 20.0, INK);
            black(&scene)
        };
        assert!(text("ε") > 20.0, "{}", text("ε"));
        // The font lacks it, and no other steps in.
        assert_eq!(text("漢"), 0.0);
    }

    #[test]
    fn shapes_far_outside_or_without_numbers_do_no_harm() {
        let far = |by: f64| {
            let mut scene = Scene::new(20.0, 20.0);
            scene.area(Rect::new(-by, -by, 2.0 * by, 2.0 * by).corners(), Color::hex(0));
            scene.area([(f64::NAN, 0.0), (3.0, f64::NAN), (f64::INFINITY, 1.0)], Color::hex(0));
            scene.area([], Color::hex(0));
            black(&scene)
        };
        assert_eq!([far(1e3), far(1e8)], [400.0; 2]);
    }

    #[test]
    fn a_page_of_any_size_has_a_picture() {
        for (width, height) in [(0.0, 0.0), (720.0, 1e6), (2e4, 2e4)] {
            let file = png(&svg::document(&Scene::new(width, height), ""), width, height);
            assert!(png::Decoder::new(std::io::Cursor::new(file)).read_info().is_ok(), "{width} x {height}");
        }
    }
}
