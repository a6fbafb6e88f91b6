//! The curve that laws are held against.

use crate::Data;

/// The curve that laws are fitted to by least squares and compared with: up to 20 different `k` at equal steps of `ln
/// k` from 1 to [`Data::reach`].
pub(super) fn fitting_curve(data: &Data) -> Vec<(f64, f64)> {
    const POINTS: u32 = 20;
    let end = (data.reach() as f64).ln();
    let k = |i: u32| (end * f64::from(i) / f64::from(POINTS - 1)).exp().round() as u64;
    let mut ks: Vec<u64> = (0..POINTS).map(k).collect();
    ks.dedup();
    data.values(&ks)
}
