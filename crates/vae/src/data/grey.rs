//! Grey values as a source holds them, and the one rule that brings them to `[0, 1]`.

use retrial_files::Array;
use retrial_spec::{Error, Result, Shape};
use std::path::Path;

/// How far beyond `[0, 1]` the rounding of an f32 computation leads.
pub(super) const ROUNDING: f32 = 1e-5;
/// The same of half precision, whose values around 1 lie that far apart.
const ROUNDING_OF_HALF: f32 = 1e-3;

/// Images as a source holds them.
pub(super) struct Grey {
    /// `[N, pixels]`.
    pub values: Vec<f32>,
    pub pixels: usize,
    pub labels: Option<Vec<u8>>,
    /// How far values may lie beyond `[0, 1]`, to be clipped.
    pub rounding: f32,
    /// What the user should know of them.
    pub notes: Vec<String>,
}

impl Grey {
    /// The first `samples` of an array, or all.
    pub(super) fn of_array(array: Array, samples: Option<usize>) -> Result<Self> {
        let (path, dtype) = (array.path(), array.dtype());
        let mut notes = vec![];
        let pixels = match *array.shape() {
            [len] if dtype.is_integer() => return Err(labels(path, len)),
            [rows, columns] => {
                if rows == columns && rows > 1 {
                    let path = path.display();
                    notes.push(format!(
                        "{path}: {rows} images of {columns} pixels each; a single image of {rows} x {columns} is saved as \
                         x.reshape(1, -1)"
                    ));
                }
                columns
            }
            [_, rows, columns] | [_, 1, rows, columns] | [_, rows, columns, 1] => rows.saturating_mul(columns),
            ref shape => {
                let fix = match shape {
                    [_, 2..=4, _, _] => "must be images of grey, [N, rows, columns]; save x.mean(1)",
                    [_, _, _, 2..=4] => "must be images of grey, [N, rows, columns]; save x.mean(-1)",
                    _ => "must be [N, pixels] or [N, rows, columns]; save x.reshape(len(x), -1)",
                };
                return Err(Error::file(path, format!("has shape {shape:?}"), fix));
            }
        };
        check_pixels(path, pixels)?;
        let read = array.read(samples)?;
        let mut values = read.values;
        if dtype.is_integer() {
            notes.extend(bytes_to_one(path, &mut values)?);
            if !dtype.is_byte() {
                notes.push(format!("{}: whole numbers ({dtype}) are divided by 255", path.display()));
            }
        } else {
            notes.extend(read.notes);
        }
        let rounding = if dtype.size() == 2 { ROUNDING_OF_HALF } else { ROUNDING };
        Ok(Self { values, pixels, labels: None, rounding, notes })
    }

    /// Puts what rounding led out of `[0, 1]` on its edge, and refuses what lies further out. The name stands for the
    /// values in messages.
    pub(super) fn clip(&mut self, name: &str) -> Result<()> {
        let (mut clipped, mut furthest) = (0, 0.0f32);
        let wrong = self.values.iter_mut().position(|value| {
            let inside = value.clamp(0.0, 1.0);
            let beyond = (*value - inside).abs();
            if beyond > 0.0 && beyond <= self.rounding {
                (clipped, furthest) = (clipped + 1, furthest.max(beyond));
                *value = inside;
            }
            !(0.0..=1.0).contains(value)
        });
        if let Some(at) = wrong {
            let object = format!("{name}: value [{}, {}]", at / self.pixels, at % self.pixels);
            return Err(Error::input(
                object,
                self.values[at],
                format!("must be within [0, 1]; {}", cure(&self.values)),
            ));
        }
        if clipped > 0 {
            let len = self.values.len();
            self.notes.push(format!(
                "{name}: {clipped} of {len} values lie a rounding error beyond [0, 1], {furthest:.1e} at most; clipped"
            ));
        }
        Ok(())
    }
}

/// Divides whole numbers by 255; says so where the images then are dark.
///
/// # Errors
/// [`Error::File`] where one is below 0 or above 255, or where none is above 1: truth values and images that are nearly
/// black look alike.
pub(super) fn bytes_to_one(path: &Path, values: &mut [f32]) -> Result<Option<String>> {
    let (least, most) = range(values);
    if least < 0.0 || most > 255.0 {
        let fix = "must be 0 to 255 where they are whole; save floats within [0, 1], such as x / x.max()";
        return Err(Error::file(path, format!("holds whole numbers from {least} to {most}"), fix));
    }
    if most == 1.0 {
        let fix = "save x.astype(bool) where 1 is white, or x / 255 where it is nearly black";
        return Err(Error::file(path, "holds whole numbers of which none is above 1, of 255", fix));
    }
    values.iter_mut().for_each(|v| *v /= 255.0);
    let dark = format!("{}: the largest value is {most} of 255, so the images are dark", path.display());
    Ok((most < 128.0).then_some(dark))
}

/// What is said of labels where images should be.
pub(super) fn labels(path: &Path, len: usize) -> Error {
    let fix = "give the file of images that belongs to them, such as train-images-idx3-ubyte";
    Error::file(path, format!("holds {len} numbers in a row: these are labels, not images"), fix)
}

/// Refuses images that no model is made for.
pub(super) fn check_pixels(path: &Path, pixels: usize) -> Result<()> {
    match (1..=Shape::MAX.pixels).contains(&pixels) {
        true => Ok(()),
        false => Err(Error::file(path, format!("has {pixels} pixels per image"), pixels_limit())),
    }
}

/// What is said of a width out of range.
pub(super) fn pixels_limit() -> String {
    format!("must be 1 to {} pixels per image; crop or scale the images", Shape::MAX.pixels)
}

/// The least and the largest value.
pub(super) fn range(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &v| (least.min(v), most.max(v)))
}

/// How to bring values to `[0, 1]`, guessed from where they lie.
fn cure(values: &[f32]) -> String {
    let (least, most) = range(values);
    if !values.iter().all(|v| v.is_finite()) {
        return "replace what is no finite number".into();
    }
    let save = match (least, most) {
        (0.0.., ..=2.0) => "scale the data, as in x / x.max()",
        (0.0.., ..=128.0) => "scale the data, as in x / x.max() or, where 255 is white, x / 255",
        (0.0.., ..=255.0) => "scale the data, as in x / 255",
        (0.0.., ..=65535.0) => "scale the data, as in x / 65535 or x / x.max()",
        (-1.01.., ..=1.01) => "scale the data, as in (x + 1) / 2 where -1 is black",
        _ => "undo the normalisation, as in x * std + mean",
    };
    format!("its values go from {least} to {most}: {save}")
}
