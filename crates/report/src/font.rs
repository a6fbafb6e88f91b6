//! The embedded font: text widths for the layout, outlines for the PNG.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, Outline};

/// Height of capitals and figures, as a share of the font size.
pub(crate) const CAP_HEIGHT: f64 = 0.729;

/// What an SVG asks for. Verdana has the same widths as DejaVu Sans, the rest are narrower: a label may end up
/// shorter than laid out, never longer.
pub(crate) const FAMILY: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("../assets/DejaVuSans-subset.ttf")).expect("the embedded font is valid")
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
    runs(text).iter().map(|run| run.text.chars().map(|c| advance(glyph(c))).sum::<f64>() * run.scale * size).sum()
}

/// The glyph of a character, or the font's box where it has none.
pub(crate) fn glyph(c: char) -> GlyphId {
    FONT.glyph_id(c)
}

/// How far a glyph moves the pen, at font size 1.
pub(crate) fn advance(glyph: GlyphId) -> f64 {
    f64::from(FONT.h_advance_unscaled(glyph)) / units_per_em()
}

/// A glyph's curves in font units, y up.
pub(crate) fn outline(glyph: GlyphId) -> Option<Outline> {
    FONT.outline(glyph)
}

pub(crate) fn units_per_em() -> f64 {
    f64::from(FONT.units_per_em().unwrap_or(2048.0))
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
            assert_ne!(glyph(c), GlyphId(0), "{c}");
        }
    }
}
