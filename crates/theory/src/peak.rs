//! Where a function of one variable is largest.

/// The maximum of `f` on `[low, high]`, where it has one only, by golden sections to 1e-5 of the interval.
pub(crate) fn peak(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut c, mut d) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut fc, mut fd) = (f(c), f(d));
    // 0.618^24 is below 1e-5.
    for _ in 0..24 {
        if fc > fd {
            (high, d, fd) = (d, c, fc);
            c = high - ratio * (high - low);
            fc = f(c);
        } else {
            (low, c, fc) = (c, d, fd);
            d = low + ratio * (high - low);
            fd = f(d);
        }
    }
    if fc > fd { c } else { d }
}
