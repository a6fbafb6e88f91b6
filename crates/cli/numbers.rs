//! Numbers as tables and sentences show them.

use retrial_theory::coverage::Point;

/// Powers of ten up to the trials, and the trials.
pub fn table_ks(trials: u64) -> Vec<u64> {
    let mut ks: Vec<u64> = (0..19).map(|e| 10u64.pow(e)).take_while(|&k| k < trials).collect();
    ks.push(trials);
    ks
}

/// A coverage: four decimals, or three digits where that would show nothing.
pub fn share(v: f64) -> String {
    let v = v + 0.0; // which turns -0 into 0
    if v == 0.0 || v >= 0.01 { fixed(v, 4) } else { format!("{v:.2e}") }
}

/// A coverage with its interval.
pub fn share_with_interval(p: &Point) -> String {
    let end = |v: f64| if v == 0.0 || v >= 0.01 { fixed(v, 3) } else { format!("{:.0e}", v + 0.0) };
    format!("{} [{}, {}]", share(p.value), end(p.low), end(p.high))
}

/// A number with so many decimals, and never a negative zero.
pub fn fixed(v: f64, places: usize) -> String {
    let text = format!("{v:.places$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| c == '0' || c == '.') => zero.into(),
        _ => text,
    }
}

/// A 95 % interval. An end that no data would move is no bound: where both are such, the parameter is not identified.
pub fn interval(low: f64, high: f64, free: [f64; 2]) -> String {
    match [low <= free[0], high >= free[1]] {
        [true, true] => "not identified".into(),
        [false, true] if high.is_infinite() => format!("at least {}", Short(low)),
        _ => format!("[{}, {}]", Short(low), Short(high)),
    }
}

/// Three significant digits.
pub struct Short(pub f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let v = self.0 + 0.0; // which turns -0 into 0
        match v.abs() {
            a if a.is_infinite() => f.pad(if v > 0.0 { "unbounded" } else { "-unbounded" }),
            a if a == 0.0 || (0.01..1000.0).contains(&a) => {
                let digits = (2 - a.max(1e-2).log10().floor() as i32).clamp(0, 4) as usize;
                write!(f, "{v:.digits$}")
            }
            _ => write!(f, "{v:.2e}"),
        }
    }
}
