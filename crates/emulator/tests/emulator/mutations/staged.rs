//! Stages of `cp.async` between barriers of the block, read by `ldmatrix`.

use super::{Case, Mutation, half, mutation, split, whole};
use crate::{buffer, read, words};
use retrial_emulator::{Error, Grid, Memory, Options, Order, Program};

#[rustfmt::skip]
const MUTATIONS: &[Mutation] = &[
    mutation("no_barrier", "__syncthreads();", "", ""),
    mutation("barrier_of_a_warp", "__syncthreads();", "__syncwarp();", ""),
    mutation("no_wait", "emulated_cp_async_wait(1);", "", ""),
    mutation("waits_for_too_few_groups", "emulated_cp_async_wait(1);", "emulated_cp_async_wait(2);", ""),
    mutation(
        "waits_after_the_barrier",
        "emulated_cp_async_wait(1);\n        __syncthreads();",
        "__syncthreads();\n        emulated_cp_async_wait(1);",
        "",
    ),
    mutation(
        "loads_before_the_barrier",
        "__syncthreads();\n        load(step + 2);",
        "load(step + 2);\n        __syncthreads();",
        "",
    ),
    mutation("no_commit", "emulated_cp_async_commit();", "", ""),
    mutation("commits_only_loads", "}\n        emulated_cp_async_commit();", "emulated_cp_async_commit(); }", ""),
    mutation("loads_too_early", "load(step + 2);", "load(step + 3);", ""),
    mutation("a_stage_too_few", "step % STAGES * ROWS", "step % 2 * ROWS", ""),
    mutation("reads_another_stage", "row_of(step, warp", "row_of(step + 1, warp", ""),
    mutation("a_row_too_far", "warp * 16 + lane % 16", "warp * 16 + lane % 16 + 1", ""),
    mutation("halves_of_b_swapped", "lane / 8 % 2 * 8", "(1 - lane / 8 % 2) * 8", ""),
    mutation("copy_too_short", "step * 16 + k, 16, 16);\n            if", "step * 16 + k, 16, 8);\n            if", ""),
];

const M: usize = 128;
const K: usize = 96;

fn run(program: &Program, entry: &str, order: Order) -> Result<Vec<f32>, Error> {
    let left: Vec<u16> = (0..M * K).map(|i| half(whole(i / K, i % K))).collect();
    let right: Vec<u16> = (0..16 * K).map(|i| half(whole(i / K + 5, i % K + 3))).collect();
    let (left, right, out) = (buffer(&left), buffer(&right), Memory::allocate(4 * M * 16)?);
    let params = words(&[left.address(), right.address(), out.address()]);
    let grid = Grid::new([M as u32 / 64, 1, 1], [128, 1, 1]).shared(3 * 80 * 32);
    // SAFETY: as long as the kernel takes them to be; no mutation moves an address of global memory.
    unsafe { program.launch(entry, grid, &params, &Options { threads: 1, order }) }?;
    Ok(read(&out, f32::from_ne_bytes))
}

#[test]
fn stages_between_barriers() {
    let (constants, kernel) = split(include_str!("staged.cu"));
    let product = |i: usize| (0..K).map(|k| whole(i / 16, k) * whole(i % 16 + 5, k + 3)).sum::<i32>() as f32;
    let head = "struct Staged { const unsigned short *a, *b; float* out; };\n";
    let expected = (0..M * 16).map(product).collect();
    let case = Case { name: "staged", head: head.to_owned() + constants, kernel, mutations: MUTATIONS, run, expected };
    case.check();
}
