//! The Gram matrix of a run is a commutative monoid, however the run was cut, and what it sums up is Eq 17.

use proptest::{collection::vec, prelude::*};
use retrial_reference as reference;
use retrial_spec::{
    Gram,
    gram::{Band, Unchecked},
    rng::Stream,
};

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
    gram.add(1, 0, errors).unwrap();
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
            part.add(threads, first as u64, &columns(&errors, trials, first..end)).unwrap();
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
        let values = retrial_theory::spectrum::eigenvalues(&sums.gram(), samples).unwrap();
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
    for samples in [0, 1, Gram::MOST_SAMPLES + 1, usize::MAX] {
        assert!(Gram::new(samples, 0).unwrap_err().is_input());
    }
    let errors = errors(3, BLOCK, 4);
    let mut one = gram(3, &errors);
    let twice = one.clone();
    assert!(one.merge(&twice).unwrap_err().to_string().contains("once"));
    assert!(one.add(1, 0, &errors).is_err());
    assert!(one.add(1, 1, &errors).unwrap_err().to_string().contains("multiple of 256"));
    assert!(one.add(1, 256, &errors[1..]).is_err());
    assert!(one.merge(&Gram::new(3, 8).unwrap()).is_err());
    assert!(one.merge(&Gram::new(4, 7).unwrap()).is_err());
    assert_eq!(one, twice);
    // The last trials, and those beyond.
    one.add(2, Gram::MOST_TRIALS - 256, &errors.repeat(2)).unwrap();
    assert_eq!((one.trials(), one.prefixes().count()), (512, 1));
    one.add(2, u64::MAX - 255, &errors).unwrap();
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
