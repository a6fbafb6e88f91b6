//! A fault must be seen: backends broken on purpose, each of which validation has to refuse.

use crate::llvmpipe;
use retrial_check::{Case, Kernel, cases};
use retrial_cpu::Cpu;
use retrial_spec::{
    Backend, Device, Fused, Kernels, Noise, Posterior, Problem, Result, Scorer, Tally, Variant, Weights,
};
use std::ops::Range;

/// What goes wrong with a kernel's output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    Zeros,
    LastTileSkipped,
    OffByOneTile,
    FlippedBit,
    NotANumber,
    WrongSeed,
}

pub const FAULTS: [Fault; 6] =
    [Fault::Zeros, Fault::LastTileSkipped, Fault::OffByOneTile, Fault::FlippedBit, Fault::NotANumber, Fault::WrongSeed];

/// A backend with a fault behind it.
pub struct Broken<'b> {
    pub inner: &'b dyn Backend,
    pub fault: Fault,
}

impl Broken<'_> {
    fn spoil<T: Copy + Default>(&self, mut v: Vec<T>, flip: impl Fn(T) -> T, nan: T) -> Vec<T> {
        let tile = v.len().div_ceil(4);
        match self.fault {
            Fault::None | Fault::WrongSeed => {}
            Fault::Zeros => v.fill(T::default()),
            Fault::LastTileSkipped => {
                let start = v.len() - tile;
                v[start..].fill(T::default())
            }
            Fault::OffByOneTile => v.rotate_right(1),
            Fault::FlippedBit => {
                let at = v.len() / 2;
                v[at] = flip(v[at])
            }
            Fault::NotANumber => {
                let at = v.len() / 2;
                v[at] = nan
            }
        }
        v
    }

    fn spoil_f32(&self, v: Vec<f32>) -> Vec<f32> {
        self.spoil(v, |v| f32::from_bits(v.to_bits() ^ 1 << 20), f32::NAN)
    }

    /// The first trial to use in place of the one asked for.
    fn shifted(&self, trials: &Range<u64>) -> Range<u64> {
        let by = u64::from(self.fault == Fault::WrongSeed) << 20;
        trials.start + by..trials.end + by
    }
}

impl Kernels for Broken<'_> {
    fn device(&self) -> &Device {
        self.inner.device()
    }
    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        let p = self.inner.encode(weights, images)?;
        Ok(Posterior { mu: self.spoil_f32(p.mu), logvar: p.logvar })
    }
    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        let noise = match noise {
            Noise::Trials(trials) => Noise::Trials(self.shifted(&trials)),
            given => given,
        };
        Ok(self.spoil_f32(self.inner.sample_latent(problem, noise)?))
    }
    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>> {
        Ok(self.spoil_f32(self.inner.decode(weights, latents)?))
    }
    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        Ok(self.spoil_f32(self.inner.l2_error(images, outputs, pixels)?))
    }
    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
        self.inner.pass_at_k(&self.spoil_f32(errors.to_vec()), first, tally)
    }
    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        let gram = self.inner.correlation(errors, samples)?;
        Ok(self.spoil(gram, |v| f64::from_bits(v.to_bits() ^ 1 << 49), f64::NAN))
    }
    fn load<'a>(&'a self, problem: &'a Problem, variant: &Variant) -> Result<Box<dyn Fused + 'a>> {
        Ok(Box::new(BrokenScorer {
            backend: self,
            samples: problem.samples(),
            inner: self.inner.load_variant(problem, variant)?,
        }))
    }
}

struct BrokenScorer<'a> {
    backend: &'a Broken<'a>,
    samples: usize,
    inner: Scorer<'a>,
}

impl Fused for BrokenScorer<'_> {
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>> {
        let noise = match noise {
            Noise::Trials(trials) => Noise::Trials(self.backend.shifted(&trials)),
            given => given,
        };
        Ok(self.backend.spoil_f32(self.inner.errors(noise)?))
    }
    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        assert_eq!(tally.rows().len(), self.samples);
        let errors = self.errors(Noise::Trials(trials.clone()))?;
        self.backend.inner.pass_at_k(&errors, trials.start, tally)
    }
    fn window(&self) -> u64 {
        self.inner.window()
    }
}

/// Whether validation accepts a faulty kernel at a case of prime sizes and several samples.
fn accepted(inner: &dyn Backend, kernel: Kernel, fault: Fault) -> bool {
    let backend = Broken { inner, fault };
    let case = cases().into_iter().find(|case| case.kernel == kernel && case.samples == 5).unwrap();
    case.run(&backend).is_ok_and(|verdict| verdict.agreement().is_some())
}

/// Every fault in every kernel must be refused, and the wrapper without a fault accepted.
fn refuses_every_fault(inner: &dyn Backend) {
    for kernel in Kernel::ALL {
        assert!(accepted(inner, kernel, Fault::None), "{kernel}");
        for fault in FAULTS {
            // Only the kernels that draw noise have a seed.
            let draws = matches!(kernel, Kernel::SampleLatent | Kernel::Score);
            if fault != Fault::WrongSeed || draws {
                assert!(!accepted(inner, kernel, fault), "{kernel} with {fault:?} was accepted");
            }
        }
    }
}

#[test]
fn every_fault_is_refused_on_the_cpu() {
    refuses_every_fault(&Cpu::new(Some(1)).unwrap());
}

#[test]
fn every_fault_is_refused_in_shaders() {
    llvmpipe().into_iter().for_each(|gpu| refuses_every_fault(gpu));
}

#[test]
#[cfg(target_os = "linux")]
fn every_fault_is_refused_in_cuda_kernels() {
    crate::emulated::emulated().into_iter().for_each(|gpu| refuses_every_fault(gpu));
}

/// A problem that makes something else of the posterior than it should: every backend then computes the same wrong
/// numbers, and only a reference that does without the problem can tell.
#[test]
fn a_problem_with_a_wrong_scale_is_refused() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let draws = |case: &Case| matches!(case.kernel, Kernel::SampleLatent | Kernel::Score);
    for case in cases().into_iter().filter(|case| draws(case) && case.samples > 1 && case.temperature > 0.0) {
        let problem = case.problem().unwrap();
        let of = |logvar: fn(f32) -> f32, temperature: f64| {
            let Posterior { mu, logvar: given } = problem.posterior();
            let posterior = Posterior { mu: mu.clone(), logvar: given.iter().map(|&v| logvar(v)).collect() };
            let (weights, images) = (problem.weights().clone(), problem.images().to_vec());
            Problem::new(weights, images, &posterior, temperature, problem.seed()).unwrap()
        };
        let agrees = |problem: &Problem| case.run_on(&cpu, problem).unwrap().agreement().is_some();
        assert!(agrees(&of(|v| v, case.temperature)));
        for (name, wrong) in [
            ("sigma squared", of(|v| 2.0 * v, case.temperature)),
            ("sigma off by a thousandth", of(|v| v + 2e-3, case.temperature)),
            ("a temperature off by a thousandth", of(|v| v, 1.001 * case.temperature)),
            ("no posterior", of(|_| 0.0, case.temperature)),
            ("no temperature", of(|v| v, 0.0)),
        ] {
            assert!(!agrees(&wrong), "{} {} with {name} was accepted", case.kernel, case.shape);
        }
    }
}
