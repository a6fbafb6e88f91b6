//! Constants of kernels, read from their text: a size that host and kernel share stands in one place.

/// The value of a constant in the text of a kernel, at its first definition: `NAME = 128` in CUDA, `NAME = 64u` or
/// `NAME: u32 = 1024u` in WGSL. For constants of Rust, so that a name that is not there fails the build.
///
/// ```
/// const TRIALS: usize = retrial_host::constant("constexpr u32 HALF_TRIALS = 7, TRIALS = 128;", "TRIALS");
/// assert_eq!(TRIALS, 128);
/// ```
pub const fn constant(text: &str, name: &str) -> usize {
    let (text, name) = (text.as_bytes(), name.as_bytes());
    let mut at = 0;
    while at + name.len() < text.len() {
        if is(text, at, name) && (at == 0 || !is_word(text[at - 1])) {
            let mut after = at + name.len();
            if is(text, after, b": u32") {
                after += 5;
            }
            if is(text, after, b" = ") && after + 3 < text.len() && text[after + 3].is_ascii_digit() {
                return number(text, after + 3);
            }
        }
        at += 1;
    }
    panic!("the kernel's text defines no constant of this name");
}

const fn is(text: &[u8], at: usize, word: &[u8]) -> bool {
    let mut i = 0;
    while i < word.len() {
        if at + i >= text.len() || text[at + i] != word[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The decimal number that begins at `at`.
const fn number(text: &[u8], mut at: usize) -> usize {
    let mut value = 0;
    while at < text.len() && text[at].is_ascii_digit() {
        value = 10 * value + (text[at] - b'0') as usize;
        at += 1;
    }
    assert!(at >= text.len() || !is_word(text[at]) || text[at] == b'u', "not a decimal number");
    value
}

#[cfg(test)]
mod tests {
    use super::constant;

    #[test]
    fn the_first_definition_of_the_whole_name_counts() {
        let text =
            "// SPAN trials\nconst LONG_SPAN = 1u;\nif SPAN == 4 {}\noverride SPAN: u32 = 4096u; const SPAN = 2u;";
        assert_eq!(constant(text, "SPAN"), 4096);
        assert_eq!(constant("constexpr u32 WARPS = 8, SPAN = 5;", "SPAN"), 5);
    }

    #[test]
    #[should_panic(expected = "no constant")]
    fn a_name_that_is_not_there_fails() {
        constant("constexpr u32 SHARE = SPAN / 8;", "SHARE");
    }

    #[test]
    #[should_panic(expected = "decimal")]
    fn a_number_of_another_base_fails() {
        constant("const NONE = 0xffu;", "NONE");
    }
}
