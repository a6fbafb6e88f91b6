//! Vectors of f32 and u32 lanes. A lane is a trial everywhere in this crate, so nothing is ever reduced across lanes
//! and a trial's numbers do not depend on which lane, block or thread it ran in.
//!
//! Every operation below rounds as IEEE 754 says, so the three implementations agree bit for bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use {avx2::Avx2, avx512::Avx512};

pub(crate) use portable::Portable;

/// Operations on one vector.
///
/// The x86 implementations may only be called from a function compiled for their instruction set. That holds because
/// all of them are `inline(always)` and reached only through the `target_feature` entry points of `isa.rs`, which are
/// called after detection.
pub(crate) trait Lanes: Copy {
    /// The same lanes as `u32`.
    type Int: Copy;
    /// Lanes of one vector.
    const WIDTH: usize;

    /// Says that a cache line will be read soon; any address will do.
    #[inline(always)]
    fn prefetch<T>(from: *const T) {
        let _ = from;
    }
    fn splat(v: f32) -> Self;
    /// # Safety
    /// `WIDTH` floats must be readable at `from`.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `WIDTH` floats must be writable at `to`.
    unsafe fn store(self, to: *mut f32);
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    fn div(self, b: Self) -> Self;
    /// `self * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
    /// `sum` plus both products of a pair of bfloat16 numbers in each lane, the upper first: what `vdpbf16ps` computes,
    /// but that it takes subnormal numbers for zero.
    #[inline(always)]
    fn dot(a: Self::Int, b: Self::Int, sum: Self) -> Self {
        let upper = |v| Self::from_bits(Self::int_and(v, Self::int_splat(0xFFFF_0000)));
        let lower = |v| Self::from_bits(Self::int_shl::<16>(v));
        lower(a).fma(lower(b), upper(a).fma(upper(b), sum))
    }
    fn sqrt(self) -> Self;
    fn min(self, b: Self) -> Self;
    fn max(self, b: Self) -> Self;
    /// Whether any lane is above zero.
    fn any_positive(self) -> bool;
    fn bits(self) -> Self::Int;
    fn from_bits(bits: Self::Int) -> Self;
    /// Lanes of `a` where `mask` is all ones, of `b` where it is zero.
    #[inline(always)]
    fn select(mask: Self::Int, a: Self, b: Self) -> Self {
        let difference = Self::int_xor(a.bits(), b.bits());
        Self::from_bits(Self::int_xor(b.bits(), Self::int_and(mask, difference)))
    }

    fn int_splat(v: u32) -> Self::Int;
    /// # Safety
    /// `WIDTH` words must be readable at `from`.
    unsafe fn int_load(from: *const u32) -> Self::Int;
    fn int_add(a: Self::Int, b: Self::Int) -> Self::Int;
    fn int_sub(a: Self::Int, b: Self::Int) -> Self::Int;
    fn int_and(a: Self::Int, b: Self::Int) -> Self::Int;
    fn int_xor(a: Self::Int, b: Self::Int) -> Self::Int;
    fn int_shl<const N: u32>(a: Self::Int) -> Self::Int;
    /// Arithmetic shift right.
    fn int_sra<const N: u32>(a: Self::Int) -> Self::Int;
    /// High and low words of the product with `m`.
    fn int_wide_mul(a: Self::Int, m: u32) -> (Self::Int, Self::Int);
    /// Signed conversion, rounded to nearest.
    fn int_to_float(a: Self::Int) -> Self;
    /// Unsigned conversion, rounded to nearest.
    fn uint_to_float(a: Self::Int) -> Self;
}
