//! The Gram matrix of a run is a commutative monoid, however the run was cut, and what it sums up is Eq 17.

use crate::cli::{model, refuses, succeeds};
use ndarray_npy::read_npy;
use proptest::{collection::vec, prelude::*};
use retrial_engine::Drift;
use retrial_reference as reference;
use retrial_spec::{
    Gram, Tally,
    gram::{Band, Unchecked},
    rng::Stream,
};
use retrial_theory::{
    fit::Misfit,
    laws::{coverage, effective_trials},
    spectrum::{Standardised, eigenvalues, power_law},
};
use std::fs;

const BLOCK: usize = Gram::BLOCK;

/// Errors `[samples, trials]`: a level per sample, and noise of which each sample has more or less.
fn errors(samples: usize, trials: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, 0);
    let mut normals = vec![0.0; samples * (trials + 1)];
    stream.fill_normal(&mut normals);
    let (levels, noise) = normals.split_at(samples);
    (0..)
        .zip(noise)
        .map(|(at, z): (usize, _)| 9.0 + levels[at / trials] + (0.3 + (at / trials % 3) as f32) * z)
        .collect()
}

/// Trials `range` of errors of `trials` trials.
fn columns(errors: &[f32], trials: usize, range: std::ops::Range<usize>) -> Vec<f32> {
    errors.chunks(trials).flat_map(|row| row[range.clone()].to_vec()).collect()
}

fn gram(samples: usize, errors: &[f32]) -> Gram {
    let mut gram = Gram::new(samples, 7).unwrap();
    gram.add(0, errors).unwrap();
    gram
}

fn bytes(gram: &Gram) -> Vec<u8> {
    postcard::to_stdvec(gram).unwrap()
}

fn read(bytes: &[u8]) -> retrial_spec::Result<Gram> {
    postcard::from_bytes::<Unchecked>(bytes).unwrap().check()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Cut into windows, merged in any order and on any number of threads, a run has one matrix.
    #[test]
    fn cuts_order_and_threads_change_no_bit(
        samples in 2usize..14, cuts in vec((1usize..5, 1usize..4), 1..7), tail in 0..BLOCK, turn: u64, seed: u64,
    ) {
        let trials = cuts.iter().map(|(blocks, _)| blocks * BLOCK).sum::<usize>() + tail;
        let errors = errors(samples, trials, seed);
        let whole = gram(samples, &errors);
        prop_assert_eq!(whole.trials() as usize, trials - tail);

        let (mut first, mut parts) = (0, vec![]);
        for (blocks, threads) in cuts {
            let end = first + blocks * BLOCK;
            let mut part = whole.empty();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| part.add(first as u64, &columns(&errors, trials, first..end))).unwrap();
            parts.push(part);
            first = end;
        }
        let middle = turn as usize % parts.len();
        parts.rotate_left(middle);
        let (left, right) = parts.split_at(parts.len() / 2);
        let merged = |parts: &[Gram]| {
            let mut sum = whole.empty();
            parts.iter().for_each(|part| sum.merge(part).unwrap());
            sum
        };
        prop_assert_eq!(bytes(&merged(&parts)), bytes(&whole));
        prop_assert_eq!(merged(&[merged(right), whole.empty(), merged(left)]), whole.clone());
        prop_assert_eq!(read(&bytes(&whole)).unwrap(), whole);
    }

    /// Any damage that still decodes is refused or harmless: it never panics.
    #[test]
    fn damage_is_refused_or_harmless(at: prop::sample::Index, value: u8) {
        let mut bytes = bytes(&gram(3, &errors(3, 2 * BLOCK, 1)));
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(unchecked) = postcard::from_bytes::<Unchecked>(&bytes) && let Ok(gram) = unchecked.check() {
            gram.prefixes().for_each(|band| drop(band.data().gram()));
        }
    }
}

/// The matrix at every k against the slow f64 reference of the trials up to there: a quantum is all that they differ by.
#[test]
fn prefixes_are_those_of_the_reference() {
    let (samples, trials) = (11, 9 * BLOCK);
    let errors = errors(samples, trials, 5);
    let ends: Vec<Band> = gram(samples, &errors).prefixes().collect();
    assert_eq!(ends.iter().map(|band| band.trials() as usize).collect::<Vec<_>>(), [BLOCK, 4 * BLOCK, trials]);
    for band in ends {
        let k = band.trials() as usize;
        let wide: Vec<f64> = columns(&errors, trials, 0..k).into_iter().map(f64::from).collect();
        let want = reference::correlation(&wide, samples);
        let within = 0.51 * Gram::QUANTUM * (k / BLOCK) as f64;
        for (got, want) in band.data().gram().iter().zip(&want) {
            assert!((got - want).abs() * samples as f64 <= within, "{k}: {got} {want}");
        }
        assert_eq!(band.data().trials(), k as u64);
    }
}

/// Shuffles keep what each sample drew, and so every sum over its trials but for the standardisation; they take apart what
/// lies in the same trial.
#[test]
fn shuffles_keep_samples_and_part_trials() {
    let (samples, trials) = (8, 4 * BLOCK);
    // Every second sample shares the noise of a trial.
    let mut shared = vec![0.0; trials];
    Stream::new(2, 1).fill_normal(&mut shared);
    let mut errors = errors(samples, trials, 3);
    for (sample, row) in errors.chunks_mut(trials).enumerate() {
        row.iter_mut().zip(&shared).for_each(|(e, z)| *e += if sample % 2 == 0 { 3.0 * z } else { 0.0 });
    }
    let band = gram(samples, &errors).prefixes().last().unwrap();
    let second = |sums: &retrial_spec::gram::Sums| {
        let values = eigenvalues(&sums.gram(), samples).unwrap();
        values[1] / sums.trials() as f64
    };
    let nulls: Vec<f64> = band.shuffled().iter().map(second).collect();
    assert!(nulls.iter().all(|null| second(band.data()) > 1.5 * null), "{} {nulls:?}", second(band.data()));
    assert_ne!(band.shuffled()[0], band.shuffled()[1]);
}

/// A trial without spread has no standardised errors: it is left out, and counted.
#[test]
fn trials_without_spread_are_counted() {
    let mut flat = errors(4, BLOCK, 9);
    for row in flat.chunks_mut(BLOCK) {
        row[..10].fill(2.5);
        row[10] = if row[11] > 9.0 { f32::INFINITY } else { 1.0 };
    }
    let gram = gram(4, &flat);
    let band = gram.prefixes().next().unwrap();
    assert_eq!((band.trials(), band.data().trials()), (BLOCK as u64, BLOCK as u64 - 11));
    assert_eq!(read(&bytes(&gram)).unwrap(), gram);
}

#[test]
fn what_cannot_be_is_refused() {
    for samples in [0, 1, Gram::MAX_SAMPLES + 1, usize::MAX] {
        assert!(Gram::new(samples, 0).unwrap_err().is_input());
    }
    let errors = errors(3, BLOCK, 4);
    let mut one = gram(3, &errors);
    let twice = one.clone();
    assert!(one.merge(&twice).unwrap_err().to_string().contains("once"));
    assert!(one.add(0, &errors).is_err());
    assert!(one.add(1, &errors).unwrap_err().to_string().contains("multiple of 256"));
    assert!(one.add(256, &errors[1..]).is_err());
    assert!(one.merge(&Gram::new(3, 8).unwrap()).is_err());
    assert!(one.merge(&Gram::new(4, 7).unwrap()).is_err());
    assert_eq!(one, twice);
    // The last trials, and those beyond.
    one.add(Gram::MAX_TRIALS - 256, &errors.repeat(2)).unwrap();
    assert_eq!((one.trials(), one.prefixes().count()), (512, 1));
    one.add(u64::MAX - 255, &errors).unwrap();
    assert_eq!(one.trials(), 512);
    assert_eq!(read(&bytes(&one)).unwrap(), one);

    // Of what serialises the same, every impossible value.
    let good = serde_json::to_value(&twice).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = good.clone();
        change(&mut value);
        serde_json::from_value::<Unchecked>(value).unwrap().check().unwrap_err().to_string()
    };
    let data = |v: &mut serde_json::Value, field: &str, to: serde_json::Value| v["bands"]["0"]["data"][field] = to;
    assert!(refused(&|v| v["samples"] = 1.into()).contains("samples"));
    assert!(refused(&|v| v["samples"] = 4.into()).contains("other samples"));
    assert!(refused(&|v| v["bands"]["0"]["trials"] = 512.into()).contains("more than there are"));
    assert!(refused(&|v| v["bands"]["0"]["trials"] = 0.into()).contains("no trials"));
    assert!(refused(&|v| v["bands"]["0"]["trials"] = 100.into()).contains("whole blocks"));
    assert!(refused(&|v| v["bands"]["13"] = v["bands"]["0"].clone()).contains("beyond"));
    assert!(refused(&|v| v["bands"]["0"]["shuffled"] = vec![0; 0].into()).contains("shuffles"));
    assert!(refused(&|v| data(v, "trials", 255.into())).contains("trace"));
    assert!(refused(&|v| data(v, "trials", 257.into())).contains("more trials"));
    assert!(refused(&|v| data(v, "u", vec![1i64 << 40, 0, 0].into())).contains("sum above"));
    assert!(refused(&|v| data(v, "products", vec![0; 5].into())).contains("products"));
    assert!(refused(&|v| v["bands"]["0"]["data"]["products"][1] = (1i64 << 40).into()).contains("product above"));
    assert!(refused(&|v| v["bands"]["0"]["data"]["products"][0] = (-5).into()).contains("negative"));
}

fn tally(samples: usize, errors: &[f32]) -> Tally {
    let mut tally = Tally::new(samples, &[9.0, 10.0]).unwrap();
    let width = errors.len() / samples;
    let (thresholds, rows) = tally.rows_mut();
    rows.iter_mut().zip(errors.chunks(width)).for_each(|(row, errors)| row.add(thresholds, 0, errors));
    tally.add_trials(0..width as u64).unwrap();
    tally
}

/// What is said at every k is what the errors of the first k trials say, all of them in memory.
#[test]
fn the_drift_is_that_of_trials_in_memory() {
    let (samples, trials) = (20, 5 * BLOCK + 3);
    let errors = errors(samples, trials, 8);
    let tally = tally(samples, &errors);
    let drift = Drift::new(&gram(samples, &errors), &tally).unwrap();
    assert_eq!((drift.samples, drift.trials, drift.points.len()), (samples, 5 * BLOCK as u64, 3));
    for point in &drift.points {
        let first = Standardised::new(&columns(&errors, trials, 0..point.k as usize), samples).unwrap();
        assert!((point.rho - first.mean_correlation()).abs() < 1e-8);
        let values = eigenvalues(&first.gram(), samples).unwrap();
        assert_eq!(point.eigenvalues.len(), samples - 1);
        for (got, want) in point.eigenvalues.iter().zip(&values) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        let ranks = point.ranks.as_ref().unwrap();
        let exponent = power_law(&values, ranks.first..=ranks.last).unwrap().exponent;
        assert!((ranks.power_law.exponent - exponent).abs() < 1e-7);
        assert!((ranks.null.eigenvalues[0].mean / point.eigenvalues[0] - 1.0).abs() < 0.05);

        // Eqs 11 and 12 by hand, at the ends of the curve.
        let law = &ranks.laws[1];
        assert!((law.effective_trials - effective_trials(point.k as f64, exponent)).abs() < 1e-4);
        let failure: Vec<f64> = tally.successes(1).iter().map(|&c| 1.0 - c as f64 / trials as f64).collect();
        let at = |k: f64| coverage(&failure, effective_trials(k, exponent));
        let unbiased = 1.0 - failure.iter().sum::<f64>() / samples as f64;
        assert!(law.per_sample.max >= Misfit::of(&[(1.0, unbiased)], at).max - 1e-9);
    }
    for (csv, lines) in [(drift.csv(), 3 * 2), (drift.eigenvalues_csv(), 3 * 19)] {
        assert_eq!(csv.lines().count(), lines + 1);
        let cells = csv.lines().next().unwrap().matches(',').count();
        assert!(csv.lines().all(|line| line.matches(',').count() == cells), "{csv}");
    }
}

/// Fewer trials than samples: as many eigenvalues. Trials without noise: one eigenvalue, whatever rounding leaves, and no
/// power law.
#[test]
fn few_trials_and_no_noise() {
    let samples = BLOCK + 40;
    let many = errors(samples, BLOCK, 6);
    let drift = Drift::new(&gram(samples, &many), &tally(samples, &many)).unwrap();
    assert_eq!(drift.points[0].eigenvalues.len(), BLOCK);
    assert!(drift.points[0].eigenvalues[BLOCK - 1] > 0.0);

    let still: Vec<f32> = (0..9).flat_map(|sample| vec![9.0 + sample as f32 / 7.0; 4 * BLOCK]).collect();
    let drift = Drift::new(&gram(9, &still), &tally(9, &still)).unwrap();
    for point in &drift.points {
        assert!((point.eigenvalues[0] - point.k as f64).abs() < 1e-5 * point.k as f64);
        assert!(point.eigenvalues[1..].iter().all(|&rest| rest == 0.0), "{:?}", point.eigenvalues);
        assert!((point.rho - 1.0).abs() < 1e-6 && point.ranks.is_none());
    }
    let csv = drift.csv();
    let cells = csv.lines().next().unwrap().matches(',').count();
    assert!(csv.lines().all(|line| line.matches(',').count() == cells), "{csv}");
}

#[test]
fn the_command_tells_files_and_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let sample = |name: &str, kept: usize| {
        let out = dir.path().join(name);
        let model = model().display();
        succeeds(&format!(
            "sample --weights {model} --samples 12 --trials 700 --correlate {kept} --device cpu --out {}",
            out.display()
        ));
        out
    };
    let run = sample("run", 700);
    let text = succeeds(&format!("correlation {}", run.display()));
    for words in ["first 512 of 700 trials over 12 samples", "rho", "1+(k-1)rho", "shuffled", "Eq. 12", "threshold"] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    for file in ["correlation.csv", "eigenvalues.csv", "figures/fig8-correlation.svg", "figures/fig8-correlation.png"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let json = succeeds(&format!("correlation {} --json", run.display()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let errors: ndarray::Array2<f32> = read_npy(run.join("errors.npy")).unwrap();
    let first: Vec<f32> = errors.rows().into_iter().flat_map(|row| row.to_vec()[..512].to_vec()).collect();
    let rho = Standardised::new(&first, 12).unwrap().mean_correlation();
    let points = &json["correlation"]["points"];
    assert_eq!((&points[0]["k"], &points[1]["k"]), (&256.into(), &512.into()));
    assert!((points[1]["rho"].as_f64().unwrap() - rho).abs() < 1e-6);

    let short = sample("short", 255);
    refuses(&format!("correlation {}", short.display()), &["fewer than 256 trials"]);
    // Streamed, it is the same matrix, whatever the windows and however often the run stopped and went on.
    let streamed = dir.path().join("streamed");
    let part = |trials: u64, more: &str| {
        let (model, out) = (model().display(), streamed.display());
        succeeds(&format!(
            "sample --weights {model} --samples 12 --trials {trials} --correlate 20 --device cpu --gram --window 61 \
             --thresholds 8,9 --out {out} {more}"
        ));
    };
    part(300, "");
    part(301, "--resume");
    part(700, "--resume");
    let all: serde_json::Value =
        serde_json::from_str(&succeeds(&format!("correlation {} --json", streamed.display()))).unwrap();
    assert_eq!(all["correlation"]["points"][1]["eigenvalues"], points[1]["eigenvalues"]);
    for name in ["tally.bin", "tally.previous.bin"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    refuses(&format!("correlation {}", run.display()), &["tally.bin", "--resume"]);
    refuses(&format!("correlation {}", dir.path().join("none").display()), &["run.json"]);
}
