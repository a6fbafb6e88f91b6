//! The adapter's own rates of multiply-adds and of copies, measured.

use crate::{
    gpu::{Dispatch, Gpu},
    source::{self, Peak},
};
use retrial_spec::{Precision, Result};
use std::time::Duration;

/// Threads of a workgroup.
const THREADS: u64 = 256;
/// Work grows until it takes so long.
const LONG_ENOUGH: Duration = Duration::from_millis(10);

/// FLOP/s of multiply-adds in registers: rounds double until a submission takes 10 ms, and the best of five counts. `None`
/// for a precision that the adapter does not multiply in.
pub(crate) fn peak(gpu: &Gpu, precision: Precision) -> Result<Option<f64>> {
    let text = match precision {
        Precision::F32 => source::PEAK,
        Precision::F16 if gpu.f16() => source::PEAK_F16,
        _ => return Ok(None),
    };
    // Enough workgroups for any GPU; Mesa's software drivers end loops after 65,535 iterations, and need few threads.
    let (groups, most) = if gpu.limits.software { (64, 1 << 15) } else { (4096, 1 << 20) };
    let pipeline = gpu.pipeline(text, "multiply", &[])?;
    let to = gpu.buffer(4 * THREADS * groups)?;
    let time = |rounds: u32| {
        let params = gpu.params(Peak { rounds, count: (THREADS * groups) as u32 })?;
        let dispatch = Dispatch { pipeline: pipeline.clone(), buffers: vec![(1, &to)], params, groups };
        gpu.run::<f32>(vec![dispatch], &to, 1).map(|(_, time)| time)
    };
    let mut rounds = 1;
    while time(rounds)? < LONG_ENOUGH && rounds < most {
        rounds *= 2;
    }
    let best = (0..5).map(|_| time(rounds)).collect::<Result<Vec<_>>>()?.into_iter().min().unwrap_or_default();
    let flops = 2.0 * 32.0 * 8.0 * f64::from(rounds) * (THREADS * groups) as f64;
    Ok(Some(flops / best.as_secs_f64().max(1e-9)))
}

/// Bytes a second that are read and written in a copy of 64 MiB, or 256 MiB on a GPU: more than caches hold. The best of
/// five.
pub(crate) fn bandwidth(gpu: &Gpu) -> Result<f64> {
    let wanted: u64 = if gpu.limits.software { 64 << 20 } else { 256 << 20 };
    let values = (wanted / 4).min(gpu.limits.values());
    let pipeline = gpu.pipeline(source::PEAK, "copy", &[])?;
    let (from, to) = (gpu.buffer(values)?, gpu.buffer(values)?);
    let count = values / 4;
    let time = || {
        let params = gpu.params(Peak { rounds: 0, count: count as u32 })?;
        let buffers = vec![(1, &to), (2, &from)];
        let dispatch = Dispatch { pipeline: pipeline.clone(), buffers, params, groups: count.div_ceil(THREADS) };
        gpu.run::<f32>(vec![dispatch], &to, 1).map(|(_, time)| time)
    };
    time()?; // the first touches the pages
    let best = (0..5).map(|_| time()).collect::<Result<Vec<_>>>()?.into_iter().min().unwrap_or_default();
    Ok(2.0 * 16.0 * count as f64 / best.as_secs_f64().max(1e-9))
}
