//! Pictures: grayscale images of the model, and the RGB pixels that figures embed.

use png::{BitDepth, ColorType, Encoder, Filter, PixelDimensions, Unit};

use crate::color;

/// A grayscale image, rows from top to bottom, 0 black and 1 white.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    width: usize,
    pixels: Vec<f32>,
}

impl Image {
    /// Pixels of unknown shape: the most nearly square rectangle that they fill, or one row where that rectangle
    /// would be more than four times as wide as high.
    pub fn new(pixels: impl Into<Vec<f32>>) -> Self {
        let pixels = pixels.into();
        let count = pixels.len();
        let height = (1..=count.isqrt()).rev().find(|height| count.is_multiple_of(*height)).unwrap_or(1);
        let width = count / height;
        Self { width: if width > 4 * height { count } else { width }, pixels }
    }

    /// Pixels in rows of `width`. A last row that is not full is filled with white.
    pub fn with_width(width: usize, pixels: impl Into<Vec<f32>>) -> Self {
        let (width, mut pixels) = (width.max(1), pixels.into());
        pixels.resize(pixels.len().next_multiple_of(width), 1.0);
        Self { width, pixels }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.pixels.len() / self.width.max(1)
    }

    /// Values beyond [0, 1] are clamped; those that are no numbers show in the colour of failure.
    pub(crate) fn bitmap(&self) -> Bitmap {
        let rgb = self.pixels.iter().flat_map(|&value| match value.is_nan() {
            true => color::FAILURE.rgb,
            false => [(value.clamp(0.0, 1.0) * 255.0).round() as u8; 3],
        });
        Bitmap { width: self.width, height: self.height(), rgb: rgb.collect() }
    }
}

/// RGB pixels, rows from top to bottom.
#[derive(Clone, Debug)]
pub(crate) struct Bitmap {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

impl Bitmap {
    pub(crate) fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rgb.is_empty()
    }

    /// The same picture with every pixel repeated `factor` times each way.
    pub(crate) fn enlarged(&self, factor: usize) -> Self {
        let factor = factor.max(1);
        let (width, height) = (factor * self.width, factor * self.height);
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self { width, height, rgb: pixels.flat_map(|(x, y)| self.pixel(x / factor, y / factor)).collect() }
    }

    /// A PNG file, gray where all pixels are. `per_css_pixel` is its resolution: 2 halves the size at which it is shown.
    pub(crate) fn png(&self, per_css_pixel: f64) -> Vec<u8> {
        let (mut file, dots_per_meter) = (Vec::new(), (per_css_pixel * 96.0 / 0.0254).round() as u32);
        let gray = self.rgb.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        let mut encoder = Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(if gray { ColorType::Grayscale } else { ColorType::Rgb });
        encoder.set_depth(BitDepth::Eight);
        // Flat areas and thin lines compress best as they are, and in a fraction of the time.
        encoder.set_filter(Filter::NoFilter);
        if per_css_pixel != 1.0 {
            encoder.set_pixel_dims(Some(PixelDimensions {
                xppu: dots_per_meter,
                yppu: dots_per_meter,
                unit: Unit::Meter,
            }));
        }
        let data = if gray { self.rgb.iter().step_by(3).copied().collect() } else { self.rgb.clone() };
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&data).and_then(|()| writer.finish()))
            .expect("memory takes every byte, and the pixels fill the image");
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_as_square_as_the_pixels_allow() {
        let shape = |count: usize| (Image::new(vec![0.0; count]).width(), Image::new(vec![0.0; count]).height());
        assert_eq!([shape(784), shape(6), shape(7), shape(1), shape(0)], [(28, 28), (3, 2), (7, 1), (1, 1), (0, 0)]);
        assert_eq!(Image::with_width(4, [0.0; 6]).height(), 2);
    }

    #[test]
    fn odd_pixels_are_drawn() {
        let rgb = Image::new([f32::NAN, -1.0, 2.0, f32::INFINITY]).bitmap().rgb;
        assert_eq!(rgb[..3], color::FAILURE.rgb);
        assert_eq!(rgb[3..], [0, 0, 0, 255, 255, 255, 255, 255, 255]);
    }
}
