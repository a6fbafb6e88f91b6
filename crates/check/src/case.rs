use crate::{Agreement, Band, Fault, Tolerance, Verdict, compare, images, weights};
use retrial_reference as reference;
use retrial_spec::{
    Backend, Device, Error, Noise, Posterior, Precision, Problem, Result, Shape, Tally, Variant, Weights, tally::Record,
};
use std::{fmt, str::FromStr};

/// The kernels, by the one name each has in every place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Images to posterior means and log variances.
    Encode,
    /// Noise to latents.
    SampleLatent,
    /// Latents to pixels.
    Decode,
    /// Pixels to errors.
    L2Error,
    /// Errors to a tally.
    PassAtK,
    /// Errors to the Gram matrix.
    Correlation,
    /// `sample_latent` to `pass_at_k`, fused.
    Score,
}

impl Kernel {
    /// All kernels, in the order of the pipeline.
    pub const ALL: [Self; 7] =
        [Self::Encode, Self::SampleLatent, Self::Decode, Self::L2Error, Self::PassAtK, Self::Correlation, Self::Score];

    /// The name in files, flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::SampleLatent => "sample_latent",
            Self::Decode => "decode",
            Self::L2Error => "l2_error",
            Self::PassAtK => "pass_at_k",
            Self::Correlation => "correlation",
            Self::Score => "score",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kernel {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let names: Vec<_> = Self::ALL.iter().map(|k| k.name()).collect();
        let found = Self::ALL.into_iter().find(|k| k.name() == name);
        found.ok_or_else(|| Error::input("kernel", name, format!("must be one of {}", names.join(", "))))
    }
}

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
    let (scores, others): (Vec<_>, Vec<_>) = cases().into_iter().partition(|case| case.kernel == Kernel::Score);
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
    /// through the sigmoid with slope at most 1/4 and enters an error `e` as its root mean square. `double` says whether
    /// the device has f64.
    pub fn tolerance(&self, double: bool) -> Tolerance {
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
            Kernel::Correlation if double => (1e-14 * self.trials as f64, 1e-13),
            Kernel::Correlation => (u * 8.0 * root(self.trials), u * 32.0),
            // Weights and hidden units rounded to 11 bits before they are multiplied.
            Kernel::Score if self.precision() == Precision::F16 => (2f64.powi(-11) * 8.0, 2f64.powi(-11)),
            // Two roundings by up to 2^-9 of each product, at random: a sum of them, of root sum square 4 at most in the
            // models of these cases, is off by about 2^-8, an error by a fraction of that.
            Kernel::Score if self.precision() == Precision::Bf16 => (2f64.powi(-7), 0.0),
            Kernel::Score => (u * (4.0 + root(hidden)), u * (4.0 + root(pixels))),
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
        let (weights, images) = (weights(self.shape, self.seed), images(self.shape, self.samples, self.seed));
        let tolerance = self.tolerance(backend.device().double);
        let verdict = match self.kernel {
            Kernel::Encode => {
                let got = backend.encode(problem.weights(), problem.images())?;
                let (mu, logvar) = reference::encode(&weights, &wide(&images));
                compare(&[got.mu, got.logvar].concat(), &[mu, logvar].concat(), tolerance)
            }
            Kernel::SampleLatent => {
                let got = backend.sample_latent(problem, Noise::Trials(trials))?;
                compare(&got, &self.latents(&posterior(&weights, &images)), tolerance)
            }
            Kernel::Decode => {
                let latents = narrow(&self.latents(&posterior(&weights, &images)));
                let got = backend.decode(problem.weights(), &latents)?;
                compare(&got, &reference::decode(&weights, &wide(&latents)), tolerance)
            }
            Kernel::L2Error => {
                let latents = self.latents(&posterior(&weights, &images));
                let outputs = narrow(&reference::decode(&weights, &latents));
                let got = backend.l2_error(problem.images(), &outputs, self.shape.pixels)?;
                compare(&got, &reference::l2_error(&wide(&images), &wide(&outputs), self.shape.pixels), tolerance)
            }
            Kernel::PassAtK => {
                let errors = self.some_errors();
                let mut tally = Tally::new(self.samples, &thresholds(&errors))?;
                backend.pass_at_k(&errors, self.first, &mut tally)?;
                self.judge_exactly(&tally, &errors)
            }
            Kernel::Correlation => {
                let errors = self.some_errors();
                let got = backend.correlation(&errors, self.samples)?;
                compare(&got, &reference::correlation(&wide(&errors), self.samples), tolerance)
            }
            Kernel::Score => {
                let Posterior { mu, logvar } = posterior(&weights, &images);
                let posterior = (&wide(&mu)[..], &wide(&logvar)[..]);
                let want = reference::score(&weights, &wide(&images), posterior, self.temperature, &self.normals());
                let mut scorer = match &self.variant {
                    Some(variant) => backend.load_variant(problem, variant)?,
                    None => backend.load(problem, Precision::F32)?,
                };
                let got = scorer.errors(Noise::Trials(trials.clone()))?;
                let mut tally = Tally::new(self.samples, &thresholds(&narrow(&want)))?;
                scorer.tally(trials, &mut tally)?;
                compare(&got, &want, tolerance).and_then(|a| self.judge(&tally, &want, tolerance).map(|_| a))
            }
        };
        Ok(verdict.into())
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
    fn normals(&self) -> Vec<f64> {
        let trials = || self.first..self.first.saturating_add(self.trials as u64);
        let pairs = (0..self.samples as u32).flat_map(|sample| trials().map(move |trial| (sample, trial)));
        pairs.flat_map(|(sample, trial)| reference::normals(self.seed, sample, trial, self.shape.latent)).collect()
    }

    /// Latents `[N, W, latent]` by the reference.
    fn latents(&self, Posterior { mu, logvar }: &Posterior) -> Vec<f64> {
        reference::sample_latent(&wide(mu), &wide(logvar), self.temperature, &self.normals(), self.shape.latent)
    }

    /// Errors `[N, W]` for the kernels that only read them: positive, correlated across samples, with ties.
    fn some_errors(&self) -> Vec<f32> {
        let mut stream = retrial_spec::rng::Stream::new(self.seed, 2);
        (0..self.samples * self.trials).map(|i| 1.0 + (i % 5) as f32 * 0.125 + stream.below(64) as f32 / 64.0).collect()
    }
}

/// What the reference encoder says of images, in f32 as by contract.
fn posterior(weights: &Weights, images: &[f32]) -> Posterior {
    let (mu, logvar) = reference::encode(weights, &wide(images));
    Posterior { mu: narrow(&mu), logvar: narrow(&logvar) }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

fn pair(record: &Record) -> (u64, f32) {
    (record.trial, record.error)
}

/// Up to three increasing thresholds: near the smallest, in the middle and beyond the largest of some errors. None of none.
pub fn thresholds(errors: &[f32]) -> Vec<f32> {
    if errors.is_empty() {
        return vec![];
    }
    let mut sorted = errors.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |q: f64| sorted[((sorted.len() - 1) as f64 * q) as usize];
    let mut thresholds = vec![at(0.01), at(0.3), at(1.0) * 1.5];
    thresholds.dedup();
    thresholds
}
