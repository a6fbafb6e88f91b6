//! A folder of PNGs, an image a file.

use super::grey::{self, Grey, ROUNDING};
use png::{ColorType, Decoder, Limits, Transformations};
use retrial_spec::{Error, Result};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::BufReader,
    path::Path,
};

/// Most values of a folder.
const MAX_VALUES: usize = 1 << 26;
/// Most memory for the decoding of one image: 4096 pixels of four channels of two bytes, thirty times.
const MEMORY: usize = 1 << 20;

/// Reads the first `samples` PNGs of a folder, or all, in natural order of their names: 2.png before 10.png.
pub(super) fn read(folder: &Path, samples: Option<usize>) -> Result<Grey> {
    let (names, others) = list(folder)?;
    let total = names.len();
    let wanted = samples.unwrap_or(total);
    if !(1..=total).contains(&wanted) {
        let object = format!("samples of {}", folder.display());
        return Err(Error::input(object, wanted, format!("must be 1 to {total}, the number it holds")));
    }
    let (mut values, mut notes) = (vec![], vec![]);
    let (mut like, mut stored_as_rgb, mut has_bytes) = (None, 0, false);
    for name in &names[..wanted] {
        let picture = decode(&folder.join(name))?;
        let kind = (picture.width, picture.height, picture.wide);
        if *like.get_or_insert(kind) != kind {
            let show =
                |(width, height, wide)| format!("{width} x {height} pixels of {} bits", if wide { 16 } else { 8 });
            let fault =
                format!("is {}, where {} is {}", show(kind), text(&names[0]), like.map(show).unwrap_or_default());
            return Err(Error::file(folder.join(name), fault, "all images must be alike; crop, scale or convert them"));
        }
        stored_as_rgb += usize::from(picture.stored_as_rgb);
        has_bytes |= picture.depth == 8;
        values.extend(&picture.values);
        if values.len() > MAX_VALUES {
            let object = format!("values of {}", folder.display());
            let limit = format!("must be at most {MAX_VALUES} in all; take fewer samples");
            return Err(Error::input(object, format!("{wanted} samples"), limit));
        }
    }
    let left_out = if others > 0 { format!("; {others} other entries are left out") } else { String::new() };
    let (first, last) = (text(&names[0]), text(&names[wanted - 1]));
    let path = folder.display();
    notes.push(format!("{path}: {wanted} PNGs in natural order, {first} to {last}{left_out}"));
    if stored_as_rgb > 0 {
        notes.push(format!("{path}: {stored_as_rgb} of {wanted} PNGs hold grey as three equal channels; one is taken"));
    }
    let (width, height, wide) = like.unwrap_or_default();
    let (_, most) = grey::range(&values);
    if wide && most > 0.0 && most <= 255.0 {
        let fault = format!("holds PNGs of 16 bits whose largest value is {most} of 65535, nearly black");
        return Err(Error::file(folder, fault, "save them with 8 bits"));
    }
    match (wide, has_bytes) {
        (true, _) => values.iter_mut().for_each(|v| *v /= 65535.0),
        (false, true) => notes.extend(grey::bytes_to_one(folder, &mut values)?),
        // Fewer bits were widened so that their largest value is 255.
        (false, false) => values.iter_mut().for_each(|v| *v /= 255.0),
    }
    Ok(Grey { values, pixels: width * height, labels: None, rounding: ROUNDING, notes })
}

/// The names of the PNGs in natural order, and how many other entries there are.
fn list(folder: &Path) -> Result<(Vec<OsString>, usize)> {
    let (mut names, mut others) = (vec![], 0);
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let (name, path) = (entry.file_name(), entry.path());
        let is_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        // Not what only looks like a file: a pipe would never end.
        if is_png && !text(&name).starts_with('.') && path.is_file() { names.push(name) } else { others += 1 }
    }
    if names.is_empty() {
        let fault = format!("is a folder without PNGs ({others} other entries)");
        return Err(Error::file(folder, fault, "give a folder that holds the images themselves as .png"));
    }
    names.sort_by_cached_key(|name| (natural(&text(name)), name.clone()));
    Ok((names, others))
}

/// Text and numbers by turns, so that numbers compare by size.
fn natural(name: &str) -> Vec<(String, usize, String)> {
    let mut parts = vec![];
    let mut rest = name;
    while !rest.is_empty() {
        let (words, numbers) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let (digits, next) = numbers.split_at(numbers.find(|c: char| !c.is_ascii_digit()).unwrap_or(numbers.len()));
        let number = digits.trim_start_matches('0');
        parts.push((words.to_string(), number.len(), number.to_string()));
        rest = next;
    }
    parts
}

fn text(name: &OsString) -> String {
    name.to_string_lossy().into_owned()
}

struct Picture {
    width: usize,
    height: usize,
    /// Bits of a value in the file.
    depth: u8,
    /// Whether values go to 65535 instead of 255.
    wide: bool,
    stored_as_rgb: bool,
    /// `[width * height]`.
    values: Vec<f32>,
}

/// Reads a PNG whose pixels are grey and opaque, however they are stored.
fn decode(path: &Path) -> Result<Picture> {
    let fault = |e: png::DecodingError| match e {
        png::DecodingError::IoError(e) if e.raw_os_error().is_some() => Error::io("read", path)(e),
        e => Error::file(path, format!("is no PNG that can be read ({e})"), "write it again"),
    };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), Limits { bytes: MEMORY });
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(fault)?;
    let (width, height, depth) = (header.width as usize, header.height as usize, header.bit_depth as u8);
    grey::check_pixels(path, width.saturating_mul(height))?;
    let mut reader = decoder.read_info().map_err(fault)?;
    let mut bytes = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let (colour, _) = reader.output_color_type();
    reader.next_frame(&mut bytes).map_err(fault)?;
    let wide = depth == 16;
    let stored: Vec<u16> = match wide {
        true => bytes.as_chunks().0.iter().map(|&pair| u16::from_be_bytes(pair)).collect(),
        false => bytes.into_iter().map(u16::from).collect(),
    };
    let opaque = if wide { u16::MAX } else { 255 };
    let channels = colour.samples();
    let has_alpha = matches!(colour, ColorType::GrayscaleAlpha | ColorType::Rgba);
    for pixel in stored.chunks_exact(channels) {
        let (colours, alpha) = pixel.split_at(channels - usize::from(has_alpha));
        if alpha.iter().any(|&alpha| alpha != opaque) {
            return Err(Error::file(
                path,
                "is transparent in places",
                "put it on a background, and save it without alpha",
            ));
        }
        if colours.iter().any(|&value| value != colours[0]) {
            return Err(Error::file(
                path,
                "has colours",
                "convert the images to grey, as in Pillow's img.convert('L')",
            ));
        }
    }
    let values = stored.chunks_exact(channels).map(|pixel| pixel[0].into()).collect();
    Ok(Picture { width, height, depth, wide, stored_as_rgb: channels > 2, values })
}
