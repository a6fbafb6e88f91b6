//! The kernels one by one: building blocks, each cut into pieces that fit the device.

use crate::{
    gpu::{Dispatch, Gpu},
    plan::Throughput,
    source,
};
use retrial_host::constant;
use retrial_spec::{Linear, Noise, Problem, Result, rng};
use std::ops::Range;

/// Runs rows `0..total` in pieces of at most `max`, sized in whole tiles of rows by the time that `run` reports.
fn pieces(total: usize, max: u64, mut run: impl FnMut(Range<usize>) -> Result<std::time::Duration>) -> Result<()> {
    let mut throughput = Throughput::new(1);
    let mut start = 0;
    while start < total {
        let tiles = throughput.next(max.div_ceil(SPAN as u64));
        let end = total.min(start + (tiles * SPAN as u64).min(max.max(1)) as usize);
        throughput.took(tiles, run(start..end)?);
        start = end;
    }
    Ok(())
}

/// Rows and outputs of a tile of `shared/dense.wgsl`.
const SPAN: usize = constant(source::DECODE, "SPAN");

/// Two dense layers of `encode` or `decode`, by the names of their entry points.
pub(crate) fn two_layers(
    gpu: &Gpu,
    text: &'static str,
    entries: [&str; 2],
    layers: [&Linear; 2],
    x: &[f32],
) -> Result<Vec<f32>> {
    let pipelines = [gpu.pipeline(text, entries[0], &[])?, gpu.pipeline(text, entries[1], &[])?];
    let mut parameters = vec![];
    for layer in layers {
        parameters.push((gpu.upload(&layer.weight)?, gpu.upload(&layer.bias)?));
    }
    let [first, second] = layers;
    let widest = first.inputs.max(first.outputs).max(second.outputs);
    let mut y = Vec::with_capacity(x.len() / first.inputs * second.outputs);
    pieces(x.len() / first.inputs, gpu.limits.values() / widest as u64, |rows| {
        let count = rows.len();
        let buffers = [
            gpu.upload(&x[rows.start * first.inputs..rows.end * first.inputs])?,
            gpu.buffer((count * first.outputs) as u64)?,
            gpu.buffer((count * second.outputs) as u64)?,
        ];
        let mut dispatches = vec![];
        for (i, layer) in layers.into_iter().enumerate() {
            let params =
                source::Dense { rows: count as u32, inputs: layer.inputs as u32, outputs: layer.outputs as u32 };
            dispatches.push(Dispatch {
                pipeline: pipelines[i].clone(),
                buffers: vec![(1, &buffers[i]), (2, &parameters[i].0), (3, &parameters[i].1), (4, &buffers[i + 1])],
                params: gpu.params(params)?,
                groups: (count.div_ceil(SPAN) * layer.outputs.div_ceil(SPAN)) as u64,
            });
        }
        let (part, time) = gpu.run::<f32>(dispatches, &buffers[2], (count * second.outputs) as u64)?;
        y.extend(part);
        Ok(time)
    })?;
    Ok(y)
}

/// `z = mu + scale eps`, `[N, W, latent]`.
pub(crate) fn sample_latent(gpu: &Gpu, problem: &Problem, noise: &Noise<'_>) -> Result<Vec<f32>> {
    let (samples, latent) = (problem.samples(), problem.shape().latent);
    let trials = noise.trials(problem);
    let given = match noise {
        Noise::Given(given) => Some(*given),
        Noise::Trials(_) => None,
    };
    let first = match noise {
        Noise::Given(_) => 0,
        Noise::Trials(range) => range.start,
    };
    let entry = if given.is_some() { "from_noise" } else { "from_trials" };
    let pipeline = gpu.pipeline(source::SAMPLE_LATENT, entry, &[])?;
    let mut z = Vec::with_capacity(samples * trials * latent);
    pieces(samples * trials, gpu.limits.values() / latent as u64, |rows| {
        let span = rows.start / trials..rows.end.div_ceil(trials);
        let part = |values: &[f32]| gpu.upload(&values[span.start * latent..span.end * latent]);
        let (mu, scale) = (part(problem.mus())?, part(problem.scales())?);
        let values = rows.len() * latent;
        let out = match given {
            Some(noise) => gpu.upload(&noise[rows.start * latent..][..values])?,
            None => gpu.buffer(values as u64)?,
        };
        let params = gpu.params(source::SampleLatent {
            key: rng::key(problem.seed()),
            first: source::halves(first),
            rows: rows.len() as u32,
            skip: (rows.start % trials) as u32,
            trials: trials as u32,
            latent: latent as u32,
            sample: span.start as u32,
            pad: 0,
        })?;
        let threads = if given.is_some() { values } else { rows.len() * latent.div_ceil(4) };
        let buffers = vec![(1, &mu), (2, &scale), (3, &out)];
        let dispatch = Dispatch { pipeline: pipeline.clone(), buffers, params, groups: threads.div_ceil(64) as u64 };
        let (part, time) = gpu.run::<f32>(vec![dispatch], &out, values as u64)?;
        z.extend(part);
        Ok(time)
    })?;
    Ok(z)
}

/// `e = ||x - y||_2`, `[N, W]`.
pub(crate) fn l2_error(gpu: &Gpu, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
    let trials = outputs.len() / images.len();
    let pipeline = gpu.pipeline(source::L2_ERROR, "l2_error", &[])?;
    let mut errors = Vec::with_capacity(outputs.len() / pixels);
    pieces(outputs.len() / pixels, gpu.limits.values() / pixels as u64, |rows| {
        let span = rows.start / trials..rows.end.div_ceil(trials);
        let x = gpu.upload(&images[span.start * pixels..span.end * pixels])?;
        let y = gpu.upload(&outputs[rows.start * pixels..rows.end * pixels])?;
        let e = gpu.buffer(rows.len() as u64)?;
        let params = gpu.params(source::L2Error {
            rows: rows.len() as u32,
            skip: (rows.start % trials) as u32,
            trials: trials as u32,
            pixels: pixels as u32,
        })?;
        let buffers = vec![(1, &x), (2, &y), (3, &e)];
        let dispatch = Dispatch { pipeline: pipeline.clone(), buffers, params, groups: rows.len() as u64 };
        let (part, time) = gpu.run::<f32>(vec![dispatch], &e, rows.len() as u64)?;
        errors.extend(part);
        Ok(time)
    })?;
    Ok(errors)
}
