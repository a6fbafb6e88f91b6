//! The CUDA backend: NVIDIA GPUs, through cudarc and kernels compiled at run time for the device at hand.
//!
//! The kernels are in `kernels/`. The crate builds everywhere and finds out at run time whether there is a driver
//! ([`devices`]) and a compiler ([`compiler`]). Everything above the [`Driver`] trait is the same for NVIDIA's driver
//! and for whatever else runs the kernels. A trial's error has one fixed order of operations: windows, launches and the
//! number of GPUs do not change a bit of a result.

mod cache;
mod compile;
mod discover;
pub mod driver;
mod found;
mod gpu;
mod handles;
mod image;
mod kernels;
mod nvidia;
mod nvrtc;
mod operands;
mod pass;
mod peak;
mod plan;
mod resident;
mod score;
mod screen;
mod session;
mod simt;
mod source;
mod tally;
mod tensor;
mod variants;
mod wgmma;

pub use compile::{Compiler, Image, compiler};
pub use discover::{DRIVER_CALLS, DeviceInfo, devices, driver_version};
pub use source::{Program, programs};

use driver::{Driver, Fault};
use gpu::Gpu;
use plan::Throughput;
use retrial_spec::{
    Device, Error, Fused, Kernels, Noise, Posterior, Precision, Problem, Result, Tally, Variant, Weights,
};
use score::{DeviceScorer, Given};
use std::{
    ops::Range,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Of so many windows the host tallies one again, from the errors themselves, unless told otherwise.
pub const CHECK_EVERY: u64 = 256;

/// One GPU, or several that share the work.
pub struct Cuda {
    device: Device,
    gpus: Vec<Gpu>,
    check_every: u64,
}

impl std::fmt::Debug for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cuda").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Cuda {
    /// Opens GPU `index` as the driver counts them, or all of them.
    pub fn new(index: Option<usize>) -> Result<Self> {
        let count = devices()?.len();
        let indices = match index {
            Some(index) if index >= count => {
                let limit = format!("there are {count}, numbered from 0; see retrial info");
                return Err(Error::input("device", format!("cuda:{index}"), limit));
            }
            Some(index) => vec![index],
            None => (0..count).collect(),
        };
        let open = |index| -> Result<Arc<dyn Driver>> { Ok(Arc::new(nvidia::Nvidia::open(index)?)) };
        Ok(Self::with_drivers(indices.into_iter().map(open).collect::<Result<_>>()?))
    }

    /// On devices that are open, at least one.
    pub fn with_drivers(drivers: Vec<Arc<dyn Driver>>) -> Self {
        let several = drivers.len() > 1;
        let name = |i: usize| if several { format!("cuda:{i}") } else { "cuda".into() };
        let gpus: Vec<Gpu> = drivers.into_iter().enumerate().map(|(i, driver)| Gpu::new(driver, name(i))).collect();
        let properties = gpus[0].properties();
        let device = Device {
            backend: "cuda".into(),
            name: if several { format!("{} x {}", gpus.len(), properties.name) } else { properties.name.clone() },
            detail: properties.detail.clone(),
            variants: variants::variants(properties),
            has_f64: true,
        };
        Self { device, gpus, check_every: CHECK_EVERY }
    }

    /// Tallies one window in `every` a second time on the host, from the errors, and stops where the two differ: the first
    /// of each GPU and of each problem, and of 0 no other. Results do not depend on it; the default is [`CHECK_EVERY`].
    pub fn checking(self, every: u64) -> Self {
        Self { check_every: every, ..self }
    }

    /// Runs a building block on the first GPU.
    fn first<T>(&self, work: impl FnOnce(&Gpu) -> Result<T, Fault>) -> Result<T> {
        work(&self.gpus[0]).map_err(|fault| self.gpus[0].error(fault))
    }
}

impl Kernels for Cuda {
    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        let layers = [&weights.encoder_fc1, &weights.heads()];
        let y = self.first(|gpu| kernels::two_layers(gpu, &source::ENCODE, layers, images))?;
        Ok(Posterior::of_heads(&y, weights.encoder_fc_mu.outputs))
    }

    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        self.first(|gpu| kernels::sample_latent(gpu, problem, &noise))
    }

    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>> {
        let layers = [&weights.decoder_fc1, &weights.decoder_fc2];
        self.first(|gpu| kernels::two_layers(gpu, &source::DECODE, layers, latents))
    }

    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        self.first(|gpu| kernels::l2_error(gpu, images, outputs, pixels))
    }

    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
        session::pass_at_k(&self.gpus[0], errors, first, tally)
    }

    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        self.first(|gpu| kernels::correlation(gpu, errors, samples))
    }

    fn device_time(&self) -> Option<Duration> {
        (self.gpus.len() == 1).then(|| self.gpus[0].busy())
    }

    fn peak(&self, precision: Precision) -> Result<Option<f64>> {
        let known = precision == Precision::F32 && self.gpus.len() == 1;
        known.then(|| self.first(peak::peak)).transpose()
    }

    fn load<'a>(&'a self, problem: &'a Problem, variant: &Variant) -> Result<Box<dyn Fused + 'a>> {
        let scorers = self
            .gpus
            .iter()
            .map(|gpu| DeviceScorer::new(gpu, problem, variant, self.check_every))
            .collect::<Result<_>>()?;
        Ok(Box::new(CudaScorer { problem, scorers, throughput: Throughput::default() }))
    }
}

/// A problem on every GPU, which take windows from one queue.
struct CudaScorer<'a> {
    problem: &'a Problem,
    scorers: Vec<DeviceScorer<'a>>,
    throughput: Throughput,
}

impl CudaScorer<'_> {
    /// Hands the windows of a range out to one thread per GPU, and returns what each made of its share. No window is
    /// longer than any GPU holds, or than an even share: a range given to several GPUs uses them all.
    fn share<T: Send>(
        &mut self,
        trials: Range<u64>,
        work: impl Fn(&mut DeviceScorer<'_>, &mut dyn FnMut() -> Option<Range<u64>>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let gpus = self.scorers.len() as u64;
        let tile = self.scorers.iter().map(|scorer| scorer.tile() as u64).max().unwrap_or(1);
        let most = self.scorers.iter().map(|scorer| scorer.window as u64).min().unwrap_or(1);
        let even = (trials.end - trials.start).div_ceil(gpus).min(most).next_multiple_of(tile);
        let queue = Mutex::new(trials);
        let next = || {
            let mut queue = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let start = queue.start;
            queue.start = queue.end.min(start.saturating_add(most.min(even)));
            (start < queue.end).then(|| start..queue.start)
        };
        thread::scope(|scope| {
            let (next, work) = (&next, &work);
            let start = |scorer| scope.spawn(move || work(scorer, &mut { next }));
            let workers: Vec<_> = self.scorers.iter_mut().map(start).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, Result<T>>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect()
        })
    }
}

impl Fused for CudaScorer<'_> {
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (samples, latent) = (self.problem.samples(), self.problem.shape().latent);
        let trials = noise.trials(self.problem);
        let given = Given::of(&noise, samples, latent);
        let range = match noise {
            Noise::Trials(range) => range,
            Noise::Given(values) => {
                let most = self.scorers.iter().map(DeviceScorer::most_noise).fold(Noise::LIMIT, f32::min);
                if let Some(at) = values.iter().position(|value| value.abs() > most) {
                    let limit = format!("this implementation takes +-{most}; take one in f32");
                    return Err(Error::input(format!("noise value {at}"), values[at], limit));
                }
                0..trials as u64
            }
        };
        let parts = self.share(range.clone(), |scorer, next| {
            let mut parts = vec![];
            scorer.errors(next, given, |window, errors| parts.push((window, errors.to_vec())))?;
            Ok(parts)
        })?;
        let mut errors = vec![0.0; samples * trials];
        for (window, part) in parts.iter().flatten() {
            let (at, width) = ((window.start - range.start) as usize, (window.end - window.start) as usize);
            for (row, part) in errors.chunks_mut(trials).zip(part.chunks(width)) {
                row[at..at + width].copy_from_slice(part);
            }
        }
        Ok(errors)
    }

    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        let empty = tally.empty();
        self.scorers.iter_mut().try_for_each(|scorer| scorer.prepare(&trials, &empty))?;
        let busy = |scorers: &[DeviceScorer<'_>]| scorers.iter().map(|scorer| scorer.gpu.busy()).sum::<Duration>();
        let (begin, before, length) = (Instant::now(), busy(&self.scorers), trials.end - trials.start);
        let parts = self.share(trials, |scorer, next| {
            let mut part = empty.clone();
            scorer.tally(next, &mut part)?;
            Ok(part)
        })?;
        parts.iter().try_for_each(|part| tally.merge(part))?;
        let busy = (busy(&self.scorers) - before) / self.scorers.len() as u32;
        self.throughput = Throughput::of(length, begin.elapsed(), busy);
        Ok(())
    }

    fn window(&self) -> u64 {
        self.throughput.trials(self.scorers.iter().map(|scorer| scorer.window as u64).sum())
    }
}
