//! A backend of one's own, in the plainest Rust there is, held against the references.
//!
//! `cargo run --release -p retrial-check --example own_backend`

use retrial_check::{cases_of, conformance};
use retrial_spec::{
    Device, Fused, Kernels, Linear, Noise, Posterior, Precision, Problem, Result, Tally, Variant, Weights,
    rng::trial_normals,
};
use std::ops::Range;

/// One value after the other, summed in f64.
struct Plain {
    device: Device,
}

fn layer<'l>(of: &'l Linear, x: &'l [f32]) -> impl Iterator<Item = f32> + 'l {
    let sum = move |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(w * x)).sum::<f64>();
    of.weight.chunks(of.inputs).zip(&of.bias).map(move |(row, bias)| sum(row) as f32 + bias)
}

fn relu(values: impl Iterator<Item = f32>) -> Vec<f32> {
    values.map(|value| value.max(0.0)).collect()
}

impl Kernels for Plain {
    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        let (mut mu, mut logvar) = (vec![], vec![]);
        for image in images.chunks(weights.encoder_fc1.inputs) {
            let hidden = relu(layer(&weights.encoder_fc1, image));
            mu.extend(layer(&weights.encoder_fc_mu, &hidden));
            logvar.extend(layer(&weights.encoder_fc_logvar, &hidden));
        }
        Ok(Posterior { mu, logvar })
    }

    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        let (latent, trials) = (problem.shape().latent, noise.trials(problem));
        let mut z = vec![0.0; problem.samples() * trials * latent];
        for (row, z) in z.chunks_mut(latent).enumerate() {
            let (sample, trial) = (row / trials, row % trials);
            match &noise {
                Noise::Given(normals) => z.copy_from_slice(&normals[row * latent..][..latent]),
                Noise::Trials(range) => trial_normals(problem.seed(), sample as u32, range.start + trial as u64, z),
            }
            for ((z, mu), scale) in z.iter_mut().zip(problem.mu(sample)).zip(problem.scale(sample)) {
                *z = mu + scale * *z;
            }
        }
        Ok(z)
    }

    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>> {
        let mut pixels = vec![];
        for z in latents.chunks(weights.decoder_fc1.inputs) {
            let hidden = relu(layer(&weights.decoder_fc1, z));
            pixels.extend(layer(&weights.decoder_fc2, &hidden).map(|a| 1.0 / (1.0 + (-a).exp())));
        }
        Ok(pixels)
    }

    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        let trials = outputs.len() / images.len();
        let error = |(row, y): (usize, &[f32])| {
            let image = &images[row / trials * pixels..][..pixels];
            image.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt()
        };
        Ok(outputs.chunks(pixels).enumerate().map(error).collect())
    }

    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
        let window = errors.len() / tally.rows().len();
        let (thresholds, rows) = tally.rows_mut();
        rows.iter_mut().zip(errors.chunks(window)).for_each(|(row, errors)| row.add(thresholds, first, errors));
        tally.add_trials(first..first + window as u64)
    }

    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        let trials = errors.len() / samples;
        let mut gram = vec![0.0; samples * samples];
        for trial in 0..trials {
            let column: Vec<f64> = (0..samples).map(|n| errors[n * trials + trial].into()).collect();
            let mean = column.iter().sum::<f64>() / samples as f64;
            let variance = column.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / samples as f64;
            if variance > 0.0 {
                for (at, sum) in gram.iter_mut().enumerate() {
                    *sum += (column[at / samples] - mean) * (column[at % samples] - mean) / variance / samples as f64;
                }
            }
        }
        Ok(gram)
    }

    fn load<'a>(&'a self, problem: &'a Problem, _: &Variant) -> Result<Box<dyn Fused + 'a>> {
        Ok(Box::new(Loaded { plain: self, problem }))
    }
}

/// `score`: a fused kernel would keep everything on its device. This one calls the others.
struct Loaded<'a> {
    plain: &'a Plain,
    problem: &'a Problem,
}

impl Fused for Loaded<'_> {
    fn errors(&mut self, noise: Noise<'_>) -> Result<Vec<f32>> {
        let z = self.plain.sample_latent(self.problem, noise)?;
        let outputs = self.plain.decode(self.problem.weights(), &z)?;
        self.plain.l2_error(self.problem.images(), &outputs, self.problem.shape().pixels)
    }

    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        let errors = self.errors(Noise::Trials(trials.clone()))?;
        self.plain.pass_at_k(&errors, trials.start, tally)
    }

    fn window(&self) -> u64 {
        256
    }
}

fn main() -> Result<()> {
    let device = Device {
        backend: "plain".into(),
        name: "any CPU".into(),
        detail: "one loop after the other".into(),
        variants: vec![Variant::new("plain", Precision::F32)],
        has_f64: true,
    };
    let plain = Plain { device };
    let report = conformance(&plain, &cases_of(Kernels::device(&plain)))?;
    for (case, verdict) in &report.results {
        println!("{} {}: {verdict:?}", case.name(), case.shape);
    }
    assert!(report.passed(), "a kernel differs from its reference");
    Ok(())
}
