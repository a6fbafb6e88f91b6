//! Axes: from values to places and tick marks, and numbers as people write them.

/// What an axis shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// The quantity and its unit. `^{..}` raises and `_{..}` lowers what it encloses.
    pub label: String,
    /// Logarithmic; values that are not positive are left out.
    pub log: bool,
    /// The ends of the axis; without them it spans the data.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis that spans the data.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: false, range: None }
    }

    /// A logarithmic axis that spans the data.
    pub fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: true, range: None }
    }

    /// Fixes the ends of the axis.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }
}

/// Beyond this size differences of values could overflow.
const LARGEST: f64 = 1e300;
/// A curve that falls to 1e-200 must not press all others flat.
const MAX_DECADES: f64 = 15.0;

/// Maps values to `0..=1` along an axis. `low` and `high` are logarithms on a logarithmic axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    log: bool,
    low: f64,
    high: f64,
    /// Counts and numbers of things have no tick at 1.5.
    whole: bool,
}

/// A tick mark; minor ticks have no label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Place in `0..=1`.
    pub at: f64,
    pub label: Option<String>,
}

impl Scale {
    /// The axis' own range, or one that fits the values with a little room. Without usable values, some range.
    pub(crate) fn fit(axis: &Axis, values: impl IntoIterator<Item = f64>) -> Self {
        let usable = |value: &f64| value.abs() < LARGEST && (*value > 0.0 || !axis.log);
        let map = |value: f64| if axis.log { value.log10() } else { value };
        if let Some((low, high)) = axis.range.filter(|(low, high)| usable(low) && usable(high) && low < high) {
            return Self { log: axis.log, low: map(low), high: map(high), whole: false };
        }
        let values = values.into_iter().filter(usable).map(map);
        let bounds = values.fold(None, |bounds: Option<(f64, f64)>, value| {
            let (low, high) = bounds.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        });
        let (mut low, mut high) = bounds.unwrap_or((0.0, 1.0));
        if axis.log {
            low = low.max(high - MAX_DECADES);
        }
        let room = if high > low {
            0.03 * (high - low)
        } else if axis.log {
            0.5
        } else {
            (0.5 * high.abs()).max(0.5)
        };
        if !axis.log && low >= 0.0 && low <= 0.2 * high {
            // Close enough to zero to show it: bars and shares stand on the axis.
            low = 0.0;
        } else {
            low -= room;
        }
        high += room;
        Self { log: axis.log, low, high, whole: false }
    }

    /// The same scale, with ticks at whole numbers alone where it is one of `whole` numbers.
    pub(crate) fn whole(self, whole: bool) -> Self {
        Self { whole, ..self }
    }

    /// Where a value lies: 0 and 1 are the ends of the axis, beyond them is outside. No value is so far outside that
    /// distances to it overflow.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let value = if self.log { value.log10() } else { value };
        value.is_finite().then(|| ((value - self.low) / (self.high - self.low)).clamp(-1e6, 1e6))
    }

    /// Tick marks for an axis with room for about `room` labels.
    pub(crate) fn ticks(&self, room: usize) -> Vec<Tick> {
        if !self.log {
            return self.linear_ticks(room, |value| value);
        }
        if self.high - self.low < 0.6 {
            return self.linear_ticks(room, f64::log10);
        }
        let (first, last) = ((self.low - 1e-9).ceil() as i32, (self.high + 1e-9).floor() as i32);
        // With two powers of ten at most, 2 and 5 are labelled as well, and plain numbers are easier to read.
        let few = last - first < 2;
        let stride = ((last - first).max(0) as usize / (room.max(2) + 1) + 1) as i32;
        let mut ticks = Vec::new();
        for decade in first - 1..=last {
            for digit in 1..10 {
                let at = (f64::from(decade) + f64::from(digit).log10() - self.low) / (self.high - self.low);
                if !(-1e-9..=1.0 + 1e-9).contains(&at) || (digit > 1 && stride > 1) {
                    continue;
                }
                let label = match digit {
                    1 if decade.rem_euclid(stride) != 0 => None,
                    1 | 2 | 5 if few => Some(number(f64::from(digit) * 10f64.powi(decade), 1)),
                    1 => Some(format!("10^{{{}}}", signed(decade))),
                    _ => None,
                };
                ticks.push(Tick { at, label });
            }
        }
        ticks
    }

    /// Round values a round step apart; `map` takes a value to where the scale measures.
    fn linear_ticks(&self, room: usize, map: fn(f64) -> f64) -> Vec<Tick> {
        let (low, high) = if self.log { (10f64.powf(self.low), 10f64.powf(self.high)) } else { (self.low, self.high) };
        let rough = (high - low) / room.max(2) as f64;
        let decade = 10f64.powi(rough.log10().floor() as i32);
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let step = if self.whole { step.max(1.0) } else { step };
        let first = (low / step - 1e-9).ceil();
        (0..=2 * room)
            .map(|index| (first + index as f64) * step)
            .take_while(|value| *value <= high + 1e-9 * step)
            .map(|value| Tick {
                at: (map(value) - self.low) / (self.high - self.low),
                label: Some(stepped(value, step)),
            })
            .filter(|tick| tick.at.is_finite())
            .collect()
    }
}

/// An integer with a proper minus sign.
fn signed(value: i32) -> String {
    value.to_string().replace('-', "−")
}

/// A value with as many decimals as its distance to the next tick has.
fn stepped(value: f64, step: f64) -> String {
    let value = if value.abs() < 1e-9 * step { 0.0 } else { value };
    if value.abs() >= 1e6 || step < 1e-4 {
        return number(value, 3);
    }
    let decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
    format!("{value:.decimals$}").replace('-', "−")
}

/// A value with about `digits` significant digits, in powers of ten (`2×10^{-7}`) where that is shorter.
pub(crate) fn number(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "n/a".into() } else { format!("{}∞", if value < 0.0 { "−" } else { "" }) };
    }
    if value == 0.0 {
        return "0".into();
    }
    let scientific = format!("{value:.*e}", digits.max(1) - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let text = if (-4..6).contains(&exponent) {
        format!("{value:.*}", (digits as i32 - 1 - exponent).max(0) as usize)
    } else {
        let mantissa =
            if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
        let power = format!("10^{{{}}}", signed(exponent));
        if mantissa == "1" { power } else { format!("{mantissa}×{power}") }
    };
    text.replacen('-', "−", usize::from(text.starts_with('-')))
}

/// A value with at most `digits` significant digits, and no zeros at the end of its decimals.
pub(crate) fn short(value: f64, digits: usize) -> String {
    let text = number(value, digits);
    let decimal = text.contains('.') && !text.contains('^');
    if decimal { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// A whole number with its digits in groups of three.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> = (0..digits.len())
        .filter(|at| *at == 0 || (digits.len() - at).is_multiple_of(3))
        .map(|at| &digits[at..digits.len().min(if at == 0 { (digits.len() - 1) % 3 + 1 } else { at + 3 })])
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, room: usize) -> Vec<String> {
        scale.ticks(room).into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Scale::fit(&Axis::linear(""), [0.0, 1.0]), 5), ["0.0", "0.5", "1.0"]);
        assert_eq!(labels(&Scale::fit(&Axis::linear("").range(-2.0, 2.0), []), 4), ["−2", "−1", "0", "1", "2"]);
        assert_eq!(
            labels(&Scale::fit(&Axis::log(""), [1.0, 2e4]), 6),
            ["10^{0}", "10^{1}", "10^{2}", "10^{3}", "10^{4}"]
        );
        assert_eq!(labels(&Scale::fit(&Axis::log("").range(1e-12, 1.0), []), 6).len(), 7);
        assert_eq!(labels(&Scale::fit(&Axis::log("").range(0.3, 7.0), []), 6), ["0.5", "1", "2", "5"]);
        assert_eq!(labels(&Scale::fit(&Axis::log("").range(1.2, 8.8), []), 6), ["2", "5"]);
    }

    #[test]
    fn whole_numbers_have_whole_ticks() {
        for axis in [Axis::linear(""), Axis::log("")] {
            let scale = Scale::fit(&axis, [0.9, 3.1]);
            assert!(labels(&scale, 9).contains(&"1.5".into()));
            assert_eq!(labels(&scale.whole(true), 9), ["1", "2", "3"]);
            let large = Scale::fit(&axis, [1e3, 1e6]);
            assert_eq!(large.whole(true).ticks(6), large.ticks(6));
        }
    }

    #[test]
    fn numbers_read_well() {
        let read = [1.3864, 0.0, -2e-7, 1e9, 123456.0, 0.01, 2.5e12].map(|value| number(value, 3));
        assert_eq!(read, ["1.39", "0", "−2×10^{−7}", "10^{9}", "123456", "0.0100", "2.5×10^{12}"]);
        assert_eq!(number(f64::NAN, 3), "n/a");
        assert_eq!([2.2, 1.38641, 3.0, 100.0].map(|value| short(value, 5)), ["2.2", "1.3864", "3", "100"]);
        assert_eq!([0, 999, 1000, 1234567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn any_values_have_a_scale() {
        let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, f64::MIN_POSITIVE, f64::MAX, 5e-324];
        for axis in [Axis::linear(""), Axis::log(""), Axis::log("").range(0.0, 1.0), Axis::linear("").range(2.0, 1.0)] {
            for count in 0..=odd.len() {
                let scale = Scale::fit(&axis, odd[..count].iter().copied());
                assert!(scale.low < scale.high && scale.ticks(5).len() < 300, "{scale:?}");
            }
        }
        assert!(!labels(&Scale::fit(&Axis::linear(""), [1e16, 1e16 + 2.0]), 5).is_empty());
    }
}
