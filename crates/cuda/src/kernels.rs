//! The kernels one by one: building blocks, each cut into pieces that fit the memory.

use crate::{
    driver::Fault,
    gpu::{Buffer, Gpu, Launch},
    source::{self, Dense, L2Error, Program, SampleLatent},
};
use retrial_host::constant;
use retrial_spec::{Linear, Noise, Problem};
use std::ops::Range;

/// Bytes of one piece: enough to fill any device.
const MAX_BYTES_PER_LAUNCH: usize = 256 << 20;

/// Runs rows `0..total` of `bytes` bytes each in pieces, and halves the piece while the device refuses its memory.
fn pieces(
    total: usize,
    bytes: usize,
    mut run: impl FnMut(Range<usize>) -> Result<Vec<f32>, Fault>,
) -> Result<Vec<f32>, Fault> {
    let (mut out, mut start, mut step) = (vec![], 0, (MAX_BYTES_PER_LAUNCH / bytes.max(1)).max(1));
    while start < total {
        let end = total.min(start + step);
        match run(start..end) {
            Ok(part) => {
                out.extend(part);
                start = end;
            }
            Err(Fault::OutOfMemory { .. }) if end - start > 1 => step = (end - start) / 2,
            Err(fault) => return Err(fault),
        }
    }
    Ok(out)
}

/// Rows and outputs of a tile of `dense.cuh`.
const SPAN: usize = constant(source::DENSE, "SPAN");

fn dense(
    program: &'static Program,
    entry: &'static str,
    layer: &Linear,
    rows: usize,
    [x, weight, bias, y]: [&Buffer<f32>; 4],
) -> Launch {
    assert!(x.len() >= rows * layer.inputs && y.len() >= rows * layer.outputs);
    assert!(weight.len() == layer.inputs * layer.outputs && bias.len() == layer.outputs);
    let params = Dense {
        x: x.address(),
        weight: weight.address(),
        bias: bias.address(),
        y: y.address(),
        rows: rows as u32,
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        unused: 0,
    };
    Launch::new(program, entry, (rows.div_ceil(SPAN) * layer.outputs.div_ceil(SPAN)) as u64, 256, &params)
}

/// Two dense layers of `encode` or `decode`.
pub(crate) fn two_layers(
    gpu: &Gpu,
    program: &'static Program,
    [first, second]: [&Linear; 2],
    x: &[f32],
) -> Result<Vec<f32>, Fault> {
    let [w1, b1, w2, b2] = [&first.weight, &first.bias, &second.weight, &second.bias].map(|v| gpu.upload(v));
    let (w1, b1, w2, b2) = (w1?, b1?, w2?, b2?);
    let bytes = 4 * (first.inputs + first.outputs + second.outputs);
    pieces(x.len() / first.inputs, bytes, |rows| {
        let count = rows.len();
        let x = gpu.upload(&x[rows.start * first.inputs..rows.end * first.inputs])?;
        let (h, y) = (gpu.buffer(count * first.outputs)?, gpu.buffer(count * second.outputs)?);
        let calls = [
            dense(program, "hidden", first, count, [&x, &w1, &b1, &h]),
            dense(program, program.kernel, second, count, [&h, &w2, &b2, &y]),
        ];
        // SAFETY: `dense` checked the lengths.
        unsafe { gpu.run(&calls, &y, count * second.outputs) }
    })
}

/// `z = mu + scale eps`, `[N, W, latent]`.
pub(crate) fn sample_latent(gpu: &Gpu, problem: &Problem, noise: &Noise<'_>) -> Result<Vec<f32>, Fault> {
    let (samples, latent) = (problem.samples(), problem.shape().latent);
    let trials = noise.trials(problem);
    let (mu, scale) = (gpu.upload(problem.mus())?, gpu.upload(problem.scales())?);
    pieces(samples * trials, 8 * latent, |rows| {
        let given: Option<Buffer<f32>> = match noise {
            Noise::Given(noise) => Some(gpu.upload(&noise[rows.start * latent..rows.end * latent])?),
            Noise::Trials(_) => None,
        };
        let first = match noise {
            Noise::Given(_) => 0,
            Noise::Trials(range) => range.start,
        };
        let z = gpu.buffer::<f32>(rows.len() * latent)?;
        let params = SampleLatent {
            mu: mu.address(),
            scale: scale.address(),
            noise: given.as_ref().map_or(0, Buffer::address),
            z: z.address(),
            seed: problem.seed(),
            first,
            rows: rows.len() as u64,
            skip: rows.start as u64,
            trials: trials as u64,
            latent: latent as u32,
            unused: 0,
        };
        let threads = rows.len() * latent.div_ceil(4);
        let call = Launch::new(&source::SAMPLE_LATENT, "sample_latent", threads.div_ceil(256) as u64, 256, &params);
        // SAFETY: `z` and the given noise hold the piece, `mu` and `scale` all samples.
        unsafe { gpu.run(&[call], &z, rows.len() * latent) }
    })
}

/// `e = ||x - y||_2`, `[N, W]`.
pub(crate) fn l2_error(gpu: &Gpu, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>, Fault> {
    let x = gpu.upload(images)?;
    let trials = outputs.len() / images.len();
    pieces(outputs.len() / pixels, 4 * pixels, |rows| {
        let y = gpu.upload(&outputs[rows.start * pixels..rows.end * pixels])?;
        let e = gpu.buffer::<f32>(rows.len())?;
        let params = L2Error {
            x: x.address(),
            y: y.address(),
            e: e.address(),
            rows: rows.len() as u64,
            skip: rows.start as u64,
            trials: trials as u64,
            pixels: pixels as u32,
            unused: 0,
        };
        let call = Launch::new(&source::L2_ERROR, "l2_error", rows.len().div_ceil(8) as u64, 256, &params);
        // SAFETY: `x` holds every sample, `y` and `e` the piece.
        unsafe { gpu.run(&[call], &e, rows.len()) }
    })
}

/// Samples along the side of a tile of `correlation.cu`.
const TILE: usize = constant(source::CORRELATION.text, "SPAN");
/// Multiply-adds and trials of one pass, which bound its time and its memory; blocks that fill any device.
const PASS_WORK: usize = 1 << 36;
const PASS: usize = 1 << 16;
const BLOCKS: usize = 2048;

/// `G = U U^T / N`, `[N, N]`, of errors `[N, K]`. The cut into passes and splits depends on `N` and `K` alone.
pub(crate) fn correlation(gpu: &Gpu, errors: &[f32], samples: usize) -> Result<Vec<f64>, Fault> {
    let trials = errors.len() / samples;
    let side = samples.div_ceil(TILE);
    let tiles = side * (side + 1) / 2;
    let mut gram = vec![0.0; samples * samples];
    let pass = (PASS_WORK / (samples * samples)).clamp(1024, PASS);
    for start in (0..trials).step_by(pass) {
        let taken = (trials - start).min(pass);
        let splits = taken.div_ceil(1024).min((BLOCKS / tiles).max(1));
        let window: Vec<f32> = errors.chunks(trials).flat_map(|row| &row[start..start + taken]).copied().collect();
        let (e, moments) = (gpu.upload(&window)?, gpu.buffer::<f64>(2 * taken)?);
        let (partial, sum) = (gpu.buffer::<f64>(splits * tiles * TILE * TILE)?, gpu.buffer(tiles * TILE * TILE)?);
        let params = source::Correlation {
            errors: e.address(),
            moments: moments.address(),
            partial: partial.address(),
            gram: sum.address(),
            trials: taken as u64,
            span: taken.div_ceil(splits) as u64,
            samples: samples as u32,
            splits: splits as u32,
            tiles: tiles as u32,
            unused: 0,
        };
        let call = |entry, grid: usize| Launch::new(&source::CORRELATION, entry, grid as u64, 256, &params);
        let calls = [
            call("standardise", taken.div_ceil(256)),
            call("correlation", tiles * splits),
            call("reduce", (tiles * TILE * TILE).div_ceil(256)),
        ];
        // SAFETY: all buffers have the lengths of the kernel's contract.
        let sums: Vec<f64> = unsafe { gpu.run(&calls, &sum, tiles * TILE * TILE)? };
        let places = (0..side).flat_map(|a| (0..=a).map(move |b| (a, b)));
        for ((a, b), tile) in places.zip(sums.chunks(TILE * TILE)) {
            for (row, values) in gram.chunks_mut(samples).skip(TILE * a).zip(tile.chunks(TILE)) {
                row.iter_mut().skip(TILE * b).zip(values).for_each(|(g, v)| *g += v / samples as f64);
            }
        }
    }
    for a in 0..samples {
        for b in a + 1..samples {
            gram[a * samples + b] = gram[b * samples + a]; // tiles on the diagonal hold both, the others only this
        }
    }
    Ok(gram)
}
