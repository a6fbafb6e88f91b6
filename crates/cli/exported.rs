//! What a page exported, held against a run of the same trials.

use retrial_engine::{Manifest, State};
use retrial_files::read_up_to;
use retrial_spec::{Error, Result, Row, tally::Histogram};
use serde::Deserialize;
use std::path::Path;

/// Above any export: 60,000 samples with histograms.
const MAX_BYTES: u64 = 1 << 30;
/// The noise of browsers and that of the CPU differ by 1e-6 or so, which moves an error across an edge now and then: by a
/// hundredth of a bin, 6e-5 of the error, at most.
const BAND: f64 = 0.01;

/// The JSON that the page of `retrial page` exports.
#[derive(Deserialize)]
struct Export {
    model: Model,
    seed: String,
    temperature: f64,
    first: String,
    end: String,
    histogram: Bins,
}

#[derive(Deserialize)]
struct Model {
    weights: String,
    data: String,
}

/// Counts of the histogram's bins, `[samples, bins]`.
#[derive(Deserialize)]
struct Bins {
    first_bin: usize,
    counts: Vec<Vec<u64>>,
}

/// How well an export and a run agree.
pub struct Agreement {
    /// Samples that were compared: the first of the run, all of the export.
    pub samples: usize,
    /// Edges of bins, in all samples, at which the numbers of errors below were compared.
    pub edges: usize,
    /// At how many of them they differ.
    pub differ: usize,
    /// The largest difference.
    pub largest: u64,
    /// The sample, the edge and both numbers, where they differ by more than the noise's last digits explain.
    pub fault: Option<String>,
}

/// Holds an export against a run.
///
/// # Errors
/// [`Error::File`] where the export cannot be read, [`Error::Input`] where it is of something else than the run.
pub fn check(path: &Path, manifest: &Manifest, state: &State) -> Result<Agreement> {
    let export: Export = serde_json::from_slice(&read_up_to(path, MAX_BYTES)?)
        .map_err(|fault| Error::file(path, fault, "give the JSON that the page exports"))?;
    let trials = state.trials().to_string();
    let exported = export.trials(path)?;
    let Export { model, histogram, .. } = &export;
    for (what, theirs, ours) in [
        ("model", &model.weights, &manifest.model.sha256),
        ("data", &model.data, &manifest.data.sha256),
        ("seed", &export.seed, &manifest.seed.to_string()),
        ("temperature", &export.temperature.to_string(), &manifest.temperature.to_string()),
        ("trials", &exported, &trials),
    ] {
        if theirs != ours {
            let limit = format!("the run has {ours}; sample the same trials of the same model");
            return Err(Error::input(path.display(), format!("{what} {theirs}"), limit));
        }
    }
    let (samples, most) = (histogram.counts.len(), manifest.data.samples);
    if !(1..=most).contains(&samples) {
        return Err(Error::input(path.display(), format!("{samples} samples"), format!("the run has {most}")));
    }
    if state.tally.is_counts_only() {
        let limit = "the run only counted; sample it again without --counts-only, to have a histogram to check";
        return Err(Error::input(path.display(), "counts of all errors", limit));
    }
    let mut agreement = Agreement { samples, edges: 0, differ: 0, largest: 0, fault: None };
    let counted = state.trials().count();
    for (sample, counts) in histogram.counts.iter().enumerate() {
        let all = counts.iter().fold(0u64, |sum, &count| sum.saturating_add(count));
        let fits = histogram.first_bin.saturating_add(counts.len()) <= Histogram::BINS;
        if all != counted || !fits {
            let fault = format!("sample {sample} counts {all} errors from bin {} on", histogram.first_bin);
            let fix = format!("must be all {counted} trials, in bins below {}; export again", Histogram::BINS);
            return Err(Error::file(path, fault, fix));
        }
    }
    for (sample, (row, counts)) in state.tally.rows().iter().zip(&histogram.counts).enumerate() {
        agreement.add(sample, row, histogram.first_bin, counts);
    }
    Ok(agreement)
}

impl Export {
    /// As a run writes its trials.
    fn trials(&self, path: &Path) -> Result<String> {
        let number = |text: &str| {
            text.parse::<u64>().map_err(|_| Error::file(path, format!("trial {text:?}"), "must be a whole number"))
        };
        let (first, end) = (number(&self.first)?, number(&self.end)?);
        if first >= end {
            return Err(Error::file(path, format!("trials {first} to {end}"), "let the page run before it exports"));
        }
        Ok(retrial_spec::Trials::from(first..end).to_string())
    }
}

impl Agreement {
    fn add(&mut self, sample: usize, row: &Row, first: usize, counts: &[u64]) {
        let ours = |bin: usize| row.histogram().count(bin);
        let theirs = |bin: usize| bin.checked_sub(first).and_then(|at| counts.get(at)).copied().unwrap_or(0);
        let bins = row.histogram().bins();
        let (start, end) =
            (bins.start.min(first), bins.end.max(first.saturating_add(counts.len())).min(Histogram::BINS));
        let (mut below, mut theirs_below) = (0u64, 0u64);
        for bin in start..end {
            (below, theirs_below) = (below + ours(bin), theirs_below.saturating_add(theirs(bin)));
            let difference = below.abs_diff(theirs_below);
            let near = ours(bin) + ours(bin + 1);
            self.edges += 1;
            self.differ += usize::from(difference > 0);
            self.largest = self.largest.max(difference);
            // A few by chance where few are expected.
            let allowed = BAND * near as f64 + 3.0 * (BAND * near as f64).sqrt() + 1.0;
            if difference as f64 > allowed && self.fault.is_none() {
                let edge = Histogram::edge(bin + 1);
                self.fault = Some(format!(
                    "sample {sample}: {theirs_below} errors below {edge} on the page, {below} in the run; at most {} may \
                     differ",
                    allowed.floor()
                ));
            }
        }
    }
}
