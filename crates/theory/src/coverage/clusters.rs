//! Samples that come in clusters: problems of one subject, questions on one text.

use super::{Counts, Point, point, student_t, unbiased};
use crate::normal::Z;
use retrial_spec::{Error, Result};

/// The unbiased curve with 95 % intervals for other *clusters* of samples of the same kind: samples of one cluster are
/// alike, and so say less than as many that are not. `cluster` holds the cluster of each sample, from 0. An error where
/// there are fewer than two, or not as many entries as counts. A `k` beyond the trials of some sample is left out.
///
/// The variance of the mean is that of the sums of deviations over clusters (Liang and Zeger 1986; Miller 2024, "Adding
/// Error Bars to Evals", arXiv 2411.00640), `G / (G-1) sum_g (sum_i d_gi)^2 / N^2` of `G` clusters, with Student's quantile
/// of `G - 1` degrees of freedom; the interval is Korn and Graubard's, as in [`unbiased_curve`](super::unbiased_curve). Few
/// clusters, or very unequal ones, make it too narrow.
pub fn clustered_curve(counts: &[Counts], cluster: &[usize], ks: &[u64]) -> Result<Vec<Point>> {
    if counts.len() != cluster.len() {
        let got = format!("{} of {} samples", cluster.len(), counts.len());
        return Err(Error::input("clusters", got, "need that of every sample"));
    }
    let all = cluster.iter().max().map_or(0, |last| last + 1);
    let mut seen = vec![false; all];
    cluster.iter().for_each(|&of| seen[of] = true);
    let clusters = seen.iter().filter(|seen| **seen).count();
    if clusters < 2 {
        return Err(Error::input("clusters", clusters, "need at least two: one says nothing of others"));
    }
    let (samples, clusters) = (counts.len() as f64, clusters as f64);
    let widen = (student_t(clusters - 1.0) / Z).powi(2);
    let at = |&k: &u64| {
        let values: Vec<f64> = counts.iter().map(|s| unbiased(s.trials(), s.successes(), k)).collect::<Option<_>>()?;
        let value = values.iter().sum::<f64>() / samples;
        let mut sums = vec![0.0; all];
        values.iter().zip(cluster).for_each(|(v, &of)| sums[of] += v - value);
        let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
        let least = counts.iter().map(Counts::trials).min().unwrap_or(1);
        let unseen = (2.0 * k as f64 / (least as f64 * samples)).powi(2);
        let variance = squares / (samples * samples) * clusters / (clusters - 1.0) * widen + unseen;
        let observations = (value * (1.0 - value) / variance).max(1.0);
        Some(point(k, value, observations))
    };
    Ok(ks.iter().filter_map(at).collect())
}
