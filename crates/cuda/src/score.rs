//! The fused path on one device: a window goes to the device while the host folds the one before.

use crate::{
    counts::Counts,
    driver::Fault,
    gpu::{Buffer, Flight, Gpu, Pinned},
    plan,
    resident::{self, Resident, Window},
};
use retrial_spec::{Error, Noise, Problem, Result, Tally, Variant, recount::fold};
use std::{collections::VecDeque, ops::Range};

/// A problem on one device.
pub(crate) struct DeviceScorer<'a> {
    pub gpu: &'a Gpu,
    problem: &'a Problem,
    resident: Box<dyn Resident>,
    /// Most trials per sample of one launch.
    pub window: usize,
    slots: [Slot; 2],
}

/// Where the errors of a window in flight lie, `[N, W]`.
struct Slot {
    errors: Buffer<f32>,
    host: Pinned<f32>,
}

/// A window under way, in the slot of this number.
struct Flying<'a> {
    slot: usize,
    window: Range<u64>,
    /// Dropped before what it reads.
    flight: Flight<'a>,
    _noise: Option<Buffer<f32>>,
}

impl<'a> DeviceScorer<'a> {
    /// Loads the problem, with the largest window that the device grants.
    pub fn new(gpu: &'a Gpu, problem: &'a Problem, variant: &Variant) -> Result<Self> {
        let resident = resident::load(gpu, problem, variant)?;
        let (tile, samples) = (resident.tile(), problem.samples());
        let free = gpu.free_memory().map_err(|fault| gpu.error(fault))?;
        let mut window = plan::window(tile, samples, free);
        let slot = |window: usize| -> Result<Slot, Fault> {
            Ok(Slot { errors: gpu.buffer(samples * window)?, host: gpu.pinned(samples * window)? })
        };
        let slots = loop {
            match slot(window).and_then(|first| Ok([first, slot(window)?])) {
                Err(Fault::OutOfMemory { bytes }) => {
                    let half = plan::halved(window, tile);
                    window = half.ok_or_else(|| gpu.error(Fault::OutOfMemory { bytes }))?;
                }
                done => break done.map_err(|fault| gpu.error(fault))?,
            }
        };
        Ok(Self { gpu, problem, resident, window, slots })
    }

    /// Trials of which a window is best a multiple.
    pub fn tile(&self) -> usize {
        self.resident.tile()
    }

    /// Scores windows until there are no more, two in flight, and hands the errors `[N, W]` of each to `fold`, in order.
    pub fn run(
        &mut self,
        mut next: impl FnMut() -> Option<Range<u64>>,
        given: Option<Given<'_>>,
        counts: Option<&Counts>,
        mut fold: impl FnMut(Range<u64>, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let mut flying: VecDeque<Flying<'_>> = VecDeque::new();
        let mut result = Ok(());
        loop {
            while result.is_ok() && flying.len() < self.slots.len() {
                let Some(window) = next() else { break };
                let slot = flying.front().map_or(0, |flying| 1 - flying.slot);
                match self.start(slot, window, given, counts) {
                    Ok(started) => flying.push_back(started),
                    Err(fault) => result = Err(self.gpu.error(fault)),
                }
            }
            let Some(Flying { slot, window, flight, _noise }) = flying.pop_front() else { return result };
            let landed = flight.finish().map_err(|fault| self.gpu.error(fault));
            if result.is_ok() {
                let errors = self.problem.samples() * (window.end - window.start) as usize;
                result = landed.and_then(|()| fold(window, self.slots[slot].host.values(errors)));
            }
        }
    }

    fn start(
        &self,
        slot: usize,
        window: Range<u64>,
        given: Option<Given<'_>>,
        counts: Option<&Counts>,
    ) -> Result<Flying<'a>, Fault> {
        let (gpu, samples) = (self.gpu, self.problem.samples());
        let trials = (window.end - window.start) as usize;
        assert!((1..=self.window).contains(&trials));
        let noise = given.map(|given| gpu.upload(&given.columns(&window))).transpose()?;
        let Slot { errors, host } = &self.slots[slot];
        let mut calls = vec![self.resident.call(&Window {
            first: window.start,
            trials,
            noise: noise.as_ref().map_or(0, Buffer::address),
            errors: errors.address(),
        })];
        if let Some(counts) = counts {
            calls.extend(counts.calls(errors, window.start, trials));
        }
        // SAFETY: the buffers of `resident` are what its kernel takes, `errors` holds at least this window. They live as long
        // as `self`, which `run` borrows until every flight is dropped; the noise travels with its own.
        let flight = unsafe { gpu.start(&calls, errors, host, samples * trials)? };
        Ok(Flying { slot, window, flight, _noise: noise })
    }

    /// Adds windows to a tally of no trials yet, and lets the device count them again.
    pub fn tally(&mut self, next: impl FnMut() -> Option<Range<u64>>, tally: &mut Tally) -> Result<()> {
        let gpu = self.gpu;
        let (thresholds, rows) = tally.rows_mut();
        let counts = Counts::begin(gpu, thresholds, rows).map_err(|fault| gpu.error(fault))?;
        let mut trials = 0;
        self.run(next, None, Some(&counts), |window, errors| {
            let width = (window.end - window.start) as usize;
            trials += width as u64;
            fold(rows, errors.len(), |sample, row| {
                let errors = &errors[sample * width..][..width];
                finite(gpu, sample, errors)?;
                row.add(thresholds, window.start, errors);
                Ok(())
            })
        })?;
        counts.check(gpu, rows)?;
        tally.add_trials(trials);
        Ok(())
    }
}

/// Given normals `[N, trials, latent]`.
#[derive(Clone, Copy)]
pub(crate) struct Given<'n> {
    pub noise: &'n [f32],
    pub trials: usize,
    pub latent: usize,
}

impl Given<'_> {
    pub fn of<'n>(noise: &Noise<'n>, samples: usize, latent: usize) -> Option<Given<'n>> {
        match noise {
            Noise::Given(values) => Some(Given { noise: values, trials: values.len() / (samples * latent), latent }),
            Noise::Trials(_) => None,
        }
    }

    /// Those of some trials, `[N, W, latent]`.
    fn columns(&self, window: &Range<u64>) -> Vec<f32> {
        let columns = window.start as usize * self.latent..window.end as usize * self.latent;
        self.noise.chunks(self.trials * self.latent).flat_map(|row| &row[columns.clone()]).copied().collect()
    }
}

/// Refuses a NaN or infinite error, which no trial of a checked problem has.
pub(crate) fn finite(gpu: &Gpu, sample: usize, errors: &[f32]) -> Result<(), Error> {
    match errors.iter().find(|e| !e.is_finite()) {
        None => Ok(()),
        Some(error) => Err(gpu.error(Fault::Failed {
            fault: format!("error {error} in sample {sample}"),
            fix: "errors must be finite; check the GPU's memory (nvidia-smi -q -d ECC), and report it as a bug".into(),
        })),
    }
}
