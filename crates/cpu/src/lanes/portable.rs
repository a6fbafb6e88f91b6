use super::Lanes;

/// Eight lanes of plain arithmetic over an array, for the compiler to vectorise on any target.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 8]);

#[inline(always)]
fn zip<T: Copy, U: Copy + Default>(a: [T; 8], b: [T; 8], f: impl Fn(T, T) -> U) -> [U; 8] {
    let mut out = [U::default(); 8];
    for lane in 0..8 {
        out[lane] = f(a[lane], b[lane]);
    }
    out
}

impl Lanes for Portable {
    type Int = [u32; 8];
    const WIDTH: usize = 8;

    #[inline(always)]
    fn splat(v: f32) -> Self {
        Self([v; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises eight readable floats.
        Self(unsafe { from.cast::<[f32; 8]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises eight writable floats.
        unsafe { to.cast::<[f32; 8]>().write(self.0) }
    }
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |a, b| a + b))
    }
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |a, b| a - b))
    }
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |a, b| a * b))
    }
    #[inline(always)]
    fn div(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |a, b| a / b))
    }
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        let mut out = c.0;
        for lane in 0..8 {
            out[lane] = self.0[lane].mul_add(b.0[lane], out[lane]);
        }
        Self(out)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }
    #[inline(always)]
    fn min(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |a, b| if a < b { a } else { b }))
    }
    #[inline(always)]
    fn max(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |a, b| if a > b { a } else { b }))
    }
    #[inline(always)]
    fn any_positive(self) -> bool {
        self.0.iter().any(|&v| v > 0.0)
    }
    #[inline(always)]
    fn bits(self) -> [u32; 8] {
        self.0.map(f32::to_bits)
    }
    #[inline(always)]
    fn from_bits(bits: [u32; 8]) -> Self {
        Self(bits.map(f32::from_bits))
    }
    #[inline(always)]
    fn int_splat(v: u32) -> [u32; 8] {
        [v; 8]
    }
    #[inline(always)]
    unsafe fn int_load(from: *const u32) -> [u32; 8] {
        // SAFETY: the caller promises eight readable words.
        unsafe { from.cast::<[u32; 8]>().read() }
    }
    #[inline(always)]
    fn int_add(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        zip(a, b, u32::wrapping_add)
    }
    #[inline(always)]
    fn int_sub(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        zip(a, b, u32::wrapping_sub)
    }
    #[inline(always)]
    fn int_and(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn int_xor(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        zip(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn int_shl<const N: u32>(a: [u32; 8]) -> [u32; 8] {
        a.map(|a| a << N)
    }
    #[inline(always)]
    fn int_sra<const N: u32>(a: [u32; 8]) -> [u32; 8] {
        a.map(|a| (a as i32 >> N) as u32)
    }
    #[inline(always)]
    fn int_wide_mul(a: [u32; 8], m: u32) -> ([u32; 8], [u32; 8]) {
        let product = |a| u64::from(a) * u64::from(m);
        (a.map(|a| (product(a) >> 32) as u32), a.map(|a| product(a) as u32))
    }
    #[inline(always)]
    fn int_to_float(a: [u32; 8]) -> Self {
        Self(a.map(|a| a as i32 as f32))
    }
    #[inline(always)]
    fn uint_to_float(a: [u32; 8]) -> Self {
        Self(a.map(|a| a as f32))
    }
}
