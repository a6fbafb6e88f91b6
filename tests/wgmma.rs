//! `score_wgmma.cu`, which runs on Hopper alone, without one. The emulator finishes copies, arrivals and products as late
//! as the rules allow, or at any time; `score.rs` and `tensor.rs` hold the parts it shares with others.
#![cfg(target_os = "linux")]

use crate::emulated::{Emulated, available};
use retrial_check::{Case, Kernel, cases};
use retrial_cuda::Cuda;
use retrial_emulator::Order;
use retrial_spec::{Backend, Noise, Precision, Problem, Result, Shape, Variant, rng::trial_normals};
use std::sync::Arc;

const ORDERS: [Order; 4] = [Order::Forward, Order::Reverse, Order::Shuffled(1), Order::Shuffled(2)];

fn cuda(device: Emulated) -> Cuda {
    Cuda::with_drivers(vec![Arc::new(device)])
}

/// Bits of the errors of some trials.
fn errors(cuda: &Cuda, problem: &Problem, kernel: &str, noise: Noise<'_>) -> Result<Vec<u32>> {
    let mut scorer = cuda.load_variant(problem, &Variant::new(kernel, Precision::F16))?;
    Ok(scorer.errors(noise)?.iter().map(|e| e.to_bits()).collect())
}

fn case(shape: Shape) -> Case {
    cases().into_iter().find(|case| case.kernel == Kernel::Score && case.shape == shape).unwrap()
}

const ODD: Shape = Shape { pixels: 1025, hidden: 401, latent: 21 };

/// Over all shapes that break tiles; those that are too large for registers are refused, and are another kernel's.
#[test]
fn matches_the_reference() {
    if !available() {
        return;
    }
    let cuda = cuda(Emulated::hopper(Order::Forward));
    let mut refused = vec![];
    for case in cases().into_iter().filter(|case| case.kernel == Kernel::Score) {
        for variant in [Precision::F16, Precision::Bf16].map(|precision| Variant::new("wgmma", precision)) {
            if let Err(error) = cuda.load_variant(&case.problem().unwrap(), &variant) {
                assert!(error.is_input() && error.to_string().contains("use another kernel"), "{error}");
                refused.push(case.shape);
                continue;
            }
            let verdict = case.by(&variant).run(&cuda).unwrap();
            assert!(verdict.agreement().is_some(), "{} {variant}: {verdict:?}", case.shape);
        }
    }
    let large = Shape { pixels: 768, hidden: 1024, latent: 96 };
    assert_eq!(refused, [large, large, Shape::MAX, Shape::MAX]);
}

/// Threads, copies and products in another order, blocks that take turns or not, in pairs or alone: the same bits.
#[test]
fn no_bit_depends_on_order_or_stage() {
    if !available() {
        return;
    }
    for case in [case(Shape::PAPER), case(ODD)] {
        let problem = case.problem().unwrap();
        let trials = || Noise::Trials(case.first..case.first + case.trials as u64);
        let of = |kernel, order| errors(&cuda(Emulated::hopper(order)), &problem, kernel, trials()).unwrap();
        let want = of("wgmma", Order::Forward);
        for kernel in ["wgmma", "wgmma-b1", "wgmma-b0"] {
            for order in ORDERS {
                assert!(of(kernel, order) == want, "{} {kernel} {order:?}", case.shape);
            }
        }
    }
}

/// Nor on windows, ragged tiles, and whether the generator's normals are made or given.
#[test]
fn no_bit_depends_on_windows_or_the_source_of_noise() {
    if !available() {
        return;
    }
    let case = Case { samples: 3, trials: 300, ..case(Shape { pixels: 97, hidden: 61, latent: 7 }) };
    let (problem, cuda) = (case.problem().unwrap(), cuda(Emulated::hopper(Order::Forward)));
    let (first, trials) = (case.first, case.trials as u64);
    let of = |noise| errors(&cuda, &problem, "wgmma", noise).unwrap();
    let want = of(Noise::Trials(first..first + trials));
    let mut parts = vec![vec![]; 3];
    for (begin, end) in [(0, 1), (1, 44), (44, 300)] {
        let part = of(Noise::Trials(first + begin..first + end));
        let rows = part.chunks((end - begin) as usize);
        parts.iter_mut().zip(rows).for_each(|(all, row)| all.extend_from_slice(row));
    }
    assert!(parts.concat() == want);
    let rows = (0..3).flat_map(|sample| (first..first + trials).map(move |trial| (sample, trial)));
    let mut noise = vec![0.0; 3 * 300 * 7];
    for ((sample, trial), row) in rows.zip(noise.chunks_mut(7)) {
        trial_normals(problem.seed(), sample, trial, row);
    }
    assert!(of(Noise::Given(&noise)) == want);
}

/// What holds the roles of the kernel together, what takes its place, and what happens then. W3 comes by a copy in bulk as
/// W4 does: no thread writes what the tensor cores read, so there is no fence between the proxies to forget. Some that are
/// here are harmless in some orders; those that are so in all are left out: stages given back a step late, the second
/// barrier around the table (the turns order it too), and the last turn given to nobody.
const MUTATIONS: [(&str, &str, &str); 22] = [
    ("products do not wait for copies", "        barrier_wait(shared.full + place.stage, place.parity);", ""),
    ("copies do not wait for products", "                barrier_wait(shared.empty + place.stage, place.parity);", ""),
    ("the first product does not wait for W3", "barrier_wait(shared.w3_full, 0);", ""),
    ("copies wait for the wrong parity", "Place place = {0, 1};", "Place place = {0, 0};"),
    ("products wait for the wrong parity", "Place place = {0, 0};", "Place place = {0, 1};"),
    ("the parity stays", "parity ^= 1", "parity ^= 0"),
    ("products read another stage", "slab(stage)", "slab(shared.ring + (place.stage + 1) % RING * STAGE)"),
    ("copies go to another stage", "stage + half, w4", "shared.ring + (place.stage + 1) % RING * STAGE + half, w4"),
    ("both blocks fetch the same half", "bytes / CLUSTER * rank;", "0 * rank;"),
    ("half of the bytes are announced", "barrier_expect(full, bytes);", "barrier_expect(full, bytes / 2);"),
    ("the other block is not told", "lane < CLUSTER)", "lane < 1)"),
    ("one warp does not arrive", "lane < CLUSTER)", "lane < CLUSTER && threadIdx.x / 32 != 6)"),
    ("copies wait for half of the warps", "8 * CLUSTER);", "4 * CLUSTER);"),
    (
        "the last stage of a tile is not given back",
        "wgmma_done(sums);\n            release",
        "wgmma_done(sums);\n            if (0) release",
    ),
    ("a stage is given back before its products are done", "            wgmma_wait<1>();", ""),
    ("sums are read before they are there", "wgmma_wait<0>();\n            wgmma_done", "wgmma_done"),
    ("units are read before they are there", "wgmma_wait<0>();\n        wgmma_done", "wgmma_done"),
    (
        "products do not wait for registers",
        "        wgmma_fence();\n#pragma unroll\n        for (u32 k = step",
        "\n#pragma unroll\n        for (u32 k = step",
    ),
    ("no turn is given", "tile + 1 < TILES) give_turn(group);", "tile + 1 < TILES) {}"),
    ("no turn is taken", "take_turn(group);\n            start", "start"),
    ("barriers are not made known", "barrier_init_fence();", ""),
    ("the table is replaced while it is read", "named_sync(BOTH, MULTIPLIERS); // nobody", "// nobody"),
];

/// Of the cluster, at the beginning and at the end: the same words, so that the place says which.
const CLUSTER: [(&str, &str, &str); 2] = [
    (
        "blocks begin before the other's barriers are made",
        "    if (CLUSTER == 2) {\n        __syncwarp();\n        cluster_arrive();\n        cluster_wait();\n    } else {",
        "    {",
    ),
    (
        "a block leaves before the other is done with it",
        "barriers.\n    if (CLUSTER == 2) {",
        "barriers.\n    if (false) {",
    ),
];

/// Each of these mistakes shows, as a fault or as other bits, in some order.
#[test]
fn every_mistake_shows() {
    if !available() {
        return;
    }
    // Three steps a tile and a ring of as many, so that the copies are never far ahead, over several samples.
    let shape = Shape { pixels: 200, hidden: 240, latent: 7 };
    let case = Case { shape, samples: 3, trials: 600, ..case(Shape::PAPER) };
    let problem = case.problem().unwrap();
    let run = |device: Emulated| {
        errors(&cuda(device.with_shared(71 << 10)), &problem, "wgmma", Noise::Trials(0..case.trials as u64))
    };
    let want = run(Emulated::hopper(Order::Forward)).unwrap();
    for order in ORDERS {
        assert!(run(Emulated::hopper(order)).unwrap() == want, "{order:?}");
    }
    for (what, from, to) in MUTATIONS.into_iter().chain(CLUSTER) {
        let shows = |&order: &Order| {
            run(Emulated::hopper(order).edited("score_wgmma.cu", from, to)).ok().is_none_or(|bits| bits != want)
        };
        let found = ORDERS.iter().position(shows);
        println!("{what}: {found:?}");
        assert!(found.is_some(), "{what}: unnoticed");
    }
}
