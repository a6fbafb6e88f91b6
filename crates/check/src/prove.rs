//! Proof before trust: an implementation of `score` runs on the very device, model and data, and is held against what
//! another machine makes of the same trials, before any of its numbers counts.

use crate::{Agreement, Fault, Tolerance, compare::compare_by, condition::bound};
use retrial_reference as reference;
use retrial_spec::{Backend, Error, Noise, Precision, Problem, Result, Scorer, Tally, Variant, rng::trial_normals};
use std::ops::Range;

/// Who says what is right.
#[derive(Clone, Copy)]
pub enum Truth<'a> {
    /// Another backend, in f32: fast enough for a few hundred trials.
    Backend(&'a dyn Backend),
    /// The f64 twins: a few trials.
    Reference,
}

impl std::fmt::Debug for Truth<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Backend(backend) => f.debug_tuple("Backend").field(backend.device()).finish(),
            Self::Reference => f.write_str("Reference"),
        }
    }
}

/// A loaded implementation, and how well it agreed.
#[derive(Debug)]
pub struct Proven<'a> {
    /// Ready to run.
    pub scorer: Scorer<'a>,
    /// The proof.
    pub agreement: Agreement,
}

/// Loads the first of some variants that has room for the model and passes its [`proof`].
///
/// `set_aside` hears of each one that fails, with the reason, and may end the call.
///
/// # Errors
/// [`Error::Input`] where no variant has room for the model; [`Error::Device`] where all that have failed.
pub fn load<'a>(
    backend: &'a dyn Backend,
    problem: &'a Problem,
    order: &[Variant],
    truth: Truth<'_>,
    set_aside: &mut dyn FnMut(&Variant, &Error) -> Result<()>,
) -> Result<Proven<'a>> {
    let (mut refused, mut failed) = (None, None);
    for variant in order {
        let fault = match attempt(backend, problem, variant, truth) {
            Ok(proven) => return Ok(proven),
            Err(fault) if fault.is_input() => {
                refused = refused.or(Some(fault));
                continue;
            }
            Err(fault) => fault,
        };
        set_aside(variant, &fault)?;
        failed = Some(fault);
    }
    let none = || Error::input("kernel", "none", "name one that retrial info lists");
    Err(failed.or(refused).unwrap_or_else(none))
}

fn attempt<'a>(
    backend: &'a dyn Backend,
    problem: &'a Problem,
    variant: &Variant,
    truth: Truth<'_>,
) -> Result<Proven<'a>> {
    // Whatever fails, the line that says so names the kernel and, with its driver, the device.
    let device = backend.device().to_string();
    let named = |fault| match fault {
        Error::Device { fault, fix, .. } => {
            Error::Device { device: device.clone(), fault: format!("kernel {variant}: {fault}"), fix }
        }
        other => other,
    };
    let mut scorer = backend.load_variant(problem, variant).map_err(named)?;
    let why = match proof(backend, &mut scorer, truth) {
        Ok(Ok(agreement)) => return Ok(Proven { scorer, agreement }),
        Ok(Err(fault)) => fault.to_string(),
        // A kernel may come across what it refuses, such as its own NaN.
        Err(fault) if fault.is_input() => fault.to_string(),
        Err(fault) => return Err(named(fault)),
    };
    Err(Error::Device {
        device: backend.device().to_string(),
        fault: format!("kernel {variant} does not compute what it should: {why}"),
        fix: "its numbers are not used; report it as a bug, with the output of retrial validate".into(),
    })
}

/// Trials per sample of a proof: across the 2^32 boundary of the trial counter, a tile and a ragged tail. The f64 twins
/// get a few.
fn trials(truth: Truth<'_>) -> Range<u64> {
    let (before, after) = match truth {
        Truth::Backend(_) => (100, 93),
        Truth::Reference => (4, 7),
    };
    (1 << 32) - before..(1 << 32) + after
}

/// Runs a loaded implementation where things go wrong, and judges the first, the middle and the last sample, trials on both
/// sides of 2^32 and a ragged tail; where the device is fast enough for it of all samples at once, and so both ends of its
/// grid, elsewhere of the three alone, loaded again. Its tally must be the one that its own errors give.
///
/// # Errors
/// A device that fails, and not enough memory for two samples.
pub fn proof(backend: &dyn Backend, scorer: &mut Scorer<'_>, truth: Truth<'_>) -> Result<Result<Agreement, Fault>> {
    let (problem, variant, range) = (scorer.problem(), scorer.variant().clone(), trials(truth));
    let width = (range.end - range.start) as usize;
    let last = problem.samples() - 1;
    let mut judged = vec![0, last / 2, last];
    judged.dedup();
    let ends = problem.subset(&judged);
    let (got, numbers): (_, Vec<u32>) = if scorer.window() >= 64 * width as u64 {
        let all = match errors(scorer, range.clone())? {
            Ok(all) => all,
            Err(fault) => return Ok(Err(fault)),
        };
        let row = |&sample: &usize| &all[sample * width..][..width];
        (judged.iter().flat_map(row).copied().collect(), judged.iter().map(|&sample| sample as u32).collect())
    } else {
        match errors(&mut backend.load_variant(&ends, &variant)?, range.clone())? {
            Ok(rows) => (rows, (0..judged.len() as u32).collect()),
            Err(fault) => return Ok(Err(fault)),
        }
    };
    let latent = ends.shape().latent;
    let mut normals = vec![0.0; ends.samples() * width * latent];
    let places = numbers.into_iter().flat_map(|sample| range.clone().map(move |trial| (sample, trial)));
    for (out, (sample, trial)) in normals.chunks_mut(latent).zip(places) {
        trial_normals(problem.seed(), sample, trial, out);
    }
    let want = right(&ends, &normals, truth)?;
    let mut total = Agreement { used: 0.0, max_error: 0.0 };
    for (sample, (got, want)) in got.chunks(width).zip(want.chunks(width)).enumerate() {
        let normals = &normals[sample * width * latent..][..width * latent];
        // Truth in f32 is rounded too, which beside halves is nothing.
        let rounded = if matches!(variant.precision, Precision::F16 | Precision::Bf16) { 1.0 } else { 2.0 };
        let bound = |normals: &[f32]| rounded * bound(&ends, sample, normals, variant.precision);
        let usual = bound(normals);
        let allowed = |at: usize, want: f64, error: f64| {
            let relative = Tolerance::F32 * 32.0 * want.abs();
            // Where a pixel is about to turn from black to white, a trial is worse than those that were looked at.
            let own = || bound(&normals[at * latent..][..latent]);
            relative + if error > usual + relative { usual.max(own()) } else { usual }
        };
        match compare_by(got, want, allowed) {
            Ok(agreement) => {
                total.used = total.used.max(agreement.used);
                total.max_error = total.max_error.max(agreement.max_error);
            }
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(Ok(total))
}

/// Errors of a range, all finite, once its tally was found to be theirs.
fn errors(scorer: &mut Scorer<'_>, trials: Range<u64>) -> Result<Result<Vec<f32>, Fault>> {
    let width = (trials.end - trials.start) as usize;
    let errors = scorer.errors(Noise::Trials(trials.clone()))?;
    if let Some(at) = errors.iter().position(|error| !error.is_finite()) {
        let got = errors[at].into();
        return Ok(Err(Fault::Value { at, got, want: f64::NAN, allowed: 0.0 }));
    }
    let thresholds = crate::thresholds(&errors);
    let mut tally = Tally::new(scorer.problem().samples(), &thresholds)?;
    let mut own = tally.empty();
    scorer.tally(trials.clone(), &mut tally)?;
    let (_, rows) = own.rows_mut();
    rows.iter_mut().zip(errors.chunks(width)).for_each(|(row, errors)| row.add(&thresholds, trials.start, errors));
    match tally.rows().iter().zip(own.rows()).position(|(a, b)| a != b) {
        Some(sample) => Ok(Err(Fault::Tally { sample })),
        None => Ok(Ok(errors)),
    }
}

/// The right errors of given normals.
pub(crate) fn right(problem: &Problem, normals: &[f32], truth: Truth<'_>) -> Result<Vec<f64>> {
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&value| value.into()).collect() };
    match truth {
        Truth::Backend(backend) => Ok(wide(&backend.load(problem, Precision::F32)?.errors(Noise::Given(normals))?)),
        Truth::Reference => {
            let posterior = problem.posterior();
            let (mu, logvar) = (wide(&posterior.mu), wide(&posterior.logvar));
            let images = wide(problem.images());
            Ok(reference::score(problem.weights(), &images, (&mu, &logvar), problem.temperature(), &wide(normals)))
        }
    }
}
