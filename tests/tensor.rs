//! `score` on tensor cores, without a GPU. `score.rs` holds it against the reference; this holds what it promises beyond.
#![cfg(target_os = "linux")]

use crate::emulated::{Emulated, MEMORY, available};
use retrial_check::{Case, Kernel, Tolerance, cases, compare};
use retrial_cuda::Cuda;
use retrial_emulator::Order;
use retrial_reference as reference;
use retrial_spec::{Backend, Noise, Precision, Problem, Shape, Variant, rng::trial_normals};
use std::{ops::Range, sync::Arc};

const PRECISIONS: [Precision; 3] = [Precision::F16, Precision::Bf16, Precision::F16x3];

/// Shared memory of a block on an RTX 40, an A100 and an H100, bytes.
const BLOCKS: [u32; 3] = [99 << 10, 163 << 10, 227 << 10];

fn device(order: Order, shared: u32) -> Cuda {
    Cuda::with_drivers(vec![Arc::new(Emulated::new(MEMORY, order).with_shared(shared + 1024))])
}

fn case(samples: usize, shape: Shape) -> Case {
    let found = |case: &Case| case.kernel == Kernel::Score && case.samples == samples && case.shape == shape;
    cases().into_iter().find(found).unwrap()
}

fn errors(cuda: &Cuda, problem: &Problem, precision: Precision, noise: Noise<'_>) -> Vec<f32> {
    cuda.load_variant(problem, &Variant::new("mma", precision)).unwrap().errors(noise).unwrap()
}

fn bits(errors: Vec<f32>) -> Vec<u32> {
    errors.iter().map(|e| e.to_bits()).collect()
}

/// Threads in another order show a missing barrier, blocks of other sizes other fragments; no bit may change.
#[test]
fn no_bit_depends_on_the_order_of_threads_or_the_size_of_blocks() {
    if !available() {
        return;
    }
    // Several tiles of pixels and stages, slots of all kinds, a tile of trials that is not full.
    for case in [case(5, Shape { pixels: 97, hidden: 61, latent: 7 }), case(3, Shape::PAPER)] {
        let problem = case.problem().unwrap();
        let trials = case.first..case.first + case.trials.min(70) as u64;
        for precision in PRECISIONS {
            let of = |order, shared| {
                bits(errors(&device(order, shared), &problem, precision, Noise::Trials(trials.clone())))
            };
            let want = of(Order::Forward, BLOCKS[0]);
            for (order, shared) in [
                (Order::Reverse, BLOCKS[0]),
                (Order::Shuffled(1), BLOCKS[1]),
                (Order::Shuffled(2), BLOCKS[2]),
                (Order::Reverse, BLOCKS[2]),
            ] {
                assert!(of(order, shared) == want, "{} {precision} {order:?} {shared}", case.shape);
            }
        }
    }
}

/// Windows cut anywhere, and the same normals given.
#[test]
fn no_bit_depends_on_windows_or_on_who_made_the_noise() {
    if !available() {
        return;
    }
    let case = case(5, Shape { pixels: 97, hidden: 61, latent: 7 });
    let (problem, first) = (case.problem().unwrap(), case.first);
    let cuda = device(Order::Forward, BLOCKS[1]);
    let trials = 150;
    let normals: Vec<f32> = (0..case.samples as u32)
        .flat_map(|sample| (first..first + trials).map(move |trial| (sample, trial)))
        .flat_map(|(sample, trial)| {
            let mut normals = vec![0.0; case.shape.latent];
            trial_normals(case.seed, sample, trial, &mut normals);
            normals
        })
        .collect();
    for precision in PRECISIONS {
        let of = |range: Range<u64>| bits(errors(&cuda, &problem, precision, Noise::Trials(range)));
        let want = of(first..first + trials);
        let cuts = [0, 1, 37, 101, 149, 150];
        let parts: Vec<Vec<u32>> = cuts.windows(2).map(|cut| of(first + cut[0]..first + cut[1])).collect();
        let row = |sample: usize| {
            parts.iter().flat_map(move |part| part.chunks(part.len() / case.samples).nth(sample).unwrap())
        };
        assert!((0..case.samples).flat_map(row).copied().collect::<Vec<_>>() == want, "{precision}");
        assert!(bits(errors(&cuda, &problem, precision, Noise::Given(&normals))) == want, "{precision}");
    }
}

/// Powers of two between the layers reach no bit: f16 holds a model whose units are beyond its range.
#[test]
fn the_size_of_units_changes_no_bit() {
    if !available() {
        return;
    }
    let case = case(5, Shape { pixels: 97, hidden: 61, latent: 7 });
    let problem = case.problem().unwrap();
    let scaled = |power: i32| {
        let mut weights = problem.weights().clone();
        let factor = 2f32.powi(power);
        weights.decoder_fc1.weight.iter_mut().for_each(|w| *w *= factor);
        weights.decoder_fc1.bias.iter_mut().for_each(|b| *b *= factor);
        weights.decoder_fc2.weight.iter_mut().for_each(|w| *w /= factor);
        Problem::new(weights, problem.images().to_vec(), problem.posterior(), case.temperature, case.seed).unwrap()
    };
    let cuda = device(Order::Forward, BLOCKS[0]);
    for precision in PRECISIONS {
        let of = |problem: &Problem| bits(errors(&cuda, problem, precision, Noise::Trials(0..40)));
        let want = of(&problem);
        assert!(of(&scaled(18)) == want && of(&scaled(-15)) == want, "{precision}");
    }
}

/// Where one sample's latents dwarf the others', these would vanish in f16: it is refused, and bf16 serves.
#[test]
fn bf16_serves_where_f16_does_not_span_the_samples() {
    if !available() {
        return;
    }
    let case = case(5, Shape { pixels: 97, hidden: 61, latent: 7 });
    let problem = case.problem().unwrap();
    let mut posterior = problem.posterior().clone();
    posterior.mu[..case.shape.latent].fill(1e9);
    let far =
        Problem::new(problem.weights().clone(), problem.images().to_vec(), &posterior, case.temperature, case.seed)
            .unwrap();
    let cuda = device(Order::Forward, BLOCKS[0]);
    for precision in [Precision::F16, Precision::F16x3] {
        let refused = cuda.load(&far, precision).err().unwrap();
        assert!(refused.is_input() && refused.to_string().contains("use bf16 or f32"), "{refused}");
    }
    let trials = || Noise::Trials(0..40);
    let bf16 = errors(&cuda, &far, Precision::Bf16, trials());
    assert!(bf16.iter().all(|e| e.is_finite()));
    // The samples that were not moved have the errors that they had.
    assert!(bits(bf16)[40..] == bits(errors(&cuda, &problem, Precision::Bf16, trials()))[40..]);
}

/// Noise far beyond any normal is finite arithmetic still, and beyond that refused where operands are f16.
#[test]
fn wild_noise_is_right_or_refused() {
    if !available() {
        return;
    }
    let case = case(5, Shape { pixels: 97, hidden: 61, latent: 7 });
    let problem = case.problem().unwrap();
    let cuda = device(Order::Forward, BLOCKS[0]);
    let wild: Vec<f32> = (0..5 * 3 * 7).map(|i| [100.0, -100.0, 0.0, 99.0, -1.0][i * i % 5]).collect();
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
    let posterior = (&*wide(problem.mus()), &*wide(&problem.posterior().logvar));
    let images = wide(problem.images());
    let want = reference::score(problem.weights(), &images, posterior, case.temperature, &wide(&wild));
    for precision in PRECISIONS {
        let got = errors(&cuda, &problem, precision, Noise::Given(&wild));
        // Units are a hundred times those of a normal, and so are their roundings.
        let relative = if precision == Precision::Bf16 { 3e-2 } else { 4e-3 };
        compare(&got, &want, Tolerance { absolute: 0.0, relative }).unwrap();
        let mut scorer = cuda.load(&problem, precision).unwrap();
        let beyond = wild.iter().map(|v| 1.1 * v).collect::<Vec<_>>();
        let refused = scorer.errors(Noise::Given(&beyond));
        match precision {
            Precision::Bf16 => assert!(refused.unwrap().iter().all(|e| e.is_finite())),
            _ => assert!(refused.unwrap_err().to_string().contains("noise value 0")),
        }
    }
}
