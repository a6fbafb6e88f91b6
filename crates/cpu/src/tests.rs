//! What only shows from inside: the emulated bf16 product against the real one, and whether screening took place.

use crate::{
    Cpu, Isa, isa::Job, lanes::Lanes, layer::Layer, pairs::Pairs, panel::Packed, scorer::CpuScorer, screen::Pilot,
};
use retrial_check::{Case, Kernel, Verdict, cases, cases_of};
use retrial_spec::{Backend, Fused, Noise, Problem, Shape, Tally, rng::Stream};

fn cpus() -> Vec<Cpu> {
    let isas = Isa::ALL.into_iter().filter(|isa| isa.available());
    isas.map(|isa| Cpu::with_isa(Some(2), isa).unwrap()).collect()
}

fn scores() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| case.kernel == Kernel::Score)
}

/// Every kernel at widths that fill no tile, small enough for Miri, which sees what an access to no one's memory would not
/// show otherwise.
#[test]
fn small_cases_agree() {
    let most = if cfg!(miri) { 7 } else { 97 };
    for cpu in cpus() {
        for case in cases_of(cpu.device()).into_iter().filter(|case| case.shape.pixels <= most) {
            let (kernel, shape) = (case.kernel, case.shape);
            assert!(matches!(case.run(&cpu).unwrap(), Verdict::Agrees(_)), "{} {kernel} {shape}", cpu.isa);
        }
    }
}

/// `dot` of `[n]` pairs and sums, lane by lane.
struct Dots<'a>([&'a [u32]; 3]);

impl Job for Dots<'_> {
    type Output = Vec<u32>;
    const PAIRS: bool = true;
    fn run<V: Lanes, const R: usize, const C: usize>(self) -> Vec<u32> {
        let mut out = vec![0f32; self.0[0].len()];
        for (i, out) in out.chunks_exact_mut(V::WIDTH).enumerate() {
            // SAFETY: each chunk of the three inputs and the output holds a vector.
            unsafe {
                let [a, b, sum] = self.0.map(|words| V::int_load(words[i * V::WIDTH..][..V::WIDTH].as_ptr()));
                V::dot(a, b, V::from_bits(sum)).store(out.as_mut_ptr());
            }
        }
        out.into_iter().map(f32::to_bits).collect()
    }
}

/// The definition in `lanes.rs` is what the machine computes, rounding and order of additions included.
#[test]
fn pairs_are_multiplied_as_documented() {
    let mut stream = Stream::new(7, 0);
    let mut number = || ((stream.uniform() - 0.5) * 2f64.powi(stream.below(24) as i32 - 12)) as f32;
    let mut pair = || number().to_bits() >> 16 | (number().to_bits() & 0xFFFF_0000);
    let (a, b): (Vec<u32>, Vec<u32>) = (0..1 << 16).map(|_| (pair(), pair())).unzip();
    let sums: Vec<u32> = (0..1 << 16).map(|_| pair()).collect();
    let number = |word: u32, half: u32| f32::from_bits((word >> (16 * half)) << 16);
    let product = |i: usize, half, sum| number(a[i], half).mul_add(number(b[i], half), sum);
    let want: Vec<u32> =
        (0..a.len()).map(|i| product(i, 0, product(i, 1, f32::from_bits(sums[i]))).to_bits()).collect();
    for cpu in cpus().into_iter().filter(|cpu| cpu.isa.has_bf16() || cpu.isa != Isa::Avx512) {
        assert!(cpu.isa.run(Dots([&a, &b, &sums])) == want, "{}", cpu.isa);
    }
}

/// bf16 errors are the same bits with `vdpbf16ps` and without, for any cut into windows.
#[test]
fn bf16_is_a_function_of_its_inputs_alone() {
    let bits = |cpu: &Cpu, problem: &Problem, range| -> Vec<u32> {
        let errors = CpuScorer::<Pairs>::new(cpu.isa, &cpu.pool, problem).errors(Noise::Trials(range)).unwrap();
        errors.iter().map(|e| e.to_bits()).collect()
    };
    for case in scores().filter(|case| case.samples > 1 && case.trials > 30) {
        let (problem, end) = (case.problem().unwrap(), case.first + case.trials as u64);
        let cpus: Vec<_> = cpus().into_iter().filter(|cpu| cpu.isa.has_bf16() || cpu.isa != Isa::Avx512).collect();
        let want = bits(&cpus[0], &problem, case.first..end);
        for cpu in &cpus {
            assert!(bits(cpu, &problem, case.first..end) == want, "{} {}", case.shape, cpu.isa);
        }
        let last = bits(&cpus[0], &problem, end - 1..end);
        let want: Vec<u32> = want.chunks(case.trials).map(|row| row[case.trials - 1]).collect();
        assert!(last == want, "{}", case.shape);
    }
}

/// A problem whose trials differ enough that a few pixels tell most failures.
fn spread() -> Problem {
    let case = Case {
        kernel: Kernel::Score,
        shape: Shape { pixels: 241, hidden: 61, latent: 2 },
        samples: 3,
        trials: 1,
        first: 0,
        temperature: 3.0,
        seed: 11,
        variant: None,
    };
    case.problem().unwrap()
}

/// Counts, records and first successes of the full path, and samples that were screened.
fn screens<L: Layer>(cpu: &Cpu, problem: &Problem) {
    let trials = 5000;
    let mut scorer = CpuScorer::<L>::new(cpu.isa, &cpu.pool, problem);
    let mut errors = scorer.errors(Noise::Trials(0..trials)).unwrap();
    errors.sort_unstable_by(f32::total_cmp);
    for quantile in [0.0002, 0.01] {
        let threshold = errors[(quantile * errors.len() as f64) as usize];
        let thresholds = [0.99 * threshold, threshold];
        let (mut full, mut counts) = (Tally::new(3, &thresholds).unwrap(), Tally::counts_only(3, &thresholds).unwrap());
        scorer.tally(0..trials, &mut full).unwrap();
        scorer.tally(0..1, &mut counts).unwrap();
        scorer.tally(1..trials, &mut counts).unwrap();
        assert!(scorer.screened_samples() > 0, "{}: nothing was screened", cpu.isa);
        for (full, counts) in full.rows().iter().zip(counts.rows()) {
            assert_eq!(counts.successes(), full.successes());
            let below: Vec<_> = full.records().iter().filter(|r| r.error < threshold).collect();
            assert_eq!(counts.records().iter().collect::<Vec<_>>(), below);
        }
        assert!(full.successes(1).iter().sum::<u64>() > 0);
    }
}

#[test]
fn screening_changes_no_count() {
    let problem = spread();
    for cpu in cpus() {
        screens::<Packed>(&cpu, &problem);
        if cpu.isa.has_bf16() || cpu.isa != Isa::Avx512 {
            screens::<Pairs>(&cpu, &problem);
        }
    }
}

/// The worst pixels are looked at, as many as it takes, and none where half the trials succeed.
#[test]
fn a_plan_takes_the_worst_pixels() {
    let problem = spread();
    let pixels = problem.shape().pixels;
    // Every trial errs by 1 at the last ten pixels, and by nothing elsewhere.
    let squares: Vec<f32> = (0..pixels * 8).map(|i| if i / 8 >= pixels - 10 { 1.0 } else { 0.0 }).collect();
    let pilot = Pilot { squares: &squares, stride: 8, trials: 7, steps: 60.0 };
    let mut plan = pilot.plan(&problem, 10, 9.5).unwrap();
    plan.sort_unstable();
    assert!(plan.iter().map(|&p| p as usize).eq(pixels - 10..pixels));
    assert_eq!(pilot.plan(&problem, 10, 10.5), None);
}
