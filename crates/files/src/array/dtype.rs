//! How the values of an array are stored.

use half::f16;
use std::fmt;

/// A type of numbers that an array file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    kind: Kind,
    /// Bytes of a value.
    size: usize,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
}

/// `f32` or `f64`: what the values of an array are read as.
pub trait Float: Copy + Into<f64> {
    /// The name of the type.
    const NAME: &'static str;
    /// The nearest value of this type.
    fn nearest(value: f64) -> Self;
}

impl Float for f32 {
    const NAME: &'static str = "f32";
    fn nearest(value: f64) -> Self {
        value as f32
    }
}

impl Float for f64 {
    const NAME: &'static str = "f64";
    fn nearest(value: f64) -> Self {
        value
    }
}

impl Dtype {
    /// Reads NumPy's notation: `|u1`, `<f4`, `>f8`, `|b1`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (order, name) = text.split_at_checked(1)?;
        let (kind, size) = match name {
            "b1" => (Kind::Bool, 1),
            "i1" | "i2" | "i4" | "i8" => (Kind::Signed, name[1..].parse().ok()?),
            "u1" | "u2" | "u4" | "u8" => (Kind::Unsigned, name[1..].parse().ok()?),
            "f2" | "f4" | "f8" => (Kind::Float, name[1..].parse().ok()?),
            _ => return None,
        };
        match order {
            "<" | ">" => Some(Self { kind, size, big_endian: order == ">" }),
            "|" if size == 1 => Some(Self { kind, size, big_endian: false }),
            _ => None,
        }
    }

    /// Reads the third byte of an IDX file, whose values are big-endian.
    pub(super) fn of_idx(code: u8) -> Option<Self> {
        let (kind, size) = match code {
            0x08 => (Kind::Unsigned, 1),
            0x09 => (Kind::Signed, 1),
            0x0B => (Kind::Signed, 2),
            0x0C => (Kind::Signed, 4),
            0x0D => (Kind::Float, 4),
            0x0E => (Kind::Float, 8),
            _ => return None,
        };
        Some(Self { kind, size, big_endian: size > 1 })
    }

    /// Bytes of a value.
    pub fn size(self) -> usize {
        self.size
    }

    /// Whether the values are whole numbers (truth values are not).
    pub fn is_integer(self) -> bool {
        matches!(self.kind, Kind::Signed | Kind::Unsigned)
    }

    /// Whether the values are bytes, 0 to 255.
    pub fn is_byte(self) -> bool {
        self.kind == Kind::Unsigned && self.size == 1
    }

    /// Appends whole values, each as the nearest `T`; returns how many are not exactly that.
    pub(super) fn decode<T: Float>(self, bytes: &[u8], out: &mut Vec<T>) -> usize {
        use Kind::{Bool, Float, Signed, Unsigned};
        match (self.kind, self.size) {
            (Bool, _) => self.each(bytes, out, |b: [u8; 1]| f64::from(b[0] != 0)),
            (Unsigned, 1) => self.each(bytes, out, |b: [u8; 1]| b[0].into()),
            (Signed, 1) => self.each(bytes, out, |b| i8::from_le_bytes(b).into()),
            (Unsigned, 2) => self.each(bytes, out, |b| u16::from_le_bytes(b).into()),
            (Signed, 2) => self.each(bytes, out, |b| i16::from_le_bytes(b).into()),
            (Float, 2) => self.each(bytes, out, |b| f16::from_le_bytes(b).into()),
            (Unsigned, 4) => self.each(bytes, out, |b| u32::from_le_bytes(b).into()),
            (Signed, 4) => self.each(bytes, out, |b| i32::from_le_bytes(b).into()),
            (Float, 4) => self.each(bytes, out, |b| f32::from_le_bytes(b).into()),
            // Beyond 2^53 the nearest f64.
            (Unsigned, _) => self.each(bytes, out, |b| u64::from_le_bytes(b) as f64),
            (Signed, _) => self.each(bytes, out, |b| i64::from_le_bytes(b) as f64),
            (Float, _) => self.each(bytes, out, f64::from_le_bytes),
        }
    }

    fn each<const SIZE: usize, T: Float>(
        self,
        bytes: &[u8],
        out: &mut Vec<T>,
        value: impl Fn([u8; SIZE]) -> f64,
    ) -> usize {
        let mut inexact = 0;
        out.extend(bytes.as_chunks().0.iter().map(|&(mut bytes)| {
            if self.big_endian {
                bytes.reverse();
            }
            let value = value(bytes);
            let near = T::nearest(value);
            inexact += usize::from(near.into() != value && !value.is_nan());
            near
        }));
        inexact
    }
}

/// NumPy's notation.
impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match (self.size, self.big_endian) {
            (1, _) => '|',
            (_, true) => '>',
            (_, false) => '<',
        };
        let kind = match self.kind {
            Kind::Bool => 'b',
            Kind::Signed => 'i',
            Kind::Unsigned => 'u',
            Kind::Float => 'f',
        };
        write!(f, "{order}{kind}{}", self.size)
    }
}
