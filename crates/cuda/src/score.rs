//! The fused path on one device: a window goes to the device while the host folds the one before.

use crate::{
    counts::Counts,
    driver::{Fault, Ticket},
    gpu::{Buffer, Call, Gpu, Pinned},
    plan::{PIXELS, Plan, TRIALS},
    source,
};
use retrial_spec::{Error, Noise, Problem, Result, Tally, model::DARK, recount::fold};
use std::{collections::VecDeque, ops::Range};

/// A problem on one device.
pub(crate) struct DeviceScorer<'a> {
    pub gpu: &'a Gpu,
    problem: &'a Problem,
    pub plan: Plan,
    mu: Buffer<f32>,
    scale: Buffer<f32>,
    images: Buffer<f32>,
    w3: Buffer<f32>,
    b3: Buffer<f32>,
    w4: Buffer<f32>,
    b4: Buffer<f32>,
    h: Buffer<f32>,
    slots: [Slot; 2],
}

/// Where the errors of a window in flight lie, `[N, W]`.
struct Slot {
    errors: Buffer<f32>,
    host: Pinned<f32>,
}

/// A window in flight, in the slot of this number.
struct Flight {
    slot: usize,
    window: Range<u64>,
    ticket: Ticket,
    /// Kept until the device has read it.
    _noise: Option<Buffer<f32>>,
}

impl<'a> DeviceScorer<'a> {
    /// Loads the problem, with the largest window that the device grants.
    pub fn new(gpu: &'a Gpu, problem: &'a Problem) -> Result<Self> {
        let plan = gpu.free_memory().map(|free| Plan::new(problem.shape(), problem.samples(), gpu.facts(), free));
        let mut plan = plan.map_err(|fault| gpu.error(fault))?;
        let limit = gpu.facts().shared_per_block;
        if plan.shared > limit {
            let fault = format!(
                "shared memory of {limit} bytes a block, but a {} model needs {}",
                problem.shape(),
                plan.shared
            );
            return Err(gpu.error(Fault::Failed { fault, fix: "use --device wgsl or cpu".into() }));
        }
        loop {
            match Self::with_plan(gpu, problem, plan) {
                Err(Fault::OutOfMemory { bytes }) => {
                    plan = plan.halved().ok_or_else(|| gpu.error(Fault::OutOfMemory { bytes }))?;
                }
                done => return done.map_err(|fault| gpu.error(fault)),
            }
        }
    }

    fn with_plan(gpu: &'a Gpu, problem: &'a Problem, plan: Plan) -> Result<Self, Fault> {
        let (samples, weights) = (problem.samples(), problem.weights());
        let mut images = vec![0.0; samples * plan.pixels];
        for (n, row) in images.chunks_mut(plan.pixels).enumerate() {
            row[..problem.shape().pixels].copy_from_slice(problem.image(n));
        }
        let (w3, b3) = weights.decoder_fc1.tiled(8, plan.hidden, problem.shape().latent, 0.0);
        let (w4, b4) = weights.decoder_fc2.tiled(PIXELS, plan.pixels, plan.hidden, DARK);
        let slot = || -> Result<Slot, Fault> {
            Ok(Slot { errors: gpu.buffer(samples * plan.window)?, host: gpu.pinned(samples * plan.window)? })
        };
        Ok(Self {
            gpu,
            problem,
            plan,
            mu: gpu.upload(problem.mus())?,
            scale: gpu.upload(problem.scales())?,
            images: gpu.upload(&images)?,
            w3: gpu.upload(&w3)?,
            b3: gpu.upload(&b3)?,
            w4: gpu.upload(&w4)?,
            b4: gpu.upload(&b4)?,
            h: gpu.buffer(plan.blocks as usize * plan.hidden * TRIALS)?,
            slots: [slot()?, slot()?],
        })
    }

    /// Scores windows until there are no more, two in flight, and hands the errors `[N, W]` of each to `fold`, in order.
    pub fn run(
        &mut self,
        mut next: impl FnMut() -> Option<Range<u64>>,
        given: Option<Given<'_>>,
        counts: Option<&Counts>,
        mut fold: impl FnMut(Range<u64>, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let mut flying: VecDeque<Flight> = VecDeque::new();
        let mut result = Ok(());
        loop {
            while result.is_ok() && flying.len() < self.slots.len() {
                let Some(window) = next() else { break };
                let slot = flying.front().map_or(0, |flight| 1 - flight.slot);
                match self.start(slot, window, given, counts) {
                    Ok(flight) => flying.push_back(flight),
                    Err(fault) => result = Err(self.gpu.error(fault)),
                }
            }
            // Whatever failed, what flies must land before its memory is given back.
            let Some(Flight { slot, window, ticket, _noise }) = flying.pop_front() else { return result };
            let landed = self.gpu.finish(ticket).map_err(|fault| self.gpu.error(fault));
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
    ) -> Result<Flight, Fault> {
        let (problem, plan, samples) = (self.problem, self.plan, self.problem.samples());
        let trials = (window.end - window.start) as usize;
        assert!((1..=plan.window).contains(&trials));
        let noise = given.map(|given| self.gpu.upload(&given.columns(&window))).transpose()?;
        let Slot { errors, host } = &self.slots[slot];
        let pieces = trials.div_ceil(TRIALS) as u64;
        let tiles = pieces * samples as u64;
        let params = source::Score {
            mu: self.mu.address(),
            scale: self.scale.address(),
            noise: noise.as_ref().map_or(0, Buffer::address),
            images: self.images.address(),
            w3: self.w3.address(),
            b3: self.b3.address(),
            w4: self.w4.address(),
            b4: self.b4.address(),
            errors: errors.address(),
            h: self.h.address(),
            seed: problem.seed(),
            first: window.start,
            trials: trials as u64,
            tiles,
            pieces,
            latent: problem.shape().latent as u32,
            hidden: plan.hidden as u32,
            pixels: plan.pixels as u32,
            unused: 0,
        };
        let grid = tiles.min(plan.blocks.into());
        let mut calls = vec![Call::new(&source::SCORE, "score", grid, 128, &params).shared(plan.shared)];
        if let Some(counts) = counts {
            calls.extend(counts.calls(errors, window.start, trials));
        }
        // SAFETY: the buffers hold what `Plan` and `tiled` say, `errors` at least this window, `h` a slice per block.
        // They live as long as `self`, and `run` finishes every ticket; the noise travels with the flight.
        let ticket = unsafe { self.gpu.start(&calls, errors, host, samples * trials)? };
        Ok(Flight { slot, window, ticket, _noise: noise })
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
