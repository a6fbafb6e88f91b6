use retrial_spec::Result;
use retrial_theory::{
    coverage::{Counts, Point, Scope, log_grid, unbiased_curve},
    fit::{self, BetaFit, Outcome},
    tail::{Estimate, Method, Reach, Tail, TailPoint, tail_coverage},
};
use serde::Serialize;

/// The largest number of trials that coverage is followed to.
const MAX_TRIALS: u64 = 1_000_000_000_000_000;
const PER_DECADE: u32 = 4;
/// Fewer samples that are still unsolved show no power law.
const FEWEST: f64 = 5.0;

/// Coverage at one threshold far beyond the counted trials, beside the laws fitted to these.
#[derive(Clone, Debug, Serialize)]
pub struct Reached {
    /// Errors below it are successes.
    pub threshold: f32,
    /// Samples with and without a value.
    pub reach: Reach,
    /// From the success probabilities.
    pub points: Vec<TailPoint>,
    /// From the counted trials alone.
    pub counted: Vec<Point>,
    /// Eq 8 with a free maximal coverage, then with `A = 1`, where there is such a fit.
    pub laws: Vec<Law>,
}

/// Eq 8, fitted to counted trials, where nobody could look.
#[derive(Clone, Debug, Serialize)]
pub struct Law {
    /// "Eq 8" or "Eq 8 with A = 1".
    pub name: &'static str,
    /// The fit.
    #[serde(flatten)]
    pub fit: BetaFit,
    /// pass@k at the points' `k`.
    #[serde(skip)]
    pub curve: Vec<f64>,
    /// The first `k` beyond the counted trials at which the law leaves the interval for other samples of the same kind;
    /// `None` where it stays inside as far as five samples are unsolved.
    pub leaves_at: Option<f64>,
}

impl Reached {
    /// Of threshold `index` of all samples.
    pub fn new(threshold: f32, index: usize, tails: &[Tail]) -> Result<Self> {
        let of = |method: Method| tails.iter().map(move |tail| tail.thresholds[index][method as usize]);
        let estimates: Vec<Estimate> = of(Method::Combined).collect();
        let count =
            |e: Estimate| Counts::new(e.evaluations, (e.p.unwrap_or(0.0) * e.evaluations as f64).round() as u64);
        let counts = of(Method::Pilot).map(count).collect::<Result<Vec<Counts>>>()?;
        let ks: Vec<f64> = log_grid(MAX_TRIALS, PER_DECADE).into_iter().map(|k| k as f64).collect();
        let points = tail_coverage(&estimates, &ks);
        let trials = counts.iter().map(Counts::trials).min().unwrap_or(1);
        let counted = unbiased_curve(&counts, &log_grid(trials, 2 * PER_DECADE), Scope::Population)?;
        let curve = fit::pairs(&counted);
        let laws =
            [("Eq 8", fit::zero_inflated(&counts, &curve)?), ("Eq 8 with A = 1", fit::beta_binomial(&counts, &curve)?)];
        let laws = laws.into_iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Fitted(fit) => Some(Law::new(name, fit, &points, trials as f64, tails.len() as f64)),
            _ => None,
        });
        Ok(Self { threshold, reach: Reach::of(&estimates), counted, laws: laws.collect(), points })
    }

    /// The exponents that a power law would have beyond the counted trials, least and largest, as far as five samples are
    /// unsolved. `None` where fewer are.
    pub fn slopes(&self) -> Option<(f64, f64)> {
        let trials = self.counted.last().map_or(1.0, |point| point.k as f64);
        let samples = (self.reach.valued + self.reach.unvalued) as f64;
        let seen =
            self.points.iter().filter(|point| point.k >= trials && shown(point, samples)).map(|point| point.slope);
        seen.fold(None, |ends, s| Some(ends.map_or((s, s), |(low, high): (f64, f64)| (low.min(s), high.max(s)))))
    }
}

/// Whether enough samples are unsolved.
fn shown(point: &TailPoint, samples: f64) -> bool {
    (1.0 - point.value) * samples >= FEWEST
}

impl Law {
    fn new(name: &'static str, fit: BetaFit, points: &[TailPoint], trials: f64, samples: f64) -> Self {
        let curve: Vec<f64> = points.iter().map(|point| fit.coverage(point.k)).collect();
        let outside = |(point, value): &(&TailPoint, &f64)| {
            let (low, high) = point.population;
            point.k > trials && shown(point, samples) && !(low..=high).contains(value)
        };
        let leaves_at = points.iter().zip(&curve).find(outside).map(|(point, _)| point.k);
        Self { name, fit, curve, leaves_at }
    }
}

/// `tail_coverage.csv`.
pub fn coverage_csv(reached: &[Reached]) -> String {
    let mut csv = String::from("threshold,k,value,low,high,population_low,population_high,slope,eq8,eq8_a1\n");
    for Reached { threshold, points, laws, .. } in reached {
        for (at, p) in points.iter().enumerate() {
            let law = |name: &str| {
                laws.iter().find(|law| law.name == name).map_or(String::new(), |law| law.curve[at].to_string())
            };
            let (low, high) = p.population;
            csv += &format!(
                "{threshold},{},{},{},{},{low},{high},{},{},{}\n",
                p.k,
                p.value,
                p.low,
                p.high,
                p.slope,
                law("Eq 8"),
                law("Eq 8 with A = 1")
            );
        }
    }
    csv
}
