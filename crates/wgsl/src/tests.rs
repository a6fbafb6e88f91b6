//! The backend on the software adapter, against the reference and against itself.

use crate::{Wgsl, adapters, choice::Wanted};
use retrial_check::{Case, Kernel, Tolerance, cases, compare, images, weights};
use retrial_reference as reference;
use retrial_spec::{
    Backend, Noise, Posterior, Precision, Problem, Shape, Tally,
    rng::{self, Stream},
};

/// The software adapter, which every machine can have; a skip is loud and may be forbidden.
pub(crate) fn software(limits: Option<wgpu::Limits>) -> Option<Wgsl> {
    software_by("", limits)
}

/// The same, forced to compute in some ways.
fn software_by(words: &str, limits: Option<wgpu::Limits>) -> Option<Wgsl> {
    let wanted = Wanted::parse(words).unwrap();
    if let Some(adapter) = adapters().into_iter().find(|a| a.software) {
        return Some(Wgsl::open(Some(&adapter.name), limits, wanted).unwrap());
    }
    eprintln!("SKIPPED: no software adapter; install mesa-vulkan-drivers and libvulkan1");
    assert!(!std::env::var("RETRIAL_REQUIRE").is_ok_and(|v| v.split(',').any(|v| v == "wgsl")));
    None
}

pub(crate) fn problem(shape: Shape, samples: usize) -> Problem {
    Case { shape, samples, ..cases().remove(0) }.problem().unwrap()
}

/// Every kernel, with the limits that any adapter grants and with
/// buffers so small that everything is cut into pieces and samples into groups.
#[test]
fn kernels_agree_with_the_reference_within_any_limits() {
    let small = |bytes| wgpu::Limits { max_storage_buffer_binding_size: bytes, ..wgpu::Limits::default() };
    for (limits, largest) in [(small(128 << 20), Shape::MAX.pixels), (small(2 << 20), 784)] {
        let Some(wgsl) = software(Some(limits)) else { return };
        for case in cases().into_iter().filter(|c| c.shape.pixels <= largest) {
            // The model of 768-1024-96 has 3 MB of weights.
            if largest == 784 && case.shape.hidden == 1024 {
                continue;
            }
            if let Some(fault) = case.run(&wgsl).unwrap().fault() {
                panic!("{} {} {}: {fault}", case.name(), case.shape, case.precision());
            }
        }
    }
}

/// Ways to run `score`, each of which is forced in turn.
const WAYS: [&str; 5] = ["dense,single", "skip,single", "dense,double", "skip,double", "skip,single,plain"];

#[test]
fn every_way_agrees_with_the_reference() {
    for way in WAYS {
        let Some(wgsl) = software_by(way, None) else { return };
        for case in cases().into_iter().filter(|case| case.kernel == Kernel::Score) {
            if let Some(fault) = case.run(&wgsl).unwrap().fault() {
                panic!("{way}, {} {}: {fault}", case.name(), case.shape);
            }
        }
    }
}

/// Errors bit by bit, and tallies of all kinds, whoever makes them; at shapes with units that live and die, over several
/// submissions, and where trials end within a tile.
#[test]
fn every_way_gives_the_same_bytes() {
    let shapes = [
        (Shape::PAPER, 3),
        (Shape { pixels: 600, hidden: 64, latent: 9 }, 5),
        (Shape { pixels: 1, hidden: 1, latent: 1 }, 2),
    ];
    for (shape, samples) in shapes {
        let problem = problem(shape, samples);
        let mut first = None;
        let host = ["host,full", "host,screen"];
        let tallies = WAYS.into_iter().flat_map(|way| ["device,full", "device,screen"].map(|tally| (way, tally)));
        for (way, tally) in host.map(|tally| ("dense,single", tally)).into_iter().chain(tallies) {
            let Some(wgsl) = software_by(&format!("{way},{tally}"), None) else { return };
            let mut scorer = wgsl.load(&problem, Precision::F32).unwrap();
            let trials = (1 << 32) - 150..(1 << 32) + 211;
            let errors = scorer.errors(Noise::Trials(trials.clone())).unwrap();
            let mut sorted = errors.clone();
            sorted.sort_by(f32::total_cmp);
            let mut thresholds = [sorted[sorted.len() / 50], sorted[sorted.len() / 10]].to_vec();
            thresholds.dedup();
            let made = [Tally::new, Tally::counts_only].map(|new| {
                let mut tally = new(samples, &thresholds).unwrap();
                scorer.tally(trials.start..trials.end - 100, &mut tally).unwrap();
                scorer.tally(trials.end - 100..trials.end, &mut tally).unwrap();
                tally
            });
            let mut want = Tally::new(samples, &thresholds).unwrap();
            let (_, rows) = want.rows_mut();
            rows.iter_mut()
                .zip(errors.chunks(361))
                .for_each(|(row, errors)| row.add(&thresholds, trials.start, errors));
            assert_eq!(made[0].rows(), want.rows(), "{way},{tally} {shape}");
            let bits: Vec<u32> = errors.iter().map(|error| error.to_bits()).collect();
            let (want_bits, want_made) = first.get_or_insert((bits.clone(), made.clone()));
            assert!(*want_bits == bits, "{way},{tally} {shape}: errors");
            assert_eq!(*want_made, made, "{way},{tally} {shape}");
        }
    }
}

/// A way, and what of the shaders is replaced by what.
type Mutant = (&'static str, [&'static str; 2]);

/// Faults that a comparison with the reference must see.
const WRONG_ERRORS: [Mutant; 5] = [
    ("skip,single", ["before += countOneBits(word & (bit - 1u));", ""]),
    ("skip,single", ["(count + DEPTH - 1u) / DEPTH * DEPTH", "count / DEPTH * DEPTH"]),
    ("skip,single", ["(low | (high << 4u)) <<", "low <<"]),
    ("dense,double", ["tile, k0 + DEPTH, weights", "tile, k0, weights"]),
    ("skip,double", ["stage = 1u - stage;", "stage = 0u;"]),
];

/// Faults that the check of a tally must see.
const WRONG_TALLIES: [Mutant; 13] = [
    ("plain,full", ["atomicAdd(&block_counts[bucket], 1u)", "atomicAdd(&block_counts[bucket], 2u)"]),
    ("full", ["select(1u, number, mine)", "1u"]),
    ("full", ["p.base + t], count);", "p.base + t], count + 1u);"]),
    ("full", ["let bin = (bits >> 16u)", "let bin = (bits >> 16u) + 1u"]),
    ("full", ["if least < record {", "if least < record && step != 1u {"]),
    ("full", ["beaten = bits_of(first, start, step, lane) <= bits;", "beaten = true;"]),
    ("full", ["+ local, bits, RECORD", "+ local + 1u, bits, RECORD"]),
    ("full", ["&& block_worst > before", "&& block_worst < before"]),
    ("full", ["atomicMin(&first_most, most_trial);", "atomicMin(&first_most, most_trial + 1u);"]),
    ("screen", ["!(sum > p.limit)", "!(sum > 0.2 * p.limit)"]),
    ("host,screen", ["!(sum > p.limit)", "!(sum > 0.2 * p.limit)"]),
    ("screen", ["if live && !(sum", "if live && i % 5u != 3u && !(sum"]),
    ("screen", ["squares(a4, c4, position(tile, lane + 4u * TX)", "squares(a4, c4, position(tile, lane)"]),
];

#[test]
fn a_fault_in_any_way_is_seen() {
    let case =
        Case { shape: Shape { pixels: 300, hidden: 100, latent: 9 }, samples: 3, trials: 300, ..cases().remove(0) };
    let case = Case { kernel: Kernel::Score, ..case };
    let problem = case.problem().unwrap();
    for (way, mutant) in WRONG_ERRORS {
        let Some(mut wgsl) = software_by(way, None) else { return };
        assert!(case.run(&wgsl).unwrap().fault().is_none(), "{way}");
        wgsl.gpu.break_by(mutant);
        assert!(
            case.run(&wgsl).is_err() || case.run(&wgsl).unwrap().fault().is_some(),
            "{way}: {mutant:?} went unseen"
        );
    }
    for (way, mutant) in WRONG_TALLIES {
        let Some(mut wgsl) = software_by(way, None) else { return };
        let mut sorted = wgsl.load(&problem, Precision::F32).unwrap().errors(Noise::Trials(0..300)).unwrap();
        sorted.sort_by(f32::total_cmp);
        let mut tally =
            if way.ends_with("screen") { Tally::counts_only } else { Tally::new }(3, &[sorted[90]]).unwrap();
        wgsl.load(&problem, Precision::F32).unwrap().tally(0..300, &mut tally.empty()).unwrap();
        wgsl.gpu.break_by(mutant);
        let fault = wgsl.load(&problem, Precision::F32).unwrap().tally(0..300, &mut tally).err();
        let fault = fault.unwrap_or_else(|| panic!("{way}: {mutant:?} went unseen")).to_string();
        assert!(fault.contains("cannot be trusted") || fault.contains("must be finite"), "{mutant:?}: {fault}");
    }
}

#[test]
fn groups_of_samples_join_without_a_seam() {
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 18, ..wgpu::Limits::default() };
    let (Some(small), Some(large)) = (software(Some(limits)), software(None)) else { return };
    let problem = problem(Shape { pixels: 600, hidden: 64, latent: 9 }, 150);
    assert!(crate::plan::plan(problem.shape(), 150, &small.gpu.limits).unwrap().group < 150);
    let [a, b] = [small, large].map(|wgsl| {
        let mut scorer = wgsl.load(&problem, Precision::F32).unwrap();
        let mut tally = Tally::new(150, &[10.0, 12.0]).unwrap();
        scorer.tally(7..77, &mut tally).unwrap();
        (scorer.errors(Noise::Trials(7..77)).unwrap(), tally)
    });
    assert!(a == b);
}

#[test]
fn windows_do_not_change_a_bit() {
    let Some(wgsl) = software(None) else { return };
    let problem = problem(Shape { pixels: 97, hidden: 61, latent: 7 }, 3);
    let mut scorer = wgsl.load(&problem, Precision::F32).unwrap();
    let whole = scorer.errors(Noise::Trials(0..300)).unwrap();
    let parts = [0..1, 1..130, 130..300].map(|part| (part.clone(), scorer.errors(Noise::Trials(part)).unwrap()));
    for (sample, row) in whole.chunks(300).enumerate() {
        for (part, errors) in &parts {
            let part = part.start as usize..part.end as usize;
            assert_eq!(row[part.clone()], errors[sample * part.len()..][..part.len()]);
        }
    }
    let thresholds = [whole[5], whole[50].max(whole[5] + 1.0)];
    let tally = |cuts: &[u64]| {
        let mut tally = Tally::new(3, &thresholds).unwrap();
        cuts.windows(2)
            .for_each(|w| wgsl.load(&problem, Precision::F32).unwrap().tally(w[0]..w[1], &mut tally).unwrap());
        tally
    };
    assert!(tally(&[0, 300]) == tally(&[0, 7, 200, 300]));
    assert!(wgsl.device_time().is_none_or(|time| time > std::time::Duration::ZERO));
}

#[test]
fn given_noise_is_used() {
    let Some(wgsl) = software(None) else { return };
    let problem = problem(Shape { pixels: 61, hidden: 40, latent: 5 }, 3);
    let mut noise = vec![0.0; 3 * 150 * 5];
    Stream::new(1, 1).fill_normal(&mut noise);
    let z = wgsl.sample_latent(&problem, Noise::Given(&noise)).unwrap();
    let y = wgsl.decode(problem.weights(), &z).unwrap();
    let want = wgsl.l2_error(problem.images(), &y, 61).unwrap();
    let got = wgsl.load(&problem, Precision::F32).unwrap().errors(Noise::Given(&noise)).unwrap();
    let want: Vec<f64> = want.into_iter().map(f64::from).collect();
    compare(&got, &want, Tolerance { absolute: 0.0, relative: 1e-6 }).unwrap();
}

/// Many thresholds take several dispatches; none at all is allowed too.
#[test]
fn any_number_of_thresholds() {
    let Some(wgsl) = software(None) else { return };
    let errors: Vec<f32> = (0..3000).map(|i| 1.0 + ((i * 7919) % 3001) as f32 / 700.0).collect();
    for count in [0, 1, 256, 257, 700] {
        let thresholds: Vec<f32> = (0..count).map(|t| 1.001 + t as f32 / 150.0).collect();
        let mut tally = Tally::new(3, &thresholds).unwrap();
        wgsl.pass_at_k(&errors, 1 << 33, &mut tally).unwrap();
        assert_eq!(tally.trials().count(), 1000);
    }
}

/// The Gram matrix at more samples and trials than a tile and a block hold, with a trial that does not vary.
#[test]
fn correlation_holds_the_bound_of_f32() {
    let Some(wgsl) = software(None) else { return };
    for (samples, trials) in [(1, 1), (2, 33), (5, 47), (33, 1025), (70, 2500)] {
        let mut stream = Stream::new(9, samples as u32);
        let mut errors = vec![0.0; samples * trials];
        stream.fill_normal(&mut errors);
        errors.iter_mut().enumerate().for_each(|(i, e)| *e = 9.0 + 0.3 * *e + ((i / trials) % 7) as f32 * 0.2);
        (0..samples).for_each(|n| errors[n * trials + trials / 2] = 4.0); // does not vary
        let got = wgsl.correlation(&errors, samples).unwrap();
        let wide: Vec<f64> = errors.iter().map(|&e| e.into()).collect();
        let tolerance = Case { kernel: Kernel::Correlation, samples, trials, ..cases().remove(0) }.tolerance(false);
        let agreement = compare(&got, &reference::correlation(&wide, samples), tolerance).unwrap();
        println!("{samples} x {trials}: {:.3} of the bound", agreement.used);
    }
}

/// Half precision rounds hidden units and weights to 11 bits; a pixel averages hundreds of such errors.
#[test]
fn half_precision_is_close_and_knows_its_range() {
    let Some(wgsl) = software(None) else { return };
    if !wgsl.device().precisions().contains(&Precision::F16) {
        eprintln!("SKIPPED: the software adapter lacks SHADER_F16");
        return;
    }
    let problem = problem(Shape::PAPER, 2);
    let errors = |precision| wgsl.load(&problem, precision).unwrap().errors(Noise::Trials(0..64)).unwrap();
    let want: Vec<f64> = errors(Precision::F32).into_iter().map(f64::from).collect();
    let agreement = compare(&errors(Precision::F16), &want, Tolerance { absolute: 0.0, relative: 5e-4 }).unwrap();
    assert!(agreement.max_error > 1e-6, "f16 was not used");

    let shape = Shape { pixels: 3, hidden: 2, latent: 1 };
    let mut large = weights(shape, 1);
    large.decoder_fc1.weight[0] = 1e5;
    let posterior = Posterior { mu: vec![1.0], logvar: vec![0.0] };
    let problem = Problem::new(large, images(shape, 1, 1), &posterior, 1.0, 1).unwrap();
    let refused = wgsl.load(&problem, Precision::F16).err().unwrap().to_string();
    assert!(refused.contains("use f32"), "{refused}");
    assert!(wgsl.load(&problem, Precision::Bf16).err().unwrap().is_input());
}

#[test]
fn limits_that_do_not_fit_are_refused() {
    let Some(adapter) = adapters().into_iter().find(|a| a.software) else { return };
    let limits = wgpu::Limits { max_compute_invocations_per_workgroup: 1 << 20, ..wgpu::Limits::default() };
    let refused = Wgsl::open(Some(&adapter.name), Some(limits), Wanted::default()).err().unwrap().to_string();
    assert!(refused.contains("cannot be opened"), "{refused}");
    let limits = wgpu::Limits { max_compute_invocations_per_workgroup: 128, ..wgpu::Limits::default() };
    let small = Wgsl::open(Some(&adapter.name), Some(limits), Wanted::default()).unwrap();
    let refused = small.load(&problem(Shape::PAPER, 1), Precision::F32).err().unwrap().to_string();
    assert!(refused.contains("workgroups of 128"), "{refused}");
    let refused = small.decode(&weights(Shape::PAPER, 1), &[0.0; 20]).unwrap_err();
    assert!(!refused.is_input() && refused.to_string().contains("shader hidden"), "{refused}");
}

/// Word by word, at the counters of the published known answers, at limb boundaries and at random ones.
#[test]
fn philox_is_exact() {
    const TEXT: &str = concat!(
        include_str!("../../../shaders/shared/philox.wgsl"),
        "@group(0) @binding(0) var<uniform> key: vec2<u32>;
         @group(0) @binding(1) var<storage, read_write> words: array<vec4<u32>>;
         @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
             words[id.x] = philox(words[id.x], key);
         }"
    );
    let Some(Wgsl { gpu, .. }) = software(None) else { return };
    let mut stream = Stream::new(2, 2);
    for key in [[0; 2], [u32::MAX; 2], [0x243F_6A88 ^ 1, 0x299F_31D0]] {
        let mut counters = vec![[0; 4], [u32::MAX; 4], [0xFFFF, 0xFFFF_0000, 0x1_0000, 0x8000_8000]];
        counters.resize_with(1 << 14, || [0; 4].map(|_: u32| stream.next_u32()));
        let buffer = gpu.upload(counters.as_flattened()).unwrap();
        let dispatch = crate::gpu::Dispatch {
            pipeline: gpu.pipeline(TEXT, "main", &[]).unwrap(),
            buffers: vec![(1, &buffer)],
            params: gpu.params(key).unwrap(),
            groups: (counters.len() / 64) as u64,
        };
        let (words, _) = gpu.run::<u32>(vec![dispatch], &buffer, 4 * counters.len() as u64).unwrap();
        let want: Vec<_> = counters.into_iter().map(|counter| rng::philox(counter, key)).collect();
        assert_eq!(words, want.as_flattened());
    }
}
