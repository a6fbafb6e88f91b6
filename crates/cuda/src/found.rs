//! What the device finds in a window for the host to see one by one.

use crate::{
    driver::Fault,
    gpu::{Buffer, Gpu, Pinned},
    source,
};
use retrial_host::constant;
use retrial_spec::{
    Row,
    tally::{Histogram, Record},
};
use std::ops::Range;

/// Trials of a block of `pass_at_k.cu`, and its kinds of entries.
pub(crate) const SPAN: usize = constant(source::PASS_AT_K.text, "SPAN");
pub(crate) const RECORD: u32 = constant(source::PASS_AT_K.text, "RECORD") as u32;
pub(crate) const STRAY: u32 = constant(source::PASS_AT_K.text, "STRAY") as u32;
/// Entries that a list has room for, for each block of trials: twice what the first window of a run needs. Entries that
/// come with a window at once; hardly one is found later on.
const ROOM: usize = 16;
const PREFIX: usize = 1024;

/// Sample, offset in the window, bits of the error, kind. The first of a list holds their number instead.
pub(crate) type Entry = [u32; 4];

/// What the kernel found in a window for the host to see.
pub(crate) struct Found {
    pub entries: Buffer<Entry>,
    host: Pinned<Entry>,
}

impl Found {
    /// For a window of `trials` trials.
    pub(crate) fn new(gpu: &Gpu, samples: usize, trials: usize) -> Result<Self, Fault> {
        let len = 1 + ROOM * samples * trials.div_ceil(SPAN);
        Ok(Self { entries: gpu.buffer(len)?, host: gpu.pinned(len)? })
    }

    /// Its bytes on the device.
    pub(crate) fn bytes(samples: usize, trials: usize) -> u64 {
        (size_of::<Entry>() * (1 + ROOM * samples * trials.div_ceil(SPAN))) as u64
    }

    /// What is read back with a window: from where, to where, how much.
    pub(crate) fn read(&self) -> (&Buffer<Entry>, &Pinned<Entry>, usize) {
        (&self.entries, &self.host, self.entries.len().min(1 + PREFIX))
    }

    /// The entries, of which the first were read back. `None` where there were more than fit.
    pub(crate) fn entries(&mut self, gpu: &Gpu) -> Result<Option<Vec<Entry>>, Fault> {
        let len = 1 + self.host.values(1)[0][0] as usize;
        if len > self.entries.len() {
            return Ok(None);
        }
        if len > 1 + PREFIX {
            gpu.read(&self.entries, &mut self.host, len)?;
        }
        Ok(Some(self.host.values(len)[1..].to_vec()))
    }
}

/// The entries of a window, by sample.
pub(crate) struct Entries<'w> {
    pub list: Vec<Entry>,
    window: &'w Range<u64>,
}

impl<'w> Entries<'w> {
    /// Refuses what no device that works finds.
    pub(crate) fn new(mut list: Vec<Entry>, window: &'w Range<u64>, samples: usize) -> Result<Self, Fault> {
        list.sort_unstable();
        for &[sample, offset, bits, _] in &list {
            if bits >= f32::INFINITY.to_bits() {
                return Err(no_error(sample as usize, f32::from_bits(bits)));
            }
            if sample as usize >= samples || u64::from(offset) >= window.end - window.start {
                return Err(untrusted(format!("it found trial {offset} of a window of {window:?} in sample {sample}")));
            }
        }
        Ok(Self { list, window })
    }

    pub(crate) fn of(&self, sample: usize) -> impl Iterator<Item = &Entry> {
        let before = |sample: usize| self.list.partition_point(|entry| (entry[0] as usize) < sample);
        self.list[before(sample)..before(sample + 1)].iter()
    }

    /// Adds an entry to its sample's row.
    pub(crate) fn add(&self, &[_, offset, bits, kind]: &Entry, row: &mut Row) {
        let (trial, error) = (self.window.start + u64::from(offset), f32::from_bits(bits));
        match kind {
            STRAY => row.add_bins(Histogram::bin(error), [1]),
            _ => row.add_candidate(Record { trial, error }),
        }
    }
}

/// Refuses a NaN, infinite or negative error, which no trial of a checked problem has.
pub(crate) fn finite(sample: usize, errors: &[f32]) -> Result<(), Fault> {
    retrial_host::no_error(errors).map_or(Ok(()), |error| Err(no_error(sample, error)))
}

fn no_error(sample: usize, error: f32) -> Fault {
    Fault::Failed {
        fault: format!("error {error} in sample {sample}"),
        fix: "errors must be finite; check the GPU's memory (nvidia-smi -q -d ECC), and report it as a bug".into(),
    }
}

pub(crate) fn untrusted(fault: String) -> Fault {
    let fix = "results of this device cannot be trusted; check its memory (nvidia-smi -q -d ECC)";
    Fault::Failed { fault, fix: fix.into() }
}
