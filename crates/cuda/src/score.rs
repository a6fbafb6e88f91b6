//! The fused path on one device: windows go to the device while the host turns to what it made of those before.

use crate::{
    driver::Fault,
    found::{Found, finite},
    gpu::{Buffer, Call, Flight, Gpu, Pinned},
    plan,
    resident::{self, Resident, Window},
    session::{Session, Step},
    tally::DeviceTally,
};
use retrial_spec::{Noise, Problem, Result, Tally, Variant};
use std::{collections::VecDeque, ops::Range};

/// Windows under way while the host is at another one: whenever one ends, the device has the next.
const DEPTH: usize = 3;

/// A problem on one device.
pub(crate) struct DeviceScorer<'a> {
    pub gpu: &'a Gpu,
    problem: &'a Problem,
    resident: Box<dyn Resident>,
    /// Most trials per sample of one launch.
    pub window: usize,
    slots: Vec<Slot>,
    /// Errors of one window, read back.
    host: Pinned<f32>,
    tally: Option<DeviceTally>,
    /// Windows tallied so far, of which the host checks one in `check_every`, the first among them.
    windows: u64,
    check_every: u64,
}

/// What one window fills: its errors `[N, W]`, and what is found in them.
struct Slot {
    errors: Buffer<f32>,
    found: Found,
}

/// A window under way, in the slot of this number.
struct Flying<'a, S> {
    slot: usize,
    window: Range<u64>,
    step: S,
    /// Dropped before what it reads.
    flight: Flight<'a>,
    _noise: Option<Buffer<f32>>,
}

/// Windows under way, in order, and the next one where it has to wait.
struct Queue<'a, S> {
    flying: VecDeque<Flying<'a, S>>,
    waiting: Option<Range<u64>>,
    started: usize,
}

/// What a run does with its windows.
trait Work {
    /// What it must remember of a window under way.
    type Step;

    /// What the device does with the errors of a window once they are there. `None` while that must wait for an earlier
    /// window to land.
    fn start(&mut self, window: &Range<u64>, slot: &Slot) -> Option<(Self::Step, Vec<Call>)>;

    /// A window has landed, the first of those under way; `next` is the one after it, if there is any.
    fn land(
        &mut self,
        step: Self::Step,
        window: Range<u64>,
        next: Option<&Self::Step>,
        slot: &mut Slot,
        host: &mut Pinned<f32>,
    ) -> Result<()>;
}

impl<'a> DeviceScorer<'a> {
    /// Loads the problem, with the largest window that the device grants.
    pub fn new(gpu: &'a Gpu, problem: &'a Problem, variant: &Variant, check_every: u64) -> Result<Self> {
        let resident = resident::load(gpu, problem, variant)?;
        let failed = |fault| gpu.error(fault);
        let free = gpu.free_memory().map_err(failed)?;
        let window = plan::window(resident.tile(), problem.samples(), DEPTH + 1, free);
        let host = gpu.pinned(0).map_err(failed)?;
        let slots = vec![];
        let mut scorer = Self { gpu, problem, resident, window, slots, host, tally: None, windows: 0, check_every };
        while let Err(fault) = scorer.make_room() {
            scorer.halve(fault)?;
        }
        Ok(scorer)
    }

    /// Trials of which a window is best a multiple.
    pub fn tile(&self) -> usize {
        self.resident.tile()
    }

    /// Largest magnitude of a given normal.
    pub fn most_noise(&self) -> f32 {
        self.resident.most_noise()
    }

    /// Slots for windows of the present length.
    fn make_room(&mut self) -> Result<(), Fault> {
        let (gpu, samples, window) = (self.gpu, self.problem.samples(), self.window);
        while self.slots.len() <= DEPTH {
            let (errors, found) = (gpu.buffer(samples * window)?, Found::new(gpu, samples, window)?);
            self.slots.push(Slot { errors, found });
        }
        self.host = gpu.pinned(samples * window)?;
        Ok(())
    }

    /// Gives the slots back and halves the window, where it was memory that was refused.
    fn halve(&mut self, fault: Fault) -> Result<()> {
        let half = plan::halved(self.window, self.tile()).filter(|_| matches!(fault, Fault::OutOfMemory { .. }));
        self.window = half.ok_or_else(|| self.gpu.error(fault))?;
        self.slots.clear();
        Ok(())
    }

    /// Scores windows until there are no more, in order.
    fn run<W: Work>(
        &mut self,
        next: &mut dyn FnMut() -> Option<Range<u64>>,
        given: Option<Given<'_>>,
        work: &mut W,
    ) -> Result<()> {
        let mut queue = Queue { flying: VecDeque::new(), waiting: None, started: 0 };
        self.fill(&mut queue, next, given, work)?;
        while let Some(Flying { slot, window, step, flight, _noise }) = queue.flying.pop_front() {
            flight.finish().map_err(|fault| self.gpu.error(fault))?;
            // The device first, so that it never waits while the host is busy; then what had to wait for this window.
            self.fill(&mut queue, next, given, work)?;
            let next_step = queue.flying.front().map(|flying| &flying.step);
            work.land(step, window, next_step, &mut self.slots[slot], &mut self.host)?;
            self.fill(&mut queue, next, given, work)?;
        }
        Ok(())
    }

    /// Starts windows as long as there are any and room for them.
    fn fill<W: Work>(
        &self,
        queue: &mut Queue<'a, W::Step>,
        next: &mut dyn FnMut() -> Option<Range<u64>>,
        given: Option<Given<'_>>,
        work: &mut W,
    ) -> Result<()> {
        while queue.flying.len() < DEPTH {
            let Some(window) = queue.waiting.take().or_else(&mut *next) else { break };
            let slot = queue.started % self.slots.len();
            let Some((step, calls)) = work.start(&window, &self.slots[slot]) else {
                queue.waiting = Some(window);
                break;
            };
            let (flight, _noise) = self.start(slot, &window, given, calls).map_err(|fault| self.gpu.error(fault))?;
            queue.flying.push_back(Flying { slot, window, step, flight, _noise });
            queue.started += 1;
        }
        Ok(())
    }

    fn start(
        &self,
        slot: usize,
        window: &Range<u64>,
        given: Option<Given<'_>>,
        more: Vec<Call>,
    ) -> Result<(Flight<'a>, Option<Buffer<f32>>), Fault> {
        let (gpu, Slot { errors, found }) = (self.gpu, &self.slots[slot]);
        let trials = (window.end - window.start) as usize;
        assert!((1..=self.window).contains(&trials));
        let noise = given.map(|given| gpu.upload(&given.columns(window))).transpose()?;
        let score = self.resident.call(&Window {
            first: window.start,
            trials,
            noise: noise.as_ref().map_or(0, Buffer::address),
            errors: errors.address(),
        });
        let (from, to, len) = found.read();
        let len = if more.is_empty() { 0 } else { len };
        let calls: Vec<Call> = [score].into_iter().chain(more).collect();
        // SAFETY: the buffers of `resident` are what its kernel takes, `errors` holds at least this window. They live as long
        // as `self`, which `run` borrows until every flight is dropped; the noise travels with its own.
        let flight = unsafe { gpu.start(&calls, from, to, len)? };
        Ok((flight, noise))
    }

    /// Hands the errors `[N, W]` of windows to `each`, in order.
    pub fn errors(
        &mut self,
        next: &mut dyn FnMut() -> Option<Range<u64>>,
        given: Option<Given<'_>>,
        each: impl FnMut(Range<u64>, &[f32]),
    ) -> Result<()> {
        let (gpu, samples) = (self.gpu, self.problem.samples());
        self.run(next, given, &mut Reading { gpu, samples, each })
    }

    /// Gets ready to tally windows from some trials on: once for tallies like this one.
    pub fn prepare(&mut self, trials: &Range<u64>, tally: &Tally) -> Result<()> {
        if self.tally.as_ref().is_some_and(|ready| ready.fits(tally)) {
            return Ok(());
        }
        self.tally = None;
        // Histograms lie around the errors of a few trials.
        let mut pilot = (!tally.is_counts_only())
            .then(|| trials.start..trials.end.min(trials.start.saturating_add(self.tile().min(self.window) as u64)));
        let mut errors = vec![];
        self.errors(&mut || pilot.take(), None, |_, window| errors.extend_from_slice(window))?;
        loop {
            match DeviceTally::new(self.gpu, tally, &errors) {
                Ok(ready) => {
                    self.tally = Some(ready);
                    return Ok(());
                }
                Err(fault) => self.halve(fault)?,
            }
            while let Err(fault) = self.make_room() {
                self.halve(fault)?;
            }
        }
    }

    /// Adds windows to a tally of no trials yet, for which it was prepared.
    pub fn tally(&mut self, next: &mut dyn FnMut() -> Option<Range<u64>>, tally: &mut Tally) -> Result<()> {
        let (gpu, samples) = (self.gpu, self.problem.samples());
        let Some(mut device) = self.tally.take() else { return Ok(()) };
        let mut windows = self.windows;
        let session = Session::begin(gpu, &mut device, tally, &mut windows, self.check_every);
        let session = session.map_err(|fault| gpu.error(fault))?;
        let done = self.run(next, None, &mut Tallying { gpu, samples, session });
        (self.windows, self.tally) = (windows, Some(device));
        done
    }
}

/// Windows of which the errors are wanted.
struct Reading<'a, F> {
    gpu: &'a Gpu,
    samples: usize,
    each: F,
}

impl<F: FnMut(Range<u64>, &[f32])> Work for Reading<'_, F> {
    type Step = ();

    fn start(&mut self, _: &Range<u64>, _: &Slot) -> Option<((), Vec<Call>)> {
        Some(((), vec![]))
    }

    fn land(
        &mut self,
        (): (),
        window: Range<u64>,
        _: Option<&()>,
        slot: &mut Slot,
        host: &mut Pinned<f32>,
    ) -> Result<()> {
        let (gpu, trials) = (self.gpu, (window.end - window.start) as usize);
        gpu.read(&slot.errors, host, self.samples * trials).map_err(|fault| gpu.error(fault))?;
        let errors = host.values(self.samples * trials);
        let mut rows = errors.chunks(trials).enumerate();
        rows.try_for_each(|(sample, errors)| finite(sample, errors)).map_err(|fault| gpu.error(fault))?;
        (self.each)(window, errors);
        Ok(())
    }
}

/// Windows that are tallied.
struct Tallying<'a> {
    gpu: &'a Gpu,
    samples: usize,
    session: Session<'a>,
}

impl Work for Tallying<'_> {
    type Step = Step;

    fn start(&mut self, window: &Range<u64>, slot: &Slot) -> Option<(Step, Vec<Call>)> {
        self.session.start(window, &slot.errors, &slot.found)
    }

    fn land(
        &mut self,
        step: Step,
        window: Range<u64>,
        next: Option<&Step>,
        slot: &mut Slot,
        host: &mut Pinned<f32>,
    ) -> Result<()> {
        let (gpu, len) = (self.gpu, self.samples * (window.end - window.start) as usize);
        self.session.land(step, window, next, &mut slot.found, || {
            gpu.read(&slot.errors, host, len)?;
            Ok(host.values(len))
        })
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
