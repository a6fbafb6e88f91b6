//! Intervals from other samples of the same kind: samples drawn with replacement.

use super::{
    Interval, Law, Method, NoFit, Settings,
    estimate::{EXACT, ROUGH, again},
};
use crate::{
    Data,
    coverage::Counts,
    normal::{self, Z},
    parallel,
    sampling::binomial,
};
use retrial_spec::{Observer, Result, rng::Stream};

/// The random streams, one per replicate from here on, so that they share no number with other uses of the seed.
const RESAMPLE: u32 = u32::from_be_bytes([b'b', b's', 0, 0]);

/// The law refitted to other data.
pub(crate) struct Refits {
    found: Law,
    samples: f64,
    asked: u32,
    /// To samples drawn with replacement. Replicates that no law of this kind fits are left out.
    replicates: Vec<Law>,
    /// Replicates of which no sample is solved: there is no law, and coverage is 0 at every `k`.
    unsolved: usize,
    /// To the data less one sample, and how many samples that one stands for.
    jackknife: Vec<(Law, f64)>,
}

impl Refits {
    /// Refits `law`, the best for `data`, to as many replicates as `settings` ask for, and to the data without each of
    /// their samples. Samples with equal counts are equally influential: one of them is left out. Of more than 200
    /// distinct counts neighbours stand for each other.
    pub(crate) fn new(law: &Law, data: &Data, settings: &Settings, observer: &dyn Observer) -> Result<Self> {
        let refit = |replicate: u64| {
            let mut stream = Stream::new(settings.seed, RESAMPLE.wrapping_add(replicate as u32));
            Some(again(law, &resample(data, &mut stream)?, ROUGH))
        };
        let count = settings.replicates.into();
        let replicates = parallel::map(count, ("bootstrap", "replicates"), observer, refit)?;
        let deleted = representatives(data);
        let count = deleted.len() as u64;
        let refit = |i: u64| {
            let (at, weight) = deleted[i as usize];
            Some((again(law, &without(data, at)?, EXACT).ok()?, weight))
        };
        let jackknife = parallel::map(count, ("jackknife", "refits"), observer, refit)?;
        let unsolved = replicates.iter().filter(|refit| matches!(refit, Some(Err(NoFit::NoSuccess)))).count();
        Ok(Self {
            found: *law,
            samples: data.samples(),
            asked: settings.replicates,
            replicates: replicates.into_iter().flatten().flatten().collect(),
            unsolved,
            jackknife: jackknife.into_iter().flatten().collect(),
        })
    }

    /// The interval of the coverage of `k` trials.
    pub(crate) fn coverage(&self, k: f64) -> Option<[f64; 2]> {
        self.interval(|law| law.coverage(k), self.unsolved)
    }

    /// The BCa interval (Efron 1987) of what `of` takes from a law: percentiles of the replicates, moved by how many of
    /// them lie below what was found and by how skewed the influence of single samples is. `unsolved` replicates more have
    /// the value 0. `None` where fewer than 20 replicates, or fewer than 19 in 20 of them, have such a law.
    ///
    /// Its theory wants a smooth estimate. Where a maximal coverage sticks at its end, 0 or 1, in more than 2.5 % of the
    /// replicates, BCa holds too rarely if the truth is away from the end (.86 for 128 samples), and plain percentiles if
    /// it is there (.89): the interval spans both.
    fn interval(&self, of: impl Fn(&Law) -> f64, unsolved: usize) -> Option<[f64; 2]> {
        let values = self.replicates.iter().map(&of).filter(|value| !value.is_nan());
        let mut values: Vec<f64> = values.chain(std::iter::repeat_n(0.0, unsolved)).collect();
        let (found, count) = (of(&self.found), values.len() as f64);
        // One sample says nothing of others.
        if count < (0.95 * f64::from(self.asked)).max(20.0) || found.is_nan() || self.samples < 2.0 {
            return None;
        }
        values.sort_by(f64::total_cmp);
        // Ties count half; a bias beyond all replicates is not known any better than that.
        let [below, upto] =
            [values.partition_point(|v| *v < found), values.partition_point(|v| *v <= found)].map(|n| n as f64);
        let bias = normal::quantile((0.5 * (below + upto)).clamp(0.5, count - 0.5) / count);
        let acceleration = self.acceleration(&of);
        let at = |z: f64| {
            let slope = 1.0 - acceleration * (bias + z);
            let share =
                if slope > 0.0 { normal::below(bias + (bias + z) / slope) } else { f64::from(u8::from(z > 0.0)) };
            percentile(&values, share)
        };
        let [mut low, mut high] = [-Z, Z].map(at);
        let stuck = |law: &&Law| law.parameter("A").is_some_and(|a| !(1e-9..1.0 - 1e-9).contains(&a));
        if self.replicates.iter().filter(stuck).count() as f64 > 0.025 * count {
            (low, high) = (low.min(percentile(&values, 0.025)), high.max(percentile(&values, 0.975)));
        }
        Some([low.min(found), high.max(found)])
    }

    /// A sixth of the skewness of the influence that single samples have.
    fn acceleration(&self, of: impl Fn(&Law) -> f64) -> f64 {
        let values: Vec<(f64, f64)> = self.jackknife.iter().map(|(law, weight)| (of(law), *weight)).collect();
        let values: Vec<(f64, f64)> = values.into_iter().filter(|(value, _)| value.is_finite()).collect();
        let total: f64 = values.iter().map(|(_, weight)| weight).sum();
        let mean = values.iter().map(|(value, weight)| value * weight / total).sum::<f64>();
        let moment = |power: i32| values.iter().map(|(value, w)| w * (mean - value).powi(power)).sum::<f64>();
        let (square, cube) = (moment(2), moment(3));
        if square > 0.0 { cube / (6.0 * square.powf(1.5)) } else { 0.0 }
    }

    /// The intervals of all parameters.
    pub(crate) fn parameters(&self) -> Vec<Interval> {
        let interval = |(i, (parameter, _)): (usize, &(&'static str, f64))| {
            let [low, high] = self.interval(|law| law.parameters()[i].1, 0)?;
            Some(Interval { parameter, method: Method::Bootstrap, low, high })
        };
        self.found.parameters().iter().enumerate().filter_map(interval).collect()
    }
}

/// As many samples as there are, drawn with replacement.
fn resample(data: &Data, stream: &mut Stream) -> Option<Data> {
    let (mut left, mut weight_left) = (data.samples(), data.samples());
    let mut cells = Vec::with_capacity(data.cells().len());
    for &(s, weight) in data.cells() {
        let rest = weight_left - weight;
        let drawn = binomial(left as u64, weight / weight_left, (rest / weight_left).max(0.0), stream) as f64;
        if drawn > 0.0 {
            cells.push((s, drawn));
        }
        (left, weight_left) = (left - drawn, rest);
    }
    Data::of_cells(cells, data.batch()).ok()
}

/// Indices of the cells to leave a sample out of, and how many samples each stands for.
fn representatives(data: &Data) -> Vec<(usize, f64)> {
    const MAX_RUNS: usize = 200;
    let cells = data.cells();
    let run = cells.len().div_ceil(MAX_RUNS);
    let middle = |(i, same): (usize, &[(Counts, f64)])| (i * run + same.len() / 2, same.iter().map(|(_, w)| w).sum());
    cells.chunks(run).enumerate().map(middle).collect()
}

/// The data less one sample of a cell.
fn without(data: &Data, at: usize) -> Option<Data> {
    let mut cells = data.cells().to_vec();
    cells[at].1 -= 1.0;
    cells.retain(|(_, weight)| *weight > 0.0);
    Data::of_cells(cells, data.batch()).ok()
}

/// The value below which this share of sorted values lies, interpolated.
fn percentile(values: &[f64], share: f64) -> f64 {
    let last = values.len() - 1;
    let place = (share * (values.len() + 1) as f64 - 1.0).clamp(0.0, last as f64);
    let (floor, part) = (place.floor() as usize, place.fract());
    let next = values[(floor + 1).min(last)];
    if part == 0.0 || next == values[floor] { values[floor] } else { values[floor] + part * (next - values[floor]) }
}
