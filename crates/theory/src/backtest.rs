//! Which method would have foretold what was measured: hides all but the first attempts and forecasts the rest.

use crate::{
    Data,
    coverage::Counts,
    fit::{Kind, Settings, fit},
    forecast::{bounds, by_law, chao, good_toulmin},
    npmle::npmle,
};
use retrial_spec::{Error, Observer, Progress, Result, Silent};

/// Every attempt at every sample: all samples were tried equally often, and successes are listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempts {
    trials: u64,
    /// Per sample, the trials that succeeded, from 0, increasing.
    successes: Vec<Vec<u64>>,
}

impl Attempts {
    /// `successes` holds the indices of each sample's successes, from 0, in any order. An error without samples or
    /// trials, for an index `>= trials`, or for an index named twice.
    pub fn new(trials: u64, mut successes: Vec<Vec<u64>>) -> Result<Self> {
        let limit = format!("must be different trials below {trials}, counted from 0");
        if trials == 0 || successes.is_empty() {
            let got = format!("{} samples of {trials} trials", successes.len());
            return Err(Error::input("attempts", got, "need a sample and a trial"));
        }
        for (i, list) in successes.iter_mut().enumerate() {
            list.sort_unstable();
            let repeated = list.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
            if let Some(bad) = repeated.or(list.last().copied().filter(|&last| last >= trials)) {
                return Err(Error::input(format!("successes of sample {}", i + 1), format!("trial {bad}"), limit));
            }
        }
        Ok(Self { trials, successes })
    }

    /// Trials of every sample.
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// The counts of the first `shown` trials, in the order of the samples. An error unless there are that many.
    pub fn first(&self, shown: u64) -> Result<Vec<Counts>> {
        if shown > self.trials {
            return Err(Error::input("attempts shown", shown, format!("there are {}", self.trials)));
        }
        let count = |list: &Vec<u64>| Counts::new(shown, list.partition_point(|&trial| trial < shown) as u64);
        self.successes.iter().map(count).collect()
    }
}

/// How one method did.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Score {
    /// Attempts shown.
    pub shown: u64,
    /// The method: a name of [`crate::fit::Kind`], or "NPMLE", "bounds", "Good-Toulmin", "Chao".
    pub method: &'static str,
    /// Its forecast of coverage at all trials; `None` where it has no answer.
    pub forecast: Option<f64>,
    /// Lower end of its 95 % interval, where it gives one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The coverage that was measured at all trials.
    pub truth: f64,
}

impl Score {
    /// The absolute error, where there is a forecast.
    pub fn error(&self) -> Option<f64> {
        self.forecast.map(|forecast| (forecast - self.truth).abs())
    }
}

/// How one method did over several groups.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Mean {
    /// The method.
    pub method: &'static str,
    /// Groups that it gave a forecast for.
    pub answered: usize,
    /// Its mean absolute error over the common groups; `None` unless it gave a forecast for each of them.
    pub error: Option<f64>,
    /// Its intervals over the common groups that held the truth.
    pub held: usize,
    /// Its intervals over the common groups.
    pub intervals: usize,
}

/// How the methods did over the same groups, and so how they compare: a method without an answer where the others are
/// far off would be the better for it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Comparison {
    /// Attempts shown.
    pub shown: u64,
    /// By group, whether it is common: whether every method that forecasts at least half of the groups forecasts it.
    pub common: Vec<bool>,
    /// In the order of the scores.
    pub methods: Vec<Mean>,
}

impl Comparison {
    /// Compares the methods at `shown` attempts; `groups` holds the scores of [`backtest`] by group.
    pub fn new(groups: &[Vec<Score>], shown: u64) -> Self {
        let scores: Vec<Vec<&Score>> =
            groups.iter().map(|scores| scores.iter().filter(|s| s.shown == shown).collect()).collect();
        let of = |method: &str, group: usize| scores[group].iter().find(|s| s.method == method);
        let forecasts = |method: &str, group: usize| of(method, group).is_some_and(|s| s.forecast.is_some());
        let mut methods: Vec<&'static str> = vec![];
        for score in scores.iter().flatten() {
            if !methods.contains(&score.method) {
                methods.push(score.method);
            }
        }
        let answered = |method: &str| (0..groups.len()).filter(|&group| forecasts(method, group)).count();
        let most: Vec<&str> = methods.iter().copied().filter(|m| 2 * answered(m) >= groups.len()).collect();
        let common: Vec<bool> =
            (0..groups.len()).map(|group| !most.is_empty() && most.iter().all(|m| forecasts(m, group))).collect();
        let mean = |method: &'static str| {
            let scores: Vec<&Score> =
                (0..groups.len()).filter(|&g| common[g]).filter_map(|g| of(method, g).copied()).collect();
            let errors: Option<Vec<f64>> = scores.iter().map(|s| s.error()).collect();
            let error = errors.filter(|e| !e.is_empty()).map(|e| e.iter().sum::<f64>() / e.len() as f64);
            let held: Vec<bool> = scores.iter().filter_map(|s| Some(s.low? <= s.truth && s.truth <= s.high?)).collect();
            Mean {
                method,
                answered: answered(method),
                error,
                held: held.iter().filter(|held| **held).count(),
                intervals: held.len(),
            }
        };
        Self { shown, methods: methods.into_iter().map(mean).collect(), common }
    }

    /// The method of the least mean error, the first among equals; `None` without a common group.
    pub fn best(&self) -> Option<(&'static str, f64)> {
        let means = self.methods.iter().filter_map(|mean| Some((mean.method, mean.error?)));
        means.min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Scores every method at each number of attempts `shown`, forecasting coverage at all trials. Laws by maximum
/// likelihood come with profile-likelihood intervals, those by least squares without. An error where `shown` is 0 or not
/// below the number of trials.
pub fn backtest(attempts: &Attempts, shown: &[u64], observer: &dyn Observer) -> Result<Vec<Score>> {
    if let Some(bad) = shown.iter().find(|&&shown| shown == 0 || shown >= attempts.trials) {
        let limit = format!("must be from 1 to {}, so that something is left to foretell", attempts.trials - 1);
        return Err(Error::input("attempts shown", bad, limit));
    }
    let truth = Data::new(&attempts.first(attempts.trials)?)?;
    let truth = truth.solved() / truth.samples();
    let k = [attempts.trials as f64];
    let total = (shown.len() * (Kind::fitted().count() + 1)) as u64;
    let mut scores = Vec::new();
    let mut done = 0;
    for &shown in shown {
        let data = Data::new(&attempts.first(shown)?)?;
        let mut step = || {
            done += 1;
            observer.progress(Progress { stage: "backtest", done, total, unit: "forecasts" });
            if observer.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
        };
        let mut add = |method: &'static str, forecast: Option<f64>, low: Option<f64>, high: Option<f64>| {
            scores.push(Score { shown, method, forecast, low, high, truth });
        };
        let settings = Settings { replicates: 0, seed: 0 };
        for kind in Kind::fitted() {
            let forecast = match fit(kind, &data) {
                Ok(fitted) => by_law(&fitted, &data, &k, &settings, &Silent)?.pop(),
                Err(_) => None,
            };
            add(kind.name(), forecast.map(|f| f.value), forecast.and_then(|f| f.low), forecast.and_then(|f| f.high));
            step()?;
        }
        add("NPMLE", Some(npmle(&data).coverage(k[0])), None, None);
        let worst = bounds(&data, &k)[0];
        add("bounds", None, Some(worst.low), Some(worst.high));
        let species = good_toulmin(&data, &k)?.pop();
        add("Good-Toulmin", species.map(|f| f.value), species.and_then(|f| f.low), species.and_then(|f| f.high));
        add("Chao", Some(chao(&data, &k)?[0].value), None, None);
        step()?;
    }
    Ok(scores)
}
