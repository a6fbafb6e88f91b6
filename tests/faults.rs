//! A fault must be seen: backends broken on purpose, each of which validation has to refuse.

use retrial_check::{Kernel, cases};
use retrial_cpu::Cpu;
use retrial_spec::{Backend, Device, Noise, Posterior, Precision, Problem, Result, Scorer, Tally, Weights};
use std::ops::Range;

/// What goes wrong with a kernel's output.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Zeros,
    LastTileSkipped,
    OffByOneTile,
    FlippedBit,
    NotANumber,
    WrongSeed,
}

const FAULTS: [Fault; 6] =
    [Fault::Zeros, Fault::LastTileSkipped, Fault::OffByOneTile, Fault::FlippedBit, Fault::NotANumber, Fault::WrongSeed];

/// The CPU backend with a fault behind it.
struct Broken {
    cpu: Cpu,
    fault: Fault,
}

impl Broken {
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

impl Backend for Broken {
    fn device(&self) -> &Device {
        self.cpu.device()
    }
    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        let p = self.cpu.encode(weights, images)?;
        Ok(Posterior { mu: self.spoil_f32(p.mu), logvar: p.logvar })
    }
    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        let noise = match noise {
            Noise::Trials(trials) => Noise::Trials(self.shifted(&trials)),
            given => given,
        };
        Ok(self.spoil_f32(self.cpu.sample_latent(problem, noise)?))
    }
    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>> {
        Ok(self.spoil_f32(self.cpu.decode(weights, latents)?))
    }
    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        Ok(self.spoil_f32(self.cpu.l2_error(images, outputs, pixels)?))
    }
    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
        self.cpu.pass_at_k(&self.spoil_f32(errors.to_vec()), first, tally)
    }
    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        let gram = self.cpu.correlation(errors, samples)?;
        Ok(self.spoil(gram, |v| f64::from_bits(v.to_bits() ^ 1 << 49), f64::NAN))
    }
    fn load<'a>(&'a self, problem: &'a Problem, precision: Precision) -> Result<Box<dyn Scorer + 'a>> {
        Ok(Box::new(BrokenScorer {
            backend: self,
            samples: problem.samples(),
            inner: self.cpu.load(problem, precision)?,
        }))
    }
}

struct BrokenScorer<'a> {
    backend: &'a Broken,
    samples: usize,
    inner: Box<dyn Scorer + 'a>,
}

impl Scorer for BrokenScorer<'_> {
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
        self.backend.cpu.pass_at_k(&errors, trials.start, tally)
    }
    fn window(&self) -> u64 {
        self.inner.window()
    }
}

/// Whether validation accepts a faulty kernel at the case with the most trials (prime sizes, several samples).
fn accepted(kernel: Kernel, fault: Fault) -> bool {
    let backend = Broken { cpu: Cpu::new(Some(1)).unwrap(), fault };
    let case = cases().into_iter().find(|case| case.kernel == kernel && case.samples == 5).unwrap();
    matches!(case.run(&backend), Ok(Ok(_)))
}

#[test]
fn the_wrapper_itself_is_accepted() {
    for kernel in Kernel::ALL {
        assert!(accepted(kernel, Fault::None), "{kernel}");
    }
}

#[test]
fn every_fault_is_refused() {
    for kernel in Kernel::ALL {
        for fault in FAULTS {
            // Only the kernels that draw noise have a seed, and the order of ties does not show in counts.
            let draws = matches!(kernel, Kernel::SampleLatent | Kernel::Score);
            if fault != Fault::WrongSeed || draws {
                assert!(!accepted(kernel, fault), "{kernel} with {fault:?} was accepted");
            }
        }
    }
}
