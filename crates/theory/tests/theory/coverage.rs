//! Estimators against exact arithmetic, their intervals against enumeration and simulation.

use crate::close;
use retrial_spec::rng::Stream;
use retrial_theory::{
    Data,
    coverage::{
        Counts, Estimator, Point, Scope, all_succeed, anytime, clustered_curve, first_success_curve, log_grid,
        most_succeed, unbiased, unbiased_curve,
    },
};

fn counts(trials: u64, successes: &[u64]) -> Vec<Counts> {
    successes.iter().map(|&c| Counts::new(trials, c).unwrap()).collect()
}

/// Pascal's triangle: `C(n, k)` for `n <= 60`, exact.
fn binomials() -> Vec<Vec<u64>> {
    let mut rows: Vec<Vec<u64>> = vec![vec![1]];
    for n in 1..=60usize {
        let above = &rows[n - 1];
        let row = (0..=n).map(|k| if k == 0 || k == n { 1 } else { above[k - 1] + above[k] }).collect();
        rows.push(row);
    }
    rows
}

/// Every `n <= 60`, `c` and `k` against integers: values, edges, monotony.
#[test]
fn unbiased_is_exact_for_small_n() {
    let choose = binomials();
    for n in 1..=60u64 {
        for c in 0..=n {
            let mut before = 0.0;
            for k in 0..=n {
                let all = choose[n as usize][k as usize];
                let fail = choose[(n - c) as usize].get(k as usize).copied().unwrap_or(0);
                let got = unbiased(n, c, k).unwrap();
                if fail == all {
                    assert_eq!(got.to_bits(), 0f64.to_bits(), "{n} {c} {k}");
                } else {
                    close(got, (all - fail) as f64 / all as f64, 1e-14);
                }
                assert!(got >= before - 1e-15 && got >= unbiased(n, c.saturating_sub(1), k).unwrap() - 1e-15);
                before = got;
            }
            assert_eq!(unbiased(n, c, n), Some(if c > 0 { 1.0 } else { 0.0 }));
            assert_eq!(unbiased(n, c, n + 1), None);
        }
    }
    assert_eq!(unbiased(5, 6, 1), None);
}

/// mpmath.
#[test]
fn unbiased_for_large_n() {
    const T: u64 = 1_000_000_000_000;
    for (n, c, k, want) in [
        (T, 1, 1, 1e-12),
        (T, 3, 1_000_000, 2.999997000004e-6),
        (T, 1_000_000, 1_000_000, 0.6321209267080602),
        (T, 5, T / 10, 0.4095100000006561),
        (T, T / 10, 5, 0.4095100000006561),
        (T, 7, T - 8, 1.0),
        (T, 123_456, 789, 9.74020461637609e-5),
        (20_000, 57, 10_000, 1.0),
        (10_000, 9_990, 3, 0.999999999279784),
        (1_000_000_000, 10_000, 100_000, 0.632140792879966),
        (T, T / 2, 3, 0.875000000000375),
        (T, 1_000_000_000, 1_000, 0.6323045754128837),
        (T, 12_345_678, 40_000, 0.38971558612153545),
    ] {
        close(unbiased(n, c, k).unwrap(), want, 1e-12);
    }
    for c in [1, 2, 999, 123_456_789, T - 1, T] {
        close(unbiased(T, c, 1).unwrap(), c as f64 / T as f64, 1e-15);
    }
}

#[test]
fn grids() {
    assert_eq!(log_grid(10, 3), [1, 2, 5, 10]);
    assert_eq!(log_grid(7, 1), [1, 7]);
    assert_eq!(log_grid(1, 10), [1]);
    assert!(log_grid(0, 10).is_empty());
    for k_max in [2, 20_000, 999_999_999_999, u64::MAX] {
        let grid = log_grid(k_max, 10);
        assert!(grid.windows(2).all(|w| w[0] < w[1]) && grid[0] == 1 && grid.last() == Some(&k_max));
    }
}

#[test]
fn curves_are_means_over_samples() {
    let samples = [Counts::new(10, 1).unwrap(), Counts::new(20, 0).unwrap(), Counts::new(10, 10).unwrap()];
    let curve = unbiased_curve(&samples, &[1, 5, 10, 11], Scope::Benchmark).unwrap();
    let values: Vec<(u64, f64)> = curve.iter().map(|p| (p.k, p.value)).collect();
    assert_eq!(curve.len(), 3, "k = 11 is beyond the trials of two samples: {values:?}");
    for ((k, got), want) in values.into_iter().zip([1.1 / 3.0, 1.5 / 3.0, 2.0 / 3.0]) {
        assert!((got - want).abs() < 1e-15, "k = {k}: {got}");
    }
    let first = [Some(0), Some(9), None, Some(4)];
    let curve = first_success_curve(&first, 10, &[0, 1, 4, 5, 10, 11]).unwrap();
    assert_eq!(
        curve.iter().map(|p| (p.k, p.value)).collect::<Vec<_>>(),
        [(0, 0.0), (1, 0.25), (4, 0.25), (5, 0.5), (10, 0.75)]
    );
}

#[test]
fn impossible_counts_are_errors() {
    assert!(Counts::new(0, 0).unwrap_err().is_input());
    assert!(Counts::new(3, 4).unwrap_err().is_input());
    assert!(unbiased_curve(&[], &[1], Scope::Benchmark).unwrap_err().is_input());
    assert!(first_success_curve(&[], 5, &[1]).unwrap_err().is_input());
    assert!(first_success_curve(&[Some(5)], 5, &[1]).unwrap_err().is_input());
}

/// Clopper-Pearson by its definition: at the lower end, so many successes or more have probability 2.5 %.
#[test]
fn first_success_intervals_are_clopper_pearson() {
    let choose = binomials();
    let tail = |n: usize, from: usize, p: f64| -> f64 {
        (from..=n).map(|c| choose[n][c] as f64 * p.powi(c as i32) * (1.0 - p).powi((n - c) as i32)).sum()
    };
    for solved in 0..=40usize {
        let first: Vec<Option<u64>> = (0..40).map(|i| (i < solved).then_some(0)).collect();
        let Point { low, high, .. } = first_success_curve(&first, 1, &[1]).unwrap()[0];
        if solved > 0 {
            close(tail(40, solved, low), 0.025, 1e-9)
        } else {
            assert_eq!(low, 0.0)
        }
        if solved < 40 { close(1.0 - tail(40, solved + 1, high), 0.025, 1e-9) } else { assert_eq!(high, 1.0) }
    }
}

/// Probabilities of `c = 0..=n` successes in `n` trials that each succeed with probability `rate`.
fn binomial_law(n: u64, rate: f64) -> Vec<f64> {
    let mut law = vec![0.0; n as usize + 1];
    law[0] = 1.0;
    for trials in 1..=n as usize {
        for c in (0..=trials).rev() {
            law[c] = law[c] * (1.0 - rate) + if c > 0 { law[c - 1] * rate } else { 0.0 };
        }
    }
    law
}

/// Enumerates all outcomes for `n <= 12`: the estimate is unbiased, and so is the estimate of its variance.
#[test]
fn estimate_and_variance_are_unbiased() {
    for n in 2..=12u64 {
        for rate in [0.03, 0.4, 0.9f64] {
            let law = binomial_law(n, rate);
            let mean = |f: &dyn Fn(u64) -> f64| law.iter().zip(0..).map(|(p, c)| p * f(c)).sum::<f64>();
            for k in 1..=n / 2 {
                let estimate = |c| unbiased(n, c, k).unwrap();
                close(mean(&estimate), 1.0 - (1.0 - rate).powi(k as i32), 1e-12);
                let variance = mean(&|c| estimate(c).powi(2)) - mean(&estimate).powi(2);
                let fail = |c, k| 1.0 - unbiased(n, c, k).unwrap();
                let estimated = mean(&|c| fail(c, k).powi(2) - fail(c, 2 * k));
                assert!((estimated - variance).abs() < 1e-14, "{n} {rate} {k}: {estimated} {variance}");
            }
        }
    }
}

/// Draws from a discrete law by inversion.
fn draw(cumulative: &[f64], stream: &mut Stream) -> u64 {
    let u = stream.uniform();
    cumulative.partition_point(|&p| p <= u).min(cumulative.len() - 1) as u64
}

fn cumulative(law: &[f64]) -> Vec<f64> {
    law.iter()
        .scan(0.0, |sum, p| {
            Some({
                *sum += p;
                *sum
            })
        })
        .collect()
}

/// Share of simulated curves whose interval holds the truth, and the mean width, for each `k`.
struct Simulation {
    holds: Vec<f64>,
    width: Vec<f64>,
}

/// `experiment` makes one curve; its points are compared with `truth(k)`.
fn simulate(
    repeats: u32,
    ks: &[u64],
    truth: impl Fn(u64) -> f64,
    mut experiment: impl FnMut() -> Vec<Point>,
) -> Simulation {
    let mut result = Simulation { holds: vec![0.0; ks.len()], width: vec![0.0; ks.len()] };
    for _ in 0..repeats {
        for (at, p) in experiment().into_iter().enumerate() {
            let t = truth(p.k);
            result.holds[at] += f64::from(u8::from(p.low <= t && t <= p.high)) / f64::from(repeats);
            result.width[at] += (p.high - p.low) / f64::from(repeats);
        }
    }
    result
}

/// Success rates of very different samples: uniform in the logarithm over four decades.
fn rates(samples: usize, stream: &mut Stream) -> Vec<f64> {
    (0..samples).map(|_| 10f64.powf(-4.0 * stream.uniform())).collect()
}

/// The same 60 samples tried again and again: 95 % intervals hold the truth 95 % of the time, a little more where few
/// successes or `k > n/2` make them conservative, and are narrower than those for a population.
#[test]
fn benchmark_intervals_hold() {
    const N: u64 = 200;
    let ks = [1, 10, 50, 100, 150, 200];
    let mut stream = Stream::new(1, 0);
    let rates = rates(60, &mut stream);
    let laws: Vec<Vec<f64>> = rates.iter().map(|&rate| cumulative(&binomial_law(N, rate))).collect();
    let truth = |k: u64| rates.iter().map(|rate| 1.0 - (1.0 - rate).powi(k as i32)).sum::<f64>() / 60.0;
    let got = simulate(500, &ks, truth, || {
        let successes: Vec<u64> = laws.iter().map(|law| draw(law, &mut stream)).collect();
        unbiased_curve(&counts(N, &successes), &ks, Scope::Benchmark).unwrap()
    });
    assert!(got.holds.iter().all(|&h| h > 0.93), "{:?}", got.holds);
    assert!(got.holds[..3].iter().all(|&h| h < 0.99), "{:?}", got.holds);
    let successes: Vec<u64> = laws.iter().map(|law| draw(law, &mut stream)).collect();
    let population = unbiased_curve(&counts(N, &successes), &ks, Scope::Population).unwrap();
    assert!(population.iter().zip(&got.width).take(4).all(|(p, width)| p.high - p.low > 1.5 * width));
}

/// Rare successes, where a normal approximation fails: most experiments see none or one.
#[test]
fn benchmark_intervals_hold_for_rare_successes() {
    const N: u64 = 100;
    let ks = [1, 10, 50, 100];
    for rate in [2e-4, 1e-3] {
        let mut stream = Stream::new(2, 0);
        let law = cumulative(&binomial_law(N, rate));
        let truth = |k: u64| 1.0 - (1.0 - rate).powi(k as i32);
        let got = simulate(500, &ks, truth, || {
            let successes: Vec<u64> = (0..20).map(|_| draw(&law, &mut stream)).collect();
            unbiased_curve(&counts(N, &successes), &ks, Scope::Benchmark).unwrap()
        });
        assert!(got.holds.iter().all(|&h| h > 0.96), "{rate}: {:?}", got.holds);
    }
}

/// Samples drawn anew each time: the intervals hold the population's coverage, by both estimators, for many samples and
/// few.
#[test]
fn population_intervals_hold() {
    const N: u64 = 100;
    let ks = [1, 10, 50, 100];
    // E over rates 10^-4u of 1 - (1 - rate)^k, by the midpoint rule.
    let grid: Vec<f64> = (0..4000).map(|i| 10f64.powf(-4.0 * (f64::from(i) + 0.5) / 4000.0)).collect();
    let truth = |k: u64| grid.iter().map(|rate| 1.0 - (1.0 - rate).powi(k as i32)).sum::<f64>() / 4000.0;
    let laws: Vec<Vec<f64>> = grid.iter().map(|&rate| cumulative(&binomial_law(N, rate))).collect();
    for samples in [20, 100] {
        let mut stream = Stream::new(3, samples);
        let got = simulate(400, &ks, truth, || {
            let mut one = || draw(&laws[stream.below(4000) as usize], &mut stream);
            let successes: Vec<u64> = (0..samples).map(|_| one()).collect();
            unbiased_curve(&counts(N, &successes), &ks, Scope::Population).unwrap()
        });
        assert!(got.holds.iter().all(|&h| h > 0.91), "{samples}: {:?}", got.holds);
        let got = simulate(500, &ks, truth, || {
            let mut one = || {
                let rate = grid[stream.below(4000) as usize];
                Some((stream.uniform().ln() / (-rate).ln_1p()) as u64).filter(|&at| at < N)
            };
            let first: Vec<Option<u64>> = (0..samples).map(|_| one()).collect();
            first_success_curve(&first, N, &ks).unwrap()
        });
        assert!(got.holds.iter().all(|&h| h > 0.94), "{samples}: {:?}", got.holds);
    }
}

/// Extremes have finite, sensible intervals: never a point that claims certainty.
#[test]
fn intervals_of_extremes() {
    for scope in [Scope::Benchmark, Scope::Population] {
        for successes in [[0, 0, 0], [100, 100, 100], [50, 50, 50], [0, 100, 100]] {
            for p in unbiased_curve(&counts(100, &successes), &[0, 1, 30, 51, 100], scope).unwrap() {
                assert!(0.0 <= p.low && p.low <= p.value && p.value <= p.high && p.high <= 1.0, "{p:?}");
                assert!(p.k == 0 || p.value > 0.9999 || p.high - p.low > 1e-3, "{successes:?} {p:?}");
            }
        }
        let one = unbiased_curve(&counts(100, &[3]), &[1], scope).unwrap()[0];
        let ends = (one.low > 0.0 && one.high < 1.0, (one.low, one.high) == (0.0, 1.0));
        assert_eq!(ends, (scope == Scope::Benchmark, scope == Scope::Population), "{one:?}");
    }
    // No success in 3 x 100 trials: the rule of three, 3.69 / 300.
    let none = unbiased_curve(&counts(100, &[0, 0, 0]), &[1], Scope::Benchmark).unwrap()[0];
    close(none.high, 3.6889 / 300.0, 0.01);
}

/// pass^k and G-Pass@k against sums of exact binomial coefficients, for all n to 30.
#[test]
fn other_estimators_are_exact() {
    let choose = binomials();
    for n in 1..=30usize {
        for c in 0..=n {
            for k in 1..=n {
                let term = |x: usize| if x <= c && k - x <= n - c { choose[c][x] * choose[n - c][k - x] } else { 0 };
                let tail = |least: usize| (least..=k).map(term).sum::<u64>() as f64 / choose[n][k] as f64;
                let [n, c, k64] = [n, c, k].map(|count| count as u64);
                assert!((all_succeed(n, c, k64).unwrap() - tail(k)).abs() < 1e-13, "{n} {c} {k}");
                for tau in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    let least = ((tau * k as f64).ceil() as usize).max(1);
                    let got = most_succeed(n, c, k64, tau).unwrap();
                    assert!((got - tail(least)).abs() < 1e-12, "{n} {c} {k} {tau}: {got}, not {}", tail(least));
                }
            }
        }
    }
    assert_eq!((all_succeed(5, 2, 6), most_succeed(5, 2, 6, 0.5), most_succeed(5, 2, 3, 1.5)), (None, None, None));
    assert_eq!(all_succeed(5, 6, 1), None);
}

/// The ends of G-Pass@k are pass@k and pass^k for any n; in between, a million of a trillion trials are as good as
/// independent, and half of them succeed half of the time.
#[test]
fn other_estimators_for_large_n() {
    const T: u64 = 1_000_000_000_000;
    for (n, c, k) in [(T, 1_000_000, 1_000_000), (T, T / 10, 5), (T, T - 7, T / 2), (10_000, 57, 300)] {
        close(most_succeed(n, c, k, 0.0).unwrap(), unbiased(n, c, k).unwrap(), 1e-9);
        close(most_succeed(n, c, k, 1.0).unwrap(), all_succeed(n, c, k).unwrap(), 1e-9);
    }
    let half = most_succeed(T, T / 2, 1_000_001, 0.5).unwrap();
    close(half, 0.5, 1e-9);
    close(all_succeed(T, T - 7, T / 2).unwrap(), 0.0078125, 1e-9);
}

/// Intervals of pass^k are those of pass@k with success and failure exchanged; those of G-Pass@k hold the estimate.
#[test]
fn curves_of_other_estimators() {
    let [data, mirror] = [[3, 0, 17, 40], [37, 40, 23, 0]].map(|c| Data::new(&counts(40, &c)).unwrap());
    for scope in [Scope::Benchmark, Scope::Population] {
        let all = data.unbiased(Estimator::AllPass, &[1, 5, 20, 41], scope).unwrap();
        let any = mirror.unbiased(Estimator::Pass, &[1, 5, 20], scope).unwrap();
        assert_eq!(all.len(), 3);
        for (all, any) in all.iter().zip(&any) {
            assert!((all.value + any.value - 1.0).abs() < 1e-14);
            assert!((all.low + any.high - 1.0).abs() < 1e-9 && (all.high + any.low - 1.0).abs() < 1e-9);
        }
        for p in data.unbiased(Estimator::MostPass(0.5), &[1, 5, 20, 40], scope).unwrap() {
            assert!(p.low < p.value && p.value < p.high, "{p:?}");
        }
    }
    let stopped = Data::stopped(&[Counts::new(3, 1).unwrap()]).unwrap();
    assert!(stopped.unbiased(Estimator::Pass, &[1], Scope::Benchmark).unwrap_err().is_input());
}

/// The product limit by hand: of 5 samples one is solved at trial 2, one gives up after 3, two are solved at 4.
#[test]
fn stopped_curves_by_hand() {
    let samples = [(2, 1), (3, 0), (4, 1), (4, 1), (6, 0)].map(|(n, c)| Counts::new(n, c).unwrap());
    let data = Data::stopped(&samples).unwrap();
    let want = [(1.0, 0.0), (2.0, 0.2), (3.0, 0.2), (4.0, 1.0 - 0.8 / 3.0), (6.0, 1.0 - 0.8 / 3.0)];
    let got = data.values(&[1, 2, 3, 4, 6, 7]);
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!(got.0 == want.0 && (got.1 - want.1).abs() < 1e-15, "{got:?}, not {want:?}");
    }
    let points = data.curve(&[1, 2, 3, 4, 6, 7], Scope::Population);
    assert!(points.iter().zip(&got).all(|(p, got)| p.value == got.1 && p.low <= p.value && p.value <= p.high));
    // With equally many attempts it is the first-success curve.
    let samples = [(2, 1), (9, 0), (4, 1), (9, 1), (9, 0)].map(|(n, c)| Counts::new(n, c).unwrap());
    let first = [Some(1), None, Some(3), Some(8), None];
    let want = first_success_curve(&first, 9, &[1, 2, 5, 9]).unwrap();
    for (got, want) in Data::stopped(&samples).unwrap().curve(&[1, 2, 5, 9], Scope::Population).iter().zip(want) {
        assert!((got.value - want.value).abs() < 1e-15 && (got.high - want.high).abs() < 1e-9, "{got:?} {want:?}");
    }
}

/// One sample says nothing of others, whatever `k`.
#[test]
fn one_sample_stands_for_no_other() {
    let counts = [Counts::new(10, 3).unwrap()];
    for point in unbiased_curve(&counts, &[1, 4, 5, 6, 7], Scope::Population).unwrap() {
        assert!(point.low < 0.03 && point.high > 0.97, "{point:?}");
    }
}

/// Trials go on, and at every moment from the first to the last the interval holds the truth, in 95 % of all cases; the
/// interval for one moment, looked at again and again, does not.
#[test]
fn intervals_for_any_moment_hold_at_all() {
    let rates: Vec<f64> = (0..12).map(|i| 0.02 + 0.04 * f64::from(i)).collect();
    const REPEATS: u32 = 200;
    for k in [1, 3] {
        let truth = rates.iter().map(|q| 1.0 - (1.0 - q).powi(k as i32)).sum::<f64>() / rates.len() as f64;
        let (mut held, mut held_once) = (0u32, 0u32);
        for seed in 0..REPEATS {
            let mut stream = Stream::new(seed.into(), 5);
            let mut successes = vec![0; rates.len()];
            let (mut all, mut once) = (true, true);
            for n in 1..=400u64 {
                for (c, q) in successes.iter_mut().zip(&rates) {
                    *c += u64::from(stream.uniform() < *q);
                }
                // Every moment early on, then some.
                if n < k || n > 20 && n % 19 != 0 {
                    continue;
                }
                let now = counts(n, &successes);
                let (_, value, [low, high]) = anytime(&now, &[k]).unwrap()[0];
                assert!(low <= value && value <= high);
                all &= low <= truth && truth <= high;
                let one = unbiased_curve(&now, &[k], Scope::Benchmark).unwrap()[0];
                once &= one.low <= truth && truth <= one.high;
            }
            held += u32::from(all);
            held_once += u32::from(once);
        }
        let share = |held: u32| f64::from(held) / f64::from(REPEATS);
        assert!(share(held) > 0.95 - 4.0 * (0.95f64 * 0.05 / f64::from(REPEATS)).sqrt(), "{k}: {}", share(held));
        assert!(share(held_once) < 0.9, "{k}: {}", share(held_once));
    }
    // No wider than twice the interval for one moment, after many trials.
    let many = counts(10_000, &[100, 2000, 5000, 9000]);
    let (_, _, [low, high]) = anytime(&many, &[1]).unwrap()[0];
    let one = unbiased_curve(&many, &[1], Scope::Benchmark).unwrap()[0];
    assert!(high - low < 4.0 * (one.high - one.low) && high - low > one.high - one.low, "{low} {high} {one:?}");
    assert!(anytime(&many, &[10_001]).unwrap().is_empty());
    let unequal = [Counts::new(4, 1).unwrap(), Counts::new(5, 1).unwrap()];
    assert!(anytime(&unequal, &[1]).is_err() && anytime(&[], &[1]).is_err());
}

/// Problems of one subject are alike: intervals for other subjects hold, and those for problems do not.
#[test]
fn intervals_for_clusters_hold() {
    const CLUSTERS: usize = 30;
    let ks = [1, 5];
    let mut held = [0.0; 2];
    let mut held_as_problems = 0.0;
    const REPEATS: u32 = 400;
    // The mean of 1 - (1-q)^k over subjects of q = 0.4 u + 0.05 v with u of the subject and v of the problem.
    let truth = |k: i32| {
        let grid = |i: u32| (f64::from(i) + 0.5) / 400.0;
        let one = |(u, v): (f64, f64)| 1.0 - (1.0 - 0.4 * u - 0.05 * v).powi(k);
        (0..400).flat_map(|i| (0..400).map(move |j| (grid(i), grid(j)))).map(one).sum::<f64>() / 160_000.0
    };
    let truths = [truth(1), truth(5)];
    for seed in 0..REPEATS {
        let mut stream = Stream::new(seed.into(), 6);
        let (mut of, mut cluster) = (vec![], vec![]);
        for subject in 0..CLUSTERS {
            let u = stream.uniform();
            for _ in 0..8 {
                let q = 0.4 * u + 0.05 * stream.uniform();
                let c = (0..20).filter(|_| stream.uniform() < q).count() as u64;
                of.push(Counts::new(20, c).unwrap());
                cluster.push(subject);
            }
        }
        let points = clustered_curve(&of, &cluster, &ks).unwrap();
        for ((held, p), truth) in held.iter_mut().zip(&points).zip(truths) {
            *held += f64::from(u8::from(p.low <= truth && truth <= p.high));
        }
        let p = unbiased_curve(&of, &[1], Scope::Population).unwrap()[0];
        held_as_problems += f64::from(u8::from(p.low <= truths[0] && truths[0] <= p.high));
    }
    let all = f64::from(REPEATS);
    assert!(held.iter().all(|held| (0.915..=0.985).contains(&(held / all))), "{held:?}");
    assert!(held_as_problems / all < 0.8, "{held_as_problems}");
    // Clusters of one are no clusters.
    let one = counts(100, &[3, 50, 20, 80, 0, 7, 33, 61]);
    let each: Vec<usize> = (0..8).collect();
    let (a, b) =
        (clustered_curve(&one, &each, &[1]).unwrap()[0], unbiased_curve(&one, &[1], Scope::Population).unwrap()[0]);
    close(a.low, b.low, 0.01);
    close(a.high, b.high, 0.01);
    assert!(clustered_curve(&one, &[0; 8], &[1]).is_err() && clustered_curve(&one, &[0, 1], &[1]).is_err());
}
