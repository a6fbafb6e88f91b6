//! The reader of arrays: what NumPy writes is read as it stands, anything else is refused at once and in little memory.

use half::f16;
use proptest::{collection::vec, prelude::*, sample::select};
use retrial_files::Array;
use retrial_spec::Error;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Counts the bytes that a thread holds.
struct Counted;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn held(change: isize) {
    let now = HELD.get() + change;
    HELD.set(now);
    PEAK.set(PEAK.get().max(now));
}

// SAFETY: the system's allocator does the work; `held` allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        held(layout.size() as isize);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        held(-(layout.size() as isize));
        // SAFETY: the block came from `alloc` above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// A `.npy` file of this header and data.
fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, fortran: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
}

/// Shape, values and notes.
type Read = (Vec<usize>, Vec<f64>, Vec<String>);

fn read(bytes: &[u8], samples: Option<usize>) -> Result<Read, Error> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.npy");
    fs::write(&path, bytes).unwrap();
    let array = Array::open(&path)?;
    let shape = array.shape().to_vec();
    array.read::<f64>(samples).map(|read| (shape, read.values, read.notes))
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let message = read(bytes, None).expect_err("must be refused").to_string();
    assert!(message.contains(expected) && message.contains("a.npy") && !message.contains('\n'), "{message}");
    assert!(message.len() < 500, "{message}");
}

fn be<const SIZE: usize>(values: &[[u8; SIZE]]) -> Vec<u8> {
    values.iter().flatten().copied().collect()
}

#[test]
fn every_type_in_either_byte_order() {
    let values = [0.0f64, 1.0, 2.0, 100.0];
    let floats = values.map(|v| v as f32);
    let halves = values.map(f16::from_f64);
    let cases: [(&str, Vec<u8>); 18] = [
        ("|u1", values.map(|v| v as u8).to_vec()),
        ("<u1", values.map(|v| v as u8).to_vec()),
        ("|i1", values.map(|v| v as u8).to_vec()),
        ("<u2", be(&values.map(|v| (v as u16).to_le_bytes()))),
        (">u2", be(&values.map(|v| (v as u16).to_be_bytes()))),
        ("<i2", be(&values.map(|v| (v as i16).to_le_bytes()))),
        (">i2", be(&values.map(|v| (v as i16).to_be_bytes()))),
        ("<u4", be(&values.map(|v| (v as u32).to_le_bytes()))),
        (">i4", be(&values.map(|v| (v as i32).to_be_bytes()))),
        ("<i8", be(&values.map(|v| (v as i64).to_le_bytes()))),
        (">i8", be(&values.map(|v| (v as i64).to_be_bytes()))),
        ("<u8", be(&values.map(|v| (v as u64).to_le_bytes()))),
        ("<f2", be(&halves.map(|v| v.to_le_bytes()))),
        (">f2", be(&halves.map(|v| v.to_be_bytes()))),
        ("<f4", be(&floats.map(|v| v.to_le_bytes()))),
        (">f4", be(&floats.map(|v| v.to_be_bytes()))),
        ("<f8", be(&values.map(|v| v.to_le_bytes()))),
        (">f8", be(&values.map(|v| v.to_be_bytes()))),
    ];
    for (dtype, data) in cases {
        let (shape, got, notes) = read(&npy(1, &header(dtype, "False", "(2, 2)"), &data), None).unwrap();
        assert_eq!((shape, &got[..], notes.len()), (vec![2, 2], &values[..], 0), "{dtype}");
    }
    let truths = read(&npy(1, &header("|b1", "False", "(3,)"), &[0, 1, 1]), None).unwrap();
    assert_eq!(truths.1, [0.0, 1.0, 1.0]);
    let negative = read(&npy(1, &header(">i2", "False", "(1,)"), &(-3i16).to_be_bytes()), None).unwrap();
    assert_eq!(negative.1, [-3.0]);
}

/// 2 x 3 x 4 x 2 values, each its own index in C order, as Fortran lays them out.
#[test]
fn fortran_order_of_any_rank() {
    let shape = [2, 3, 4, 2];
    let mut data = vec![];
    for d in 0..2 {
        for c in 0..4 {
            for b in 0..3 {
                for a in 0..2u8 {
                    data.push(((a * 3 + b) * 4 + c) * 2 + d);
                }
            }
        }
    }
    let bytes = npy(2, &header("|u1", "True", "(2, 3, 4, 2)"), &data);
    let want: Vec<f64> = (0..48).map(f64::from).collect();
    assert_eq!(read(&bytes, None).unwrap(), (shape.to_vec(), want.clone(), vec![]));
    assert_eq!(read(&bytes, Some(1)).unwrap().1, want[..24]);
    assert_eq!(read(&npy(1, &header("|u1", "True", "(3,)"), &[1, 2, 3]), Some(2)).unwrap().1, [1.0, 2.0]);
}

#[test]
fn values_that_no_f32_is_are_counted() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("eps.npy");
    let data = be(&[0.1f64, 0.5, f64::NAN, 1e-60].map(f64::to_be_bytes));
    fs::write(&path, npy(1, &header(">f8", "False", "(4,)"), &data)).unwrap();
    let narrow = Array::open(&path).unwrap().read::<f32>(None).unwrap();
    assert_eq!(narrow.values[..2], [0.1, 0.5]);
    let notes = [format!("{}: 2 of 4 values (>f8) are rounded to f32", path.display())];
    assert_eq!(narrow.notes, notes);
    assert!(Array::open(&path).unwrap().read::<f64>(None).unwrap().notes.is_empty());
}

#[test]
fn idx_of_every_type() {
    let floats = be(&[0.5f32, -1.0].map(f32::to_be_bytes));
    let shorts = be(&[-2i16, 300].map(i16::to_be_bytes));
    for (code, data, want) in [(13, &floats, [0.5, -1.0]), (11, &shorts, [-2.0, 300.0])] {
        let bytes = [&[0, 0, code, 2, 0, 0, 0, 1, 0, 0, 0, 2][..], data].concat();
        assert_eq!(read(&bytes, None).unwrap(), (vec![1, 2], want.to_vec(), vec![]));
    }
    refused(&[0, 0, 10, 1, 0, 0, 0, 1, 7], "unknown type 0x0a");
    refused(&[0, 0, 8, 9, 0, 0, 0, 1], "ends inside its header");
}

/// How dictionaries have been written, by NumPy and others.
#[test]
fn headers_in_all_their_forms() {
    for text in [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr':'<f4','fortran_order':False,'shape':(2,2)}",
        "{\"shape\": (2, 2), \"descr\": \"<f4\", \"fortran_order\": False}",
        "  { 'fortran_order' : False ,\n 'shape' : ( 2L , 2L , ) , 'descr' : '<f4' , } \n",
        "{'shape': (2L, 2L), 'fortran_order': False, 'descr': \"<f4\"}                 \n",
    ] {
        for version in 1..=3 {
            let (shape, values, _) = read(&npy(version, text, &[0; 16]), None).unwrap();
            assert_eq!((shape, values), (vec![2, 2], vec![0.0; 4]), "{text}");
        }
    }
    for (text, expected) in [
        ("", "no dictionary"),
        ("{}", "lacks 'descr'"),
        ("{'descr': '<f4', 'shape': (1,)}", "lacks 'fortran_order'"),
        ("{'descr': '<f4', 'descr': '<f4'}", "'descr' in its header, which does not belong"),
        ("{'extra': 1}", "'extra' in its header, which does not belong"),
        ("{'descr'}", "lacks a value of 'descr'"),
        ("{'descr: 1}", "without names"),
        ("{'descr': '<f4' 'shape': (1,)}", "more than a value behind 'descr'"),
        ("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "neither True nor False"),
        ("{'descr': '<f4', 'fortran_order': Falsehood, 'shape': (1,)}", "more than a value"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", "no tuple"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", "no tuple"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,", "no tuple"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, (2,))}", "axis of length (2"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (+1,)}", "axis of length +1"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1_0,)}", "axis of length 1_0"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} 1", "more in its header"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "Python objects"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "several fields"),
        ("{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", "dtype <f16"),
        ("{'descr': '\u{1b}[2J', 'fortran_order': False, 'shape': (1,)}", "dtype \\u{1b}[2J"),
    ] {
        refused(&npy(1, text, &[0; 4]), expected);
    }
    refused(&npy(1, &header("<f4", "False", &format!("({})", "1,".repeat(65))), &[0; 4]), "more than 64 axes");
}

/// A grammar that tries again what failed takes 2^n steps over n brackets.
#[test]
fn nesting_is_refused_at_once() {
    let deep = 20_000;
    for (open, close) in [("{", "}"), ("[", "]"), ("(", ")"), ("{'a':", "}"), ("[[", ")")] {
        let nest = open.repeat(deep / open.len()) + &close.repeat(deep / open.len());
        for shape in [nest.clone(), format!("(1, {nest})"), format!("'{nest}'")] {
            let begun = Instant::now();
            for text in [header("<f4", "False", &shape), shape.clone(), format!("{{'descr': {shape}")] {
                assert!(read(&npy(1, &text, &[]), None).is_err());
            }
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?} for {open:?}", begun.elapsed());
        }
    }
}

/// What a header claims, a packed file may inflate to.
#[test]
fn lengths_beyond_the_limit_are_refused() {
    let packed = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    for fortran in ["False", "True"] {
        for axis in ["1073741825", "4611686018427387904", "18446744073709551615"] {
            let bytes = npy(1, &header("|u1", fortran, &format!("({axis}, 1)")), &[0; 9]);
            refused(&bytes, "must be at most 1073741824 in all; take fewer samples");
        }
        let bytes = packed(&npy(1, &header("|u1", fortran, "(134217729, 1)"), &[0; 9]));
        refused(&bytes, "must be at most 67108864 in all; take fewer samples, or unpack the file");
    }
    refused(&npy(1, &header("<f4", "False", "(18446744073709551615, 18446744073709551615)"), &[]), "must be at most");
    assert_eq!(
        read(&npy(1, &header("|u1", "False", "(4611686018427387904, 2)"), &[7, 8]), Some(1)).unwrap().1,
        [7.0, 8.0]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Good headers with pieces cut out, repeated and put in: read or refused on one line, at once, in little memory.
    #[test]
    fn mutated_headers_take_linear_time_and_little_memory(
        version in 0u8..5,
        dtype in select(vec!["<f4", ">f8", "|u1", "|b1", "<i8"]),
        axes in vec(select(vec![0u64, 1, 2, 7, 1 << 31, 1 << 62, u64::MAX]), 0..5),
        edits in vec((any::<prop::sample::Index>(), select(vec![
            "", "{", "}", "[", "(", ")", "'", "\"", ",", ":", "9", "L", "-", " ", "'shape'", "True", "\\", "\u{0}", "é",
        ]), 0usize..4000, 0usize..9), 0..6),
        data in vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut text = header(dtype, "False", &format!("{axes:?}").replace('[', "(").replace(']', ",)"));
        for (at, piece, times, removed) in edits {
            let at = text.char_indices().map(|(at, _)| at).nth(at.index(text.chars().count())).unwrap();
            let end = text.char_indices().map(|(end, _)| end).find(|&end| end >= at + removed).unwrap_or(text.len());
            text.replace_range(at..end, &piece.repeat(times));
            text.push(' ');
        }
        text.truncate(text.char_indices().map(|(at, _)| at).take_while(|&at| at <= 65_000).last().unwrap());
        let mut bytes = npy(version, &text, &data);
        bytes.truncate(cut.index(4 * bytes.len())); // three of four stay whole
        let (begun, before) = (Instant::now(), HELD.get());
        PEAK.set(before);
        match read(&bytes, None) {
            Ok((shape, values, _)) => prop_assert_eq!(shape.iter().product::<usize>(), values.len()),
            Err(error) => prop_assert!(error.is_input() && !error.to_string().contains('\n')),
        }
        prop_assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        prop_assert!(PEAK.get() - before < 1 << 20, "{} bytes", PEAK.get() - before);
    }
}
