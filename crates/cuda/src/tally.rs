//! `pass_at_k` on the device: a tally made where the errors are, of which a few KB a window cross the bus.
//!
//! Sums (counts, histograms, worst trials) stay on the device over a *span* of windows; what the host must see one by
//! one, candidates for records and errors outside of the histograms, comes with each window ([`Found`]). Nothing is lost
//! when there are too many of those: the host then looks for them itself, in the errors.

use crate::{
    driver::Fault,
    found::{Entry, Found, RECORD, SPAN, STRAY},
    gpu::{Buffer, Gpu, Launch, Pinned},
    source::{self, PassAtK},
};
use retrial_host::constant;
use retrial_spec::{
    Row, Tally,
    tally::{Histogram, Record},
};
use std::ops::Range;

/// Thresholds of one launch, 8 bytes of shared memory each.
const THRESHOLDS_PER_LAUNCH: usize = 4096;
/// Bins of a sample of `pass_at_k.cu`.
const BINS: usize = constant(source::PASS_AT_K.text, "BINS");
/// Thresholds that memory is kept free for; more must fit what is left.
const THRESHOLDS: usize = 1024;

/// The part that a window has in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Windows and spans before it.
    pub window: usize,
    pub span: usize,
    /// First trial of the span, less than 2^32 before the last.
    pub base: u64,
    /// Whether it is the first of its span.
    pub fresh: bool,
    /// Whether the host makes the same again. Such a window is a span of its own.
    pub checked: bool,
}

impl Step {
    /// The step of a window that follows `last`. A span ends where the host checks a window, and before a sum or an offset
    /// could leave 32 bits.
    pub(crate) fn after(last: Option<Self>, window: &Range<u64>, checked: bool) -> Self {
        match last {
            Some(last) if !checked && !last.checked && window.end - last.base <= u32::MAX.into() => {
                Self { window: last.window + 1, fresh: false, ..last }
            }
            last => {
                let [windows, spans] = last.map_or([0, 0], |last| [last.window + 1, last.span + 1]);
                Self { window: windows, span: spans, base: window.start, fresh: true, checked }
            }
        }
    }
}

/// What a device tallies windows of errors with, for one set of thresholds.
pub(crate) struct DeviceTally {
    thresholds: Vec<f32>,
    counts_only: bool,
    /// The first bin of each sample's histogram on the device.
    first_bins: Vec<u32>,
    device_thresholds: Buffer<f32>,
    device_bins: Buffer<u32>,
    /// Bits of each sample's least error before a window, and before the next.
    least: [Buffer<u32>; 2],
    /// Counts, histograms and worst trials of a span, and of the next.
    sums: [Buffer<u32>; 2],
    host: Pinned<u32>,
}

/// Where in a set of sums its histograms and worst trials lie, and its length.
fn layout(samples: usize, thresholds: usize, counts_only: bool) -> [usize; 3] {
    let counts = (samples * thresholds).next_multiple_of(2);
    let more = if counts_only { [0, 0] } else { [BINS * samples, 2 * samples] };
    [counts, counts + more[0], counts + more[0] + more[1]]
}

impl DeviceTally {
    /// Bytes on the device for up to 1,024 thresholds.
    pub(crate) fn bytes(samples: usize) -> u64 {
        4 * (2 * layout(samples, THRESHOLDS, false)[2] + 3 * samples + THRESHOLDS) as u64
    }

    /// For tallies like this one, with histograms around some errors `[N, W]`, of which counting alone needs none.
    pub(crate) fn new(gpu: &Gpu, tally: &Tally, errors: &[f32]) -> Result<Self, Fault> {
        let samples = tally.rows().len();
        let first_bins: Vec<u32> =
            (0..samples).map(|n| first_bin(&errors[n * errors.len() / samples..][..errors.len() / samples])).collect();
        let [.., words] = layout(samples, tally.thresholds().len(), tally.is_counts_only());
        Ok(Self {
            thresholds: tally.thresholds().to_vec(),
            counts_only: tally.is_counts_only(),
            device_thresholds: gpu.upload(tally.thresholds())?,
            device_bins: gpu.upload(&first_bins)?,
            first_bins,
            least: [gpu.buffer(samples)?, gpu.buffer(samples)?],
            sums: [gpu.buffer(words)?, gpu.buffer(words)?],
            host: gpu.pinned(words)?,
        })
    }

    /// Whether it is for tallies like this one.
    pub(crate) fn fits(&self, tally: &Tally) -> bool {
        (&*self.thresholds, self.counts_only) == (tally.thresholds(), tally.is_counts_only())
    }

    /// Forgets the errors of earlier windows. Nothing is under way.
    pub(crate) fn begin(&self, gpu: &Gpu) -> Result<(), Fault> {
        let limits = vec![self.limit().to_bits(); self.first_bins.len()];
        self.least.iter().try_for_each(|least| gpu.write(least, &limits))
    }

    /// What records must be below.
    fn limit(&self) -> f32 {
        *self.thresholds.last().filter(|_| self.counts_only).unwrap_or(&f32::INFINITY)
    }

    /// Tallies `errors`, `[N, W]` of this window.
    pub(crate) fn calls(&self, errors: &Buffer<f32>, found: &Found, step: Step, window: &Range<u64>) -> Vec<Launch> {
        let (samples, count, trials) = (self.first_bins.len(), self.thresholds.len(), window.end - window.start);
        assert!(errors.len() as u64 >= samples as u64 * trials);
        let [histograms, worst, words] = layout(samples, count, self.counts_only);
        let sums = self.sums[step.span % 2].address();
        let whole = |at: usize| if self.counts_only { 0 } else { sums + 4 * at as u64 };
        let pieces = trials.div_ceil(SPAN as u64);
        let params = PassAtK {
            errors: errors.address(),
            thresholds: self.device_thresholds.address(),
            counts: sums,
            histogram: whole(histograms),
            worst: whole(worst),
            bins: self.device_bins.address(),
            least: self.least[step.window % 2].address(),
            next: self.least[(step.window + 1) % 2].address(),
            found: found.entries.address(),
            trials,
            words: if step.fresh { words as u64 } else { 0 },
            pieces: pieces as u32,
            count: 0,
            stride: count as u32,
            base: (window.start - step.base) as u32,
            room: found.entries.len() as u32 - 1,
            whole: 1,
            floor: 0.0,
            unused: 0,
        };
        let clear = Launch::new(&source::PASS_AT_K, "clear", params.words.div_ceil(256).clamp(1, 1024), 256, &params);
        let pieces = pieces * samples as u64;
        // One launch at least: there is more to find than counts.
        let counts = (0..count.max(1)).step_by(THRESHOLDS_PER_LAUNCH).map(|first| {
            let count = (count - first).min(THRESHOLDS_PER_LAUNCH);
            let params = PassAtK {
                thresholds: params.thresholds + 4 * first as u64,
                counts: params.counts + 4 * first as u64,
                count: count as u32,
                whole: u32::from(first == 0),
                floor: first.checked_sub(1).map_or(0.0, |before| self.thresholds[before]),
                ..params
            };
            Launch::new(&source::PASS_AT_K, "pass_at_k", pieces, 256, &params).shared(8 * count as u32)
        });
        [clear].into_iter().chain(counts).collect()
    }

    /// What the device had no room for, found in the errors of a window that comes after what rows hold.
    pub(crate) fn find(&self, errors: &[f32], rows: &[Row]) -> Vec<Entry> {
        let mut found = vec![];
        for ((sample, errors), row) in errors.chunks(errors.len() / rows.len()).enumerate().zip(rows) {
            let mut least = row.best().map_or(self.limit(), |record| record.error);
            for (offset, &error) in errors.iter().enumerate() {
                let mut found = |kind| found.push([sample as u32, offset as u32, (error + 0.0).to_bits(), kind]); // 0 for -0
                if error < least {
                    least = error;
                    found(RECORD);
                }
                let bin = Histogram::bin(error).wrapping_sub(self.first_bins[sample] as usize);
                if !self.counts_only && bin >= BINS {
                    found(STRAY);
                }
            }
        }
        found
    }

    /// Reads the sums of this step's span.
    pub(crate) fn read_sums(&mut self, gpu: &Gpu, step: Step) -> Result<(), Fault> {
        let [.., words] = layout(self.first_bins.len(), self.thresholds.len(), self.counts_only);
        gpu.read(&self.sums[step.span % 2], &mut self.host, words)
    }

    /// Adds to a sample's row the sums that were read, of this step's span.
    pub(crate) fn add_sums(&self, step: Step, sample: usize, row: &mut Row) {
        let (samples, count) = (self.first_bins.len(), self.thresholds.len());
        let [histograms, worst, words] = layout(samples, count, self.counts_only);
        let sums = self.host.values(words);
        let wide = |counts: &[u32]| -> Vec<u64> { counts.iter().map(|&count| count.into()).collect() };
        row.add_buckets(wide(&sums[sample * count..][..count]));
        if self.counts_only {
            return;
        }
        row.add_bins(self.first_bins[sample] as usize, wide(&sums[histograms + sample * BINS..][..BINS]));
        let [offset, bits] = [0, 1].map(|half| sums[worst + 2 * sample + half]);
        // No offset is the largest there is, so of a span with nothing else than strays both are 0.
        if offset != 0 && bits < f32::INFINITY.to_bits() {
            row.add_worst(Record { trial: step.base + u64::from(!offset), error: f32::from_bits(bits) });
        }
    }
}

/// The first of 256 bins, two octaves, around a sample's errors.
fn first_bin(errors: &[f32]) -> u32 {
    let bins = errors.iter().filter(|error| error.is_finite()).map(|&error| Histogram::bin(error));
    let (low, high) = bins.fold((Histogram::BINS, 0), |(low, high), bin| (low.min(bin), high.max(bin)));
    ((low + high) / 2).saturating_sub(BINS / 2) as u32
}
