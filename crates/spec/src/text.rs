//! Text as it may be shown to a person: names that others chose, and large numbers.

use std::borrow::Cow;

/// Whether a terminal obeys the character instead of showing it: control characters, marks that turn the direction of
/// what follows them, and the separators of Unicode, which begin a line.
pub fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The text on one line, with every character [that would be obeyed](is_obeyed) in sight, as `\n` or `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_obeyed(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown.into()
}

/// As much of the text as a person reads, on one line: three of these are less than the program prints of one.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 1300;
    let shown = visible(text);
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &shown[..end]),
        None => shown.into_owned(),
    }
}

/// `12345678` as `12,345,678`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 123, 1234, 1_234_567].map(thousands), ["0", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(visible("\x1b[2J\r\nerror: no\u{9b}1m\x7f"), "\\u{1b}[2J\\r\\nerror: no\\u{9b}1m\\u{7f}");
        assert_eq!(visible("a\u{202e}b\u{2066}c\u{2028}d\u{200f}\0"), "a\\u{202e}b\\u{2066}c\\u{2028}d\\u{200f}\\u{0}");
        for plain in ["", "Llama-3 8B, \"Math\" = 100 % \\ 'x'", "naïve e\u{301} 模型 👩‍🔬"] {
            assert!(matches!(visible(plain), Cow::Borrowed(text) if text == plain), "{plain}");
        }
        let all: String = ('\0'..=char::MAX).filter(|c| is_obeyed(*c)).collect();
        assert!(!visible(&all).contains(char::is_control));
    }
}
