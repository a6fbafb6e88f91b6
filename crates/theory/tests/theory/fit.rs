//! Fits against scipy, against the data they were published for, and against what they were drawn from.

use crate::{
    close,
    data::{shared_csv, vae_counts},
};
use retrial_spec::rng::Stream;
use retrial_theory::{
    Data,
    coverage::{Counts, Scope, log_grid, unbiased_curve},
    fit::{
        BetaFit, Kind, Nested, Outcome, beta_binomial, eq8_least_squares, eq12_least_squares, fit, nested, pairs,
        zero_inflated,
    },
    laws::{BetaLaw, coverage, effective_trials},
};

fn counts(pairs: &[(u64, u64)]) -> Vec<Counts> {
    pairs.iter().map(|&(n, c)| Counts::new(n, c).unwrap()).collect()
}

fn fitted(outcome: Outcome) -> BetaFit {
    outcome.fitted().unwrap_or_else(|| panic!("{outcome:?}")).clone()
}

/// The test of `A = 1`.
fn full_coverage(counts: &[Counts]) -> Nested {
    let data = Data::new(counts).unwrap();
    let fits = [Kind::BETA, Kind::ZERO_INFLATED].map(|kind| fit(kind, &data).unwrap());
    let tests = nested(&fits);
    assert_eq!((tests.len(), tests[0].narrower, tests[0].wider), (1, Kind::BETA, Kind::ZERO_INFLATED));
    tests[0]
}

/// The curve that fits are compared with: unbiased, ten points per decade.
fn curve(counts: &[Counts]) -> Vec<(f64, f64)> {
    let trials = counts.iter().map(Counts::trials).min().unwrap();
    pairs(&unbiased_curve(counts, &log_grid(trials, 10), Scope::Benchmark).unwrap())
}

/// scipy's `betabinom.logpmf` under Nelder-Mead; every sample has another number of trials.
#[test]
fn maximum_likelihood_agrees_with_scipy() {
    let n = [10, 20, 50, 100, 100, 200, 400, 1000, 30, 60, 15, 25];
    let c = [0, 1, 3, 0, 40, 0, 2, 999, 30, 12, 0, 4];
    let plain = counts(&n.into_iter().zip(c).collect::<Vec<_>>());
    let fit = fitted(beta_binomial(&plain, &[]).unwrap());
    close(fit.nll, 35.07812398019419, 1e-13);
    close(fit.law.alpha(), 0.29458665, 1e-6);
    close(fit.law.beta(), 0.142942, 1e-5);

    let c = [3, 1, 3, 7, 40, 9, 22, 999, 30, 12, 2, 4];
    let mut inflated: Vec<(u64, u64)> = n.into_iter().zip(c).collect();
    inflated.extend([(500, 0); 10]);
    let inflated = counts(&inflated);
    let null = fitted(beta_binomial(&inflated, &[]).unwrap());
    let fit = fitted(zero_inflated(&inflated, &[]).unwrap());
    close(null.nll, 60.58601447650125, 1e-12);
    close(fit.nll, 60.40689756357557, 1e-12);
    close(fit.max_coverage, 0.6787319801364118, 1e-5);
    close(fit.law.alpha(), 0.41189608, 1e-5);
    close(fit.law.beta(), 0.1997815, 1e-5);
    let test = full_coverage(&inflated);
    close(test.statistic, 0.3582338258513573, 1e-9);
    close(test.p_value, 0.2747443816352126, 1e-9);
}

#[test]
fn counts_without_a_most_likely_law_say_why() {
    use Outcome::{AllOrNothing, NoFailure, NoSpread, NoSuccess};
    let all: [(&[(u64, u64)], Outcome); 8] = [
        (&[(10, 0), (20, 0)], NoSuccess),
        (&[(10, 10), (20, 20)], NoFailure),
        (&[(10, 5), (20, 10), (100, 50)], NoSpread),
        (&[(10, 5), (10, 4), (10, 6)], NoSpread),
        (&[(7, 2)], NoSpread),
        (&[(1, 0), (1, 1), (1, 1)], NoSpread),
        (&[(10, 0), (10, 10), (30, 30)], AllOrNothing),
        (&[(1_000_000_000_000, 500_000_000_000), (1_000_000_000_000, 500_000_100_000)], NoSpread),
    ];
    for (data, want) in all {
        assert_eq!(beta_binomial(&counts(data), &[]).unwrap(), want, "{data:?}");
        assert_eq!(zero_inflated(&counts(data), &[]).unwrap(), want, "{data:?}");
    }
    // The solvable samples do not differ, but there is a share that cannot be solved.
    let mut split = vec![(100, 0); 30];
    split.extend([(100, 30), (100, 29), (100, 31), (100, 30)]);
    assert_eq!(zero_inflated(&counts(&split), &[]).unwrap(), NoSpread);
    assert!(beta_binomial(&counts(&split), &[]).unwrap().fitted().is_some());
    assert!(beta_binomial(&[], &[]).unwrap_err().is_input());
    // Counts of trillions have a likelihood too.
    let huge = counts(&[(1_000_000_000_000, 3), (1_000_000_000_000, 700_000_000), (1_000_000_000_000, 0)]);
    let law = fitted(beta_binomial(&huge, &[]).unwrap()).law;
    assert!(law.alpha() > law.beta() && law.beta() < 1.0, "{law:?}");
}

/// A standard Gamma variable (Marsaglia and Tsang 2000, with their boost for shapes below 1).
fn gamma(shape: f64, stream: &mut Stream) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, stream) * stream.uniform().powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let mut x = [0.0; 2];
        stream.fill_normal(&mut x);
        let x = f64::from(x[0]);
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && stream.uniform().ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
}

/// Counts of `samples` samples of `trials` trials from Eq 8.
fn simulated(max_coverage: f64, alpha: f64, beta: f64, samples: u32, trials: u64, stream: &mut Stream) -> Vec<Counts> {
    let mut sample = || {
        let (a, b) = (gamma(alpha, stream), gamma(beta, stream));
        let rate = if stream.uniform() < max_coverage { b / (a + b) } else { 0.0 };
        let successes = (0..trials).filter(|_| stream.uniform() < rate).count() as u64;
        Counts::new(trials, successes).unwrap()
    };
    (0..samples).map(|_| sample()).collect()
}

#[test]
fn likelihood_recovers_what_was_drawn() {
    let mut stream = Stream::new(11, 0);
    let data = simulated(0.7, 3.0, 0.5, 4000, 60, &mut stream);
    let fit = fitted(zero_inflated(&data, &curve(&data)).unwrap());
    close(fit.max_coverage, 0.7, 0.08);
    close(fit.law.alpha(), 3.0, 0.25);
    close(fit.law.beta(), 0.5, 0.25);
    assert!(fit.misfit.rmse < 0.01 && fit.misfit.max < 0.02, "{:?}", fit.misfit);
    close(fit.coverage(10.0), BetaLaw::new(3.0, 0.5).unwrap().coverage(10.0, 0.7), 0.05);
    let null = fitted(beta_binomial(&data, &curve(&data)).unwrap());
    assert!(null.nll > fit.nll && null.misfit.rmse > fit.misfit.rmse);
    assert!(full_coverage(&data).p_value < 0.05);
}

/// Where every sample can be solved, half of the tests find exactly nothing and few find something.
#[test]
fn the_test_of_full_coverage_keeps_its_level() {
    let mut stream = Stream::new(12, 0);
    let (mut nothing, mut rejected) = (0, 0);
    for _ in 0..40 {
        let data = simulated(1.0, 2.0, 0.7, 100, 30, &mut stream);
        let test = full_coverage(&data);
        nothing += u32::from(test.statistic < 1e-6);
        rejected += u32::from(test.p_value < 0.1);
    }
    assert!((12..=30).contains(&nothing), "{nothing}");
    assert!(rejected <= 9, "{rejected}");
}

/// The golden README's table: Eq 8 with and without A, and Eq 12 with the mean failure probability and the measured
/// spectral exponent 0.348.
#[test]
fn vae_fits_are_the_golden_ones() {
    // pass@1; alpha, beta, nll, RMSE without A; A, alpha, beta, nll, RMSE with A; RMSE of Eq 12. Parameters are the
    // roots of the score by scipy's fsolve.
    let golden = [
        (1e-3, [16.71794585, 0.01675028, 377.12659, 0.001], [1.0, 16.71794585, 0.01675028, 377.12659, 0.001], 0.18),
        (
            1e-2,
            [4.40795242, 0.04311381, 1067.31928, 0.015],
            [0.42708468, 6.34474438, 0.15164537, 1064.30023, 0.004],
            0.41,
        ),
        (
            0.1,
            [1.41660568, 0.13651174, 2653.12203, 0.047],
            [0.72020017, 2.19476287, 0.34215404, 2626.70615, 0.005],
            0.30,
        ),
        (
            0.5,
            [0.67112103, 0.49078833, 3887.47776, 0.054],
            [0.95026731, 0.85859274, 0.80515912, 3837.11153, 0.022],
            0.09,
        ),
    ];
    for ((threshold, counts), (pass_at_1, plain, inflated, eq12)) in vae_counts().into_iter().skip(1).zip(golden) {
        let curve = curve(&counts);
        close(curve[0].1, pass_at_1, 1e-3);
        let null = fitted(beta_binomial(&counts, &curve).unwrap());
        close(null.law.alpha(), plain[0], 2e-6);
        close(null.law.beta(), plain[1], 2e-6);
        close(null.nll, plain[2], 1e-8);
        let fit = fitted(zero_inflated(&counts, &curve).unwrap());
        close(fit.max_coverage, inflated[0], 2e-6);
        close(fit.law.alpha(), inflated[1], 2e-6);
        close(fit.law.beta(), inflated[2], 2e-6);
        close(fit.nll, inflated[3], 1e-8);
        let eq12_fit = eq12_least_squares(&[1.0 - pass_at_1], &curve, Some(0.348), Some(1.0)).unwrap();
        for (got, want) in [(null.misfit, plain[3]), (fit.misfit, inflated[4]), (eq12_fit.misfit, eq12)] {
            // The README's grid of k is not recorded, so neither is the last digit.
            assert!((got.rmse - want).abs() < 0.001 + 0.15 * want, "{threshold}: {got:?}, not {want}");
        }
    }
}

/// Data of real LLM runs: likelihoods no worse than scipy's, and its parameters. The table has alpha and beta on
/// success.
#[test]
fn llm_fits_are_those_of_scipy() {
    let Some(reference) = shared_csv("data/reference_fits.csv") else { return };
    for row in reference {
        let rows = shared_csv(&format!("data/{}_counts.csv", row[0])).unwrap();
        let of_model = rows.iter().filter(|problem| problem[0] == row[1]);
        let data: Vec<(u64, u64)> = of_model.map(|p| (p[3].parse().unwrap(), p[4].parse().unwrap())).collect();
        let fit = fitted(beta_binomial(&counts(&data), &[]).unwrap());
        let [alpha, beta, nll] = [13, 12, 14].map(|column: usize| row[column].parse::<f64>().unwrap());
        assert!(fit.nll < nll + 1e-3, "{} {}: {} above {nll}", row[0], row[1], fit.nll);
        close(fit.nll, nll, 1e-5);
        close(fit.law.alpha(), alpha, 0.01);
        close(fit.law.beta(), beta, 0.01);
        let points = curve(&counts(&data));
        for (k, column) in [(1.0, 7), (10.0, 8), (100.0, 9), (1000.0, 10)] {
            let value = points.iter().find(|point| point.0 == k).unwrap().1;
            assert!((value - row[column].parse::<f64>().unwrap()).abs() < 1e-5, "pass@{k}");
        }
    }
}

#[test]
fn least_squares_recovers_eq_8() {
    for (max_coverage, alpha, beta) in [(1.0, 4.65, 0.361), (0.965, 15.7, 0.29), (0.3, 0.6, 0.8), (0.8, 120.0, 1.7)] {
        let law = BetaLaw::new(alpha, beta).unwrap();
        let curve: Vec<(f64, f64)> =
            log_grid(10_000, 8).into_iter().map(|k| (k as f64, law.coverage(k as f64, max_coverage))).collect();
        let fit = eq8_least_squares(&curve).unwrap();
        close(fit.max_coverage, max_coverage, 1e-3);
        close(fit.law.alpha(), alpha, 1e-2);
        close(fit.law.beta(), beta, 1e-2);
        assert!(fit.misfit.max < 1e-5, "{fit:?}");
        assert!((fit.coverage(3e3) - law.coverage(3e3, max_coverage)).abs() < 1e-5);
    }
}

/// The published curves of Fig. 1, as digitised, and the parameters and errors in formulas.md.
#[test]
fn least_squares_reproduces_the_published_curves() {
    let Some(rows) = shared_csv("data/brown_math_coverage_digitized.csv") else { return };
    for (model, max_coverage, alpha, beta, rmse) in [
        ("Gemma 2B", 1.0, 4.65, 0.361, 0.018),
        ("Llama 3 8B", 1.0, 2.72, 0.388, 0.014),
        ("Pythia 2.8B", 0.965, 15.7, 0.290, 0.003),
    ] {
        let of_model = rows.iter().filter(|row| row[0] == model);
        let curve: Vec<(f64, f64)> = of_model.map(|row| (row[3].parse().unwrap(), row[4].parse().unwrap())).collect();
        let fit = eq8_least_squares(&curve).unwrap();
        assert!(fit.misfit.rmse < rmse + 5e-4, "{model}: {fit:?}");
        close(fit.max_coverage, max_coverage, 0.002);
        close(fit.law.alpha(), alpha, 0.005);
        close(fit.law.beta(), beta, 0.005);
    }
}

#[test]
fn least_squares_recovers_eq_12() {
    let ks = log_grid(100_000, 6);
    for failure in [vec![0.97], vec![0.5, 0.9, 0.999, 1.0]] {
        for (exponent, max_coverage) in [(0.0, 1.0), (0.35, 0.8), (1.2, 0.6)] {
            let value = |k: u64| max_coverage * coverage(&failure, effective_trials(k as f64, exponent));
            let curve: Vec<(f64, f64)> = ks.iter().map(|&k| (k as f64, value(k))).collect();
            let both = eq12_least_squares(&failure, &curve, None, None).unwrap();
            assert!((both.exponent - exponent).abs() < 1e-5, "{both:?}");
            assert!((both.max_coverage - max_coverage).abs() < 1e-5 && both.misfit.max < 1e-5, "{both:?}");
            assert!((both.coverage(&failure, 50.0) - value(50)).abs() < 1e-5);
            let one = eq12_least_squares(&failure, &curve, Some(exponent), None).unwrap();
            assert!((one.max_coverage - max_coverage).abs() < 1e-12 && one.misfit.max < 1e-12, "{one:?}");
            let other = eq12_least_squares(&failure, &curve, None, Some(max_coverage)).unwrap();
            assert!((other.exponent - exponent).abs() < 1e-6, "{other:?}");
        }
    }
}

#[test]
fn unusable_input_is_an_error() {
    let good = [(1.0, 0.1), (2.0, 0.2), (4.0, 0.3)];
    for bad in [(-1.0, 0.1), (f64::NAN, 0.1), (1.0, f64::NAN), (1.0, 1.5), (f64::INFINITY, 0.1)] {
        let mut curve = good.to_vec();
        curve.push(bad);
        assert!(eq8_least_squares(&curve).unwrap_err().is_input());
        assert!(eq12_least_squares(&[0.5], &curve, None, None).unwrap_err().is_input());
    }
    assert!(eq8_least_squares(&good[..2]).is_err());
    assert!(eq12_least_squares(&[], &good, None, None).is_err());
    assert!(eq12_least_squares(&[1.5], &good, None, None).is_err());
    assert!(eq12_least_squares(&[0.5], &good, Some(f64::NAN), None).is_err());
    assert!(eq12_least_squares(&[0.5], &good, None, Some(2.0)).is_err());
    // Curves that say nothing still end in a number.
    for flat in [0.0, 0.4, 1.0] {
        let fit = eq8_least_squares(&[(1.0, flat), (10.0, flat), (100.0, flat)]).unwrap();
        assert!(fit.misfit.max < 0.02, "{fit:?}");
    }
}
