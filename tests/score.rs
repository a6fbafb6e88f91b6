use crate::{cpus, llvmpipe, validate};
use retrial_check::{Kernel, cases};
use retrial_cpu::Cpu;
use retrial_spec::{Backend, Noise, Precision, Tally};

#[test]
fn matches_the_reference() {
    validate(Kernel::Score);
}

/// Fused equals unfused: the errors are those of sample_latent, decode and l2_error one after the other, but for rounding.
#[test]
fn equals_its_parts() {
    for case in cases().into_iter().filter(|case| case.kernel == Kernel::Score) {
        let (problem, cpu) = (case.problem().unwrap(), &cpus()[0]);
        let trials = || Noise::Trials(case.first..case.first + case.trials as u64);
        let z = cpu.sample_latent(&problem, trials()).unwrap();
        let y = cpu.decode(problem.weights(), &z).unwrap();
        let parts = cpu.l2_error(problem.images(), &y, case.shape.pixels).unwrap();
        let fused = cpu.load(&problem, Precision::F32).unwrap().errors(trials()).unwrap();
        let want: Vec<f64> = parts.iter().map(|&e| e.into()).collect();
        retrial_check::compare(&fused, &want, case.tolerance(true)).unwrap();
    }
}

/// The bits of a trial depend neither on the instruction set, nor on threads, nor on how trials are cut into windows.
#[test]
fn is_a_function_of_its_inputs_alone() {
    for case in cases().into_iter().filter(|case| case.kernel == Kernel::Score && case.trials > 30) {
        let problem = case.problem().unwrap();
        let end = case.first + case.trials as u64;
        let cpus = cpus();
        let bits = |cpu: &Cpu, range| -> Vec<u32> {
            let errors = cpu.load(&problem, Precision::F32).unwrap().errors(Noise::Trials(range)).unwrap();
            errors.iter().map(|e| e.to_bits()).collect()
        };
        let want = bits(&cpus[0], case.first..end);
        for cpu in &cpus {
            assert!(bits(cpu, case.first..end) == want, "{} {}", case.shape, cpu.device());
        }
        let one_by_one: Vec<Vec<u32>> = (case.first..end).map(|trial| bits(&cpus[0], trial..trial + 1)).collect();
        let transposed: Vec<u32> = (0..case.samples).flat_map(|i| one_by_one.iter().map(move |row| row[i])).collect();
        assert!(transposed == want, "{}", case.shape);
    }
}

#[test]
fn a_tally_does_not_depend_on_threads_or_windows() {
    let case = cases().into_iter().find(|case| case.kernel == Kernel::Score && case.samples == 5).unwrap();
    let problem = case.problem().unwrap();
    let tally = |threads: usize, cuts: &[u64]| {
        let cpu = Cpu::new(Some(threads)).unwrap();
        let mut scorer = cpu.load(&problem, Precision::F32).unwrap();
        let mut tally = Tally::new(5, &[3.0, 4.0, 5.0]).unwrap();
        cuts.windows(2).for_each(|w| scorer.tally(w[0]..w[1], &mut tally).unwrap());
        tally
    };
    let want = tally(1, &[0, 2000]);
    assert!(want.successes(2).iter().sum::<u64>() > 0);
    assert_eq!(tally(2, &[0, 2000]), want);
    assert_eq!(tally(7, &[0, 1, 700, 2000]), want);
}

/// Whatever a backend leaves out of a counts-only tally, it counts what the full one counts.
#[test]
fn counting_alone_counts_the_same() {
    let case = cases().into_iter().find(|case| case.kernel == Kernel::Score && case.samples == 5).unwrap();
    let (problem, cpus) = (case.problem().unwrap(), cpus());
    let backends = cpus.iter().map(|cpu| cpu as &dyn Backend).chain(llvmpipe().map(|gpu| gpu as &dyn Backend));
    for backend in backends {
        for precision in backend.device().precisions() {
            let mut scorer = backend.load(&problem, precision).unwrap();
            let thresholds = retrial_check::thresholds(&scorer.errors(Noise::Trials(0..600)).unwrap());
            let mut full = Tally::new(5, &thresholds[..2]).unwrap();
            let mut counts = Tally::counts_only(5, &thresholds[..2]).unwrap();
            scorer.tally(0..600, &mut full).unwrap();
            scorer.tally(0..200, &mut counts).unwrap();
            scorer.tally(200..600, &mut counts).unwrap();
            assert_eq!(*counts.trials(), (0..600).into());
            for (t, &threshold) in thresholds[..2].iter().enumerate() {
                assert_eq!(counts.successes(t), full.successes(t), "{} {precision}", backend.device());
                assert_eq!(counts.first_successes(threshold), full.first_successes(threshold));
            }
            assert!(full.successes(0).iter().sum::<u64>() > 0);
        }
    }
}

#[test]
fn a_precision_that_the_cpu_lacks_is_refused() {
    let problem = cases()[0].problem().unwrap();
    for cpu in cpus() {
        let refused = |precision| cpu.load(&problem, precision).err();
        assert!(refused(Precision::F16).unwrap().is_input());
        let has = cpu.device().precisions().contains(&Precision::Bf16);
        assert_eq!(refused(Precision::Bf16).map(|e| e.to_string().contains("computes in f32")), (!has).then_some(true));
    }
}
