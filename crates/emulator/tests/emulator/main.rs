//! Small kernels that do right, and small kernels that do each kind of wrong.
#![cfg(target_os = "linux")]

mod faults;
mod fragments;
mod kernels;
mod mutations;
mod programs;

use retrial_emulator::{Memory, Options, Order, Program, compiler};

/// One to three OS threads, and every order.
const OPTIONS: [Options; 4] = [
    Options { threads: 1, order: Order::Forward },
    Options { threads: 2, order: Order::Reverse },
    Options { threads: 3, order: Order::Shuffled(1) },
    Options { threads: 2, order: Order::Shuffled(2) },
];

/// `None`, said aloud, where there is no C++ compiler.
fn compile(name: &str, text: &str, entries: &[&str]) -> Option<Program> {
    if compiler().is_none() {
        eprintln!("SKIPPED {name}: no C++ compiler");
        return None;
    }
    let file = format!("{name}.cu");
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    Some(Program::compile_in(cache, name, &[(&file, text)], &[], entries).unwrap())
}

/// A parameter of 8-byte words.
fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn buffer<T: Copy>(values: &[T]) -> Memory {
    let mut memory = Memory::allocate(size_of_val(values)).unwrap();
    // SAFETY: numbers, seen as their bytes.
    memory
        .as_mut_slice()
        .copy_from_slice(unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) });
    memory
}

fn read<const N: usize, T>(memory: &Memory, from: fn([u8; N]) -> T) -> Vec<T> {
    memory.as_slice().as_chunks().0.iter().map(|&bytes| from(bytes)).collect()
}

/// Numbers in [-0.5, 0.5) that differ from place to place.
fn numbers(count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5).collect()
}
