//! The fused path on one device: windows go to the device while the host turns to what it made of those before.

use crate::{
    driver::Fault,
    found::{Found, finite},
    gpu::{Buffer, Gpu, Launch, Pending, Pinned},
    pass::{Pass, Screening},
    plan,
    resident::{Resident, Window},
    session::Session,
    tally::{DeviceTally, Step},
    variants,
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
    /// How windows of such tallies are screened, if that pays. `None` before it was asked.
    screening: Option<Option<Screening>>,
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
    flight: Pending<'a>,
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

    /// How its windows are screened.
    fn screening(&self) -> Option<&Screening> {
        None
    }

    /// What the device does with the errors of a window once they are there. `None` while that must wait for an earlier
    /// window to land.
    fn start(&mut self, window: &Range<u64>, slot: &Slot) -> Option<(Self::Step, Vec<Launch>)>;

    /// A window has landed, the first of those under way; `next` is the one after it, if there is any. `errors` reads its
    /// errors back, `[N, W]`.
    fn land<'e>(
        &mut self,
        step: Self::Step,
        window: Range<u64>,
        next: Option<&Self::Step>,
        found: &mut Found,
        errors: impl FnOnce() -> Result<&'e [f32], Fault>,
    ) -> Result<()>;
}

impl<'a> DeviceScorer<'a> {
    /// Loads the problem, with the largest window that the device grants.
    pub(crate) fn new(gpu: &'a Gpu, problem: &'a Problem, variant: &Variant, check_every: u64) -> Result<Self> {
        let resident = variants::load(gpu, problem, variant)?;
        let failed = |fault| gpu.error(fault);
        let free = gpu.free_memory().map_err(failed)?;
        let window = plan::window(resident.tile(), problem.samples(), DEPTH + 1, free);
        let host = gpu.pinned(0).map_err(failed)?;
        let slots = vec![];
        let (tally, screening, windows) = (None, None, 0);
        let mut scorer = Self { gpu, problem, resident, window, slots, host, tally, screening, windows, check_every };
        while let Err(fault) = scorer.make_room() {
            scorer.halve(fault)?;
        }
        Ok(scorer)
    }

    /// Trials of which a window is best a multiple.
    pub(crate) fn tile(&self) -> usize {
        self.resident.tile()
    }

    /// Largest magnitude of a given normal.
    pub(crate) fn most_noise(&self) -> f32 {
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
            let Self { gpu, resident, host, slots, problem, .. } = self;
            let Slot { errors, found } = &mut slots[slot];
            let (first, trials) = (window.start, (window.end - window.start) as usize);
            let again = work
                .screening()
                .is_some()
                .then(|| resident.call(&Window { first, trials, noise: 0, errors: errors.address(), pass: Pass::All }));
            work.land(step, window, next_step, found, || {
                // What was screened is read as the full kernel has it, so that whoever checks it checks the screening too.
                if let Some(again) = again {
                    // SAFETY: the slot's errors hold at least this window, which has landed.
                    unsafe { gpu.run(&[again], errors, 0)? };
                }
                gpu.read(errors, host, problem.samples() * trials)?;
                Ok(host.values(problem.samples() * trials))
            })?;
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
            let started = self.start(slot, &window, given, work.screening(), calls);
            let (flight, _noise) = started.map_err(|fault| self.gpu.error(fault))?;
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
        screening: Option<&Screening>,
        more: Vec<Launch>,
    ) -> Result<(Pending<'a>, Option<Buffer<f32>>), Fault> {
        let (gpu, Slot { errors, found }) = (self.gpu, &self.slots[slot]);
        let trials = (window.end - window.start) as usize;
        assert!((1..=self.window).contains(&trials));
        let noise = given.map(|given| gpu.upload(&given.columns(window))).transpose()?;
        let window = Window {
            first: window.start,
            trials,
            noise: noise.as_ref().map_or(0, Buffer::address),
            errors: errors.address(),
            pass: Pass::All,
        };
        let score = match screening {
            Some(screening) => screening.calls(&*self.resident, &window),
            None => vec![self.resident.call(&window)],
        };
        let (from, to, len) = found.read();
        let len = if more.is_empty() { 0 } else { len };
        let calls = [score, more].into_iter().flatten().collect::<Vec<_>>();
        // SAFETY: the buffers of `resident` are what its kernel takes, `errors` holds at least this window. They live as long
        // as `self`, which `run` borrows until every flight is dropped; the noise travels with its own.
        let flight = unsafe { gpu.start(&calls, from, to, len)? };
        Ok((flight, noise))
    }

    /// Hands the errors `[N, W]` of windows to `each`, in order.
    pub(crate) fn errors(
        &mut self,
        next: &mut dyn FnMut() -> Option<Range<u64>>,
        given: Option<Given<'_>>,
        each: impl FnMut(Range<u64>, &[f32]),
    ) -> Result<()> {
        let gpu = self.gpu;
        self.run(next, given, &mut Reading { gpu, each })
    }

    /// Gets ready to tally windows from some trials on: once for tallies like this one.
    pub(crate) fn prepare(&mut self, trials: &Range<u64>, tally: &Tally) -> Result<()> {
        if !self.tally.as_ref().is_some_and(|ready| ready.fits(tally)) {
            (self.tally, self.screening) = (None, None);
            self.make_tally(trials, tally)?;
        }
        let width = (trials.end - trials.start).min(self.window as u64) as usize;
        let limit = tally.thresholds().last().filter(|_| tally.is_counts_only());
        if let Some(&limit) = limit.filter(|_| self.screening.is_none() && width >= Screening::least(&*self.resident)) {
            let (resident, widths) = (&*self.resident, [width, self.window]);
            let plan = Screening::plan(self.gpu, self.problem, resident, limit, trials.start, widths);
            self.screening = Some(plan.map_err(|fault| self.gpu.error(fault))?);
        }
        Ok(())
    }

    fn make_tally(&mut self, trials: &Range<u64>, tally: &Tally) -> Result<()> {
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
    pub(crate) fn tally(&mut self, next: &mut dyn FnMut() -> Option<Range<u64>>, tally: &mut Tally) -> Result<()> {
        let gpu = self.gpu;
        let Some(mut device) = self.tally.take() else { return Ok(()) };
        let screening = self.screening.take();
        let mut windows = self.windows;
        let session = Session::begin(gpu, &mut device, tally, &mut windows, self.check_every);
        let session = session.map_err(|fault| gpu.error(fault))?;
        let mut work = Tallying { session, screening: screening.as_ref().and_then(Option::as_ref) };
        let done = self.run(next, None, &mut work);
        (self.windows, self.tally, self.screening) = (windows, Some(device), screening);
        done
    }
}

/// Windows of which the errors are wanted.
struct Reading<'a, F> {
    gpu: &'a Gpu,
    each: F,
}

impl<F: FnMut(Range<u64>, &[f32])> Work for Reading<'_, F> {
    type Step = ();

    fn start(&mut self, _: &Range<u64>, _: &Slot) -> Option<((), Vec<Launch>)> {
        Some(((), vec![]))
    }

    fn land<'e>(
        &mut self,
        (): (),
        window: Range<u64>,
        _: Option<&()>,
        _: &mut Found,
        errors: impl FnOnce() -> Result<&'e [f32], Fault>,
    ) -> Result<()> {
        let trials = (window.end - window.start) as usize;
        let errors = errors().and_then(|errors| {
            let mut rows = errors.chunks(trials).enumerate();
            rows.try_for_each(|(sample, errors)| finite(sample, errors)).map(|()| errors)
        });
        (self.each)(window, errors.map_err(|fault| self.gpu.error(fault))?);
        Ok(())
    }
}

/// Windows that are tallied.
struct Tallying<'a> {
    session: Session<'a>,
    screening: Option<&'a Screening>,
}

impl Work for Tallying<'_> {
    type Step = Step;

    fn screening(&self) -> Option<&Screening> {
        self.screening
    }

    fn start(&mut self, window: &Range<u64>, slot: &Slot) -> Option<(Step, Vec<Launch>)> {
        self.session.start(window, &slot.errors, &slot.found)
    }

    fn land<'e>(
        &mut self,
        step: Step,
        window: Range<u64>,
        next: Option<&Step>,
        found: &mut Found,
        errors: impl FnOnce() -> Result<&'e [f32], Fault>,
    ) -> Result<()> {
        self.session.land(step, window, next, found, errors)
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
    pub(crate) fn of<'n>(noise: &Noise<'n>, samples: usize, latent: usize) -> Option<Given<'n>> {
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
