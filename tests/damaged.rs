//! Tallies that decode and yet cannot be: of a list of errors, or of the run that they lie in.

use crate::cli::{retrial, succeeds};
use retrial_engine::run::read;
use retrial_files::sha256_hex;
use retrial_spec::{Error, Shape, Tally, rng::Stream, tally::Unchecked};
use retrial_vae::weights;
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, fs, ops::Range, path::Path};

/// A tally in the open, with the layout of the true one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    thresholds: Vec<f32>,
    rows: Vec<OpenRow>,
    trials: Vec<Range<u64>>,
    counts_only: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OpenRow {
    counts_only: bool,
    successes: Vec<u64>,
    records: Vec<(u64, f32)>,
    worst: Option<(u64, f32)>,
    histogram: (usize, Vec<u64>),
}

impl Open {
    fn of(tally: &Tally) -> Self {
        postcard::from_bytes(&postcard::to_stdvec(tally).unwrap()).unwrap()
    }

    /// How many trials, in one range or none.
    fn count(&self) -> u64 {
        self.trials.iter().map(|range| range.end - range.start).sum()
    }

    fn set_count(&mut self, count: u64) {
        self.trials = (count > 0).then_some(0..count).into_iter().collect();
    }

    fn bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap()
    }
}

/// The tally that bytes hold, if they hold a possible one. A refusal is one line.
fn believed(bytes: &[u8]) -> Option<Tally> {
    match postcard::from_bytes::<Unchecked>(bytes).ok()?.check() {
        Ok(tally) => Some(tally),
        Err(error) => {
            assert!(error.is_input() && error.to_string().lines().count() == 1, "{error}");
            None
        }
    }
}

/// Three bins: a threshold within the first, another at its upper edge, and one within the last. Of each of the five parts
/// two values for best and worst trials, and a lesser one that any trial in between may have.
const THRESHOLDS: [f32; 3] = [1.0035, 1.007_812_5, 1.02];
const ERRORS: [f32; 10] = [1.001, 1.002, 1.005, 1.006, 1.009, 1.011, 1.017, 1.018, 1.021, 1.022];
const BETWEEN: [f32; 5] = [1.000_5, 1.004, 1.008_5, 1.016, 1.020_5];

fn tally(counts_only: bool, errors: &[f32]) -> Tally {
    let new = if counts_only { Tally::counts_only } else { Tally::new };
    let mut tally = new(1, &THRESHOLDS).unwrap();
    let (thresholds, rows) = tally.rows_mut();
    rows[0].add(thresholds, 0, errors);
    tally.add_trials(0..errors.len() as u64).unwrap();
    tally
}

/// Every tally of one number changed.
fn changed(open: &Open) -> Vec<Open> {
    let mut all = vec![];
    let mut change = |f: &dyn Fn(&mut Open)| {
        let mut changed = open.clone();
        f(&mut changed);
        all.push(changed);
    };
    for by in [-1, 1] {
        change(&|t| t.set_count(t.count().wrapping_add_signed(by)));
        change(&|t| t.rows[0].histogram.0 = t.rows[0].histogram.0.wrapping_add_signed(by as isize));
        for at in 0..open.rows[0].successes.len() {
            change(&|t| t.rows[0].successes[at] = t.rows[0].successes[at].wrapping_add_signed(by));
        }
        for at in 0..open.rows[0].histogram.1.len() {
            let to = |counts: &mut Vec<u64>, at: usize, by: i64| counts[at] = counts[at].wrapping_add_signed(by);
            change(&|t| to(&mut t.rows[0].histogram.1, at, by));
            for other in 0..open.rows[0].histogram.1.len() {
                change(&|t| {
                    to(&mut t.rows[0].histogram.1, at, by);
                    to(&mut t.rows[0].histogram.1, other, -by);
                });
            }
        }
        for at in 0..open.rows[0].records.len() {
            change(&|t| t.rows[0].records[at].0 = t.rows[0].records[at].0.wrapping_add_signed(by));
        }
        change(&|t| t.rows[0].worst.iter_mut().for_each(|w| w.0 = w.0.wrapping_add_signed(by)));
    }
    for error in ERRORS {
        for at in 0..open.rows[0].records.len() {
            change(&|t| t.rows[0].records[at].1 = error);
        }
        for trial in 0..=open.count() {
            change(&|t| t.rows[0].records.push((trial, error)));
            change(&|t| t.rows[0].worst = Some((trial, error)));
        }
    }
    for at in 0..open.rows[0].records.len() {
        change(&|t| _ = t.rows[0].records.remove(at));
    }
    change(&|t| t.rows[0].records.reverse());
    change(&|t| t.rows[0].worst = None);
    change(&|t| t.rows[0].histogram = (0, vec![]));
    change(&|t| t.rows[0].histogram.1.push(0));
    change(&|t| t.rows[0].histogram.1.insert(0, 0));
    change(&|t| t.rows[0].successes.push(0));
    change(&|t| _ = t.rows[0].successes.pop());
    change(&|t| t.counts_only ^= true);
    change(&|t| t.rows[0].counts_only ^= true);
    change(&|t| t.thresholds.reverse());
    change(&|t| t.thresholds[0] = f32::NAN);
    change(&|t| _ = t.thresholds.pop());
    all
}

/// Every list of up to four errors has a tally that is believed; of those with a number or two changed, just those are
/// that some list has.
#[test]
fn a_tally_is_believed_if_some_errors_give_it() {
    for counts_only in [false, true] {
        let mut lists: Vec<Vec<f32>> = vec![vec![]];
        let mut last = lists.clone();
        for _ in 0..4 {
            let errors = || ERRORS.into_iter().chain(BETWEEN);
            last = last.iter().flat_map(|list| errors().map(|e| [&list[..], &[e]].concat())).collect();
            lists.extend(last.clone());
        }
        let tallies: Vec<Open> = lists.iter().map(|list| Open::of(&tally(counts_only, list))).collect();
        let possible: HashSet<Vec<u8>> = tallies.iter().map(Open::bytes).collect();
        assert!(possible.iter().all(|bytes| believed(bytes).is_some()));
        let (mut stream, mut accepted) = (Stream::new(3, 0), 0);
        let known = |open: &Open| [&open.rows[0].records[..], open.rows[0].worst.as_slice()].concat();
        let named = |open: &&Open| known(open).iter().all(|(_, error)| ERRORS.contains(error));
        for open in tallies.iter().filter(named).step_by(7) {
            let once = changed(open);
            let again = changed(&once[stream.below(once.len() as u64) as usize]);
            for wrong in once.iter().chain(&again) {
                let bytes = wrong.bytes();
                if wrong.count() <= 4 && wrong.thresholds == THRESHOLDS {
                    assert_eq!(believed(&bytes).is_some(), possible.contains(&bytes), "{wrong:?}");
                    accepted += u32::from(possible.contains(&bytes));
                } else {
                    let _ = believed(&bytes);
                }
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }
}

/// Writes a tally file anew around other contents, with the checksum that they have.
fn reseal(file: &Path, payload: &[u8]) {
    let magic = b"RETRIAL-TALLY-3\n";
    fs::write(file, [magic, sha256_hex(payload).as_bytes(), b"\n", payload].concat()).unwrap();
}

/// A byte flipped, left out, put in or set, or a number that is as large as can be.
fn damage(payload: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    for _ in 0..=stream.below(3) {
        let at = stream.below(bytes.len() as u64) as usize;
        let largest = [&[0xFF; 9][..], &[1]].concat();
        match stream.below(6) {
            0 => bytes[at] ^= 1 << stream.below(8),
            1 => _ = bytes.remove(at),
            2 => bytes.insert(at, stream.below(256) as u8),
            3 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][stream.below(5) as usize],
            4 => bytes.truncate(at.max(1)),
            _ => _ = bytes.splice(at..=at, largest),
        }
    }
    bytes
}

/// Behind a right checksum, whatever a tally holds is refused in one line or is a possible tally of the run, without a
/// panic, a large allocation or a wait; and the program that reports on it ends with 0 or 2.
#[test]
fn a_damaged_tally_is_refused_or_possible() {
    let dir = tempfile::tempdir().unwrap();
    let (model, run) = (dir.path().join("weights.safetensors"), dir.path().join("run"));
    weights::save(&model, &retrial_check::weights(Shape { pixels: 784, hidden: 9, latent: 3 }, 1)).unwrap();
    for more in ["", "--counts-only --thresholds 12.5,13"] {
        let args =
            format!("--weights {} --samples 6 --trials 200 --correlate 20 --out {}", model.display(), run.display());
        succeeds(&format!("sample {args} {more} --force"));
        // Which would stand in for a damaged one.
        fs::remove_file(run.join("tally.previous.bin")).unwrap();
        let (_, whole) = read(&run).unwrap();
        let file = run.join("tally.bin");
        let sealed = fs::read(&file).unwrap();
        let payload = sealed[16 + 65..].to_vec();
        let kept = |bytes: &[u8]| {
            reseal(&file, bytes);
            read(&run).map(|(_, state)| state)
        };
        assert_eq!(kept(&payload).unwrap(), whole);

        let mut stream = Stream::new(7, 0);
        let (mut refused, mut programs) = (0, 0);
        for round in 0..1500 {
            let bytes = damage(&payload, &mut stream);
            let mut show = round % 500 == 0;
            match kept(&bytes) {
                Ok(state) => {
                    show |= state != whole;
                    let (tally, whole) = (&state.tally, &whole.tally);
                    assert_eq!(believed(&postcard::to_stdvec(tally).unwrap()).as_ref(), Some(tally));
                    assert_eq!((tally.rows().len(), tally.thresholds()), (6, whole.thresholds()));
                }
                Err(error @ Error::File { .. }) => {
                    assert!(error.to_string().lines().count() == 1, "{error}");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
            // What is believed, and some of what is not.
            if show && programs < 6 {
                let out = retrial(&format!("report {}", run.display()));
                let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
                assert!(matches!(out.status.code(), Some(0 | 2)), "{stderr}");
                assert!(
                    out.status.success() || stderr.starts_with("error: ") && stderr.lines().count() == 1,
                    "{stderr}"
                );
                programs += 1;
            }
        }
        assert!(refused > 1000, "{refused}");

        // A tally of other samples or thresholds than its run's, possible in itself.
        let mut open: (String, Open, Option<u8>) = postcard::from_bytes(&payload).unwrap();
        open.1.rows.pop();
        assert!(kept(&postcard::to_stdvec(&open).unwrap()).unwrap_err().to_string().contains("other samples"));
        let after = [&payload[..], &[0]].concat();
        assert!(kept(&after).unwrap_err().to_string().contains("after its end"));
        #[cfg(unix)]
        {
            // What has no end is no tally.
            fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
            assert!(read(&run).unwrap_err().to_string().contains("is no regular file"));
            fs::remove_file(&file).unwrap();
        }
    }
}

/// Counts above trials, records out of order and the like, each named in the one line that refuses it.
#[test]
fn contradictions_are_named() {
    let good = Open::of(&tally(false, &ERRORS));
    let refused = |words: &str, change: &dyn Fn(&mut Open)| {
        let mut wrong = good.clone();
        change(&mut wrong);
        let error = postcard::from_bytes::<Unchecked>(&wrong.bytes()).unwrap().check().unwrap_err().to_string();
        assert!(error.contains(words) && error.lines().count() == 1, "{error}");
    };
    assert!(believed(&good.bytes()).is_some());
    refused("counts that fall as errors rise", &|t| t.rows[0].successes[2] = 11);
    refused("counts that fall as errors rise", &|t| t.rows[0].successes.reverse());
    refused("records out of order", &|t| t.rows[0].records.extend([(9, 0.5), (8, 0.25)]));
    refused("records out of order", &|t| t.rows[0].records.push((5, 2.0)));
    refused("a record beyond all trials or errors", &|t| t.rows[0].records.push((10, 0.5)));
    for error in [f32::NAN, f32::INFINITY, -1.0] {
        refused("a record beyond all trials or errors", &|t| t.rows[0].records.push((5, error)));
        refused("a record beyond all trials or errors", &|t| t.rows[0].worst = Some((5, error)));
    }
    refused("a first record that is not the first trial", &|t| t.rows[0].records[0].0 = 1);
    refused("a worst trial that contradicts the records", &|t| t.rows[0].worst = Some((3, 1.0)));
    refused("a histogram of other than all trials", &|t| t.set_count(11));
    refused("a histogram of other than all trials", &|t| t.rows[0].histogram.1 = vec![u64::MAX, u64::MAX]);
    refused("a histogram that ends at other than", &|t| t.rows[0].histogram.0 = usize::MAX);
    refused("counts of other thresholds", &|t| t.rows[0].successes.push(10));
    refused("a row of another kind", &|t| t.rows[0].counts_only = true);
    refused("must increase strictly", &|t| t.thresholds.swap(0, 1));
    refused("threshold 1: got inf", &|t| t.thresholds[0] = f32::INFINITY);
}
