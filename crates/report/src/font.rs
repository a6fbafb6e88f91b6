//! The embedded font: widths of texts for the layout, and its file for the PNG.

use std::sync::LazyLock;

use skrifa::{
    FontRef, MetadataProvider,
    charmap::Charmap,
    instance::{LocationRef, Size},
    metrics::GlyphMetrics,
};

/// Height of capitals and figures, as a share of the font size.
pub(crate) const CAP_HEIGHT: f64 = 0.729;

/// What an SVG asks for. Verdana has the same widths as DejaVu Sans, the rest are narrower: a label may end up
/// shorter than laid out, never longer.
pub(crate) const FAMILY: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// A subset of DejaVu Sans.
pub(crate) const FILE: &[u8] = include_bytes!("../assets/DejaVuSans-subset.ttf");

/// Glyphs by character, and their widths in the font's units.
static FONT: LazyLock<(Charmap, GlyphMetrics, f64)> = LazyLock::new(|| {
    let (font, all) = (FontRef::new(FILE).expect("the embedded font is valid"), LocationRef::default());
    let units = f64::from(font.metrics(Size::unscaled(), all).units_per_em);
    (font.charmap(), font.glyph_metrics(Size::unscaled(), all), units)
});

/// A stretch of text at one size and height.
#[derive(Debug, PartialEq)]
pub(crate) struct Run<'a> {
    pub text: &'a str,
    /// Font size as a share of the whole text's.
    pub scale: f64,
    /// How far the baseline lies above the whole text's, in units of its font size.
    pub rise: f64,
}

/// Splits `10^{-4}` and `L_{k}` into runs. Anything else stands for itself.
pub(crate) fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some((start, rise)) = [("^{", 0.38), ("_{", -0.16)]
        .iter()
        .filter_map(|(mark, rise)| Some((rest.find(mark)?, *rise)))
        .min_by_key(|found| found.0)
    {
        let Some(length) = rest[start..].find('}') else { break };
        runs.push(Run { text: &rest[..start], scale: 1.0, rise: 0.0 });
        runs.push(Run { text: &rest[start + 2..start + length], scale: 0.74, rise });
        rest = &rest[start + length + 1..];
    }
    runs.push(Run { text: rest, scale: 1.0, rise: 0.0 });
    runs.retain(|run| !run.text.is_empty());
    runs
}

/// The text without its marks, for where nothing can be raised.
pub(crate) fn plain(text: &str) -> String {
    runs(text).iter().map(|run| run.text).collect()
}

/// Width of a text in pixels.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    runs(text).iter().map(|run| run.text.chars().map(advance).sum::<f64>() * run.scale * size).sum()
}

/// How far a character moves the pen at font size 1; the font's box stands for those it lacks.
fn advance(c: char) -> f64 {
    let (glyphs, widths, units) = &*FONT;
    f64::from(widths.advance_width(glyphs.map(c).unwrap_or_default()).unwrap_or_default()) / units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_split_at_raised_and_lowered_parts() {
        let split = |text| runs(text).iter().map(|run| (run.text, run.rise)).collect::<Vec<_>>();
        assert_eq!(split("10^{-4} s"), [("10", 0.0), ("-4", 0.38), (" s", 0.0)]);
        assert_eq!(split("L_{k}^{2}"), [("L", 0.0), ("k", -0.16), ("2", 0.38)]);
        assert_eq!(split("a^{b"), [("a^{b", 0.0)]);
        assert_eq!(split(""), []);
    }

    #[test]
    fn every_character_the_figures_use_has_a_glyph() {
        for c in "0123456789 AZaz.,;:()[]=<>|−–±×·εαβμσλρ≥≤≈→∞²‖⟨⟩ℓ∝∑".chars() {
            assert!(FONT.0.map(c).is_some(), "{c}");
        }
    }
}
