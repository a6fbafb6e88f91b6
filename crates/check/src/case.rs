//! One kernel at one size: what goes in, what must come out, and who is held against it.

use crate::{
    Agreement, Band, Fault, Kernel, Tolerance, Verdict, compare, images,
    inputs::{Inputs, Output},
    thresholds, weights,
};
use retrial_reference as reference;
use retrial_spec::{
    Backend, Device, Noise, Posterior, Precision, Problem, Result, Shape, Tally, Variant, Weights, tally::Record,
};
use std::ops::Range;

/// One kernel at one size. Everything that determines its numbers is here.
#[derive(Clone, Debug)]
pub struct Case {
    /// What runs.
    pub kernel: Kernel,
    /// The model's widths.
    pub shape: Shape,
    /// Samples `N`.
    pub samples: usize,
    /// Trials per sample `W`.
    pub trials: usize,
    /// Index of the first trial.
    pub first: u64,
    /// Temperature.
    pub temperature: f64,
    /// Seed of the model, the images and the noise.
    pub seed: u64,
    /// Which implementation of `score`; `None` is the device's first in f32. The other kernels have one each.
    pub variant: Option<Variant>,
}

/// The cases of a device: every kernel, and `score` by each implementation that the device has.
pub fn cases_of(device: &Device) -> Vec<Case> {
    by_variants(cases(), device)
}

/// Cases of which those of `score` are run by each implementation of a device.
pub fn by_variants(cases: Vec<Case>, device: &Device) -> Vec<Case> {
    let (scores, others): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.kernel == Kernel::Score);
    let by = |variant: &Variant| scores.iter().map(|case| case.by(variant)).collect::<Vec<_>>();
    others.into_iter().chain(device.variants.iter().flat_map(by)).collect()
}

/// Every kernel over shapes chosen to break tiles: 1, primes, one more and one less than a tile, the paper's and the
/// largest; one sample, one trial; trials across the 2^32 boundary; temperatures from 0 to 3.
pub fn cases() -> Vec<Case> {
    let shape = |pixels, hidden, latent| Shape { pixels, hidden, latent };
    let sizes = [
        (shape(1, 1, 1), 1, 1, 0, 1.0),
        (shape(7, 5, 3), 2, 33, 5, 1.0),
        (shape(97, 61, 7), 5, 47, u64::from(u32::MAX) - 20, 2.0),
        (Shape::PAPER, 3, 193, 0, 1.0),
        (Shape::PAPER, 1, 31, 1 << 40, 3.0),
        (shape(768, 1024, 96), 2, 35, 1000, 0.5),
        (shape(1025, 401, 21), 2, 65, 7, 1.0),
        (shape(61, 400, 20), 4, 1, 0, 0.0),
        (Shape::MAX, 1, 17, 3, 1.0),
    ];
    let all = Kernel::ALL.into_iter().flat_map(|kernel| sizes.map(|size| (kernel, size)));
    all.map(|(kernel, (shape, samples, trials, first, temperature))| Case {
        kernel,
        shape,
        samples,
        trials,
        first,
        temperature,
        seed: 11,
        variant: None,
    })
    .collect()
}

/// Cases of random size, one of each kernel for each of `count` draws: widths log-uniform up to 1024-512-64, 1 to 6 samples,
/// 1 to 200 trials, the first of them at 0, anywhere below 2^20, around 2^32 or beyond 2^40, temperatures 0 once in eight
/// draws and else uniform up to 3. The same seed draws the same cases.
pub fn random(count: usize, seed: u64) -> Vec<Case> {
    let mut stream = retrial_spec::rng::Stream::new(seed, 3);
    let mut all = vec![];
    for _ in 0..count {
        let mut width = |most: f64| (most.powf(stream.uniform()).round() as usize).max(1);
        let shape = Shape { pixels: width(1024.0), hidden: width(512.0), latent: width(64.0) };
        let (samples, trials) = (1 + stream.below(6) as usize, 1 + stream.below(200) as usize);
        let first = match stream.below(4) {
            0 => 0,
            1 => stream.below(1 << 20),
            2 => (1 << 32) - stream.below(200),
            _ => (1 << 40) + stream.below(1 << 40),
        };
        let temperature = if stream.below(8) == 0 { 0.0 } else { 3.0 * stream.uniform() };
        let case = |kernel| Case { kernel, shape, samples, trials, first, temperature, seed, variant: None };
        all.extend(Kernel::ALL.map(case));
    }
    all
}

impl Case {
    /// The same case by an implementation of `score`.
    pub fn by(&self, variant: &Variant) -> Self {
        Self { variant: Some(variant.clone()), ..self.clone() }
    }

    /// What it is computed in, f64 sums of `correlation` apart.
    pub fn precision(&self) -> Precision {
        self.variant.as_ref().map_or(Precision::F32, |variant| variant.precision)
    }

    /// The kernel and its implementation: `score wgmma`.
    pub fn name(&self) -> String {
        let variant = self.variant.as_ref().map(|variant| format!(" {}", variant.kernel));
        format!("{}{}", self.kernel, variant.unwrap_or_default())
    }

    /// The command that reruns this case.
    pub fn command(&self, backend: &str) -> String {
        let Self { kernel, shape, samples, trials, first, temperature, seed, variant } = self;
        let kernel = variant.as_ref().map_or(kernel.name(), |variant| &variant.kernel);
        format!(
            "retrial validate --device {backend} --kernel {kernel} --shape {shape} --samples {samples} --trials {trials} \
             --first {first} --temperature {temperature} --seed {seed} --precision {}",
            self.precision()
        )
    }

    /// Bound on the difference from the reference.
    ///
    /// A sum of `n` terms, rounded after each, is off by about `u sqrt(n)` relative to its largest partial sum, with
    /// `u` = [`Tolerance::F32`]; the constants cover that partial sums exceed the result. A pixel's error passes
    /// through the sigmoid with slope at most 1/4 and enters an error `e` as its root mean square. `has_f64` says whether
    /// the device has f64.
    pub fn tolerance(&self, has_f64: bool) -> Tolerance {
        let Shape { pixels, hidden, latent } = self.shape;
        let root = |n: usize| (n as f64).sqrt();
        let u = Tolerance::F32;
        let (absolute, relative) = match self.kernel {
            Kernel::Encode => (u * (16.0 + 4.0 * root(pixels) + 2.0 * root(hidden)), u * 16.0),
            Kernel::SampleLatent => (u * 8.0 * (1.0 + self.temperature), u * 8.0),
            Kernel::Decode => (u * (8.0 + root(hidden) + root(latent)), 0.0),
            Kernel::L2Error => (0.0, u * (2.0 + root(pixels))),
            Kernel::PassAtK => (0.0, 0.0),
            // f64 sums of f64 products of standardised errors; where a device has no f64, standardised values and
            // products are rounded to f32 and the sums of up to 1024 of them too.
            Kernel::Correlation if has_f64 => (1e-14 * self.trials as f64, 1e-13),
            Kernel::Correlation => (u * 8.0 * root(self.trials), u * 32.0),
            Kernel::Score => match self.precision() {
                Precision::F64 | Precision::F32 | Precision::F16x3 => {
                    (u * (4.0 + root(hidden)), u * (4.0 + root(pixels)))
                }
                // Weights and hidden units rounded to 11 bits before they are multiplied.
                Precision::F16 => (2f64.powi(-11) * 8.0, 2f64.powi(-11)),
                // Two roundings by up to 2^-9 of each product, at random: a sum of them, of root sum square 4 at most in
                // the models of these cases, is off by about 2^-8, an error by a fraction of that.
                Precision::Bf16 => (2f64.powi(-7), 0.0),
            },
        };
        Tolerance { absolute, relative }
    }

    /// Floating-point operations, multiply and add counted apart, transcendental functions not counted.
    pub fn flops(&self) -> u64 {
        let Shape { pixels, hidden, latent } = self.shape;
        let (n, w) = (self.samples as u64, self.trials as u64);
        match self.kernel {
            Kernel::Encode => 2 * n * (hidden * (pixels + 2 * latent)) as u64,
            Kernel::SampleLatent => 2 * n * w * latent as u64,
            Kernel::Decode | Kernel::Score => n * w * self.shape.flops_per_trial(),
            Kernel::L2Error => 3 * n * w * pixels as u64,
            Kernel::PassAtK => 0,
            Kernel::Correlation => n * (n + 1) * w,
        }
    }

    /// Bytes that must cross the memory bus at least once: inputs and outputs, weights included.
    pub fn bytes(&self) -> u64 {
        let Shape { pixels, hidden, latent } = self.shape;
        let (n, w) = (self.samples, self.samples * self.trials);
        let floats = match self.kernel {
            Kernel::Encode => hidden * (pixels + 2 * latent) + n * (pixels + 2 * latent),
            Kernel::SampleLatent => 2 * n * latent + w * latent,
            Kernel::Decode => hidden * (latent + pixels) + w * (latent + pixels),
            Kernel::L2Error => n * pixels + w * pixels + w,
            Kernel::PassAtK => w,
            Kernel::Correlation => w + 2 * n * n,
            Kernel::Score => hidden * (latent + pixels) + n * (pixels + 2 * latent),
        };
        4 * floats as u64
    }

    /// The problem of this case: model, images, and a posterior by the reference encoder.
    pub fn problem(&self) -> Result<Problem> {
        let shape = self.shape.check()?;
        let (weights, images) = (weights(shape, self.seed), images(shape, self.samples, self.seed));
        let posterior = posterior(&weights, &images);
        Problem::new(weights, images, &posterior, self.temperature, self.seed)
    }

    /// Runs the kernel on a backend and holds it against the reference. An error is a failure to run.
    pub fn run(&self, backend: &dyn Backend) -> Result<Verdict> {
        self.run_on(backend, &self.problem()?)
    }

    /// As [`run`](Self::run), with a problem that should be [`Case::problem`] and is judged with the backend: what is
    /// right is computed without it.
    pub fn run_on(&self, backend: &dyn Backend, problem: &Problem) -> Result<Verdict> {
        let trials = self.first..self.first.saturating_add(self.trials as u64);
        let tolerance = self.tolerance(backend.device().has_f64);
        let inputs = match self.kernel {
            Kernel::Encode => Inputs::Encode,
            Kernel::SampleLatent => Inputs::SampleLatent,
            Kernel::Decode => Inputs::Decode(self.latents()),
            Kernel::L2Error => Inputs::L2Error(self.pixels()),
            Kernel::PassAtK => Inputs::pass_at_k(self.some_errors()),
            Kernel::Correlation => Inputs::Correlation(self.some_errors()),
            Kernel::Score => return Ok(self.run_score(backend, problem, trials, tolerance)?.into()),
        };
        let verdict = match inputs.run(backend, problem, trials)? {
            Output::Posterior(got) => compare(&[got.mu, got.logvar].concat(), &self.want(), tolerance),
            Output::F32(got) => compare(&got, &self.want(), tolerance),
            Output::F64(got) => compare(&got, &self.want(), tolerance),
            Output::Tally(tally) => self.judge_exactly(&tally, &self.some_errors()),
        };
        Ok(verdict.into())
    }

    fn run_score(
        &self,
        backend: &dyn Backend,
        problem: &Problem,
        trials: Range<u64>,
        tolerance: Tolerance,
    ) -> Result<Result<Agreement, Fault>> {
        let want = self.want();
        let mut scorer = match &self.variant {
            Some(variant) => backend.load_variant(problem, variant)?,
            None => backend.load(problem, Precision::F32)?,
        };
        let got = scorer.errors(Noise::Trials(trials.clone()))?;
        let mut tally = Tally::new(self.samples, &thresholds(&narrow(&want)))?;
        scorer.tally(trials, &mut tally)?;
        Ok(compare(&got, &want, tolerance).and_then(|a| self.judge(&tally, &want, tolerance).map(|_| a)))
    }

    /// The model and the images.
    pub(crate) fn model(&self) -> (Weights, Vec<f32>) {
        (weights(self.shape, self.seed), images(self.shape, self.samples, self.seed))
    }

    /// The values that the reference makes of the inputs, row-major: of `encode` means and log variances one after the other,
    /// of `score` errors; none of `pass_at_k`, which only counts.
    pub(crate) fn want(&self) -> Vec<f64> {
        let (weights, images) = self.model();
        match self.kernel {
            Kernel::Encode => {
                let (mu, logvar) = reference::encode(&weights, &wide(&images));
                [mu, logvar].concat()
            }
            Kernel::SampleLatent => self.wide_latents(),
            Kernel::Decode => reference::decode(&weights, &wide(&self.latents())),
            Kernel::L2Error => reference::l2_error(&wide(&images), &wide(&self.pixels()), self.shape.pixels),
            Kernel::PassAtK => vec![],
            Kernel::Correlation => reference::correlation(&wide(&self.some_errors()), self.samples),
            Kernel::Score => {
                let Posterior { mu, logvar } = posterior(&weights, &images);
                let posterior = (&wide(&mu)[..], &wide(&logvar)[..]);
                reference::score(&weights, &wide(&images), posterior, self.temperature, &self.normals())
            }
        }
    }

    /// Holds every number of a tally against the errors `[N, W]` that went in: all are integers or copies.
    fn judge_exactly(&self, tally: &Tally, errors: &[f32]) -> Result<Agreement, Fault> {
        let outcomes = reference::pass_at_k(errors, self.samples, self.first, tally.thresholds());
        let outcomes = outcomes.chunks(tally.thresholds().len());
        for ((sample, row), (outcomes, errors)) in
            tally.rows().iter().enumerate().zip(outcomes.zip(errors.chunks(self.trials)))
        {
            for ((outcome, &threshold), &successes) in outcomes.iter().zip(tally.thresholds()).zip(row.successes()) {
                let band = Band {
                    threshold,
                    successes: outcome.successes..=outcome.successes,
                    first_success: (outcome.first_success, outcome.first_success),
                };
                band.check(sample, successes, row.first_success(threshold))?;
            }
            let (got, want) = (row.records().iter().map(pair).collect(), reference::records(errors, self.first));
            if got != want {
                return Err(Fault::Records { sample, got, want });
            }
            let (got, want) = (row.worst().as_ref().map(pair), reference::worst(errors, self.first));
            if got != want {
                let want = want.map_or(f64::NAN, |(_, error)| error.into());
                return Err(Fault::Extreme { sample, name: "worst", got, want });
            }
            let (histogram, want) = (row.histogram(), reference::histogram(errors));
            for bin in histogram.bins().chain(want.keys().map(|&bin| bin as usize)) {
                let (got, want) = (histogram.count(bin), want.get(&(bin as u32)).copied().unwrap_or(0));
                if got != want {
                    return Err(Fault::Histogram { sample, bin, got, want });
                }
            }
        }
        self.judge(tally, &wide(errors), Tolerance { absolute: 0.0, relative: 0.0 })
    }

    /// Holds every number of a tally against reference errors `[N, W]` known to within a tolerance.
    fn judge(&self, tally: &Tally, errors: &[f64], tolerance: Tolerance) -> Result<Agreement, Fault> {
        let (got, trials) = (tally.trials().count(), self.trials as u64);
        if got != trials {
            return Err(Fault::Trials { got, want: trials });
        }
        for (sample, (row, errors)) in tally.rows().iter().zip(errors.chunks(self.trials)).enumerate() {
            for (&threshold, &successes) in tally.thresholds().iter().zip(row.successes()) {
                let band = Band::new(errors, self.first, threshold, tolerance);
                band.check(sample, successes, row.first_success(threshold))?;
            }
            let got: u64 = row.histogram().bins().map(|bin| row.histogram().count(bin)).sum();
            if got != trials {
                return Err(Fault::Counted { sample, got, want: trials });
            }
            let extreme = |found: Option<Record>, want: f64, name| match found {
                Some(r) if (f64::from(r.error) - want).abs() <= tolerance.at(want) => Ok(()),
                other => Err(Fault::Extreme { sample, name, got: other.as_ref().map(pair), want }),
            };
            extreme(row.best(), errors.iter().copied().fold(f64::INFINITY, f64::min), "best")?;
            extreme(row.worst(), errors.iter().copied().fold(0.0, f64::max), "worst")?;
        }
        Ok(Agreement { used: 0.0, max_error: 0.0 })
    }

    /// Normals `[N, W, latent]` of this case's trials, by the reference.
    pub(crate) fn normals(&self) -> Vec<f64> {
        let trials = || self.first..self.first.saturating_add(self.trials as u64);
        let pairs = (0..self.samples as u32).flat_map(|sample| trials().map(move |trial| (sample, trial)));
        pairs.flat_map(|(sample, trial)| reference::normals(self.seed, sample, trial, self.shape.latent)).collect()
    }

    /// The posterior of the images by the reference.
    pub(crate) fn posterior(&self) -> Posterior {
        let (weights, images) = self.model();
        posterior(&weights, &images)
    }

    fn wide_latents(&self) -> Vec<f64> {
        let Posterior { mu, logvar } = self.posterior();
        reference::sample_latent(&wide(&mu), &wide(&logvar), self.temperature, &self.normals(), self.shape.latent)
    }

    /// Latents `[N, W, latent]` for `decode`.
    pub(crate) fn latents(&self) -> Vec<f32> {
        narrow(&self.wide_latents())
    }

    /// Pixels `[N, W, pixels]` for `l2_error`.
    pub(crate) fn pixels(&self) -> Vec<f32> {
        narrow(&reference::decode(&self.model().0, &self.wide_latents()))
    }

    /// Errors `[N, W]` for the kernels that only read them: positive, correlated across samples, with ties.
    pub(crate) fn some_errors(&self) -> Vec<f32> {
        let mut stream = retrial_spec::rng::Stream::new(self.seed, 2);
        (0..self.samples * self.trials).map(|i| 1.0 + (i % 5) as f32 * 0.125 + stream.below(64) as f32 / 64.0).collect()
    }
}

/// What the reference encoder says of images, in f32 as by contract.
fn posterior(weights: &Weights, images: &[f32]) -> Posterior {
    let (mu, logvar) = reference::encode(weights, &wide(images));
    Posterior { mu: narrow(&mu), logvar: narrow(&logvar) }
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

pub(crate) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

fn pair(record: &Record) -> (u64, f32) {
    (record.trial, record.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that has one precision is held against the reference in that one.
    #[test]
    fn a_device_without_f32_has_cases() {
        let device = Device {
            backend: "half".into(),
            name: "half".into(),
            detail: String::new(),
            variants: vec![Variant::new("half", Precision::F16)],
            has_f64: false,
        };
        let scores: Vec<_> = cases_of(&device).into_iter().filter(|case| case.kernel == Kernel::Score).collect();
        assert!(!scores.is_empty() && scores.iter().all(|case| case.precision() == Precision::F16));
        assert!(Kernel::ALL.iter().all(|&kernel| cases_of(&device).iter().any(|case| case.kernel == kernel)));
    }
}
