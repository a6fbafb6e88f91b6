//! `correlation` on the device: f32 over blocks of trials, blocks added in f64 here.

use crate::{
    gpu::{Dispatch, Gpu},
    source,
};
use retrial_host::constant;
use retrial_spec::Result;

/// Trials of a block of `correlation.wgsl`, and samples along a tile's side.
const BLOCK: usize = constant(source::CORRELATION, "BLOCK");
const TILE: usize = constant(source::CORRELATION, "TILE");

/// `G = U U^T / N`, `[N, N]`, of errors `[N, K]`.
pub(crate) fn correlation(gpu: &Gpu, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
    let trials = errors.len() / samples;
    let standardise = gpu.pipeline(source::CORRELATION, "standardise", &[])?;
    let gram = gpu.pipeline(source::CORRELATION, "gram", &[])?;
    let rows = samples.div_ceil(TILE);
    let values = gpu.limits.values() as usize;
    let blocks =
        (values / samples / BLOCK).min(values / (rows * TILE * TILE)).min(if gpu.limits.software { 1 } else { 64 });
    if blocks == 0 {
        let fault = format!("{samples} samples of {BLOCK} trials do not fit a buffer of {} bytes", 4 * values);
        return Err(gpu.fault(fault, "correlate fewer samples, or use --device cpu"));
    }
    let part = gpu.buffer((blocks * rows * TILE * TILE) as u64)?;
    let mut g = vec![0.0; samples * samples];
    for start in (0..trials).step_by(blocks * BLOCK) {
        let taken = (trials - start).min(blocks * BLOCK);
        let padded = taken.next_multiple_of(BLOCK);
        let mut window = vec![0f32; samples * padded]; // trials of padding do not vary and so add nothing
        for (row, errors) in window.chunks_mut(padded).zip(errors.chunks(trials)) {
            row[..taken].copy_from_slice(&errors[start..][..taken]);
        }
        let u = gpu.upload(&window)?;
        let params = |row| {
            let (samples, trials, row) = (samples as u32, padded as u32, row as u32);
            gpu.params(source::Correlation { samples, trials, row, blocks: (padded / BLOCK) as u32 })
        };
        for row in 0..rows {
            let columns = row + 1;
            let mut dispatches = vec![];
            if row == 0 {
                let groups = padded.div_ceil(64) as u64;
                dispatches.push(Dispatch {
                    pipeline: standardise.clone(),
                    buffers: vec![(1, &u)],
                    params: params(0)?,
                    groups,
                });
            }
            let groups = (columns * padded / BLOCK) as u64;
            dispatches.push(Dispatch {
                pipeline: gram.clone(),
                buffers: vec![(2, &u), (3, &part)],
                params: params(row)?,
                groups,
            });
            let (parts, _) = gpu.run::<f32>(dispatches, &part, groups * (TILE * TILE) as u64)?;
            for (at, tile) in parts.chunks(TILE * TILE).enumerate() {
                add(&mut g, samples, row * TILE, at % columns * TILE, tile);
            }
        }
    }
    for a in 0..samples {
        for b in 0..=a {
            g[a * samples + b] /= samples as f64;
            g[b * samples + a] = g[a * samples + b];
        }
    }
    Ok(g)
}

/// Adds a tile at row `a` and column `b`, of which what lies beyond the matrix is dropped.
fn add(g: &mut [f64], samples: usize, a: usize, b: usize, tile: &[f32]) {
    for (row, values) in g.chunks_mut(samples).skip(a).zip(tile.chunks(TILE)) {
        row.iter_mut().skip(b).zip(values).for_each(|(g, &v)| *g += f64::from(v));
    }
}
