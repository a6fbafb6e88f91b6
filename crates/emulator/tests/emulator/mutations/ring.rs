//! A ring of stages between specialised warps, in clusters: bulk copies, mbarriers, wgmma and named barriers.

use super::{Case, Mutation, half, mutation, split, whole};
use crate::{buffer, read, words};
use retrial_emulator::{Error, Grid, Memory, Options, Order, Program};

#[rustfmt::skip]
const MUTATIONS: &[Mutation] = &[
    mutation("no_wait_on_full", "emulated_mbarrier_wait(full + stage, parity);", "", "is under way"),
    mutation("no_wait_on_empty", "emulated_mbarrier_wait(empty + stage, parity ^ 1);", "", ""),
    mutation("wrong_parity_of_full", "wait(full + stage, parity)", "wait(full + stage, parity ^ 1)", ""),
    mutation("wrong_parity_of_empty", "wait(empty + stage, parity ^ 1)", "wait(empty + stage, parity)", "deadlock"),
    mutation("stuck_parity", "stage = 0, parity ^= 1;", "stage = 0;", ""),
    mutation("swapped_stage", "describe(slabs + stage * SLAB)", "describe(slabs + (stage + 1) % STAGES * SLAB)", ""),
    mutation(
        "swapped_target",
        "slabs + stage * SLAB + half, from",
        "slabs + (stage + 1) % STAGES * SLAB + half, from",
        "",
    ),
    mutation(
        "released_too_early",
        "release((stage + STAGES - 1) % STAGES);\n                }",
        "release(stage);\n                }",
        "",
    ),
    mutation("an_arrival_too_few", "if (lane < 2)", "if (lane < 1)", "arrivals"),
    mutation(
        "an_arrival_too_many",
        "if (lane < 2) emulated_mbarrier_arrive_cluster(empty + done, lane)",
        "if (lane < 3) emulated_mbarrier_arrive_cluster(empty + done, lane % 2)",
        "",
    ),
    mutation("count_too_low", "init(empty + s, 16)", "init(empty + s, 15)", ""),
    mutation("count_too_high", "init(empty + s, 16)", "init(empty + s, 17)", "deadlock"),
    mutation("full_count_too_high", "init(full + s, 1)", "init(full + s, 2)", "deadlock"),
    mutation("no_wait_for_all_groups", "emulated_wgmma_wait(0);", "", ""),
    mutation("no_wait_for_a_group", "emulated_wgmma_wait(1);", "", ""),
    mutation("waits_for_too_few_groups", "emulated_wgmma_wait(0);", "emulated_wgmma_wait(1);", ""),
    mutation("no_wgmma_fence", "emulated_wgmma_fence();", "", "no wgmma.fence"),
    mutation("no_commit", "emulated_wgmma_commit();", "", ""),
    mutation("a_written_early", "emulated_wgmma_commit();", "emulated_wgmma_commit(); a[s][1] += 1;", "registers of A"),
    mutation(
        "d_written_early",
        "emulated_wgmma_commit();",
        "emulated_wgmma_commit(); d[3] += 0; d[3] = 0;",
        "register of D",
    ),
    mutation("no_proxy_fence", "emulated_fence_proxy_async();", "", "no fence.proxy.async"),
    mutation(
        "proxy_fence_too_early",
        "if (t < SLAB / 16) fixed[t] = p.fixed[t];\n    emulated_fence_proxy_async();",
        "emulated_fence_proxy_async();\n    if (t < SLAB / 16) fixed[t] = p.fixed[t];",
        "no fence.proxy.async",
    ),
    mutation(
        "too_few_bytes_expected",
        "arrive_expect_tx(full + stage, SLAB)",
        "arrive_expect_tx(full + stage, SLAB / 2)",
        "",
    ),
    mutation(
        "too_many_bytes_expected",
        "arrive_expect_tx(full + stage, SLAB)",
        "arrive_expect_tx(full + stage, SLAB + 16)",
        "16 bytes",
    ),
    mutation("no_bytes_expected", "arrive_expect_tx(full + stage, SLAB)", "arrive(full + stage)", ""),
    mutation("copied_to_itself_alone", "full + stage, 3)", "full + stage, 1 << rank)", "256 bytes missing"),
    mutation("copied_to_one_block", "full + stage, 3)", "full + stage, 1)", ""),
    mutation("copied_to_absent_blocks", "full + stage, 3)", "full + stage, 7)", "blocks 0x7 of a cluster of 2"),
    mutation("no_turn", "emulated_barrier_sync(group, 256);", "", ""),
    mutation("no_turn_passed", "emulated_barrier_arrive(3 - group, 256);", "", "deadlock"),
    mutation(
        "turn_passed_too_early",
        "emulated_barrier_sync(group, 256);",
        "emulated_barrier_sync(group, 256); emulated_barrier_arrive(3 - group, 256);",
        "",
    ),
    mutation("no_barrier_of_a_warpgroup", "emulated_barrier_sync(2 + group, 128);", "", ""),
    mutation("no_first_turn", "if (group == 2) emulated_barrier_arrive(1, 256);", "", "deadlock"),
    mutation("no_cluster_barrier_before", "emulated_cluster_arrive();\n    emulated_cluster_wait();\n\n", "", ""),
    mutation(
        "block_barrier_before",
        "emulated_cluster_arrive();\n    emulated_cluster_wait();\n\n",
        "__syncthreads();\n\n",
        "nobody initialised",
    ),
    mutation(
        "no_cluster_barrier_after",
        "emulated_cluster_arrive();\n    emulated_cluster_wait();\n}",
        "}",
        "wait for",
    ),
    mutation(
        "no_wait_after",
        "emulated_cluster_arrive();\n    emulated_cluster_wait();\n}",
        "emulated_cluster_arrive();\n}",
        "wait for",
    ),
    mutation("no_fence_of_barriers", "emulated_fence_mbarrier_init();", "", "no fence.mbarrier_init after"),
    mutation("more_registers_than_free", "setmaxnreg(240, true)", "setmaxnreg(248, true)", "deadlock"),
    mutation("registers_not_freed", "setmaxnreg(24, false)", "setmaxnreg(168, false)", "deadlock"),
];

const BLOCKS: usize = 4;
const M: usize = BLOCKS * 128;
const K: usize = 96;
const N: usize = 144;
const SHARED: usize = 3 * 512 + 512 + 4 * 64 * 17 + 6 * 8;

fn a(m: usize, k: usize) -> i32 {
    whole(m, k)
}
/// The last 16 of k are the fixed slab, the same for each 16 columns.
fn b(n: usize, k: usize) -> i32 {
    if k < 80 { whole(n + 5, k + 3) } else { whole(n % 16 + 5, k + 3) }
}

/// 16 columns by 16 k, as the kernels' weight image has them: 8x8 matrices, those of the same columns side by side.
fn slab(n: usize, k: usize) -> Vec<u16> {
    let mut slab = vec![0; 256];
    for column in 0..16 {
        for i in 0..16 {
            slab[column / 8 * 128 + i / 8 * 64 + column % 8 * 8 + i % 8] = half(b(n + column, k + i));
        }
    }
    slab
}

fn run(program: &Program, entry: &str, order: Order) -> Result<Vec<f32>, Error> {
    let left: Vec<u16> = (0..M * K).map(|i| half(a(i / K, i % K))).collect();
    let right: Vec<u16> = (0..N / 16 * 5).flat_map(|i| slab(i / 5 * 16, i % 5 * 16)).collect();
    let (left, right, fixed, out) = (buffer(&left), buffer(&right), buffer(&slab(0, 80)), Memory::allocate(4 * M * N)?);
    let params = words(&[left.address(), right.address(), fixed.address(), out.address()]);
    let grid = Grid::new([BLOCKS as u32, 1, 1], [384, 1, 1]).clusters(2).shared(SHARED);
    // SAFETY: as long as the kernel takes them to be; no mutation moves an address of global memory.
    unsafe { program.launch(entry, grid, &params, &Options { threads: 2, order }) }?;
    Ok(read(&out, f32::from_ne_bytes))
}

#[test]
fn ring_of_specialised_warps() {
    let (constants, kernel) = split(include_str!("ring.cu"));
    let product = |i: usize| (0..K).map(|k| a(i / N, k) * b(i % N, k)).sum::<i32>() as f32;
    let head = "struct Ring { const unsigned* a; const unsigned char* b; const uint4* fixed; float* out; };\n";
    let expected = (0..M * N).map(product).collect();
    let case = Case { name: "ring", head: head.to_owned() + constants, kernel, mutations: MUTATIONS, run, expected };
    case.check();
}
