//! The spectrum by both ways, its null, and the golden errors.

use crate::{close, data::shared};
use retrial_spec::rng::Stream;
use retrial_theory::spectrum::{
    Exchangeable, Standardised, eigenvalues, independent_trials, permutation_null, power_law,
};

/// Errors `[samples, trials]` of exchangeable trials: a level per sample plus `noise` times its own normal per trial.
fn exchangeable(samples: usize, trials: usize, noise: f32, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, 0);
    let mut normals = vec![0.0; samples * (trials + 1)];
    stream.fill_normal(&mut normals);
    let (levels, rest) = normals.split_at(samples);
    rest.iter().zip(0..).map(|(z, at): (_, usize)| 10.0 + levels[at / trials] + noise * z).collect()
}

/// Eq 17 as written.
fn correlation(errors: &[f32], samples: usize, a: usize, b: usize) -> f64 {
    let trials = errors.len() / samples;
    let column = |j: usize| (0..samples).map(move |i| f64::from(errors[i * trials + j]));
    let mean = |j| column(j).sum::<f64>() / samples as f64;
    let covariance =
        |a, b| column(a).zip(column(b)).map(|(x, y)| (x - mean(a)) * (y - mean(b))).sum::<f64>() / samples as f64;
    covariance(a, b) / (covariance(a, a) * covariance(b, b)).sqrt()
}

#[test]
fn correlation_matrix_is_eq_17() {
    let errors = exchangeable(9, 5, 0.7, 1);
    let matrix = Standardised::new(&errors, 9).unwrap().correlation();
    for a in 0..5 {
        for b in 0..5 {
            assert!((matrix[5 * a + b] - correlation(&errors, 9, a, b)).abs() < 1e-12);
        }
    }
}

#[test]
fn gram_and_correlation_share_their_spectrum() {
    for (samples, trials) in [(30, 12), (12, 30), (20, 20)] {
        let errors = exchangeable(samples, trials, 1.5, 2);
        let standardised = Standardised::new(&errors, samples).unwrap();
        let by_gram = eigenvalues(&standardised.gram(), samples).unwrap();
        let by_trial = eigenvalues(&standardised.correlation(), trials).unwrap();
        let rank = trials.min(samples - 1);
        for (g, c) in by_gram[..rank].iter().zip(&by_trial) {
            assert!((g - c).abs() < 1e-10, "{g} {c}");
        }
        assert!(by_gram[rank..].iter().chain(&by_trial[rank..]).all(|&rest| rest == 0.0));
        assert!((by_gram.iter().sum::<f64>() - trials as f64).abs() < 1e-10);
        // rho by its definition.
        let matrix = standardised.correlation();
        let pairs = (trials * (trials - 1)) as f64;
        let rho = (matrix.iter().sum::<f64>() - trials as f64) / pairs;
        assert!((standardised.mean_correlation() - rho).abs() < 1e-13);
    }
}

/// Exchangeable trials: rho is the share of the variance between samples, the top eigenvalue `1 + (K-1) rho`.
#[test]
fn exchangeable_trials_have_one_eigenvalue() {
    let standardised = Standardised::new(&exchangeable(200, 20, 1.0, 3), 200).unwrap();
    let rho = standardised.mean_correlation();
    assert!((rho - 0.5).abs() < 0.05, "{rho}");
    let values = eigenvalues(&standardised.correlation(), 20).unwrap();
    close(values[0], 1.0 + 19.0 * rho, 0.01);
    assert!(values[1] < 1.0 && values[19] > 0.2);
    close(independent_trials(20, 0.5), 20.0 / 10.5, 1e-15);
    assert_eq!(independent_trials(7, 0.0), 7.0);
    close(independent_trials(1_000_000_000, 1.0), 1.0, 1e-15);
}

/// Noise that is alike in all samples fills the interval of Marchenko and Pastur, from few trials to many.
#[test]
fn exchangeable_trials_fill_the_predicted_interval() {
    let samples = 120;
    for trials in [30, 1200] {
        let standardised = Standardised::new(&exchangeable(samples, trials, 1.0, 5), samples).unwrap();
        let rho = standardised.mean_correlation();
        let Exchangeable { largest, others: (low, high) } = Exchangeable::new(trials as u64, samples, rho);
        let values = eigenvalues(&standardised.gram(), samples).unwrap();
        let smallest = values[trials.min(samples - 1) - 1];
        close(values[0], largest, 0.02);
        close(values[1], high, 0.1);
        close(smallest, low, 0.2);
    }
}

#[test]
fn known_spectra() {
    // Eigenvalues 3 and 1.
    let values = eigenvalues(&[2.0, 1.0, 1.0, 2.0], 2).unwrap();
    assert!((values[0] - 3.0).abs() < 1e-14 && (values[1] - 1.0).abs() < 1e-14);
    // Rank one, with rounding below 0.
    let values = eigenvalues(&[1.0, 1.0, 1.0, 1.0 - 1e-16], 2).unwrap();
    assert_eq!(values[1], 0.0);

    let law: Vec<f64> = (1..=50).map(|rank| 3.0 * f64::from(rank).powf(-0.7)).collect();
    let fit = power_law(&law, 2..=50).unwrap();
    close(fit.exponent, 0.7, 1e-13);
    close(fit.scale, 3.0, 1e-13);
}

#[test]
fn permutation_null_is_deterministic_and_flat_where_trials_are_alike() {
    // Exchangeable data are their own null: the measured exponent lies within the band, give or take its width.
    let errors = exchangeable(40, 60, 1.0, 4);
    let null = permutation_null(&errors, 40, 2..=30, 8, 9).unwrap();
    assert_eq!(null, permutation_null(&errors, 40, 2..=30, 8, 9).unwrap());
    assert_ne!(null, permutation_null(&errors, 40, 2..=30, 8, 10).unwrap());
    let measured = eigenvalues(&Standardised::new(&errors, 40).unwrap().gram(), 40).unwrap();
    let exponent = power_law(&measured, 2..=30).unwrap().exponent;
    let width = null.exponent.max - null.exponent.min;
    assert!((null.exponent.min - width..null.exponent.max + width).contains(&exponent), "{exponent} {null:?}");
    assert!(null.eigenvalues.iter().all(|band| band.min <= band.mean && band.mean <= band.max));
    close(measured[0], null.eigenvalues[0].mean, 0.05);

    // Trials that drift are not: trial j is easier for even samples and harder for odd ones, a second eigenvalue.
    let mut drifting = errors;
    for (at, error) in drifting.iter_mut().enumerate() {
        let (sample, trial) = (at / 60, at % 60);
        *error += (if sample % 2 == 0 { 1.0 } else { -1.0 }) * (trial as f32 / 10.0 - 3.0);
    }
    let null = permutation_null(&drifting, 40, 2..=30, 4, 9).unwrap();
    let measured = eigenvalues(&Standardised::new(&drifting, 40).unwrap().gram(), 40).unwrap();
    assert!(measured[1] > 3.0 * null.eigenvalues[1].max, "{} {:?}", measured[1], null.eigenvalues[1]);
}

#[test]
fn unusable_input_is_an_error() {
    assert!(Standardised::new(&[1.0, 2.0], 1).unwrap_err().is_input());
    assert!(Standardised::new(&[1.0, 2.0, 3.0], 2).unwrap_err().is_input());
    assert!(Standardised::new(&[], 2).unwrap_err().is_input());
    assert!(Standardised::new(&[1.0, 1.0], 2).unwrap_err().to_string().contains("trial 1"));
    assert!(Standardised::new(&[1.0, f32::NAN], 2).is_err());
    assert!(eigenvalues(&[1.0; 3], 2).is_err());
    assert!(eigenvalues(&[], 0).is_err());
    assert!(eigenvalues(&[f64::NAN], 1).is_err());
    assert!(eigenvalues(&[0.0, 1.0, 1.0, 0.0], 2).is_err());
    for ranks in [0..=2, 2..=2, 1..=4] {
        assert!(power_law(&[3.0, 2.0, 1.0, 0.0], ranks).is_err());
    }
    assert!(permutation_null(&[], 0, 1..=2, 1, 0).is_err());
}

/// 64 trials of the golden VAE at temperature 1, of the first 80 images to be quick: numpy's eigenvalues and rho.
#[test]
fn golden_spectrum() {
    let Some(file) = shared("golden/golden_err_T1.0.npy") else { return };
    let numbers = &file[file.len() - 8 * 400 * 64..]; // the header of an .npy file comes first
    let errors: Vec<f32> = numbers.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()) as f32).collect();
    let all = Standardised::new(&errors, 400).unwrap();
    close(all.mean_correlation(), 0.55888948, 1e-5);
    let few = Standardised::new(&errors[..80 * 64], 80).unwrap();
    let spectrum = eigenvalues(&few.gram(), 80).unwrap();
    for (got, want) in spectrum.iter().zip([39.87353127, 1.41465099, 1.29281880, 1.20776013]) {
        close(*got, want, 1e-5);
    }
    close(power_law(&spectrum, 2..=50).unwrap().exponent, 0.92956049, 1e-5);
}
