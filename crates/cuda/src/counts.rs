//! `pass_at_k` on the device: a second, independent count of every success ([`retrial_spec::recount`]).

use crate::{
    driver::Fault,
    gpu::{Buffer, Call, Gpu},
    source::{self, PassAtK},
};
use retrial_spec::{
    Result, Row,
    recount::{Disagreement, Recount},
};

/// Thresholds of one launch, 16 bytes of shared memory each; trials of a block, as in `pass_at_k.cu`.
const AT_ONCE: usize = 2048;
const SPAN: usize = 4096;
/// Most thresholds recounted, so that what the device keeps of 60,000 samples stays below a gigabyte.
const MOST: usize = 1024;

/// Counts that the device makes while rows grow.
pub(crate) struct Counts {
    thresholds: Buffer<f32>,
    counts: Buffer<u64>,
    firsts: Buffer<u64>,
    samples: usize,
    recount: Recount,
}

impl Counts {
    /// Begins before anything is added to `rows`.
    pub fn begin(gpu: &Gpu, thresholds: &[f32], rows: &[Row]) -> Result<Self, Fault> {
        let thresholds = &thresholds[..thresholds.len().min(MOST)];
        let values = rows.len() * thresholds.len();
        Ok(Self {
            thresholds: gpu.upload(thresholds)?,
            counts: gpu.upload(&vec![0; values])?,
            firsts: gpu.upload(&vec![u64::MAX; values])?,
            samples: rows.len(),
            recount: Recount::begin(thresholds, rows),
        })
    }

    /// Counts `errors`, `[N, trials]`, of trials from `first` on.
    pub fn calls(&self, errors: &Buffer<f32>, first: u64, trials: usize) -> Vec<Call> {
        assert!(errors.len() >= self.samples * trials);
        let stride = self.thresholds.len();
        let call = |base: usize| {
            let (pieces, count) = (trials.div_ceil(SPAN), (stride - base).min(AT_ONCE));
            let params = PassAtK {
                errors: errors.address(),
                thresholds: self.thresholds.address() + 4 * base as u64,
                counts: self.counts.address() + 8 * base as u64,
                firsts: self.firsts.address() + 8 * base as u64,
                first,
                trials: trials as u64,
                pieces: pieces as u32,
                count: count as u32,
                stride: stride as u32,
                unused: 0,
            };
            let grid = (pieces * self.samples) as u64;
            Call::new(&source::PASS_AT_K, "pass_at_k", grid, 256, &params).shared(16 * count as u32)
        };
        (0..stride).step_by(AT_ONCE).map(call).collect()
    }

    /// Holds the device's counts against what the host made of the same errors.
    pub fn check(&self, gpu: &Gpu, rows: &[Row]) -> Result<()> {
        let stride = self.thresholds.len();
        let values = self.samples * stride;
        // SAFETY: nothing is launched.
        let read = |buffer| unsafe { gpu.run(&[], buffer, values) }.map_err(|fault| gpu.error(fault));
        let (counts, firsts) = (read(&self.counts)?, read(&self.firsts)?);
        let bucket = |sample: usize, t: usize| {
            let at = sample * stride + t;
            (counts[at], (firsts[at] != u64::MAX).then_some(firsts[at]))
        };
        let fix = "results of this device cannot be trusted; check its memory (nvidia-smi -q -d ECC)";
        let failed = |fault: Disagreement| gpu.error(Fault::Failed { fault: fault.to_string(), fix: fix.into() });
        self.recount.check(rows, AT_ONCE, bucket).map_err(failed)
    }
}
