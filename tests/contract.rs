//! What does not fit is refused before a backend sees it, on every backend and by every method; and what just fits is
//! computed.

use crate::each_backend;
use retrial_check::{Case, Kernel, cases, images, weights};
use retrial_spec::{
    Backend, Device, Error, Fused, Kernels, Linear, Noise, Posterior, Precision, Problem, Result, Scorer, Shape, Tally,
    Variant, Weights,
};
use std::ops::Range;

const SHAPE: Shape = Shape { pixels: 6, hidden: 5, latent: 3 };
const SAMPLES: usize = 5;
const THRESHOLDS: [f32; 2] = [1.0, 2.0];

fn problem() -> Problem {
    let case = Case { kernel: Kernel::Score, shape: SHAPE, samples: SAMPLES, trials: 1, ..cases().remove(0) };
    case.problem().unwrap()
}

fn tally(samples: usize) -> Tally {
    Tally::new(samples, &THRESHOLDS).unwrap()
}

/// Numbers that no kernel may meet, wherever they stand.
fn spoilt(good: &[f32], bad: &[f32]) -> Vec<Vec<f32>> {
    let places = [0, good.len() / 2, good.len() - 1];
    let spoil = |at: usize, v: f32| {
        let mut values = good.to_vec();
        values[at] = v;
        values
    };
    places.into_iter().flat_map(|at| bad.iter().map(move |&v| spoil(at, v))).collect()
}

const UNUSABLE: [f32; 4] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::MAX];

/// Lengths that are no positive multiple of `width`.
fn lengths(width: usize) -> Vec<Vec<f32>> {
    [0, 1, width - 1, width + 1, 7 * width - 1].map(|length| vec![0.5; length]).into()
}

/// Layers that do not fit each other or themselves.
fn misfits() -> Vec<Weights> {
    let good = weights(SHAPE, 1);
    let damage: [fn(&mut Linear); 9] = [
        |l| l.outputs += 1,
        |l| l.inputs += 1,
        |l| l.outputs = usize::MAX,
        |l| l.inputs = usize::MAX,
        |l| (l.outputs, l.inputs) = (0, 0),
        |l| l.weight.truncate(l.weight.len() - 1),
        |l| l.bias.push(0.0),
        |l| l.weight[0] = f32::NAN,
        |l| l.bias[0] = 2e6,
    ];
    let layers: [fn(&mut Weights) -> &mut Linear; 5] = [
        |w| &mut w.encoder_fc1,
        |w| &mut w.encoder_fc_mu,
        |w| &mut w.encoder_fc_logvar,
        |w| &mut w.decoder_fc1,
        |w| &mut w.decoder_fc2,
    ];
    let spoil = |layer: fn(&mut Weights) -> &mut Linear, damage: fn(&mut Linear)| {
        let mut weights = good.clone();
        damage(layer(&mut weights));
        weights
    };
    let all = layers.into_iter().flat_map(|layer| damage.map(|damage| spoil(layer, damage)));
    all.chain([Weights::default()]).collect()
}

/// Noise that is none of this problem's.
fn noises() -> Vec<Noise<'static>> {
    let leak = |values: Vec<f32>| Noise::Given(values.leak());
    let mut all: Vec<_> = lengths(SAMPLES * SHAPE.latent).into_iter().map(leak).collect();
    all.extend(spoilt(&[0.5; SAMPLES * SHAPE.latent], &[&UNUSABLE[..], &[1.1e6]].concat()).into_iter().map(leak));
    all.extend([5..5, 0..0, u64::MAX..u64::MAX].map(Noise::Trials));
    #[expect(clippy::reversed_empty_ranges, reason = "what must be refused")]
    all.extend([9..3, u64::MAX..0].map(Noise::Trials));
    all.extend([0..u64::MAX, 0..(1 << 31) + 1, 1 << 40..1 << 62].map(Noise::Trials));
    all
}

#[track_caller]
fn refused<T>(what: &str, backend: &dyn Backend, result: Result<T>) {
    match result {
        Err(error @ Error::Input { .. }) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
        Err(other) => panic!("{what} on {}: {other}", backend.device()),
        Ok(_) => panic!("{what} was accepted on {}", backend.device()),
    }
}

/// Every method with everything that does not fit it.
fn refuses_what_does_not_fit(backend: &dyn Backend) {
    let (good, problem) = (weights(SHAPE, 1), problem());
    let (pixels, latent) = (SHAPE.pixels, SHAPE.latent);

    for (what, width, limit) in [("images", pixels, 1.1e6), ("latents", latent, 1.1e13)] {
        let mut all = lengths(width);
        all.extend(spoilt(&vec![0.5; 4 * width], &[&UNUSABLE[..], &[limit, -limit]].concat()));
        for values in all {
            match what {
                "images" => refused(what, backend, backend.encode(&good, &values)),
                _ => refused(what, backend, backend.decode(&good, &values)),
            }
        }
    }
    for wrong in misfits() {
        refused("weights", backend, backend.encode(&wrong, &[0.5; 6]));
        refused("weights", backend, backend.decode(&wrong, &[0.5; 3]));
    }

    // Two images and five rows of outputs, and the like.
    for (images, outputs, pixels) in [
        (2 * pixels, 5 * pixels, pixels),
        (2 * pixels, pixels, pixels),
        (pixels, pixels - 1, pixels),
        (pixels + 1, pixels + 1, pixels),
        (0, 0, pixels),
        (pixels, 0, pixels),
        (0, pixels, pixels),
        (pixels, pixels, 0),
        (pixels, pixels, usize::MAX),
        (4097, 4097, 4097),
    ] {
        refused("rows", backend, backend.l2_error(&vec![0.5; images], &vec![0.5; outputs], pixels));
    }
    for bad in spoilt(&vec![0.5; 2 * pixels], &[&UNUSABLE[..], &[1.1e6]].concat()) {
        refused("pixels", backend, backend.l2_error(&bad, &vec![0.5; 4 * pixels], pixels));
        refused("outputs", backend, backend.l2_error(&vec![0.5; pixels], &bad, pixels));
    }

    let mut errors = lengths(SAMPLES);
    errors.extend(spoilt(&[1.5; 3 * SAMPLES], &[&UNUSABLE[..], &[-1.0, -1e-30]].concat()));
    for errors in errors {
        let mut kept = tally(SAMPLES);
        refused("errors", backend, backend.pass_at_k(&errors, 0, &mut kept));
        assert_eq!(kept, tally(SAMPLES), "a refused call leaves the tally alone");
        refused("errors", backend, backend.correlation(&errors, SAMPLES));
    }
    let mut full = tally(SAMPLES);
    full.add_trials(0..u64::MAX - 1).unwrap();
    for (first, mut tally) in [
        (u64::MAX, tally(SAMPLES)),
        (u64::MAX - 2, tally(SAMPLES)),
        (0, full.clone()),
        (0, tally(0)),
        (0, tally(4)),
        (0, tally(16)),
    ] {
        refused("tally", backend, backend.pass_at_k(&[1.5; 3 * SAMPLES], first, &mut tally));
    }
    for (values, samples) in [(vec![1.5; 15], 0), (vec![1.5; 15], 4), (vec![1.5; 15], usize::MAX), (vec![2e9; 15], 5)] {
        refused("samples", backend, backend.correlation(&values, samples));
    }

    let mut scorer = backend.load(&problem, Precision::F32).unwrap();
    for noise in noises() {
        refused("noise", backend, backend.sample_latent(&problem, noise.clone()));
        refused("noise", backend, scorer.errors(noise.clone()));
        match noise {
            Noise::Trials(range) if range.end.saturating_sub(range.start) < 1 << 31 => {
                refused("trials", backend, scorer.tally(range, &mut tally(SAMPLES)));
            }
            _ => {}
        }
    }
    for (trials, mut tally) in [(0..u64::MAX, tally(SAMPLES)), (0..9, tally(0)), (0..9, tally(6)), (0..2, full)] {
        let before = tally.clone();
        refused("tally", backend, scorer.tally(trials, &mut tally));
        assert_eq!(tally, before);
    }
}

/// Every number of every method on some inputs that fit.
fn everything(backend: &dyn Backend) -> Vec<u64> {
    let problem = problem();
    let (weights, images) = (problem.weights(), problem.images());
    let mut scorer = backend.load(&problem, Precision::F32).unwrap();
    let (mut given, mut counted) = (tally(SAMPLES), tally(SAMPLES));
    let Posterior { mu, logvar } = backend.encode(weights, images).unwrap();
    let latents = backend.sample_latent(&problem, Noise::Trials(0..7)).unwrap();
    let pixels = backend.decode(weights, &latents).unwrap();
    let errors = backend.l2_error(images, &pixels, SHAPE.pixels).unwrap();
    let gram = backend.correlation(&errors, SAMPLES).unwrap();
    backend.pass_at_k(&errors, 0, &mut given).unwrap();
    scorer.tally(0..300, &mut counted).unwrap();
    let values = [mu, logvar, latents, pixels, errors, scorer.errors(Noise::Trials(0..7)).unwrap()].concat();
    let bits = values.into_iter().map(|v| v.to_bits().into()).chain(gram.into_iter().map(f64::to_bits));
    let counts = [given, counted].into_iter().flat_map(|tally| [tally.successes(0), tally.successes(1)].concat());
    bits.chain(counts).collect()
}

#[test]
fn every_backend_refuses_what_does_not_fit_and_goes_on() {
    each_backend(|backend| {
        let before = everything(backend);
        refuses_what_does_not_fit(backend);
        assert!(everything(backend) == before, "{}", backend.device());
    });
}

/// Kernels that must not be reached.
struct Untouched(Device);

impl Kernels for Untouched {
    fn device(&self) -> &Device {
        &self.0
    }
    fn encode(&self, _: &Weights, _: &[f32]) -> Result<Posterior> {
        panic!("reached")
    }
    fn sample_latent(&self, _: &Problem, _: Noise<'_>) -> Result<Vec<f32>> {
        panic!("reached")
    }
    fn decode(&self, _: &Weights, _: &[f32]) -> Result<Vec<f32>> {
        panic!("reached")
    }
    fn l2_error(&self, _: &[f32], _: &[f32], _: usize) -> Result<Vec<f32>> {
        panic!("reached")
    }
    fn pass_at_k(&self, _: &[f32], _: u64, _: &mut Tally) -> Result<()> {
        panic!("reached")
    }
    fn correlation(&self, _: &[f32], _: usize) -> Result<Vec<f64>> {
        panic!("reached")
    }
    fn load<'a>(&'a self, _: &'a Problem, _: &Variant) -> Result<Box<dyn Fused + 'a>> {
        Ok(Box::new(Untouched(self.0.clone())))
    }
}

impl Fused for Untouched {
    fn errors(&mut self, _: Noise<'_>) -> Result<Vec<f32>> {
        panic!("reached")
    }
    fn tally(&mut self, _: Range<u64>, _: &mut Tally) -> Result<()> {
        panic!("reached")
    }
    fn window(&self) -> u64 {
        1
    }
}

/// No backend of the future need check anything.
#[test]
fn kernels_see_nothing_that_does_not_fit() {
    let device = Device {
        backend: "none".into(),
        name: "none".into(),
        detail: "none".into(),
        variants: vec![Variant::new("none", Precision::F32)],
        has_f64: true,
    };
    let none = Untouched(device);
    refuses_what_does_not_fit(&none);
    // A matrix that no machine holds; and trials whose values none does.
    refused("matrix", &none, Backend::correlation(&none, &vec![1.0; 1 << 24], 1 << 24));
    let problem = problem();
    let mut scorer = Scorer::new(&problem, none.0.variants[0].clone(), Box::new(Untouched(none.0.clone())));
    refused("trials", &none, scorer.errors(Noise::Trials(0..u64::MAX)));
}

/// Small lengths, all of them: the result has the length of the contract, or there is none.
#[test]
fn lengths_fit_or_are_refused() {
    each_backend(|backend| {
        for pixels in 0..4 {
            for images in 0..7 {
                for outputs in 0..14 {
                    let result = backend.l2_error(&vec![0.25; images], &vec![0.75; outputs], pixels);
                    let fits = images * outputs * pixels > 0 && images % pixels == 0 && outputs % images == 0;
                    match result {
                        Ok(errors) if fits => assert_eq!(errors.len(), outputs / pixels),
                        result => assert!(!fits && result.is_err(), "{images} {outputs} {pixels}: {result:?}"),
                    }
                }
            }
        }
        for samples in 0..5 {
            for length in 0..10 {
                let values = vec![1.5; length];
                let fits = samples * length > 0 && length % samples == 0;
                let gram = backend.correlation(&values, samples);
                assert_eq!(gram.ok().map(|g| g.len()), fits.then_some(samples * samples));
                let mut tally = tally(samples);
                assert_eq!(backend.pass_at_k(&values, 0, &mut tally).is_ok(), fits, "{length} of {samples}");
                assert_eq!(tally.trials().count(), if fits { (length / samples) as u64 } else { 0 });
            }
        }
        for (length, width) in (0..20).flat_map(|length| [(length, SHAPE.pixels), (length, SHAPE.latent)]) {
            let (values, weights) = (vec![0.5; length], weights(SHAPE, 1));
            let rows = (length > 0 && length % width == 0).then_some(length / width);
            let found = match width == SHAPE.pixels {
                true => backend.encode(&weights, &values).ok().map(|p| (p.mu.len() / 3, p.logvar.len() / 3)),
                false => backend.decode(&weights, &values).ok().map(|y| (y.len() / 6, y.len() / 6)),
            };
            assert_eq!(found, rows.map(|n| (n, n)), "{length} by {width}");
        }
    });
}

/// The last trials of all, numbered up to 2^64 - 2, are counted like any others.
#[test]
fn trials_end_where_64_bits_do() {
    let problem = problem();
    each_backend(|backend| {
        let (end, width) = (u64::MAX, 300);
        let mut scorer = backend.load(&problem, Precision::F32).unwrap();
        let errors = scorer.errors(Noise::Trials(end - width..end)).unwrap();
        let thresholds = retrial_check::thresholds(&errors);
        let [mut fused, mut parts] = [(); 2].map(|()| Tally::new(SAMPLES, &thresholds).unwrap());
        scorer.tally(end - width..end, &mut fused).unwrap();
        backend.pass_at_k(&errors, end - width, &mut parts).unwrap();
        assert_eq!(fused, parts, "{}", backend.device());
        assert_eq!(fused.successes(thresholds.len() - 1), [width; SAMPLES]);
        let mut counts = Tally::counts_only(SAMPLES, &thresholds[1..]).unwrap();
        scorer.tally(end - width..end, &mut counts).unwrap();
        assert_eq!(counts.successes(0), fused.successes(1));
    });
}

/// What just fits: one of everything, no threshold, an error of -0, given noise at its limit.
#[test]
fn the_least_and_the_largest_are_computed() {
    each_backend(|backend| {
        let mut none = Tally::new(1, &[]).unwrap();
        backend.pass_at_k(&[-0.0], 0, &mut none).unwrap();
        assert_eq!((none.trials().count(), none.bins()), (1, 0..1));
        assert_eq!(backend.l2_error(&[1e6], &[-1e6], 1).unwrap(), [2e6]);
        assert_eq!(backend.correlation(&[1e9], 1).unwrap(), [0.0]);
        let largest = [vec![1e13; SHAPE.latent], vec![-1e13; SHAPE.latent]].concat();
        let pixels = backend.decode(&weights(SHAPE, 1), &largest).unwrap();
        assert!(pixels.iter().all(|y| (0.0..=1.0).contains(y)), "{pixels:?}");
        let problem = problem();
        let noise = vec![Noise::LIMIT; SAMPLES * SHAPE.latent];
        let errors = backend.load(&problem, Precision::F32).unwrap().errors(Noise::Given(&noise)).unwrap();
        assert!(errors.iter().all(|e| e.is_finite()), "{errors:?}");
    });
}

#[test]
fn a_problem_holds_what_fits_or_is_none() {
    let (weights, images) = (weights(SHAPE, 1), images(SHAPE, 2, 1));
    let good = Posterior { mu: vec![0.5; 6], logvar: vec![-1.0; 6] };
    let new = |images: &[f32], posterior: &Posterior, temperature: f64| {
        Problem::new(weights.clone(), images.to_vec(), posterior, temperature, 1)
    };
    assert!(new(&images, &good, 1.0).is_ok());
    for images in lengths(SHAPE.pixels).into_iter().chain(spoilt(&images, &[&UNUSABLE[..], &[1.1e6]].concat())) {
        assert!(new(&images, &good, 1.0).unwrap_err().is_input());
    }
    for length in [0, 1, 3, 5, 7, 12] {
        for (mu, logvar) in [(length, 6), (6, length), (length, length)] {
            let posterior = Posterior { mu: vec![0.5; mu], logvar: vec![-1.0; logvar] };
            assert!(new(&images, &posterior, 1.0).unwrap_err().is_input(), "{mu} {logvar}");
        }
    }
    for bad in spoilt(&good.mu, &UNUSABLE) {
        assert!(new(&images, &Posterior { mu: bad, ..good.clone() }, 1.0).unwrap_err().is_input());
    }
    // exp of the last overflows even f64, so that T = 0 would give NaN.
    for bad in spoilt(&good.logvar, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 100.0, 3000.0]) {
        assert!(new(&images, &Posterior { logvar: bad.clone(), ..good.clone() }, 1.0).unwrap_err().is_input());
        let still = new(&images, &Posterior { logvar: bad.clone(), ..good.clone() }, 0.0);
        assert_eq!(still.is_ok(), bad.contains(&100.0), "{bad:?}");
    }
    for temperature in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        assert!(new(&images, &good, temperature).unwrap_err().is_input());
    }
    for wrong in misfits() {
        assert!(Problem::new(wrong, images.clone(), &good, 1.0, 1).unwrap_err().is_input());
    }
}

#[test]
fn noise_knows_its_trials() {
    let problem = problem();
    assert_eq!(Noise::Trials(3..9).check(SAMPLES, 3).unwrap(), 6);
    assert_eq!(Noise::Trials(3..9).trials(&problem), 6);
    #[expect(clippy::reversed_empty_ranges, reason = "what must do no harm")]
    let reversed = Noise::Trials(9..3);
    assert!(reversed.trials(&problem) == 0 && reversed.check(SAMPLES, 3).unwrap_err().is_input());
    assert_eq!(Noise::Given(&[0.5; 30]).check(SAMPLES, 3).unwrap(), 2);
    for (samples, latent) in [(0, 3), (5, 0), (0, 0), (usize::MAX, 2), (7, 3)] {
        assert!(Noise::Given(&[0.5; 30]).check(samples, latent).unwrap_err().is_input());
    }
}

/// A case without trials, samples or pixels, or with trials beyond the last, is refused like any other call.
#[test]
fn a_case_of_nothing_is_refused() {
    let cpu = retrial_cpu::Cpu::new(Some(1)).unwrap();
    for kernel in Kernel::ALL {
        let case = Case { kernel, shape: SHAPE, samples: 2, trials: 3, ..cases().remove(0) };
        let nothing = Shape { pixels: 0, ..SHAPE };
        for wrong in
            [Case { samples: 0, ..case.clone() }, Case { shape: nothing, ..case.clone() }, Case { trials: 0, ..case }]
        {
            // `encode` knows no trials.
            if kernel != Kernel::Encode || wrong.trials > 0 {
                refused("case", &cpu, wrong.run(&cpu));
            }
        }
    }
}

/// Rates that kernels are held against are numbers, of precisions that the device multiplies in.
#[test]
fn rates_are_measured_or_unknown() {
    let Some(wgsl) = crate::llvmpipe() else { return };
    let wgsl: &dyn Backend = wgsl;
    let positive = |rate: Option<f64>| rate.is_none_or(|rate| rate.is_finite() && rate > 0.0);
    assert!(wgsl.peak(Precision::F32).unwrap().is_some() && wgsl.bandwidth().unwrap().is_some());
    for precision in wgsl.device().precisions() {
        assert!(positive(wgsl.peak(precision).unwrap()), "{precision}");
    }
    assert!(positive(wgsl.bandwidth().unwrap()));
    assert_eq!(wgsl.peak(Precision::Bf16).unwrap(), None);
}
