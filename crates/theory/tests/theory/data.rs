//! Measured data: the project's own, and what lies in `shared/` beside the checkout on the authors' machines.

use flate2::read::GzDecoder;
use retrial_theory::{backtest::Attempts, coverage::Counts};
use std::{collections::BTreeMap, fs, io::Read, path::Path};

/// The golden VAE counts at temperature 1: `(threshold, counts of 400 images of 20,000 trials each)`.
pub fn vae_counts() -> Vec<(f64, Vec<Counts>)> {
    let lines = include_str!("../data/vae_counts_t1.csv").lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| {
        let (threshold, counts) = line.split_once(',').unwrap();
        let mut successes: Vec<u64> = counts.split(',').map(|count| count.parse().unwrap()).collect();
        successes.resize(400, 0);
        let counts = successes.into_iter().map(|c| Counts::new(20_000, c).unwrap()).collect();
        (threshold.parse().unwrap(), counts)
    };
    lines.map(row).collect()
}

/// A file of `shared/`, or `None`, said aloud, where that folder is not there.
pub fn shared(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    let bytes = fs::read(&path).ok();
    if bytes.is_none() {
        eprintln!("SKIPPED part of a test: {} is not here", path.display());
    }
    bytes
}

/// The rows of a CSV file of `shared/`, without its header.
pub fn shared_csv(name: &str) -> Option<Vec<Vec<String>>> {
    let text = String::from_utf8(shared(name)?).unwrap();
    Some(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

/// The success counts of the twelve models of `reference_fits.csv`, by set and model, in its order.
pub fn llm_sets() -> Option<Vec<(String, Vec<Counts>)>> {
    let counts = |set: &str, model: &str| {
        let rows = shared_csv(&format!("data/{set}_counts.csv"))?;
        let of_model = rows.iter().filter(|row| row[0] == model);
        Some(of_model.map(|row| Counts::new(row[3].parse().unwrap(), row[4].parse().unwrap()).unwrap()).collect())
    };
    let models = shared_csv("data/reference_fits.csv")?;
    models.iter().map(|row| Some((format!("{} {}", row[0], row[1]), counts(&row[0], &row[1])?))).collect()
}

/// Every attempt of the seven Pythia models at 128 problems, by model.
pub fn pythia_attempts() -> Option<Vec<(String, Attempts)>> {
    let mut text = String::new();
    let packed = shared("data/pythia_math_success_attempts.csv.gz")?;
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    let mut models: BTreeMap<&str, BTreeMap<&str, Vec<u64>>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let [model, problem, attempt] = line.splitn(3, ',').collect::<Vec<_>>().try_into().unwrap();
        let attempt: u64 = attempt.parse().unwrap();
        models.entry(model).or_default().entry(problem).or_default().push(attempt - 1);
    }
    let attempts = |problems: BTreeMap<&str, Vec<u64>>| {
        let mut successes: Vec<Vec<u64>> = problems.into_values().collect();
        successes.resize(128, Vec::new());
        Attempts::new(10_000, successes).unwrap()
    };
    Some(models.into_iter().map(|(model, problems)| (model.to_owned(), attempts(problems))).collect())
}
