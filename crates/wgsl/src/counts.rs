//! `pass_at_k` on the device: a second, independent count of every success ([`retrial_spec::recount`]).

use crate::{
    gpu::{Dispatch, Gpu},
    source,
};
use retrial_spec::{Result, Row, recount::Recount};

/// Thresholds of one dispatch, what its workgroup memory holds.
const AT_ONCE: usize = 256;
const NEVER: u32 = u32::MAX;

/// Counts of some samples over trials that are less than 2^32 apart.
pub(crate) struct Counts {
    pipeline: wgpu::ComputePipeline,
    thresholds: wgpu::Buffer,
    counts: wgpu::Buffer,
    firsts: wgpu::Buffer,
    samples: usize,
    /// Thresholds counted: all that fit a buffer.
    stride: usize,
    recount: Recount,
}

/// Where the tiles of a dispatch lie: tile i is piece `piece + (skip + i) / samples` of sample `(skip + i) % samples`.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    pub count: usize,
    pub skip: usize,
    pub piece: usize,
}

impl Tiles {
    /// `count` tiles from number `start` on, in the order of all tiles of `samples` samples.
    pub fn new(start: u64, count: usize, samples: usize) -> Self {
        Self { count, skip: (start % samples as u64) as usize, piece: (start / samples as u64) as usize }
    }

    /// Tiles of one sample: positions and pieces.
    pub fn of(self, sample: usize, samples: usize) -> impl Iterator<Item = (usize, usize)> {
        let first = (sample + samples - self.skip) % samples;
        (first..self.count).step_by(samples).map(move |i| (i, self.piece + (self.skip + i) / samples))
    }
}

impl Counts {
    /// Begins to count tiles of `trials` trials that will be added to these rows.
    pub fn begin(gpu: &Gpu, trials: u64, thresholds: &[f32], rows: &[Row]) -> Result<Self> {
        let stride = thresholds.len().min((gpu.limits.values() / rows.len() as u64) as usize);
        let values = rows.len() * stride;
        let text = if gpu.subgroups() { source::PASS_AT_K_SUBGROUP } else { source::PASS_AT_K };
        Ok(Self {
            pipeline: gpu.pipeline(text, "pass_at_k", &[("TRIALS", trials as f64)])?,
            thresholds: gpu.upload(thresholds)?,
            counts: gpu.upload(&vec![0u32; values])?,
            firsts: gpu.upload(&vec![NEVER; values])?,
            samples: rows.len(),
            stride,
            recount: Recount::begin(&thresholds[..stride], rows),
        })
    }

    /// Counts `errors`, `[tiles, trials]`.
    pub fn dispatches<'a>(&'a self, gpu: &Gpu, tiles: Tiles, errors: &'a wgpu::Buffer) -> Result<Vec<Dispatch<'a>>> {
        let bases = (0..self.stride).step_by(AT_ONCE);
        let dispatches = bases.map(|base| {
            let params = gpu.params(source::PassAtK {
                tiles: tiles.count as u32,
                skip: tiles.skip as u32,
                samples: self.samples as u32,
                piece: tiles.piece as u32,
                base: base as u32,
                count: (self.stride - base).min(AT_ONCE) as u32,
                stride: self.stride as u32,
            })?;
            let buffers = vec![(1, errors), (2, &self.thresholds), (3, &self.counts), (4, &self.firsts)];
            Ok(Dispatch { pipeline: &self.pipeline, buffers, params, groups: tiles.count as u64 })
        });
        dispatches.collect()
    }

    /// Holds the device's counts of trials from `first` on against what the host made of the same errors.
    pub fn check(self, gpu: &Gpu, first: u64, rows: &[Row]) -> Result<()> {
        if self.stride == 0 {
            return Ok(());
        }
        let values = (self.samples * self.stride) as u64;
        let (counts, _) = gpu.run::<u32>(&[], &self.counts, values)?;
        let (firsts, _) = gpu.run::<u32>(&[], &self.firsts, values)?;
        let bucket = |sample: usize, t: usize| {
            let at = sample * self.stride + t;
            (u64::from(counts[at]), (firsts[at] != NEVER).then(|| first + u64::from(firsts[at])))
        };
        let fix = "results of this device cannot be trusted; update its driver";
        self.recount.check(rows, AT_ONCE, bucket).map_err(|fault| gpu.fault(fault.to_string(), fix))
    }
}
