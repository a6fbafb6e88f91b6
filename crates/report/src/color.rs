//! Colours that people with any colour vision can tell apart.

/// An sRGB colour with opacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Color {
    pub rgb: [u8; 3],
    pub alpha: f64,
}

impl Color {
    pub(crate) const fn hex(rgb: u32) -> Self {
        Self { rgb: [(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8], alpha: 1.0 }
    }

    pub(crate) const fn faded(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }
}

pub(crate) const WHITE: Color = Color::hex(0xFFFFFF);
/// Text and axes.
pub(crate) const INK: Color = Color::hex(0x222222);
/// Secondary text, and lines that belong to no series.
pub(crate) const GRAY: Color = Color::hex(0x6B6B6B);
pub(crate) const GRID: Color = Color::hex(0xE7E7E7);
pub(crate) const SUCCESS: Color = Color::hex(0x008F68);
pub(crate) const FAILURE: Color = Color::hex(0xC44F00);

/// The palette of Okabe and Ito without its yellow, which vanishes on white.
const OKABE_ITO: [Color; 7] = [
    Color::hex(0x0072B2),
    Color::hex(0xD55E00),
    Color::hex(0x009E73),
    Color::hex(0xCC79A7),
    Color::hex(0xE69F00),
    Color::hex(0x56B4E9),
    Color::hex(0x222222),
];

/// The colour of series `index`; they repeat after seven.
pub(crate) fn series(index: usize) -> Color {
    OKABE_ITO[index % OKABE_ITO.len()]
}

/// Eleven evenly spaced colours of matplotlib's viridis.
const VIRIDIS: [u32; 11] =
    [0x440154, 0x482475, 0x414487, 0x355F8D, 0x2A788E, 0x21918C, 0x22A884, 0x44BF70, 0x7AD151, 0xBDDF26, 0xFDE725];

/// Viridis at `t` in [0, 1]; a grey where `t` is not a number.
pub(crate) fn viridis(t: f64) -> [u8; 3] {
    if t.is_nan() {
        return [0xD0; 3];
    }
    let t = t.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (t as usize).min(VIRIDIS.len() - 2);
    let (low, high) = (Color::hex(VIRIDIS[below]).rgb, Color::hex(VIRIDIS[below + 1]).rgb);
    let mix = |channel: usize| {
        let (low, high) = (f64::from(low[channel]), f64::from(high[channel]));
        (low + (high - low) * (t - below as f64)).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}
