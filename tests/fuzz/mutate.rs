//! Mutations of valid files, as values that proptest draws and shrinks.

use crate::Seed;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

/// What is done to which seed.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    seed: usize,
    mutations: Vec<Mutation>,
}

/// A place in a file: mostly near its beginning, where headers are, or its end, where directories are.
#[derive(Clone, Debug)]
struct At {
    index: Index,
    within: usize,
    from_end: bool,
}

/// A stretch of a file.
#[derive(Clone, Debug)]
struct Span {
    at: At,
    most: usize,
    len: Index,
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(At, u8),
    Set(At, u8),
    Truncate(At),
    Remove(Span),
    /// A stretch again and again, up to so many bytes.
    Repeat(Span, usize),
    /// A stretch of this or another seed, in place of one.
    Splice(Span, Index, Span),
    /// A length or value, of so many bytes, most significant first or last.
    Number(At, u64, usize, bool),
    /// A number in digits, in place of the next digits.
    Digits(At, &'static str),
    /// The piece in place of a stretch.
    Insert(Span, &'static [u8]),
    /// Two words, lines or fields change places; or the second is left where it is, and takes the first's place too.
    Words(Index, Index, bool),
    /// A bracket, so deep.
    Nest(At, &'static str, usize),
    /// Bytes of no format, behind a beginning of this one or alone.
    Raw(Option<At>, Vec<u8>),
}

const NUMBERS: [&str; 18] = [
    "0",
    "-1",
    "1",
    "2",
    "3.5",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967295",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e999999999",
    "NaN",
    "-inf",
];
const PIECES: [&[u8]; 26] = [
    b"\0",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\xC0\x80",
    b"\xED\xA0\x80",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\"",
    b",",
    b"\t",
    b";",
    b": ",
    b"- ",
    b"&a [*a,*a]",
    b"\x1B[2J",
    "\u{202e}\u{9b}31m".as_bytes(),
    "\u{0130}\u{00df}\u{fb03}".as_bytes(),
    b"\\ud800",
    b"../../x",
    b"true",
    b"null",
    b"[]",
    b"{}",
    b"\"success\":",
    b"'shape': (",
];

fn at() -> impl Strategy<Value = At> {
    (any::<Index>(), select(vec![16, 128, 1024, usize::MAX, usize::MAX]), any::<bool>())
        .prop_map(|(index, within, from_end)| At { index, within, from_end })
}

fn span() -> impl Strategy<Value = Span> {
    (at(), select(vec![0, 1, 8, 64, usize::MAX]), any::<Index>()).prop_map(|(at, most, len)| Span { at, most, len })
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let number = prop_oneof![
        select(vec![0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 30, 1 << 40, u64::MAX >> 1, u64::MAX]),
        0u64..300,
    ];
    let bracket = select(vec!["[", "{", "(", "{\"a\":", "[{", "'", "- ", "a: {"]);
    prop_oneof![
        2 => (at(), 0u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        1 => at().prop_map(Mutation::Truncate),
        2 => span().prop_map(Mutation::Remove),
        2 => (span(), select(vec![1, 10, 10, 100, 100, 1000, 10_000, 1 << 20])).prop_map(|(span, most)| Mutation::Repeat(span, most)),
        3 => (span(), any::<Index>(), span()).prop_map(|(to, seed, from)| Mutation::Splice(to, seed, from)),
        3 => (at(), number, select(vec![1, 2, 4, 8]), any::<bool>())
            .prop_map(|(at, value, width, big)| Mutation::Number(at, value, width, big)),
        3 => (at(), select(NUMBERS.to_vec())).prop_map(|(at, text)| Mutation::Digits(at, text)),
        3 => (span(), select(PIECES.to_vec())).prop_map(|(span, piece)| Mutation::Insert(span, piece)),
        3 => (any::<Index>(), any::<Index>(), any::<bool>()).prop_map(|(a, b, swap)| Mutation::Words(a, b, swap)),
        1 => (at(), bracket, select(vec![1, 20, 130, 10_000])).prop_map(|(at, what, deep)| Mutation::Nest(at, what, deep)),
        1 => (at(), vec(any::<u8>(), 0..64)).prop_map(|(at, bytes)| Mutation::Raw(Some(at), bytes)),
    ]
}

/// Cases of so many seeds: up to four mutations each, and a few of nothing but noise.
pub(crate) fn case(seeds: usize) -> impl Strategy<Value = Case> {
    let noise = vec(any::<u8>(), 0..256).prop_map(|bytes| Mutation::Raw(None, bytes));
    let mutations = (vec(mutation(), 1..5), option::weighted(0.02, noise))
        .prop_map(|(mutations, noise)| noise.map_or(mutations, |noise| vec![noise]));
    (0..seeds, mutations).prop_map(|(seed, mutations)| Case { seed, mutations })
}

impl Case {
    /// What is to be read.
    pub(crate) fn bytes(&self, seeds: &[Seed]) -> Vec<u8> {
        let mut bytes = seeds[self.seed].bytes.clone();
        self.mutations.iter().for_each(|mutation| mutation.apply(&mut bytes, seeds));
        (seeds[self.seed].wrap)(bytes)
    }
}

impl At {
    /// From 0 to the length.
    fn place(&self, len: usize) -> usize {
        let at = self.index.index(len.min(self.within) + 1);
        if self.from_end { len - at } else { at }
    }
}

impl Span {
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let start = self.at.place(len);
        start..start + self.len.index((len - start).min(self.most) + 1)
    }
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, seeds: &[Seed]) {
        let len = bytes.len();
        match self {
            Self::Flip(at, bit) => bytes.iter_mut().skip(at.place(len)).take(1).for_each(|byte| *byte ^= 1 << bit),
            Self::Set(at, to) => bytes.iter_mut().skip(at.place(len)).take(1).for_each(|byte| *byte = *to),
            Self::Truncate(at) => bytes.truncate(at.place(len)),
            Self::Remove(span) => drop(bytes.drain(span.range(len))),
            Self::Repeat(span, most) => {
                let range = span.range(len);
                let times = most / range.len().max(1);
                let again = bytes[range.clone()].repeat(times.max(1));
                bytes.splice(range.end..range.end, again);
            }
            Self::Splice(to, seed, from) => {
                let other = &seeds[seed.index(seeds.len())].bytes;
                bytes.splice(to.range(len), other[from.range(other.len())].iter().copied());
            }
            Self::Number(at, value, width, big) => {
                let mut number = value.to_le_bytes()[..*width].to_vec();
                if *big {
                    number.reverse();
                }
                bytes.iter_mut().skip(at.place(len)).zip(number).for_each(|(byte, new)| *byte = new);
            }
            Self::Digits(at, text) => {
                let at = at.place(len);
                let start = bytes[at..].iter().position(u8::is_ascii_digit).map_or(at, |after| at + after);
                let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                bytes.splice(start..start + digits, text.bytes());
            }
            Self::Insert(span, piece) => drop(bytes.splice(span.range(len), piece.iter().copied())),
            Self::Words(one, other, swap) => {
                let parts = |byte: &u8| b",;:\t\n{}[]()".contains(byte);
                let words: Vec<&[u8]> = bytes.split_inclusive(parts).collect();
                if !words.is_empty() {
                    let mut mixed = words.clone();
                    let (one, other) = (one.index(words.len()), other.index(words.len()));
                    mixed[one] = words[other];
                    if *swap {
                        mixed[other] = words[one];
                    }
                    *bytes = mixed.concat();
                }
            }
            Self::Nest(at, bracket, deep) => {
                let at = at.place(len);
                bytes.splice(at..at, bracket.repeat(*deep).into_bytes());
            }
            Self::Raw(at, raw) => {
                bytes.truncate(at.as_ref().map_or(0, |at| at.place(len)));
                bytes.extend(raw);
            }
        }
    }
}
