//! Windows of errors into a tally, in order, and the check of what the device makes of them.

use crate::{
    driver::Fault,
    found::{Entries, Found, finite, untrusted},
    gpu::{Buffer, Gpu, Launch, Pending},
    tally::{DeviceTally, Step},
};
use retrial_host::{fold, recount::compare};
use retrial_spec::{Result, Tally};
use std::ops::Range;

/// A call that adds windows to a tally, in order.
pub(crate) struct Session<'t> {
    gpu: &'t Gpu,
    device: &'t mut DeviceTally,
    tally: &'t mut Tally,
    /// Windows of this device so far, of which one in `every` is checked.
    windows: &'t mut u64,
    every: u64,
    last: Option<Step>,
    /// Spans whose sums were read.
    read: usize,
}

impl<'t> Session<'t> {
    /// To a tally of no trials, which the device's fits. Nothing is under way.
    pub(crate) fn begin(
        gpu: &'t Gpu,
        device: &'t mut DeviceTally,
        tally: &'t mut Tally,
        windows: &'t mut u64,
        every: u64,
    ) -> Result<Self, Fault> {
        device.begin(gpu)?;
        Ok(Self { gpu, device, tally, windows, every, last: None, read: 0 })
    }

    /// What the device does with the errors of the next window, once they are there. `None` while that must wait for an
    /// earlier one to land: there are two sets of sums.
    pub(crate) fn start(
        &mut self,
        window: &Range<u64>,
        errors: &Buffer<f32>,
        found: &Found,
    ) -> Option<(Step, Vec<Launch>)> {
        let checked = self.windows.is_multiple_of(self.every);
        let step = Step::after(self.last, window, checked);
        if step.span > self.read + 1 {
            return None;
        }
        (self.last, *self.windows) = (Some(step), *self.windows + 1);
        Some((step, self.device.calls(errors, found, step, window)))
    }

    /// Adds a window that has landed, the next of those that started; `next` is the one after it. `errors` reads its
    /// errors back.
    pub(crate) fn land<'e>(
        &mut self,
        step: Step,
        window: Range<u64>,
        next: Option<&Step>,
        found: &mut Found,
        errors: impl FnOnce() -> Result<&'e [f32], Fault>,
    ) -> Result<()> {
        let (gpu, device, last) = (self.gpu, &mut *self.device, next.is_none_or(|next| next.span != step.span));
        let failed = |fault| gpu.error(fault);
        let (thresholds, rows) = self.tally.rows_mut();
        let width = (window.end - window.start) as usize;
        let listed = found.entries(gpu).map_err(failed)?;
        let errors = if step.checked || listed.is_none() { errors().map_err(failed)? } else { &[] };
        errors.chunks(width).enumerate().try_for_each(|(n, errors)| finite(n, errors)).map_err(failed)?;
        let found = Entries::new(listed.unwrap_or_else(|| device.find(errors, rows)), &window, rows.len());
        let found = found.map_err(failed)?;
        if last {
            device.read_sums(gpu, step).map_err(failed)?;
            self.read += 1;
        }
        if step.checked {
            fold(rows, errors.len(), |sample, row| {
                let [mut made, mut again] = [row.empty(), row.empty()];
                found.of(sample).for_each(|entry| found.add(entry, &mut made));
                device.add_sums(step, sample, &mut made);
                again.add(thresholds, window.start, &errors[sample * width..][..width]);
                compare(sample, thresholds, row.best().map(|record| record.error), &made, &again)
                    .map_err(|fault| failed(untrusted(fault.to_string())))?;
                row.merge(&made);
                Ok(())
            })?;
        } else {
            found.list.iter().for_each(|entry| found.add(entry, &mut rows[entry[0] as usize]));
            if last {
                fold(rows, thresholds.len() * rows.len(), |sample, row| {
                    device.add_sums(step, sample, row);
                    Ok(())
                })?;
            }
        }
        self.tally.add_trials(window)
    }
}

/// Trials of one window, of all samples together.
const WINDOW: usize = 1 << 22;

/// The kernel by itself: adds errors `[N, W]` to a tally, all of them checked.
pub(crate) fn pass_at_k(gpu: &Gpu, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
    let failed = |fault| gpu.error(fault);
    let (mut part, samples) = (tally.empty(), tally.rows().len());
    let trials = errors.len() / samples;
    let width = (WINDOW / samples).clamp(1, trials);
    let mut device = DeviceTally::new(gpu, &part, errors).map_err(failed)?;
    let mut found = Found::new(gpu, samples, width).map_err(failed)?;
    let uploaded = gpu.buffer(samples * width).map_err(failed)?;
    let mut windows = 0;
    let mut session = Session::begin(gpu, &mut device, &mut part, &mut windows, 1).map_err(failed)?;
    for start in (0..trials).step_by(width) {
        let end = trials.min(start + width);
        let errors: Vec<f32> = errors.chunks(trials).flat_map(|row| &row[start..end]).copied().collect();
        gpu.write(&uploaded, &errors).map_err(failed)?;
        let window = first + start as u64..first + end as u64;
        let Some((step, calls)) = session.start(&window, &uploaded, &found) else { break };
        let (from, to, len) = found.read();
        // SAFETY: `start` checked the length of the errors; all buffers live here.
        unsafe { gpu.start(&calls, from, to, len) }.and_then(Pending::finish).map_err(failed)?;
        session.land(step, window, None, &mut found, || Ok(&errors))?;
    }
    tally.merge(&part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_end_before_32_bits_and_around_what_is_checked() {
        let first = (1 << 32) - 500;
        let most = u64::from(u32::MAX);
        let windows = [0..128, 128..most - 1, most - 1..most, most..most + 128, most + 128..most + 200];
        let steps = |checked: [bool; 5]| {
            let mut last = None;
            windows.each_ref().map(|window| {
                let window = first + window.start..first + window.end;
                let step = Step::after(last, &window, checked[last.map_or(0, |last: Step| last.window + 1)]);
                last = Some(step);
                assert!(window.end - step.base <= most && step.fresh == (step.base == window.start));
                (step.window, step.span)
            })
        };
        assert_eq!(steps([false; 5]), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1)]);
        assert_eq!(steps([true, false, false, true, false]), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 3)]);
        assert_eq!(steps([true; 5]), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    }
}
