//! `pass_at_k` on the device: a tally made where the errors are, of which a few bytes a tile cross the bus.
//!
//! Sums (counts, histograms) stay on the device until the end of a span of trials; what the host must see one by one,
//! candidates for records and for the worst trial, and errors outside of the histograms, comes with each submission.

use crate::{
    gpu::{Dispatch, Gpu},
    source::{self, BINS, THRESHOLDS_PER_DISPATCH},
};
use retrial_host::{constant, fold, no_error, recount::compare};
use retrial_spec::{
    Problem, Result, Row, Tally,
    tally::{Histogram, Record},
};

/// Trials of a block of `pass_at_k.wgsl`.
const BLOCK: usize = constant(source::PASS_AT_K, "SIZE") * constant(source::PASS_AT_K, "STEPS");
const INFINITE: u32 = f32::INFINITY.to_bits();
/// Kinds of entries.
const RECORD: u32 = constant(source::PASS_AT_K, "RECORD") as u32;
const STRAY: u32 = constant(source::PASS_AT_K, "STRAY") as u32;
/// Entries that a list has room for, and that are read back, for each tile.
const PER_TILE: usize = 8;

/// Sample, trial of the span, bits of the error, kind. The first word of a list is their number instead.
pub(crate) type Entry = [u32; 4];

/// Where the tiles of a dispatch lie: tile i is piece `piece + (skip + i) / samples` of sample `(skip + i) % samples`.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    pub count: usize,
    pub skip: usize,
    pub piece: usize,
}

impl Tiles {
    /// `count` tiles from number `start` on, in the order of all tiles of `samples` samples.
    pub(crate) fn new(start: u64, count: usize, samples: usize) -> Self {
        Self { count, skip: (start % samples as u64) as usize, piece: (start / samples as u64) as usize }
    }

    /// Tiles of one sample: positions and pieces.
    pub(crate) fn of(self, sample: usize, samples: usize) -> impl Iterator<Item = (usize, usize)> {
        let first = (sample + samples - self.skip) % samples;
        (first..self.count).step_by(samples).map(move |i| (i, self.piece + (self.skip + i) / samples))
    }
}

/// What a submission finds.
pub(crate) struct Found {
    pub entries: wgpu::Buffer,
    room: usize,
}

impl Found {
    /// For submissions of up to so many tiles.
    pub(crate) fn new(gpu: &Gpu, tiles: usize) -> Result<Self> {
        let room = PER_TILE * tiles;
        Ok(Self { entries: gpu.buffer(4 * (1 + room) as u64)?, room })
    }

    /// Numbers to read back of a submission of so many tiles.
    pub(crate) fn values(&self, tiles: usize) -> u64 {
        4 * (1 + self.room.min(PER_TILE * tiles)) as u64
    }

    /// The entries, of which the first were read back. `None` where there were more than had room.
    pub(crate) fn entries(&self, gpu: &Gpu, read: &[u32]) -> Result<Option<Vec<Entry>>> {
        let (lists, _) = read.as_chunks::<4>();
        let count = lists[0][0] as usize;
        if count > self.room {
            return Ok(None);
        }
        if count < lists.len() {
            return Ok(Some(lists[1..=count].to_vec()));
        }
        let (all, _) = gpu.run::<u32>(vec![], &self.entries, 4 * (1 + count) as u64)?;
        Ok(Some(all.as_chunks::<4>().0[1..].to_vec()))
    }
}

/// A device's tally of a span of trials of some samples.
pub(crate) struct DeviceTally {
    pipeline: wgpu::ComputePipeline,
    trials: u64,
    per_tile: usize,
    first_bins: Vec<u32>,
    thresholds: Vec<f32>,
    counts_only: bool,
    device_thresholds: wgpu::Buffer,
    counts: wgpu::Buffer,
    histogram: wgpu::Buffer,
    bins: wgpu::Buffer,
    /// Least and largest errors before a submission, and before the next.
    bounds: [wgpu::Buffer; 2],
}

impl DeviceTally {
    /// Of `trials` trials of each sample in tiles of `per_tile`, with histograms from these bins on. `None` where the
    /// device has no room for so many thresholds or samples.
    pub(crate) fn begin(
        gpu: &Gpu,
        [trials, per_tile]: [u64; 2],
        thresholds: &[f32],
        counts_only: bool,
        first_bins: &[u32],
    ) -> Result<Option<Self>> {
        let samples = first_bins.len();
        if (samples * thresholds.len().max(BINS)) as u64 > gpu.limits.values() {
            return Ok(None);
        }
        let text = if gpu.subgroups() { source::PASS_AT_K_SUBGROUP } else { source::PASS_AT_K };
        let constants = [("TRIALS", per_tile), ("BINS", BINS as u64), ("THRESHOLDS", THRESHOLDS_PER_DISPATCH as u64)];
        let constants = constants.map(|(name, value)| (name, value as f64));
        let limit = thresholds.last().filter(|_| counts_only).map_or(INFINITE, |t| t.to_bits());
        let bounds = [limit, 0].repeat(samples);
        Ok(Some(Self {
            pipeline: gpu.pipeline(text, "pass_at_k", &constants)?,
            trials,
            per_tile: per_tile as usize,
            first_bins: first_bins.to_vec(),
            thresholds: thresholds.to_vec(),
            counts_only,
            device_thresholds: gpu.upload(thresholds)?,
            counts: gpu.buffer((samples * thresholds.len()) as u64)?,
            histogram: gpu.buffer(if counts_only { 0 } else { (samples * BINS) as u64 })?,
            bins: gpu.upload(first_bins)?,
            bounds: [gpu.upload(&bounds)?, gpu.upload(&bounds)?],
        }))
    }

    /// Tallies `errors`, `[tiles, per_tile]`, of the next submission.
    pub(crate) fn dispatches<'a>(
        &'a mut self,
        gpu: &Gpu,
        tiles: Tiles,
        errors: &'a wgpu::Buffer,
        found: &'a Found,
    ) -> Result<Vec<Dispatch<'a>>> {
        self.bounds.swap(0, 1);
        let this = &*self;
        let [after, before] = &this.bounds;
        let (samples, stride) = (this.first_bins.len(), this.thresholds.len());
        let slots = tiles.count.min(samples);
        let blocks = tiles.count.div_ceil(samples).div_ceil(BLOCK / this.per_tile);
        // One dispatch at least: there is more to find than counts.
        let bases = (0..stride.max(1)).step_by(THRESHOLDS_PER_DISPATCH);
        let dispatches = bases.map(|base| {
            let params = gpu.params(source::PassAtK {
                tiles: tiles.count as u32,
                skip: tiles.skip as u32,
                samples: samples as u32,
                piece: tiles.piece as u32,
                trials: this.trials as u32,
                base: base as u32,
                count: (stride - base).min(THRESHOLDS_PER_DISPATCH) as u32,
                stride: stride as u32,
                room: found.room as u32,
                whole: u32::from(base == 0),
                histogram_too: u32::from(base == 0 && !this.counts_only),
                floor: base.checked_sub(1).map_or(0, |last| this.thresholds[last].to_bits()),
            })?;
            let buffers = vec![
                (1, errors),
                (2, &this.device_thresholds),
                (3, &this.counts),
                (4, &this.histogram),
                (5, &this.bins),
                (6, before),
                (7, after),
                (8, &found.entries),
            ];
            Ok(Dispatch { pipeline: this.pipeline.clone(), buffers, params, groups: (slots * blocks) as u64 })
        });
        dispatches.collect()
    }

    /// Adds entries to the rows of their samples, from sample and trial `first` on.
    pub(crate) fn add(&self, gpu: &Gpu, entries: &[Entry], first: [u64; 2], rows: &mut [Row]) -> Result<()> {
        for &[sample, trial, bits, kind] in entries {
            let error = f32::from_bits(bits);
            let Some(row) = rows.get_mut(sample as usize).filter(|_| u64::from(trial) < self.trials) else {
                return Err(gpu.untrusted(format!("it found trial {trial} of {} in sample {sample}", self.trials)));
            };
            finite(gpu, first[0] as usize + sample as usize, &[error])?;
            let record = Record { trial: first[1] + u64::from(trial), error };
            match kind {
                RECORD => row.add_candidate(record),
                STRAY => row.add_bins(Histogram::bin(error), [1]),
                _ => row.add_worst(record),
            }
        }
        Ok(())
    }

    /// Adds to a row what entries would have told of consecutive trials, had there been room for them.
    pub(crate) fn look(&self, sample: usize, first: u64, errors: &[f32], row: &mut Row) {
        let limit = self.thresholds.last().filter(|_| self.counts_only).map_or(f32::INFINITY, |&limit| limit);
        // The errors come first, so that none is left when trials end at `u64::MAX`.
        for (error, trial) in errors.iter().map(|error| error + 0.0).zip(first..) {
            if error < limit {
                row.add_candidate(Record { trial, error });
            }
            if !self.counts_only {
                row.add_worst(Record { trial, error });
                let bin = Histogram::bin(error);
                if bin.wrapping_sub(self.first_bins[sample] as usize) >= BINS {
                    row.add_bins(bin, [1]);
                }
            }
        }
    }

    /// Adds the sums of the whole span, once it is through.
    pub(crate) fn add_sums(&self, gpu: &Gpu, rows: &mut [Row]) -> Result<()> {
        let read = |buffer, values: usize| match values {
            0 => Ok(vec![]),
            _ => gpu.run::<u32>(vec![], buffer, values as u64).map(|(values, _)| values),
        };
        let (samples, stride) = (rows.len(), self.thresholds.len());
        let counts = read(&self.counts, samples * stride)?;
        let histogram = read(&self.histogram, if self.counts_only { 0 } else { samples * BINS })?;
        let wide = |counts: &[u32]| -> Vec<u64> { counts.iter().map(|&count| count.into()).collect() };
        for (sample, row) in rows.iter_mut().enumerate() {
            row.add_buckets(wide(&counts[sample * stride..][..stride]));
            if !self.counts_only {
                row.add_bins(self.first_bins[sample] as usize, wide(&histogram[sample * BINS..][..BINS]));
            }
        }
        Ok(())
    }
}

/// The first bin of a histogram, eight octaves, that ends with the bin of the largest error.
pub(crate) fn first_bin(largest: f32) -> u32 {
    (Histogram::bin(largest) as u32 + 1).saturating_sub(BINS as u32)
}

/// The first bins of samples, from images: no output is further from one than 0 or 1 in each pixel.
pub(crate) fn first_bins(problem: &Problem, samples: std::ops::Range<usize>) -> Vec<u32> {
    let farthest = |&x: &f32| f64::from(x.abs().max((1.0 - x).abs())).powi(2);
    let largest = |sample| problem.image(sample).iter().map(farthest).sum::<f64>().sqrt() * 1.001;
    samples.map(|sample| first_bin(largest(sample).min(f32::MAX.into()) as f32)).collect()
}

/// The kernel by itself: adds errors `[N, W]` to a tally, all of them checked. Where the device has no room for so many
/// thresholds or samples, the host alone adds them.
pub(crate) fn pass_at_k(gpu: &Gpu, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
    const TRIALS: usize = 256;
    let (mut made, mut again) = (tally.empty(), tally.empty());
    let (samples, counts_only) = (tally.rows().len(), tally.is_counts_only());
    let window = errors.len() / samples;
    let (thresholds, rows) = again.rows_mut();
    fold(rows, errors.len(), |sample, row| {
        row.add(thresholds, first, &errors[sample * window..][..window]);
        Ok(())
    })?;
    let largest = |row: &[f32]| row.iter().copied().fold(0.0, f32::max);
    let first_bins: Vec<u32> = errors.chunks(window).map(|row| first_bin(largest(row))).collect();
    let shape = [window, TRIALS].map(|n| n as u64);
    if let Some(mut device) = DeviceTally::begin(gpu, shape, thresholds, counts_only, &first_bins)? {
        let rows = made.rows_mut().1;
        let most = (gpu.limits.values() as usize / TRIALS).clamp(1, 1 << 14);
        let total = samples * window.div_ceil(TRIALS);
        let found = Found::new(gpu, most.min(total))?;
        for start in (0..total).step_by(most) {
            let tiles = Tiles::new(start as u64, most.min(total - start), samples);
            let mut tiled = vec![0.0; tiles.count * TRIALS];
            for (sample, row) in errors.chunks(window).enumerate() {
                for (tile, piece) in tiles.of(sample, samples) {
                    let live = &row[piece * TRIALS..window.min((piece + 1) * TRIALS)];
                    tiled[tile * TRIALS..][..live.len()].copy_from_slice(live);
                }
            }
            let tiled = gpu.upload(&tiled)?;
            gpu.write(&found.entries, &[0u32; 4])?;
            let dispatches = device.dispatches(gpu, tiles, &tiled, &found)?;
            let (read, _) = gpu.run::<u32>(dispatches, &found.entries, found.values(tiles.count))?;
            match found.entries(gpu, &read)? {
                Some(entries) => device.add(gpu, &entries, [0, first], rows)?,
                None => {
                    for (sample, row) in rows.iter_mut().enumerate() {
                        for (_, piece) in tiles.of(sample, samples) {
                            let live = piece * TRIALS..window.min((piece + 1) * TRIALS);
                            let trial = first + live.start as u64;
                            device.look(sample, trial, &errors[sample * window..][live], row);
                        }
                    }
                }
            }
        }
        device.add_sums(gpu, rows)?;
        for (sample, (made, again)) in rows.iter().zip(again.rows()).enumerate() {
            compare(sample, tally.thresholds(), None, made, again).map_err(|fault| gpu.untrusted(fault.to_string()))?;
        }
    }
    again.add_trials(first..first + window as u64)?;
    tally.merge(&again)
}

/// Refuses a NaN, infinite or negative error, which no trial of a checked problem has.
pub(crate) fn finite(gpu: &Gpu, sample: usize, errors: &[f32]) -> Result<()> {
    match no_error(errors) {
        None => Ok(()),
        Some(error) => Err(gpu.fault(
            format!("error {error} in sample {sample}"),
            "errors must be finite; update the driver, and report it as a bug if that does not help",
        )),
    }
}
